"""One fault, in three notations that mean the same, and the faults that have not acted yet.

::

    Fault("status", code=503, on="submit", times=2, retry_after=1)                             # in code
    status:503,on=submit,times=2,retry_after=1                                                 # on the command line
    {"name": "status", "code": 503, "on": "submit", "times": 2, "retry_after": 1}              # over the control route
"""

from __future__ import annotations

import difflib
import re
import shlex
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from ...errors import InvalidInputError
from ..checks import is_seconds, is_whole, number_text
from .table import KINDS, ROUTES, Kind, Part, Times

_COMMON = ("name", "on", "times", "after")
_TEXTS = ("on", "detail", "field", "word", "to", "reason")  # which stay texts even if they look like a number
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


_PARTS: tuple[Part, ...] = ("response", "pace", "silence", "end")
"""The parts of the exchange of a request, in the order in which their faults act."""


def _parameter(what: str, is_valid: Callable[[Any], bool]) -> Any:
    """Declare a parameter: what a valid value is, in words and as a check."""

    def validate(fault: Fault, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is not None and attribute.name not in fault.kind.usual:
            raise _not_taken(fault.name, attribute.name)
        if value is not None and not is_valid(value):
            given = str(value)[:100]
            raise InvalidInputError(f"fault {fault.name!r}: {attribute.name} must be {what}, not {given!r}.")

    return attrs.field(default=None, kw_only=True, validator=validate)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_origin(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and is_bare
    except ValueError:  # a port or an IPv6 address that is none
        return False


@attrs.frozen
class Fault:
    """One fault, which acts so many times.

    Parameters that its name does not take must be left out; the others have defaults.

    Attributes:
        name: The kind of fault; see `decart.emulator.faults.table.KINDS`.
        on: The requests that it affects: ``submit``, ``status``, ``content``, ``generate``, ``files``, ``tokens`` or
            ``any``. A fault of jobs affects accepted jobs.
        times: How often it acts; ``"forever"`` for always.
        after: How many matching requests it ignores first.
        code: The HTTP status.
        detail: The ``detail`` of the body.
        retry_after: Seconds, sent as a number in ``Retry-After``.
        retry_after_date: Seconds from now, sent as a date in ``Retry-After``.
        field: The field that is removed.
        word: The unknown status.
        seconds: The length of the silence, or of each pause.
        bytes: How much of the body is sent, or is sent at a time.
        to: The origin that a redirect leads to.
        reason: Why a job fails.

    Raises:
        InvalidInputError: The name is unknown, or a parameter is invalid.

    Example:
        >>> Fault("status", times=2, on="submit")
        Fault('status:503,on=submit,times=2')
    """

    name: str
    on: str = _parameter(f"one of {', '.join(ROUTES)}", lambda value: value in ROUTES)
    times: Times = _parameter(
        "a whole number, 1 or more, or 'forever'", lambda value: value == "forever" or is_whole(value, 1)
    )
    after: int = _parameter("a whole number, 0 or more", is_whole)
    code: int | None = _parameter("an HTTP status, 200 to 599", lambda value: is_whole(value, 200, 599))
    detail: str | None = _parameter("some text in one line", _is_text)
    retry_after: float | None = _parameter("a number of seconds", is_seconds)
    retry_after_date: float | None = _parameter("a number of seconds from now", is_seconds)
    field: str | None = _parameter("some text in one line", _is_text)
    word: str | None = _parameter("some text in one line", _is_text)
    seconds: float | None = _parameter("a number of seconds", is_seconds)
    bytes: int | None = _parameter("a whole number of bytes", is_whole)
    to: str | None = _parameter("the address of an origin, such as https://elsewhere.invalid", _is_origin)
    reason: str | None = _parameter("some text in one line", _is_text)

    def __attrs_post_init__(self) -> None:
        for name, usual in self.kind.usual.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
        if self.kind.part == "job" and self.on != "any":
            raise InvalidInputError(f"fault {self.name!r}: it affects accepted jobs; leave on= out.")
        if self.name == "drip" and not self.bytes:
            raise InvalidInputError("fault 'drip': bytes must be 1 or more.")

    def __repr__(self) -> str:
        return f"Fault({str(self)!r})"

    def __str__(self) -> str:
        """Return it as text, as for the command line."""
        given = self.as_json()
        name, main = given.pop("name"), given.pop(self.kind.main or "", None)
        words = [name if main is None else f"{name}:{_quoted(main)}"]
        return ",".join(words + [f"{key}={_quoted(value)}" for key, value in given.items()])

    @property
    def kind(self) -> Kind:
        """The row of its name in the table."""
        return KINDS[self.name]

    @property
    def drops(self) -> bool:
        """Whether there is no response."""
        return self.name in ("drop-before", "drop-after")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON for the control route, without defaults except that of the main parameter."""
        usual = self.kind.usual | ({} if self.kind.main is None else {self.kind.main: None})
        return {"name": self.name} | {key: getattr(self, key) for key in usual if getattr(self, key) != usual[key]}


PARAMETERS = tuple(field.name for field in attrs.fields(Fault) if field.name not in _COMMON)
"""The parameters that some faults take."""

FaultLike = Fault | str | Mapping[str, Any]
"""A fault in any notation."""


def kind_of(name: object) -> Kind:
    """Return the row of a name in the table.

    Raises:
        InvalidInputError: The name is unknown.
    """
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    given = str(name)[:100]
    near = [f"; did you mean {one!r}?" for one in difflib.get_close_matches(given.lower(), KINDS, n=1)]
    what = f"there is no fault named {given!r}{''.join(near) or '.'}" if name else "a fault needs a name."
    raise InvalidInputError(f"{what} The faults are: {', '.join(KINDS)}.")


def fault_of(given: FaultLike) -> Fault:
    """Return a fault from any notation.

    Raises:
        InvalidInputError: It is invalid; the message says why.
    """
    if isinstance(given, Fault):
        return attrs.evolve(given)  # a new object, so that equal faults can be distinguished
    values = _parsed(given) if isinstance(given, str) else given
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"fault: it must be a Fault, a text or an object, not {type(given).__name__}.")
    taken = kind_of(values.get("name")).usual
    for key in values:
        if key not in ("name", *taken):
            raise _not_taken(values["name"], repr(str(key)[:100]))
    return Fault(**values)


def _not_taken(name: object, parameter: str) -> InvalidInputError:
    taken = ", ".join(kind_of(name).usual)
    return InvalidInputError(f"fault {name!r}: it takes no {parameter}; it takes {taken}.")


def _parsed(text: str) -> dict[str, Any]:
    """Return the values of a fault that is written as text."""
    words = shlex.shlex(text, posix=True)
    words.whitespace, words.quotes, words.commenters, words.whitespace_split = ",", '"', "", True
    try:
        first, *rest = [word.lstrip() for word in words] or [""]
    except ValueError as error:
        raise InvalidInputError(f"fault: {text[:100]!r} cannot be read ({error}).") from None
    name, colon, main = first.partition(":")
    kind = kind_of(name)
    if colon and kind.main is None:
        raise InvalidInputError(f"fault {name!r}: it takes no value after a colon.")
    values: dict[str, Any] = {"name": name}
    for word in [f"{kind.main}={main}"] * bool(colon) + rest:
        key, equals, value = word.partition("=")
        key = key.strip()
        if not equals or key in values:
            raise InvalidInputError(
                f"fault {name!r}: {word[:100]!r} is not of the form key=value, each key once;"
                " a value with a comma needs quotation marks."
            )
        is_number = key not in _TEXTS and _NUMBER.fullmatch(value)
        values[key] = (float(value) if "." in value else int(value)) if is_number else value
    return values


def _quoted(value: object) -> str:
    """Return a parameter as text, in quotes if it needs them."""
    text = number_text(value) if isinstance(value, float) else str(value)
    if any(character in text for character in ',"\\') or text != text.strip():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


class Faults:
    """The pending faults, in order; one that is used up is removed.

    Example:
        >>> emulator.faults.add("status:503,on=submit,times=2", Fault("drop-after"))
        >>> emulator.faults.left
        (Fault('status:503,on=submit,times=2'), Fault('drop-after'))
    """

    def __init__(self, faults: FaultLike | Iterable[FaultLike] = ()) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        several: Any = [faults] if isinstance(faults, (Fault, str, Mapping)) else faults
        self.add(*several)

    def add(self, *faults: FaultLike) -> None:
        """Append faults, or none if one of them is invalid.

        Raises:
            InvalidInputError: One is invalid.
        """
        added = [fault_of(fault) for fault in faults]
        with self._lock:
            self._pending += added

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._pending = []

    @property
    def left(self) -> tuple[Fault, ...]:
        """The pending faults, each with the remaining ``times`` and ``after``."""
        return tuple(self._pending)

    def take(self, route: str, others: Iterable[Fault] = ()) -> tuple[Fault, ...]:
        """Use up and return the faults for a request of this kind, at most one of each part.

        Args:
            route: The kind of the request.
            others: Faults that act on it anyway, and come first; they are returned, too.
        """
        chosen = {fault.kind.part: fault for fault in others}
        if not any(fault.drops for fault in chosen.values()):
            chosen |= {fault.kind.part: fault for fault in self._take(route, set(_PARTS) - set(chosen))}
        return tuple(chosen[part] for part in _PARTS if part in chosen)

    def take_for_job(self) -> Fault | None:
        """Use up and return the fault for a job, if there is one."""
        return next(iter(self._take("any", {"job"})), None)

    def _take(self, route: str, parts: Collection[Part]) -> tuple[Fault, ...]:
        with self._lock:
            matching = [each for each in self._pending if each.kind.part in parts and each.on in ("any", route)]
            chosen: dict[Part, Fault] = {}
            for fault in matching:
                if not fault.after:
                    chosen.setdefault(fault.kind.part, fault)
            if "response" in chosen and chosen["response"].drops:  # there is no body
                chosen = {part: fault for part, fault in chosen.items() if part in ("response", "silence")}
            # by their identity: two of them may be equal
            used = {id(fault) for fault in matching if fault.after} | set(map(id, chosen.values()))
            kept = [_left_of(fault) if id(fault) in used else fault for fault in self._pending]
            self._pending = [fault for fault in kept if fault is not None]
            return tuple(chosen.values())


def _left_of(fault: Fault) -> Fault | None:
    """Return what is left of a fault after a request on which it acted, or which it ignored."""
    if fault.after:
        return attrs.evolve(fault, after=fault.after - 1)
    if fault.times == "forever":
        return fault
    return attrs.evolve(fault, times=fault.times - 1) if fault.times > 1 else None

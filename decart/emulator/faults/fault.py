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
from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs

from ...errors import InvalidInputError
from .table import COMMON, KINDS, PARAMETERS, TEXTS, Kind, Times

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


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
    on: str = attrs.field(default=cast(str, None), kw_only=True)
    times: Times = attrs.field(default=cast(Times, None), kw_only=True)
    after: int = attrs.field(default=0, kw_only=True)
    code: int | None = attrs.field(default=None, kw_only=True)
    detail: str | None = attrs.field(default=None, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True)
    retry_after_date: float | None = attrs.field(default=None, kw_only=True)
    field: str | None = attrs.field(default=None, kw_only=True)
    word: str | None = attrs.field(default=None, kw_only=True)
    seconds: float | None = attrs.field(default=None, kw_only=True)
    bytes: int | None = attrs.field(default=None, kw_only=True)
    to: str | None = attrs.field(default=None, kw_only=True)
    reason: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        kind = kind_of(self.name)
        usual = {"on": kind.on, "times": kind.times, **kind.takes}
        for name, parameter in (COMMON | PARAMETERS).items():
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, usual.get(name))
                continue
            if name in PARAMETERS and name not in kind.takes:
                raise InvalidInputError(f"fault {self.name!r}: it takes no {name}; it takes {_taken(kind)}.")
            what, is_valid = parameter
            if not is_valid(value):
                raise InvalidInputError(f"fault {self.name!r}: {name} must be {what}, not {str(value)[:100]!r}.")
        if kind.part == "job" and self.on != "any":
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
        usual = {"on": self.kind.on, "times": self.kind.times, "after": 0, **self.kind.takes}
        if self.kind.main is not None:
            usual[self.kind.main] = None
        return {"name": self.name} | {key: getattr(self, key) for key in usual if getattr(self, key) != usual[key]}


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
    near = difflib.get_close_matches(given, KINDS, n=1, cutoff=0.0)[0]
    raise InvalidInputError(
        f"there is no fault named {given!r}; did you mean {near!r}? The faults are: {', '.join(KINDS)}."
    )


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
    kind = kind_of(values.get("name"))
    for key in values:
        if key not in ("name", *COMMON, *kind.takes):
            raise InvalidInputError(
                f"fault {values['name']!r}: it takes no {str(key)[:100]!r}; it takes {_taken(kind)}."
            )
    return Fault(**values)


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
        if not equals or key in values:
            raise InvalidInputError(f"fault {name!r}: {word[:100]!r} is not of the form key=value, each key once.")
        values[key] = _number(value) if key not in TEXTS and _NUMBER.fullmatch(value) else value
    return values


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _taken(kind: Kind) -> str:
    return ", ".join((*COMMON, *kind.takes))


def _quoted(value: object) -> str:
    """Return a parameter as text, in quotes if it needs them."""
    text = str(value)
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

    def take(self, route: str) -> tuple[Fault, ...]:
        """Use up and return the faults for a request of this kind, at most one of each part."""
        return self._take(route, ("response", "pace", "silence", "end"))

    def take_for_job(self) -> Fault | None:
        """Use up and return the fault for a job, if there is one."""
        return next(iter(self._take("any", ("job",))), None)

    def _take(self, route: str, parts: tuple[str, ...]) -> tuple[Fault, ...]:
        with self._lock:
            matching = [each for each in self._pending if each.kind.part in parts and each.on in ("any", route)]
            chosen: dict[str, Fault] = {}
            for fault in matching:
                if not fault.after:
                    chosen.setdefault(fault.kind.part, fault)
            if "response" in chosen and chosen["response"].drops:  # there is no body
                chosen = {part: fault for part, fault in chosen.items() if part in ("response", "silence")}
            left: dict[int, list[Fault]] = {id(fault): [fault] for fault in self._pending}
            for fault in matching:
                if fault.after:
                    left[id(fault)] = [attrs.evolve(fault, after=fault.after - 1)]
            for fault in chosen.values():
                if fault.times != "forever":
                    left[id(fault)] = [attrs.evolve(fault, times=fault.times - 1)] if fault.times > 1 else []
            self._pending = [fault for remaining in left.values() for fault in remaining]
            return tuple(sorted(chosen.values(), key=lambda fault: parts.index(fault.kind.part)))

"""Faults that the box plays when it is told to: values with a name, what is written of them, and who is next.

A fault is written in one of three ways, which mean the same::

    Fault("status", code=503, on="submit", times=2, retry_after=1)                             # in code
    status:503,on=submit,times=2,retry_after=1                                                 # on the command line
    {"name": "status", "code": 503, "on": "submit", "times": 2, "retry_after": 1}              # over the control route

`decart.emulator.faultkinds.KINDS` is the table of the names.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs

from ..errors import InvalidInputError
from .faultkinds import KINDS, PARAMETERS, Kind, Times, check, kind_of

_TEXTS = ("on", "detail", "field", "word", "to", "reason")  # what stays text when it is read from text
_COMMON = ("on", "times", "after")


@attrs.frozen
class Fault:
    """One thing that goes wrong, so many times.

    Parameters that its name does not take must be left out; those that are left out get their usual value.

    Attributes:
        name: What goes wrong; `decart.emulator.faultkinds.KINDS` has the names.
        on: What it is for: ``submit``, ``status``, ``content``, ``generate``, ``files``, ``tokens`` or ``any``. A job's
            fault is for jobs that are taken in.
        times: How often it acts, before it is gone; ``"forever"`` if it never is.
        after: How many requests of that kind are left alone first, whatever else happens to them.
        code: The HTTP status of an answer.
        detail: What that answer says.
        retry_after: Seconds, for a ``Retry-After`` as a number.
        retry_after_date: Seconds from then, for a ``Retry-After`` as a date.
        field: The field that is left out.
        word: The word for a status.
        seconds: How long a silence is, or a pause.
        bytes: How much of the body comes, or comes at a time.
        to: The origin that a redirect leads to.
        reason: Why a job fails.

    Raises:
        InvalidInputError: There is no such name, or a parameter cannot be.

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
        kind = self.kind
        usual = {"on": kind.on, "times": kind.times, **kind.takes}
        for name in (*_COMMON, *PARAMETERS):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, usual.get(name))
            elif name in PARAMETERS and name not in kind.takes:
                raise InvalidInputError(f"fault {self.name!r}: it takes no {name}; it takes {_taken(kind)}.")
            else:
                check(self.name, name, value)
        if kind.part == "job" and self.on != "any":
            raise InvalidInputError(f"fault {self.name!r}: it is for jobs that are taken in; leave on= out.")
        if self.name == "drip" and not self.bytes:
            raise InvalidInputError("fault 'drip': bytes must be 1 or more.")

    def __repr__(self) -> str:
        return f"Fault({str(self)!r})"

    def __str__(self) -> str:
        """Return it as the command line takes it."""
        given = self.as_json()
        name, main = given.pop("name"), given.pop(self.kind.main or "", None)
        words = [name if main is None else f"{name}:{_written(main)}"]
        return ",".join(words + [f"{key}={_written(value)}" for key, value in given.items()])

    @property
    def kind(self) -> Kind:
        """What its name stands for."""
        return kind_of(self.name)

    @property
    def drops(self) -> bool:
        """Whether nothing is answered."""
        return self.name in ("drop-before", "drop-after")

    def as_json(self) -> dict[str, Any]:
        """Return it as the control route takes it; what is as usual is left out, but for what a colon may precede."""
        usual = {"on": self.kind.on, "times": self.kind.times, "after": 0, **self.kind.takes}
        given = {name: getattr(self, name) for name in (*_COMMON, *self.kind.takes)}
        main = self.kind.main
        told = {name: value for name, value in given.items() if value != (usual[name] if name != main else None)}
        return {"name": self.name} | told

    def is_for(self, route: str) -> bool:
        """Say whether it is for requests of this kind."""
        return self.on in ("any", route)

    def once_less(self) -> list[Fault]:
        """Return what is left of it when it has acted once more."""
        if self.times == "forever":
            return [self]
        return [attrs.evolve(self, times=self.times - 1)] if self.times > 1 else []


FaultLike = Fault | str | Mapping[str, Any]
"""A fault, in any of the three ways to write it."""


def fault_of(given: FaultLike) -> Fault:
    """Read a fault, however it is written.

    Raises:
        InvalidInputError: It cannot be read; the message says why in one sentence.
    """
    if isinstance(given, Fault):
        return attrs.evolve(given)  # its own object, so that two of a kind can be told apart
    if isinstance(given, str):
        return _from_text(given)
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"fault: it must be a Fault, a text or an object, not {type(given).__name__}.")
    kind = kind_of(given.get("name"))
    for key in given:
        _check_key(str(given["name"]), kind, key)
    return Fault(**given)


def _from_text(text: str) -> Fault:
    words = shlex.shlex(text, posix=True)
    words.whitespace, words.quotes, words.commenters, words.whitespace_split = ",", '"', "", True
    try:
        first, *rest = [word.lstrip() for word in words] or [""]
    except ValueError as error:
        raise InvalidInputError(f"fault: {text[:100]!r} cannot be read ({error}).") from None
    name, colon, main = first.partition(":")
    kind = kind_of(name)
    if colon and kind.main is None:
        raise InvalidInputError(f"fault {name!r}: nothing is written after its name with a colon.")
    given = {kind.main: main} if colon and kind.main else {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or key in given:
            raise InvalidInputError(f"fault {name!r}: {word[:100]!r} is not of the form key=value, each key once.")
        _check_key(name, kind, key)
        given[key] = value
    return Fault(name, **{key: _read(key, value) for key, value in given.items()})


def _check_key(name: str, kind: Kind, key: object) -> None:
    if key not in ("name", *_COMMON, *kind.takes):
        raise InvalidInputError(f"fault {name!r}: it takes no {str(key)[:100]!r}; it takes {_taken(kind)}.")


def _taken(kind: Kind) -> str:
    return ", ".join((*_COMMON, *kind.takes))


def _read(key: str, value: str) -> Any:
    """Return a parameter as what it is; what is no number stays text, to be refused as that."""
    if key in _TEXTS or not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", value, re.ASCII):
        return value
    return float(value) if "." in value else int(value)


def _written(value: object) -> str:
    """Return a parameter as text, in quotes if it needs them."""
    text = str(value)
    if any(character in text for character in ',"\\') or text != text.strip():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


class Faults:
    """The faults that wait for their turn, in order; one that was used up is gone.

    Example:
        >>> emulator.faults.add("status:503,on=submit,times=2", Fault("drop-after"))
        >>> emulator.faults.left
        (Fault('status:503,on=submit,times=2'), Fault('drop-after'))
    """

    def __init__(self, faults: FaultLike | Iterable[FaultLike] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        several: Any = [faults] if isinstance(faults, (Fault, str, Mapping)) else faults
        self.add(*several)

    def add(self, *faults: FaultLike) -> None:
        """Add faults behind those that wait; none of them if one cannot be read.

        Raises:
            InvalidInputError: One cannot be read.
        """
        read = [fault_of(fault) for fault in faults]
        with self._lock:
            self._waiting += read

    def clear(self) -> None:
        """Forget those that wait."""
        with self._lock:
            self._waiting = []

    @property
    def left(self) -> tuple[Fault, ...]:
        """Those that wait still, each with as many ``times`` (and ``after``) as it has left."""
        return tuple(self._waiting)

    def take(self, route: str) -> tuple[Fault, ...]:
        """Use up and return those that act on a request of this kind, at most one of each part."""
        return self._take(route, ("answer", "pace", "silence", "end"))

    def take_for_job(self) -> Fault | None:
        """Use up and return what becomes of a job, if it was said."""
        return next(iter(self._take("any", ("job",))), None)

    def _take(self, route: str, parts: tuple[str, ...]) -> tuple[Fault, ...]:
        with self._lock:
            meant = [fault for fault in self._waiting if fault.kind.part in parts and fault.is_for(route)]
            chosen: dict[str, Fault] = {}
            for fault in meant:
                if not fault.after:
                    chosen.setdefault(fault.kind.part, fault)
            if "answer" in chosen and chosen["answer"].drops:  # there is no body to do anything with
                chosen = {part: fault for part, fault in chosen.items() if part in ("answer", "silence")}
            now = list(chosen.values())
            self._waiting = [left for fault in self._waiting for left in _left(fault, meant, now)]
            return tuple(sorted(now, key=lambda fault: parts.index(fault.kind.part)))


def _left(fault: Fault, meant: list[Fault], now: list[Fault]) -> list[Fault]:
    if any(fault is other for other in now):
        return fault.once_less()
    if fault.after and any(fault is other for other in meant):
        return [attrs.evolve(fault, after=fault.after - 1)]
    return [fault]


def described() -> str:
    """Return all names, a line for each, with what they take."""
    lines = []
    for name, kind in KINDS.items():
        takes = "".join(f" [{key}]" if key == kind.main else f" [{key}=]" for key in kind.takes)
        usual = [] if kind.part == "job" else [f"on={kind.on}"]
        usual += [f"{key}={value}" for key, value in kind.takes.items() if value is not None]
        usual += [f"times={kind.times}"] if kind.times != 1 else []
        lines.append(f"  {name + takes}\n      {kind.does}" + (f" ({', '.join(usual)})" if usual else ""))
    return "\n".join(lines)

"""One fault: a value with a name."""

from __future__ import annotations

from typing import Any, cast

import attrs

from ...errors import InvalidInputError
from .kinds import PARAMETERS, Kind, Times, check, kind_of

COMMON = ("on", "times", "after")
"""The parameters that every fault takes."""


@attrs.frozen
class Fault:
    """One fault, which acts so many times.

    Parameters that its name does not take must be left out; the others have defaults.

    Attributes:
        name: The kind of fault; see `decart.emulator.faults.kinds.KINDS`.
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
        kind = self.kind
        usual = {"on": kind.on, "times": kind.times, **kind.takes}
        for name in (*COMMON, *PARAMETERS):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, usual.get(name))
            elif name in PARAMETERS and name not in kind.takes:
                raise InvalidInputError(f"fault {self.name!r}: it takes no {name}; it takes {taken(kind)}.")
            else:
                check(self.name, name, value)
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
        words = [name if main is None else f"{name}:{_written(main)}"]
        return ",".join(words + [f"{key}={_written(value)}" for key, value in given.items()])

    @property
    def kind(self) -> Kind:
        """The row of its name in the table."""
        return kind_of(self.name)

    @property
    def drops(self) -> bool:
        """Whether there is no response."""
        return self.name in ("drop-before", "drop-after")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON for the control route, without defaults except that of the main parameter."""
        usual = {"on": self.kind.on, "times": self.kind.times, "after": 0, **self.kind.takes}
        given = {name: getattr(self, name) for name in (*COMMON, *self.kind.takes)}
        main = self.kind.main
        told = {name: value for name, value in given.items() if value != (usual[name] if name != main else None)}
        return {"name": self.name} | told

    def is_for(self, route: str) -> bool:
        """Return whether it affects requests of this kind."""
        return self.on in ("any", route)

    def once_less(self) -> list[Fault]:
        """Return what remains after it has acted once more."""
        if self.times == "forever":
            return [self]
        return [attrs.evolve(self, times=self.times - 1)] if self.times > 1 else []


def taken(kind: Kind) -> str:
    """Return the parameters of a fault, for a message."""
    return ", ".join((*COMMON, *kind.takes))


def _written(value: object) -> str:
    """Return a parameter as text, in quotes if it needs them."""
    text = str(value)
    if any(character in text for character in ',"\\') or text != text.strip():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text

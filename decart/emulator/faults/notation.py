"""The three notations of a fault, which mean the same.

::

    Fault("status", code=503, on="submit", times=2, retry_after=1)                             # in code
    status:503,on=submit,times=2,retry_after=1                                                 # on the command line
    {"name": "status", "code": 503, "on": "submit", "times": 2, "retry_after": 1}              # over the control route

`decart.emulator.faults.kinds.KINDS` is the table of the faults.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import attrs

from ...errors import InvalidInputError
from .fault import COMMON, Fault, taken
from .kinds import KINDS, Kind, kind_of

_TEXTS = ("on", "detail", "field", "word", "to", "reason")  # parameters that stay text

FaultLike = Fault | str | Mapping[str, Any]
"""A fault in any notation."""


def fault_of(given: FaultLike) -> Fault:
    """Return a fault from any notation.

    Raises:
        InvalidInputError: It is invalid; the message says why.
    """
    if isinstance(given, Fault):
        return attrs.evolve(given)  # a new object, so that equal faults can be distinguished
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
        raise InvalidInputError(f"fault {name!r}: it takes no value after a colon.")
    given = {kind.main: main} if colon and kind.main else {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or key in given:
            raise InvalidInputError(f"fault {name!r}: {word[:100]!r} is not of the form key=value, each key once.")
        _check_key(name, kind, key)
        given[key] = value
    return Fault(name, **{key: _read(key, value) for key, value in given.items()})


def _check_key(name: str, kind: Kind, key: object) -> None:
    if key not in ("name", *COMMON, *kind.takes):
        raise InvalidInputError(f"fault {name!r}: it takes no {str(key)[:100]!r}; it takes {taken(kind)}.")


def _read(key: str, value: str) -> Any:
    """Return the value of a parameter: a number if it looks like one, else the text."""
    if key in _TEXTS or not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", value, re.ASCII):
        return value
    return float(value) if "." in value else int(value)


def described() -> str:
    """Return the table as text: the names, their parameters, and what they do."""
    lines = []
    for name, kind in KINDS.items():
        takes = "".join(f"[:{key}]" if key == kind.main else f"[,{key}=]" for key in kind.takes)
        defaults = [] if kind.part == "job" else [f"on={kind.on}"]
        defaults += [f"{key}={value}" for key, value in kind.takes.items() if value is not None]
        defaults += [f"times={kind.times}"] if kind.times != 1 else []
        lines.append(f"  {name + takes}\n      {kind.does}" + (f" ({', '.join(defaults)})" if defaults else ""))
    return "\n".join(lines)

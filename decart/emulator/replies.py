"""JSON responses, and errors in the service's form, which is FastAPI's.

==========================  ======================================================
error                       body
==========================  ======================================================
one problem                 ``{"detail": "Job not found"}``
invalid fields (422)        ``{"detail": [{"type", "loc", "msg", "input", "ctx"}]}``
a retired model (410)       ``{"detail": "...", "model": "lucy-2"}``
==========================  ======================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from werkzeug.wrappers import Response

Detail = dict[str, object]

_SHOWN = 100  # characters of a text, and entries of a list, that an error repeats
_DEEP = 4  # levels of nested lists that it repeats


class Refused(Exception):
    """A refused request.

    Args:
        status: The HTTP status.
        detail: A sentence, or one entry for each invalid field.
        more: Further members of the body.
    """

    def __init__(self, status: int, detail: str | list[Detail], **more: object) -> None:
        super().__init__(status, detail)
        self.status = status
        self.body = {"detail": detail, **more}


def reply(body: Mapping[str, Any], status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(json.dumps(body), status, mimetype="application/json")


def problem(kind: str, loc: tuple[str | int, ...], message: str, given: object = None, **ctx: object) -> Refused:
    """Return the error for one field of the body."""
    entry: Detail = {"type": kind, "loc": ["body", *loc], "msg": message, "input": _shown(given)}
    return Refused(422, [{**entry, "ctx": ctx} if ctx else entry])


def invalid(error: ValidationError) -> Refused:
    """Return the error for all fields that pydantic found invalid."""
    details = []
    for found in error.errors(include_url=False):
        # FastAPI validates each field by itself, so a missing field has no input to show
        given = None if found["type"] == "missing" and len(found["loc"]) == 1 else _shown(found["input"])
        entry: Detail = {"type": found["type"], "loc": ["body", *found["loc"]], "msg": found["msg"], "input": given}
        if "ctx" in found:
            entry["ctx"] = _shown(found["ctx"])
        details.append(entry)
    return Refused(422, details)


def _shown(value: object, depth: int = 0) -> Any:
    """Return a value as an error repeats it: shortened, and as JSON."""
    if isinstance(value, str):
        return value[:_SHOWN]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, Mapping)) and depth < _DEEP:
        if isinstance(value, Mapping):
            return {str(key)[:_SHOWN]: _shown(value[key], depth + 1) for key in list(value)[:_SHOWN]}
        return [_shown(item, depth + 1) for item in value[:_SHOWN]]
    return {}

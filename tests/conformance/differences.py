"""The table of what differs between the service's own OpenAPI document and ours, each with the reason.

The service's document is not copied into this repository. If it is at hand (``OPENAPI_DOCUMENT``, or GitHub), the two
are compared: what differs has to be in the table, and what is in the table has to differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import attrs

Json = dict[str, Any]

BOUNDS = (
    *("type", "enum", "const", "default", "minimum", "maximum"),
    *("minItems", "maxItems", "pattern", "minLength", "maxLength"),
)
PAGE = "the Queue API page says so"
CLIENTS = "the public clients expect it"
OURS = "our choice, as no source says what the service does"

ALLOWED = (
    # operation, what differs, reason
    ("POST /watch-stream/{room_id}", "only theirs", "realtime is no part of the emulator"),
    ("GET /v1/realtime/quota", "only theirs", "realtime is no part of the emulator"),
    ("GET /api/auth/jwks", "only ours", "the service has it at another host, which is no part of this document"),
    ("POST /v1/*/lucy-*", "only ours", "the model was retired before the document was written, or is newer"),
    ("*", "parameter User-Agent", "any client may send one"),
    ("GET /v1/jobs/{job_id}", "key", f"{PAGE}, as every public client does"),
    ("POST /v1/jobs/*", "200: json: *", f"no schema there; {PAGE}"),
    ("GET /v1/jobs/{job_id}", "200: json: *", f"no schema there; {PAGE}"),
    ("GET /v1/jobs/{job_id}/content", "200: *", f"it declares JSON and describes bytes; {PAGE}"),
    ("POST /v1/verify", "200: json: type", f"no schema there; {OURS}"),
    ("POST /v1/verify", "form", "no schema there, but a description of the file; its field may have any name"),
    ("GET /v1/jobs/{job_id}/content", "206", f"ranges: {OURS}"),
    ("GET /v1/jobs/{job_id}/content", "304", f"conditions: {OURS}"),
    ("GET /v1/jobs/{job_id}/content", "416", f"ranges: {OURS}"),
    ("GET /v1/jobs/{job_id}/content", "409", f"it describes an error for a job that is not ready; {OURS}"),
    ("*", "401*", "declared for tokens only, and without a body; every operation with a key checks it"),
    ("*", "403*", f"declared for tokens only, and without a body; tokens are limited to models and origins; {OURS}"),
    ("* /v1/jobs/{job_id}*", "404", CLIENTS),
    ("* /v1/files/{file_id}", "404", CLIENTS),
    ("POST /v1/models/resolve", "404", CLIENTS),
    ("POST /v1/*/*", "410", f"retired models; {CLIENTS}"),
    ("POST *", "400", "FastAPI refuses a body that cannot be parsed, and does not declare it"),
    ("POST *", "413", f"it describes limits of size; {OURS}"),
    ("* /v1/*/{*", "422", "declared for any path, where every text is valid"),
    ("POST *", "422: json: detail: *", "there is at least one error, always"),
    ("POST *", "form: prompt: minLength", "FastAPI reads an empty text in a form as none"),
    ("POST *", "form: enhance_prompt: *", "a boolean, which as text has several spellings"),
    ("POST *", "form: self_anchor: *", "a boolean, which as text has several spellings"),
    ("POST /v1/files", "form: ttl_seconds: pattern", "it has the bounds in words"),
    ("POST /v1/client/tokens", "json: *", "it has the bounds in words, or the public clients have them"),
    ("POST /v1/client/tokens", "200: json: *", f"{CLIENTS}: a token, and a key that begins with ek_"),
    ("* /v1/files*", "200: json: id: pattern", f"{CLIENTS}: an id that begins with file_"),
    ("POST /v1/models/resolve", "json: *", "it has in words that one of the two is required"),
)
"""What may differ; ``*`` stands for any text."""


@attrs.frozen
class Difference:
    """One difference."""

    operation: str
    what: str
    theirs: object
    ours: object

    def __str__(self) -> str:
        return f"{self.operation}: {self.what}: {_short(self.theirs)} there, {_short(self.ours)} here"

    def rows(self) -> list[int]:
        """Return the rows of the table that allow it."""
        return [
            row
            for row, (operation, what, _) in enumerate(ALLOWED)
            if fnmatchcase(self.operation, operation.replace("[", "[[]")) and fnmatchcase(self.what, what)
        ]


def _short(value: object) -> str:
    return json.dumps(value)[:120]


def compared(theirs: Json, ours: Json) -> list[str]:
    """Return the differences that no row of the table allows, and the rows that allow nothing."""
    found = list(differences(theirs, ours))
    used = {row for difference in found for row in difference.rows()}
    unused = [row for number, row in enumerate(ALLOWED) if number not in used]
    return [
        *(str(difference) for difference in found if not difference.rows()),
        *(f"{operation}: {what}: is in the table, but does not differ" for operation, what, _ in unused),
    ]


def summary(theirs: Json, ours: Json) -> Iterator[str]:
    """Yield a line for each row of the table: how many differences it allows."""
    found = [difference.rows()[:1] for difference in differences(theirs, ours)]
    for row, (operation, what, reason) in enumerate(ALLOWED):
        yield f"  {found.count([row]):4}  {operation}: {what} ({reason})"


def differences(theirs: Json, ours: Json) -> Iterator[Difference]:
    """Yield every difference of two documents, apart from their prose."""
    their_operations, our_operations = dict(_operations(theirs)), dict(_operations(ours))
    for name in their_operations | our_operations:
        one, other = their_operations.get(name), our_operations.get(name)
        if one is None or other is None:
            yield Difference(name, "only ours" if one is None else "only theirs", one is not None, other is not None)
        else:
            for what in sorted(one | other):
                within = what.split(": ")
                outer = [": ".join(within[:length]) for length in range(1, len(within))]
                if one.get(what) != other.get(what) and all((each in one) == (each in other) for each in outer):
                    yield Difference(name, what, one.get(what), other.get(what))


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", dict(_facts(operation, document))


def _facts(operation: Json, document: Json) -> Iterator[tuple[str, object]]:
    """Yield what an operation takes and responds, each as a name and a value."""
    names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
    if "x-api-key" in names or "security" in operation:
        yield "key", True
    yield from ((f"parameter {name}", True) for name in names - {"x-api-key"})
    body = operation.get("requestBody", {}).get("content", {})
    for kind, name in (("multipart/form-data", "form"), ("application/json", "json")):
        if kind in body:
            yield from _schema(name, body[kind]["schema"], document)
    for status, response in operation["responses"].items():
        yield status, True
        for kind, content in response.get("content", {}).items():
            yield f"{status}: type", kind
            yield from _schema(f"{status}: json", content["schema"], document)


def _schema(name: str, schema: Json, document: Json) -> Iterator[tuple[str, object]]:
    """Yield what a schema says of a value and of its fields."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    parts = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(parts) == 1:
        yield from _schema(name, parts[0], document)
        return
    yield name, True
    required = schema.get("required", ())
    for field, value in schema.get("properties", {}).items():
        yield f"{name}: {field}: required", field in required
        yield from _schema(f"{name}: {field}", value, document)
    yield from ((f"{name}: {bound}", schema[bound]) for bound in BOUNDS if bound in schema)
    if "items" in schema:
        yield from _schema(f"{name}[]", schema["items"], document)

"""Check responses against the document: the status, the headers, the type and the schema of the body."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from document import document
from jsonschema import Draft202012Validator
from wire import Received

Json = dict[str, Any]
NOWHERE = {  # for a request that has no operation: the statuses, each with the headers that it has
    404: (),
    405: ("allow",),
}


class Checker:
    """Check responses against the document, and count them.

    Attributes:
        seen: How many responses there were of each operation and status.
    """

    def __init__(self) -> None:
        self._document = document()
        self.seen: Counter[tuple[str, str]] = Counter()

    def operation(self, method: str, path: str) -> tuple[str, Json] | None:
        """Return the operation of a request, and its name, such as ``"GET /v1/jobs/{job_id}"``."""
        paths = self._document["paths"]
        plain = urlsplit(path).path
        known = [plain] if plain in paths else [each for each in paths if _fits(each, plain)]
        for each in known:
            operation = paths[each].get(method.lower())
            if operation is not None:
                return f"{method} {each}", operation
        return None

    def expected(self) -> Iterator[tuple[str, str]]:
        """Yield every operation with each of its statuses."""
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                yield from ((f"{method.upper()} {path}", status) for status in operation["responses"])

    def wrong(self, response: Received) -> str | None:
        """Return what is wrong with a response, or None."""
        found = self.operation("GET" if response.method == "HEAD" else response.method, response.path)
        if found is None:
            return self._wrong_nowhere(response)
        name, operation = found
        described = operation["responses"].get(str(response.status))
        if described is None:
            return f"the status {response.status} is not documented"
        self.seen[name, str(response.status)] += 1
        missing = [header for header in described.get("headers", {}) if header not in response.headers]
        if missing:
            return f"{response.status} has no {', '.join(missing)}"
        content = described.get("content", {})
        kind = response.headers.get("content-type", "").partition(";")[0]
        if content and kind not in content:
            return f"{response.status} is {kind or 'of no type'}, not {' or '.join(content)}"
        if response.method == "HEAD" or not content:
            return "there is a body" if response.body else None
        return self._wrong_body(response.body, content[kind]["schema"]) if "json" in kind else None

    def _wrong_nowhere(self, response: Received) -> str | None:
        if response.status not in NOWHERE:
            return f"{response.status} for a request that has no operation"
        if any(header not in response.headers for header in NOWHERE[response.status]):
            return f"{response.status} without {', '.join(NOWHERE[response.status])}"
        return self._wrong_body(response.body, {"$ref": "#/components/schemas/Detail"})

    def _wrong_body(self, body: bytes, schema: Json) -> str | None:
        try:
            value = json.loads(body)
        except ValueError as error:
            return f"the body is not JSON ({error})"
        checker = Draft202012Validator(
            {**schema, "components": self._document["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        return next((f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(value)), None)


def _fits(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))
    return "{" in template and re.fullmatch(pattern, path) is not None

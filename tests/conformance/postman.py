"""Replay the service's public Postman collection against an emulator, and check each response against the document.

The collection (55 requests) is part of the public repository api-evangelist/decart, and is not copied into this one: a
copy may be named (``POSTMAN_COLLECTION``, or the option ``--postman``), else it comes from GitHub. Each request is sent

- as it is: with its placeholders, such as ``<string>``, also as the key,
- with a key, and placeholders for all else,
- filled in: with files, numbers, names and the ids of what was made before. Now it has to succeed.

Read are the variables, folders, headers and bodies (formdata, urlencoded, raw) of the format 2.1.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import attrs
from checker import Checker
from wire import FORM, KEY, Received, exchange, multipart, picture

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small

Json = dict[str, Any]

REPOSITORY, VARIABLE = "api-evangelist/decart", "POSTMAN_COLLECTION"
PATH = "collections/decart-api-openapi-original.postman_collection.json"
OUTSIDE = {
    "POST /watch-stream/": "realtime is no part of the emulator",
    "GET /v1/realtime/quota": "realtime is no part of the emulator",
}
"""Requests that get a 404, and why."""
FILES = ("data", "file", "reference_image", "start", "end")
PLACEHOLDER = re.compile(r"<[A-Za-z][^<>]*>")
VALUES: Json = {
    "x-api-key": KEY,
    "prompt": "A lake",
    "seed": "7",
    "ttl_seconds": "persistent",
    "expiresIn": 60,
    "allowedModels": ["lucy-2.5"],
    "allowedOrigins": ["https://example.com"],
    "maxSessionDuration": 60,
    "model": "lucy-latest",
    "models": ["lucy-2.5", "lucy_2_5"],
}
"""What takes the place of a placeholder, by the name of its field."""


@attrs.frozen(kw_only=True)
class Request:
    """A request of a collection, whose variables have been replaced."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    mode: str | None
    fields: list[tuple[str, str, bool]]
    raw: str


def requests_of(collection: Json) -> list[Request]:
    """Return the requests of a collection, in its order."""
    variables = {each["key"]: str(each.get("value", "")) for each in collection.get("variable", ()) if "key" in each}
    return [_request(item, variables | {"baseUrl": ""}) for item in _items(collection["item"])]


def _items(items: list[Json]) -> Iterator[Json]:
    for item in items:
        if "item" in item:  # a folder
            yield from _items(item["item"])
        else:
            yield item


def _request(item: Json, variables: dict[str, str]) -> Request:
    def filled(text: str) -> str:
        return re.sub(r"\{\{(.*?)\}\}", lambda found: variables.get(found[1], found[0]), text)

    request = item["request"]
    url, body = request["url"], request.get("body") or {}
    mode = body.get("mode")
    parts = body.get(mode, ()) if mode in ("formdata", "urlencoded") else ()
    used = [part for part in parts if not part.get("disabled")]
    headers = [header for header in request.get("header", ()) if not header.get("disabled")]
    return Request(
        name=item["name"],
        method=request["method"],
        path=filled(url if isinstance(url, str) else _path(url)),
        headers={header["key"].lower(): filled(str(header["value"])) for header in headers},
        mode=mode,
        fields=[
            (part["key"], filled(str(part.get("value") or "")), part.get("type") == "file" or _is_file(part))
            for part in used
        ],
        raw=filled(body.get("raw") or ""),
    )


def _path(url: Json) -> str:
    query = [(each["key"], each.get("value") or "") for each in url.get("query", ()) if not each.get("disabled")]
    return "/" + "/".join(url["path"]) + (f"?{urlencode(query)}" if query else "")


def _is_file(part: Json) -> bool:
    """Return whether a text stands in for a file: a collection that is made of a document has no files."""
    return part["key"] in FILES and PLACEHOLDER.search(str(part.get("value"))) is not None


class Replay:
    """Replay requests against one server.

    Attributes:
        wrong: What is wrong.
        counts: How many responses there were of each way to send a request, and status.
        keyless: Operations whose requests have no key although the document requires one; see `differences.py`.
    """

    def __init__(self, url: str, checker: Checker) -> None:
        self._url, self._checker = url, checker
        self._ids: dict[str, str] = {}
        self.wrong: list[str] = []
        self.counts: Counter[tuple[str, int]] = Counter()
        self.keyless: list[str] = []

    def all(self, requests: list[Request]) -> None:
        """Send each request in each way."""
        for request in requests:
            self._send("as it is", request, {})
            self._send("with a key", request, {"x-api-key": KEY})
        for request in requests:
            received = self._send("filled in", request, VALUES)
            outside = any(f"{request.method} {request.path}".startswith(each) for each in OUTSIDE)
            if received.status >= 300 and not outside:
                self._report("filled in", received, f"{received.status} {received.body[:200]!r}")
            if b'"job_id"' in received.body or b'"file_' in received.body:
                self._ids |= {"job_id": json.loads(received.body).get("job_id", self._ids.get("job_id"))}
                self._ids |= {"file_id": json.loads(received.body).get("id", self._ids.get("file_id"))}

    def _send(self, way: str, request: Request, values: Json) -> Received:
        headers = {name: _value(name, text, values) for name, text in request.headers.items()}
        body = self._body(request, headers, values)
        path = re.sub(
            r"/:(\w+)", lambda found: "/" + quote(self._ids.get(found[1]) or f"<{found[1]}>", safe=""), request.path
        )
        found = self._checker.operation(request.method, path)
        if values is VALUES and found is not None and "security" in found[1] and "x-api-key" not in headers:
            self.keyless.append(found[0])
            headers["x-api-key"] = KEY
        received = exchange(self._url, request.method, path, body, headers)
        self.counts[way, received.status] += 1
        wrong = self._checker.wrong(received)
        if received.status >= 500 or wrong is not None:
            self._report(way, received, wrong or str(received.status))
        return received

    def _body(self, request: Request, headers: dict[str, str], values: Json) -> bytes:
        fields = request.fields
        if values is VALUES and request.path == "/v1/verify":  # the collection has no body for it
            fields = [("file", "<string>", True)]
        if fields or request.mode == "formdata":
            headers["content-type"] = FORM
            return multipart(
                {
                    name: picture() if is_file and values is VALUES else _value(name, text, values)
                    for name, text, is_file in fields
                }
            )
        if request.mode == "raw" and values is VALUES:
            return json.dumps(_filled(json.loads(request.raw))).encode()
        return request.raw.encode()

    def _report(self, way: str, received: Received, wrong: str) -> None:
        self.wrong.append(f"{received.method} {received.path}, {way}: {wrong}")


def _value(name: str, text: str, values: Json) -> str:
    return str(values.get(name, text)) if PLACEHOLDER.search(text) else text


def _filled(value: Json) -> Json:
    """Return JSON with values in place of placeholders."""
    return {
        name: _filled(given)
        if isinstance(given, dict) and name not in VALUES
        else VALUES[name]
        if PLACEHOLDER.search(json.dumps(given)) and name in VALUES
        else given
        for name, given in value.items()
    }


def replay(collection: Json, checker: Checker) -> Iterator[str]:
    """Replay a collection; yield what is wrong, and print how many responses there were of each status."""
    requests = requests_of(collection)
    emulator = Emulator(pending=0, processing=0, renderer=render_small, background=False, api_keys=[KEY])
    with emulator, EmulatorServer(emulator) as server:
        replay = Replay(server.url, checker)
        replay.all(requests)
    print(f"  {len(requests)} requests, each sent in three ways")
    for way in dict.fromkeys(way for way, _ in replay.counts):
        statuses = sorted((status, count) for (each, status), count in replay.counts.items() if each == way)
        print(f"  {way}: {', '.join(f'{count} times {status}' for status, count in statuses)}")
    print(*(f"  {name}: sent without a key there; with one here" for name in replay.keyless), sep="\n")
    print(*(f"  {name}...: 404 ({why})" for name, why in OUTSIDE.items()), sep="\n")
    yield from replay.wrong

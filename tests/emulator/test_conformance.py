"""The scripts of `tox -e conformance`, apart from the generator of requests, which takes minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT
from support.published import Unavailable, published

pytestmark = pytest.mark.slow

RUN = ROOT / "tests" / "conformance" / "run.py"


def conformance(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def form(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"mode": "formdata", "formdata": list(fields)}


def request(method: str, url: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    key = {"key": "x-api-key", "value": "{{key}}"}
    return {"name": "a request", "request": {"method": method, "url": url, "header": [key], "body": body}}


PROMPT = {"key": "prompt", "value": "<string>", "type": "text"}
DATA = {"key": "data", "type": "file", "src": "<path>"}
OFF = {"key": "seed", "value": "no number", "disabled": True}
COLLECTION = {
    "variable": [{"key": "key", "value": "<string>"}, {"key": "lucy", "value": "lucy-2.5"}],
    "item": [
        {
            "name": "a folder",
            "item": [
                request("POST", "{{baseUrl}}/v1/jobs/{{lucy}}", form(PROMPT, DATA, OFF)),
                request("GET", {"path": ["v1", "jobs", ":job_id"], "query": [{"key": "x", "value": "y z"}]}),
            ],
        },
        request("POST", {"path": ["v1", "models", "resolve"]}, {"mode": "raw", "raw": '{"model": "<string>"}'}),
        request(
            "POST",
            {"path": ["v1", "jobs", "lucy-pro-t2v"]},
            {"mode": "urlencoded", "urlencoded": [PROMPT, {"key": "seed", "value": "<integer>"}]},
        ),
    ],
}


def test_each_response_is_as_the_document_says() -> None:
    ended = conformance("--only", "each")
    assert ended.returncode == 0, ended.stdout
    assert "WRONG" not in ended.stdout


def test_a_collection_is_replayed_and_what_does_not_succeed_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "collection.json"
    path.write_text(json.dumps(COLLECTION))
    ended = conformance("--only", "postman", "--postman", path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 requests, each sent in three ways" in ended.stdout
    assert "filled in: 4 times 200" in ended.stdout

    COLLECTION["item"].append(request("GET", "{{baseUrl}}/v1/nowhere"))  # type: ignore[attr-defined]
    path.write_text(json.dumps(COLLECTION))
    ended = conformance("--only", "postman", "--postman", path)
    assert ended.returncode == 1
    assert "WRONG GET /v1/nowhere, filled in: 404" in ended.stdout


def test_a_difference_from_the_services_document_that_is_not_in_the_table_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text(json.dumps({"paths": {"/v1/verify": {"get": {"responses": {"418": {}}}}}}))
    ended = conformance("--only", "differences", "--openapi", path)
    assert ended.returncode == 1
    assert "WRONG GET /v1/verify: only theirs" in ended.stdout
    assert "WRONG GET /v1/realtime/quota: only theirs: is in the table, but does not differ" in ended.stdout


def test_what_cannot_be_had_is_skipped_with_a_word(tmp_path: Path) -> None:
    ended = conformance("--only", "differences,postman", "--postman", tmp_path / "x", "--openapi", tmp_path / "x")
    assert ended.returncode == 0
    assert ended.stdout.count("skipped: ") == 2


def test_a_copy_may_be_a_file_or_a_folder_named_by_an_argument_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert published("x/y", "a.txt", "COPY", copy=str(tmp_path)) == b"a"
    monkeypatch.setenv("COPY", str(tmp_path / "a.txt"))
    assert published("x/y", "anything", "COPY") == b"a"
    with pytest.raises(Unavailable, match=r"^b\.txt of x/y is not available \("):
        published("x/y", "b.txt", "COPY", copy=str(tmp_path))

"""The route of a job's content: ranges, conditions and headers."""

from __future__ import annotations

import pytest
from support.raw import RawClient

VIDEO = b"video of a lake"


def content(raw: RawClient, method: str = "GET", **headers: str) -> tuple[int, bytes, str | None]:
    response = raw.request(method, f"/v1/jobs/{raw.finished()}/content", **headers)
    return response.status, response.body, response.headers.get("content-range")


def test_the_complete_content_has_the_headers_that_describe_it(raw: RawClient) -> None:
    response = raw.get(f"/v1/jobs/{raw.finished()}/content")
    assert (response.status, response.body) == (200, VIDEO)
    shown = [response.headers[name] for name in ("content-type", "content-length", "accept-ranges")]
    assert shown == ["video/mp4", "15", "bytes"]
    assert response.headers["etag"].startswith('"')


def test_head_has_the_headers_of_get(raw: RawClient) -> None:
    path = f"/v1/jobs/{raw.finished()}/content"
    seen, told = raw.get(path).headers, raw.request("HEAD", path)
    assert (told.status, told.body) == (200, b"")
    assert {name: told.headers[name] for name in ("content-length", "etag", "content-type", "accept-ranges")} == {
        name: seen[name] for name in ("content-length", "etag", "content-type", "accept-ranges")
    }


@pytest.mark.parametrize(
    ("asked", "got", "where"),
    [
        ("bytes=0-4", b"video", "bytes 0-4/15"),
        ("bytes=9-", b"a lake", "bytes 9-14/15"),
        ("bytes=-4", b"lake", "bytes 11-14/15"),
        ("bytes=11-99", b"lake", "bytes 11-14/15"),
        ("bytes=-99", VIDEO, "bytes 0-14/15"),
    ],
)
def test_a_range_request_gets_a_partial_response(raw: RawClient, asked: str, got: bytes, where: str) -> None:
    assert content(raw, Range=asked) == (206, got, where)


def test_a_range_beyond_the_end_is_416_with_the_length(raw: RawClient) -> None:
    status, _, where = content(raw, Range="bytes=15-")
    assert (status, where) == (416, "bytes */15")


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=x-y", "bytes=4-2", "lines=0-4", "nonsense"])
def test_a_range_that_cannot_be_served_is_ignored(raw: RawClient, asked: str) -> None:
    assert content(raw, Range=asked) == (200, VIDEO, None)


def test_head_ignores_a_range(raw: RawClient) -> None:
    assert content(raw, "HEAD", Range="bytes=0-4") == (200, b"", None)


def test_a_range_is_sent_only_if_the_validator_matches_the_content(raw: RawClient) -> None:
    path = f"/v1/jobs/{raw.finished()}/content"
    etag = raw.get(path).headers["etag"]
    assert raw.get(path, Range="bytes=0-4", If_Range=etag).status == 206
    assert raw.get(path, Range="bytes=0-4", If_Range='"another"').status == 200
    assert raw.get(path, Range="bytes=0-4", If_Range=f"W/{etag}").status == 200


def test_a_matching_if_none_match_is_304(raw: RawClient) -> None:
    path = f"/v1/jobs/{raw.finished()}/content"
    etag = raw.get(path).headers["etag"]
    response = raw.get(path, If_None_Match=etag)
    assert (response.status, response.body, response.headers["etag"]) == (304, b"", etag)


def test_an_if_match_that_does_not_match_is_412_without_the_video(raw: RawClient) -> None:
    response = raw.get(f"/v1/jobs/{raw.finished()}/content", If_Match='"another"')
    assert (response.status, response.json) == (412, {"detail": "Precondition Failed"})


def test_content_of_a_job_in_progress_is_409(raw: RawClient) -> None:
    job_id = raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "x"}).json["job_id"]
    response = raw.get(f"/v1/jobs/{job_id}/content")
    assert (response.status, response.json) == (409, {"detail": "Job is not completed: pending"})

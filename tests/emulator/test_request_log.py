"""The request log, for tests and on the console, without keys."""

from __future__ import annotations

import pytest
from support.raw import RawClient
from support.studio import Studio

from decart import TransportError
from decart.emulator import LoggedRequest, VirtualEmulator
from decart.emulator.limits import FIELDS_LIMIT, HEADERS_LIMIT, LOG_LIMIT, PATH_LIMIT
from decart.emulator.logged import fingerprint, route_of, safe, short
from decart.emulator.requestlog import RequestLog

FORM = {"prompt": "a lake", "seed": "7"}


def entry(number: int) -> LoggedRequest:
    return LoggedRequest(
        method="GET",
        path=f"/v1/jobs/{number}",
        route="status",
        at=number,
        status=200,
        job_id=str(number),
        key=None,
        headers={},
        faults=(),
        received=0,
        fields={},
        files=(),
    )


def test_a_submit_is_logged_with_all_its_fields(raw: RawClient) -> None:
    raw.clock.advance(3)
    response = raw.form("/v1/jobs/lucy-pro-i2v", FORM, {"data": b"picture"}, X_More="yes")
    (noted,) = raw.emulator.requests.submits
    assert (noted.method, noted.path, noted.route, noted.status) == ("POST", "/v1/jobs/lucy-pro-i2v", "submit", 200)
    assert (noted.at, noted.job_id) == (3, response.json["job_id"])
    assert (noted.fields, noted.files, noted.faults) == (FORM, ("data",), ())
    assert noted.headers["x-more"] == "yes"
    assert noted.received == int(noted.headers["content-length"])


def test_each_attempt_to_make_an_image_is_counted_beside_the_submits(raw: RawClient) -> None:
    raw.form("/v1/generate/lucy-image-2", {"prompt": "a hat"}, {"data": b"picture"})
    raw.form("/v1/generate/lucy-image-2", {"prompt": "a hat"})
    raw.get("/v1/generate/lucy-image-2")
    assert [image.status for image in raw.emulator.requests.images] == [200, 422]
    assert raw.emulator.requests.submits == []


def test_no_key_is_stored_but_different_keys_can_be_distinguished(raw: RawClient) -> None:
    raw.get("/v1/jobs/x", key="dct_secret", Authorization="Bearer dct_secret", Cookie="a=dct_secret")
    raw.get("/v1/jobs/x", key="dct_other")
    raw.get("/v1/jobs/x", key=None)
    first, second, third = raw.emulator.requests
    assert "secret" not in str(first.as_json())
    assert (first.headers["x-api-key"], first.headers["authorization"], first.headers["cookie"]) == ("***",) * 3
    assert first.key == fingerprint("dct_secret") != second.key
    assert third.key is None


@pytest.mark.parametrize(("key", "start"), [("dct_a", "dct_…"), ("ek_a", "ek_…"), ("eyJa", "eyJ…"), ("secret", "…")])
def test_a_fingerprint_reveals_the_kind_of_a_key_and_nothing_else(key: str, start: str) -> None:
    assert fingerprint(key).startswith(start)
    assert len(fingerprint(key)) == len(start) + 8


def test_refused_requests_and_unknown_routes_are_logged_too(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-pro-t2v", FORM, key="nonsense")
    raw.form("/v1/jobs/lucy-pro-t2v", {})
    raw.get("/nowhere")
    assert [(e.route, e.status, dict(e.fields)) for e in raw.emulator.requests] == [
        ("submit", 401, {}),
        ("submit", 422, {}),
        ("other", 404, {}),
    ]


def test_the_times_of_the_status_checks_of_a_job_are_recorded(raw: RawClient) -> None:
    one, two = (raw.form("/v1/jobs/lucy-pro-t2v", FORM).json["job_id"] for _ in range(2))
    for job_id in (one, two, one):
        raw.get(f"/v1/jobs/{job_id}")
        raw.clock.advance(2)
    log = raw.emulator.requests
    assert (log.polls(one), log.polls(two), log.polls()) == ([0, 4], [2], [0, 2, 4])


def test_requests_are_counted_by_kind(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-pro-t2v", FORM)
    raw.get("/v1/jobs/x")
    log = raw.emulator.requests
    assert (log.count(), log.count(route="submit"), log.count(route="status", status=404)) == (2, 1, 1)
    assert log.count(log[0]) == 1
    assert repr(log) == "<RequestLog: 2 requests>"


def test_the_log_is_a_sequence_that_can_be_cleared(raw: RawClient) -> None:
    raw.get("/v1/jobs/x")
    log = raw.emulator.requests
    assert log[-1] == log[0] == log[:1][0]
    log.clear()
    assert list(log) == []


def test_only_the_last_ten_thousand_are_kept() -> None:
    log = RequestLog()
    for number in range(LOG_LIMIT + 2):
        log.note(entry(number))
    assert (len(log), log[0].at, log[-1].at) == (LOG_LIMIT, 2, LOG_LIMIT + 1)


def test_a_long_text_is_truncated(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "x" * 2 * FIELDS_LIMIT})
    text = raw.emulator.requests[0].fields["prompt"]
    assert text.startswith("x" * (FIELDS_LIMIT - len("prompt")) + "... (200,000 characters, SHA-256 ")
    assert len(text) < FIELDS_LIMIT + 60


def test_names_and_values_are_truncated_to_a_total() -> None:
    kept = short({"a": "12", "bc": "3456", "d": "7"}, 6)
    assert [*kept] == ["a", "bc"]
    assert (kept["a"], kept["bc"][:20]) == ("12", "3... (4 characters, ")
    assert short({"abc": "", "d": ""}, 3) == {}
    headers = safe({f"X-{number}": "x" * 100 for number in range(1_000)})
    assert HEADERS_LIMIT - 10 < sum(map(len, [*headers, *headers.values()])) <= HEADERS_LIMIT + 60


def test_a_long_path_is_truncated(raw: RawClient) -> None:
    raw.get("/v1/" + "x" * 2 * PATH_LIMIT)
    assert raw.emulator.requests[0].path == "/v1/" + "x" * (PATH_LIMIT - 4)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/v1/jobs/lucy-2", ("submit", None)),
        ("GET", "/v1/jobs/j1", ("status", "j1")),
        ("HEAD", "/v1/jobs/j1", ("status", "j1")),
        ("GET", "/v1/jobs/j1/content", ("content", "j1")),
        ("POST", "/v1/generate/lucy-image-2", ("generate", None)),
        ("POST", "/v1/files", ("files", None)),
        ("DELETE", "/v1/files/f1", ("files", None)),
        ("POST", "/v1/client/tokens", ("tokens", None)),
        ("POST", "/v1/models/resolve", ("models", None)),
        ("POST", "/v1/verify", ("verify", None)),
        ("GET", "/api/auth/jwks", ("other", None)),
        ("GET", "/", ("other", None)),
    ],
)
def test_the_kind_of_a_request_follows_from_its_path(method: str, path: str, route: tuple[str, str | None]) -> None:
    assert route_of(method, path) == route


def test_a_secret_header_is_recognized_in_any_case() -> None:
    assert safe({"X-Api-KEY": "a", "X-Other": "b"}) == {"x-api-key": "***", "x-other": "b"}


def test_one_line_is_logged_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level("INFO", logger="decart.emulator"),
        VirtualEmulator(renderer=Studio(), pending=0, processing=0) as emulator,
    ):
        raw = RawClient.within(emulator)
        raw.get("/v1/jobs/a%20b%0Ac", key=None)
        emulator.faults.add("job-fails", "unknown-status", "drop-before,after=2")
        job_id = raw.form("/v1/jobs/lucy-pro-t2v", FORM).json["job_id"]
        raw.get(f"/v1/jobs/{job_id}")
    lines = [record.getMessage() for record in caplog.records]
    sent = emulator.requests[1].received
    assert lines == [
        "GET /v1/jobs/a%20b%0Ac -> 401, 0 B in, 29 B out, 0 ms, job a%20b%0Ac",
        f"POST /v1/jobs/lucy-pro-t2v -> 200, {sent} B in, 67 B out, 0 ms, job {job_id}, fault job-fails",
        f"GET /v1/jobs/{job_id} -> 200, 0 B in, 70 B out, 0 ms, job {job_id}, fault unknown-status",
    ]


def test_a_line_says_how_long_a_response_took_or_that_there_was_none(caplog: pytest.LogCaptureFixture) -> None:
    emulator = VirtualEmulator(faults=["stall:3", "drop-before"])
    broken_off = pytest.raises(TransportError, match="was lost")
    with caplog.at_level("INFO", logger="decart.emulator"), emulator, broken_off:
        RawClient.within(emulator).get("/v1/jobs/x")
    line = "GET /v1/jobs/x -> dropped, 0 B in, 0 B out, 3000 ms, job x, fault drop-before stall"
    assert [record.getMessage() for record in caplog.records] == [line]


@pytest.mark.parametrize("path", ["/v1/jobs/a%2Fb", "/v1/jobs/a%2fb", "/v1/jobs/a%3Fb%23", "/v1/jobs/%C3%BC?x=1"])
def test_a_quoted_character_stays_in_the_id(raw: RawClient, path: str) -> None:
    raw.get(path)
    (noted,) = raw.emulator.requests
    assert noted.job_id == {"a%2Fb": "a%2Fb", "a%2fb": "a%2Fb", "a%3Fb%23": "a?b#"}.get(path[9:], "\u00fc")

"""The control routes: faults and the request log over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from support.raw import RawClient

STATUS = {"name": "status", "code": 500, "on": "submit", "times": 2}


def test_faults_are_added_listed_and_deleted(raw: RawClient) -> None:
    added = raw.json("/_emulator/faults", STATUS, key=None)
    assert (added.status, added.json) == (201, [STATUS])
    more = raw.json("/_emulator/faults", ["drop-after", {"name": "stall", "seconds": 5}], key=None)
    assert more.json == [STATUS, {"name": "drop-after"}, {"name": "stall", "seconds": 5}]
    assert raw.get("/_emulator/faults", key=None).json == more.json
    assert raw.request("DELETE", "/_emulator/faults", key=None).status == 204
    assert raw.get("/_emulator/faults").json == []


def test_a_fault_is_removed_after_it_has_acted(raw: RawClient) -> None:
    raw.json("/_emulator/faults", "status:418,on=status")
    assert [raw.get("/v1/jobs/x").status for _ in range(2)] == [418, 404]
    assert raw.get("/_emulator/faults").json == []


def test_a_redirect_keeps_the_path_as_it_was_written(raw: RawClient) -> None:
    raw.emulator.faults.add("redirect")
    response = raw.get("/v1/jobs/%e6%b9%96%0d%0aX-Mine:%20yes")
    assert response.headers["location"] == "https://elsewhere.invalid/v1/jobs/%E6%B9%96%0D%0AX-Mine%3A%20yes"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("nonsense", "no fault named 'nonsense'"),
        ([STATUS, {"name": "status", "code": 1}], "code must be an HTTP status"),
        (7, "not int"),
        (None, "not NoneType"),
        ([[STATUS]], "not list"),
    ],
)
def test_an_invalid_fault_is_refused_with_the_reason(raw: RawClient, given: Any, why: str) -> None:
    response = raw.json("/_emulator/faults", given)
    assert response.status == 400
    assert why in response.json["detail"]
    assert raw.get("/_emulator/faults").json == []


def test_a_body_other_than_json_is_refused_so_that_no_page_of_another_site_can_set_a_fault(raw: RawClient) -> None:
    assert raw.request("POST", "/_emulator/faults", b'"drop-after"', Content_Type="text/plain").status == 415
    for body in (b"{", b"drop-after", b"[" * 100_000):
        response = raw.request("POST", "/_emulator/faults", body, Content_Type="application/json")
        assert (response.status, "must be JSON" in response.json["detail"]) == (400, True)
    assert raw.emulator.faults.left == ()


def test_a_body_that_is_too_large_is_refused(raw: RawClient) -> None:
    assert raw.json("/_emulator/faults", "x" * 1024 * 1024).status == 413


def test_the_log_is_listed_and_cleared(raw: RawClient) -> None:
    raw.get("/v1/jobs/x")
    raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "a lake"})
    status, submit = raw.get("/_emulator/requests", key=None).json
    assert (status["route"], status["status"], status["headers"]["x-api-key"]) == ("status", 404, "***")
    assert submit["fields"] == {"prompt": "a lake"}
    assert raw.get("/_emulator/requests?route=submit").json == [submit]
    assert raw.request("DELETE", "/_emulator/requests").status == 204
    assert raw.get("/_emulator/requests").json == []


def test_the_control_routes_are_neither_logged_nor_affected_by_faults(raw: RawClient) -> None:
    raw.emulator.faults.add("status:500,times=forever")
    assert raw.get("/_emulator/faults").status == 200
    assert list(raw.emulator.requests) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_emulator", 404),
        ("GET", "/_emulator/nothing", 404),
        ("PUT", "/_emulator/faults", 405),
        ("POST", "/_emulator/requests", 405),
    ],
)
def test_there_are_no_other_control_routes(raw: RawClient, method: str, path: str, status: int) -> None:
    assert raw.request(method, path).status == status


def test_a_path_with_the_same_beginning_is_no_control_route(raw: RawClient) -> None:
    assert raw.get("/_emulators").status == 404
    assert len(raw.emulator.requests) == 1

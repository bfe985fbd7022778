"""The control routes are protected from web pages of other origins."""

from __future__ import annotations

import pytest
from support.raw import RawClient

from decart.emulator import Fault
from decart.emulator.control import guard

ROUTES = [
    ("GET", "/_emulator/faults", None),
    ("POST", "/_emulator/faults", b'"drop-after"'),
    ("DELETE", "/_emulator/faults", None),
    ("GET", "/_emulator/requests", None),
    ("DELETE", "/_emulator/requests", None),
]
JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_dns_rebinding_does_not_reach_the_control_routes(
    raw: RawClient, method: str, path: str, body: bytes | None
) -> None:
    raw.emulator.faults.add("status:418,on=status")
    response = raw.request(method, path, body, Host="evil.example:8787", Origin="http://evil.example:8787", **JSON)
    assert response.status == 403
    assert response.json["detail"].startswith("The control routes accept only localhost")
    assert raw.emulator.faults.left == (Fault("status", code=418, on="status"),)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null"])
def test_a_page_of_another_origin_does_not_reach_the_control_routes(
    raw: RawClient, method: str, path: str, body: bytes | None, origin: str
) -> None:
    response = raw.request(method, path, body, Host="localhost:8787", Origin=origin, **JSON)
    assert response.status == 403
    assert response.json["detail"].startswith("The control routes accept no request from a web page of another origin")
    assert raw.emulator.faults.left == ()


OWN = ["localhost", "localhost:8787", "LOCALHOST:80", "127.0.0.1:8787", "127.1.2.3", "[::1]:8787", "emulator:8787"]


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_and_of_a_compose_file_are_accepted(raw: RawClient, host: str) -> None:
    assert raw.get("/_emulator/faults", Host=host).status == 200
    assert raw.get("/_emulator/faults", Host=host, Origin=f"http://{host}").status == 200


FOREIGN = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:8787",
    "localhost:8787@evil.example",
    "192.168.1.5:8787",
    "[fe80::1]:8787",
    "[localhost",
    "localhost:",
    "",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_any_other_host_is_refused(raw: RawClient, host: str) -> None:
    assert raw.get("/_emulator/faults", Host=host).status in (400, 403)  # what is no host at all, the server refuses


@pytest.mark.parametrize(
    ("listening_on", "host", "accepted"),
    [
        ("emulator.lan", "emulator.lan:8787", True),
        ("emulator.lan", "other.lan:8787", False),
        ("192.168.1.5", "192.168.1.5:8787", True),
        ("192.168.1.5", "192.168.1.6:8787", False),
        ("0.0.0.0", "192.168.1.5:8787", True),  # any of the machine's addresses; a page has a name
        ("::", "[fe80::1]:8787", True),
        ("0.0.0.0", "evil.example:8787", False),
    ],
)
def test_the_host_that_the_emulator_listens_on_is_accepted(listening_on: str, host: str, accepted: bool) -> None:
    assert (guard({"HTTP_HOST": host}, listening_on) is None) is accepted


def test_the_routes_of_the_service_are_open_to_any_host(raw: RawClient) -> None:
    assert raw.get("/v1/jobs/x", Host="api.decart.ai", Origin="https://app.example").status == 404

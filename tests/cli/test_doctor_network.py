"""``decart doctor``: what it finds over the network, between the process and the service."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from support.servers import Script, answering, deaf, http, nobody, reply, serving, silent
from support.speed import at_any_speed

from decart.cli.main import main

KEY = "dct_0123456789abcdef"
NO_FILE = b'{"detail": "File not found"}'


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", KEY)


def found(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the checks by their names."""
    assert main(["doctor", "--json", "--timeout", "20", *arguments]) == code
    out = capsys.readouterr().out
    assert KEY not in out
    return {check["name"]: check for check in json.loads(out)["checks"]}


def service(status: int = 404, body: bytes = NO_FILE, *, fast: float = 0.0) -> Script:
    """Respond to every request, with a clock that is ``fast`` by so many seconds."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=fast), usegmt=True)
    return answering(lambda request, number: http(status, body, {"Date": date}))


@pytest.mark.parametrize("status", [401, 403])
def test_a_401_or_403_is_a_refused_key(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(service(status, b'{"detail": "Invalid API key"}')) as server:
        checks = found(capsys, "--base-url", server.url, code=4)
    assert "Invalid API key" in checks["key accepted"]["text"]
    assert checks["server"]["state"] == "ok"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"<html>Not found</html>", "no such route; check the base URL"),
        (404, b"", "no such route"),
        (503, b'{"detail": "Down"}', "(HTTP 503: Down)"),
        (200, b"Welcome", "the response cannot be used"),
    ],
)
def test_a_response_that_says_nothing_about_the_key_is_a_problem(
    status: int, body: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(service(status, body)) as server:
        check = found(capsys, "--base-url", server.url, code=1)["key accepted"]
    assert (check["state"], why in check["text"]) == ("problem", True), check


@pytest.mark.parametrize(
    ("fast", "text"), [(100, "behind the server's"), (-100, "ahead of the server's")], ids=["behind", "ahead"]
)
def test_a_clock_that_is_wrong_is_a_problem(fast: float, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(service(fast=fast)) as server:
        check = found(capsys, "--base-url", server.url, code=1)["clock"]
    assert (check["state"], text in check["text"]) == ("problem", True)


def test_without_a_date_the_clock_is_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answering(lambda request, number: http(404, NO_FILE))) as server:
        assert found(capsys, "--base-url", server.url)["clock"]["state"] == "skipped"


@pytest.mark.parametrize(
    ("url", "why"),
    [("ftp://x", "must look like"), ("http://service.invalid", "use --allow-http")],
    ids=["not http", "unencrypted"],
)
def test_a_base_url_that_cannot_be_used_is_a_problem(url: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    checks = found(capsys, "--base-url", url, code=1)
    assert (checks["base URL"]["state"], why in checks["base URL"]["text"]) == ("problem", True)
    assert checks["server"] == {"name": "server", "state": "skipped", "text": "not checked", "advice": ""}


def test_a_server_that_refuses_connections_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with nobody() as url:
        check = found(capsys, "--base-url", url, code=1)["server"]
    assert (check["state"], "Connection refused" in check["text"]) == ("problem", True)


@at_any_speed
def test_a_server_that_is_silent_ends_after_the_timeout(capsys: pytest.CaptureFixture[str], scale: float) -> None:
    seconds = str(0.1 * scale)
    with serving(silent) as server:
        check = found(capsys, "--base-url", server.url, "--timeout", seconds, code=1)["server"]
    assert "stopped responding" in check["text"]
    with deaf() as url:
        check = found(capsys, "--base-url", url, "--timeout", seconds, code=1)["server"]
    assert "Could not connect" in check["text"]


@at_any_speed
def test_a_name_server_that_does_not_respond_ends_it_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    released = threading.Event()

    def lookup(*_: object, **__: object) -> Any:
        released.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    checks = found(capsys, "--base-url", "https://service.invalid", "--timeout", str(0.1 * scale), code=1)
    assert checks["server"]["text"] == "nothing happened in time."
    assert checks["clock"]["state"] == "skipped"
    (thread,) = (each for each in threading.enumerate() if each.name == "decart-doctor")
    released.set()
    thread.join(60)


# ---------------------------------------------------------------- proxies


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with serving(service()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:p@ss@127.0.0.1:{proxy.port}")
        yield proxy


def test_the_proxy_is_named_without_its_password(proxy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    checks = found(capsys, "--base-url", "http://service.invalid", "--allow-http")
    assert checks["proxy"]["text"] == f"http://***@127.0.0.1:{proxy.port}"
    assert checks["TLS"] == {
        "name": "TLS", "state": "skipped", "text": "the connection goes through the proxy", "advice": "",
    }  # fmt: skip
    (request,) = proxy.requests
    assert request.target.startswith("http://service.invalid/v1/files/")


def test_a_proxy_that_is_not_a_url_is_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "ftp://me:secret@proxy")
    checks = found(capsys, "--base-url", "https://service.invalid", code=1)
    assert (checks["base URL"]["state"], checks["proxy"]["state"]) == ("ok", "problem")
    assert "secret" not in checks["proxy"]["text"]


# ---------------------------------------------------------------- TLS


def test_the_version_of_tls_and_the_end_of_the_certificate_are_named(
    certificate: tuple[Path, Path], tls: ssl.SSLContext, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with serving(service(), tls=tls) as server:
        check = found(capsys, "--base-url", server.url)["TLS"]
    assert check["state"] == "ok"
    assert check["text"].startswith("TLSv1.")
    ends = datetime.now(UTC) + timedelta(days=2)  # a test at midnight, or a slow one, sees the day before
    assert any(f"valid until {ends - timedelta(days=early):%Y-%m-%d} (" in check["text"] for early in (0, 1))


def test_a_certificate_that_is_not_trusted_is_a_problem(
    tls: ssl.SSLContext, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(service(), tls=tls) as server:
        check = found(capsys, "--base-url", server.url, code=1)["server"]
        assert "certificate verify failed" in check["text"]


def test_a_second_connection_that_fails_is_a_problem(
    certificate: tuple[Path, Path], tls: ssl.SSLContext, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with nobody() as url:
        port = int(url.rpartition(":")[2])
    with serving(reply(http(404, NO_FILE)), tls=tls) as server:
        real = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", lambda address, *rest: real((address[0], port), *rest))
        check = found(capsys, "--base-url", server.url, code=1)["TLS"]
    assert check["text"].startswith("another connection failed: ")

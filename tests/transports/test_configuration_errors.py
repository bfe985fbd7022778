"""Settings with which no attempt can succeed: a `ConfigurationError`, and nothing is sent or retried."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.exchanges import (
    LONG,
    OK,
    Make,
    all_but_aiohttp,
    exchange,
    failure,
    get,
    get_and_post,
    only_aiohttp,
    post,
)
from support.servers import PATIENCE, answering, nobody, serving

from decart import (
    ConfigurationError,
    ConnectError,
    DecartClient,
    QueueStatusError,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart.transports.base import HttpRequest, HttpResponse, SystemClock, Transport


def check_configuration_error(transport: Transport, request: HttpRequest) -> str:
    """Send a request and return the message of its `ConfigurationError`."""
    error = failure(transport, request)
    assert type(error) is ConfigurationError
    assert error.may_have_been_sent is False
    assert "nothing was sent" in error.message.lower()
    return error.message


def test_a_configuration_error_is_a_transport_error_but_no_connect_error() -> None:
    assert issubclass(ConfigurationError, TransportError)
    assert not issubclass(ConfigurationError, ConnectError)


# ---------------------------------------------------------------- the proxy


@get_and_post
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "proxy", ["http:///nowhere", "http://127.0.0.1:99999", "http://127.0.0.1:port", "gopher://127.0.0.1:70"]
)
def test_a_malformed_proxy_of_the_environment_is_named_by_its_variables(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make, scheme: str, proxy: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    message = check_configuration_error(transport, make(f"{scheme}://service.invalid"))
    assert "service.invalid:80" in message or "service.invalid:443" in message
    assert "HTTP_PROXY" in message


def test_the_password_of_a_malformed_proxy_is_not_repeated(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hush@127.0.0.1:99999")
    assert "hush" not in check_configuration_error(transport, get("http://service.invalid"))


@all_but_aiohttp
@get_and_post
def test_a_socks_proxy_without_pysocks_says_what_to_install(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:9")
    message = check_configuration_error(transport, make("http://service.invalid"))
    assert "pip install 'requests[socks]'" in message


@only_aiohttp
@get_and_post
def test_aiohttp_says_that_it_cannot_use_a_socks_proxy(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:9")
    message = check_configuration_error(transport, make("http://service.invalid"))
    assert "SOCKS" in message
    assert "transport='requests'" in message


# ---------------------------------------------------------------- the CA bundle


def no_such_file(folder: Path) -> Path:
    return folder / "bundle.pem"


def file_with(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "bundle.pem"
        path.write_bytes(content)
        return path

    return make


def file_as_a_folder(folder: Path) -> Path:
    return file_with(b"")(folder) / "bundle.pem"


def unreadable_file(folder: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = file_with(b"")(folder)
    path.chmod(0)
    return path


GARBLED = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
BUNDLES: dict[str, Callable[[Path], Path]] = {
    "is missing": no_such_file,
    "is empty": file_with(b""),
    "holds no certificate": file_with(b"not a certificate\n"),
    "holds a garbled certificate": file_with(GARBLED),
    "holds binary garbage": file_with(bytes(range(256)) * 10),
    "lies in a folder that is none": file_as_a_folder,
    "may not be read": unreadable_file,
}


@get_and_post
@pytest.mark.parametrize("case", BUNDLES)
def test_a_ca_bundle_that_cannot_be_used_is_named_with_its_variables(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Make, case: str
) -> None:
    bundle = BUNDLES[case](tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with nobody() as url:
        message = check_configuration_error(transport, make(url.replace("http:", "https:")))
    assert str(bundle) in message
    assert "REQUESTS_CA_BUNDLE" in message


def test_a_missing_ca_bundle_of_curl_is_named_too(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "no-such-bundle.pem")
    with nobody() as url:
        message = check_configuration_error(transport, post(url.replace("http:", "https:")))
    assert "no-such-bundle.pem" in message


def test_a_ca_bundle_that_is_repaired_is_used_from_then_on(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        check_configuration_error(transport, post(server.url))
        bundle.write_bytes(certificate[0].read_bytes())
        assert exchange(transport, post(server.url))[2] == b"fine"


def test_a_missing_ca_bundle_does_not_matter_without_tls(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-bundle.pem")
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"


# ---------------------------------------------------------------- the URL


@get_and_post
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "a..invalid"])
def test_a_host_name_that_cannot_be_encoded_is_named(transport: Transport, make: Make, scheme: str, host: str) -> None:
    assert host in check_configuration_error(transport, make(f"{scheme}://{host}"))


# ---------------------------------------------------------------- no second attempt


class Counted(SystemClock):
    """A transport that counts the calls of ``send`` and ``sleep``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.sends, self.sleeps = 0, 0

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.sends += 1
        return self._transport.send(request, timeout=timeout)

    def sleep(self, seconds: float, cancel: object = None) -> None:
        self.sleeps += 1

    def close(self) -> None: ...


def test_the_sdk_never_retries_a_configuration_error(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http:///nowhere")
    counted = Counted(transport)
    with (
        DecartClient(
            "dct_test",
            base_url="http://service.invalid",
            allow_http=True,
            transport=counted,
            retry=RetryPolicy(attempts=3),
            timeout=LONG,
        ) as client,
        pytest.raises(QueueStatusError) as raised,
    ):
        client.queue.status("j1")
    assert isinstance(raised.value.cause, ConfigurationError)
    assert (counted.sends, counted.sleeps) == (1, 0)


def test_a_wait_ends_at_once_with_a_configuration_error(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http:///nowhere")
    counted = Counted(transport)
    with DecartClient(
        "dct_test", base_url="http://service.invalid", allow_http=True, transport=counted, timeout=LONG
    ) as client:
        began = counted.now()
        with pytest.raises(QueueStatusError) as raised:
            client.queue.poll("j1")
        assert counted.now() - began < PATIENCE / 2
    assert isinstance(raised.value.cause, ConfigurationError)
    assert counted.sends == 1

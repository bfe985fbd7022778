"""Which certificates are trusted: those of the environment's CA bundle, for the requested host."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from support.exchanges import (
    BIG,
    LONG,
    OK,
    Make,
    exchange,
    failure,
    get,
    get_and_post,
    large,
    only_aiohttp,
    post,
)
from support.servers import answering, serving

from decart import ConnectError
from decart.transports.base import Transport

LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@get_and_post
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    transport: Transport, tls: ssl.SSLContext, make: Make
) -> None:
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        error = failure(transport, make(server.url), LONG)
        assert not server.requests
        place = server.url.removeprefix("https://")
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False
    assert error.message.startswith(
        f"Could not connect to {place} (certificate verify failed: self-signed certificate)"
    )


@get_and_post
@pytest.mark.usefixtures("trusted")
def test_nothing_is_sent_to_a_server_whose_certificate_is_for_another_host(
    transport: Transport, tls: ssl.SSLContext, make: Make
) -> None:
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        error = failure(transport, make(server.url.replace("127.0.0.1", "localhost")), LONG)
        assert not server.requests
    assert type(error) is ConnectError
    assert "certificate verify failed" in error.message


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_ca_bundle_of_the_environment_is_used(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    form: str,
) -> None:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate[0])]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() + ".0"
    shutil.copy(certificate[0], tmp_path / name)
    monkeypatch.setenv(variable, str(certificate[0] if form == "file" else tmp_path))
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        assert exchange(transport, post(server.url, large()))[2] == b"fine"
        assert exchange(transport, get(server.url))[2] == b"fine"
        assert len(server.requests[0].body) == BIG
        assert len(server.connections) == 1


def check_loaded_once(transport: Transport, tls: ssl.SSLContext, bundle: Path) -> None:
    with serving(answering(lambda request, number: LAST), tls=tls) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"
        bundle.unlink()
        assert exchange(transport, get(server.url))[2] == b"fine"
        assert len(server.connections) == 2


@pytest.fixture
def bundle(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A CA bundle of the environment that a test may delete."""
    path = tmp_path / "bundle.pem"
    shutil.copy(certificate[0], path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


@only_aiohttp
def test_aiohttp_loads_the_ca_bundle_once_per_origin(transport: Transport, tls: ssl.SSLContext, bundle: Path) -> None:
    check_loaded_once(transport, tls, bundle)


@pytest.mark.parametrize("kind", ["urllib3"], indirect=True)
def test_urllib3_loads_the_ca_bundle_once_per_origin(transport: Transport, tls: ssl.SSLContext, bundle: Path) -> None:
    check_loaded_once(transport, tls, bundle)

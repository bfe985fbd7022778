"""An error of a transport contains nothing of the exchange: no exception of the library, and so no key."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator

import pytest
from support.exchanges import (
    FAILURES,
    LONG,
    NO_CONNECTION,
    Make,
    Parts,
    caught,
    exchange,
    failure,
    get,
    get_and_post,
    post,
    url_of,
)
from support.fakes import KEY
from support.servers import http, nobody, reply, serving, silent

from decart import ConnectError, Timeout, TransportError
from decart.transports.base import Transport


def check_silent_about_the_exchange(error: TransportError) -> None:
    """Check that only the message of the HTTP library's exception is kept."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.cause is None
    assert KEY not in repr(error.args) + repr(error.__dict__)
    assert KEY not in "".join(traceback.format_exception(error))
    assert pickle.loads(pickle.dumps(error)) == error


@get_and_post
@pytest.mark.parametrize("case", NO_CONNECTION)
def test_an_error_without_a_connection(transport: Transport, case: str, make: Make) -> None:
    with NO_CONNECTION[case]() as url:
        check_silent_about_the_exchange(failure(transport, make(url), Timeout(connect=0.05, read=0.05)))


@get_and_post
@pytest.mark.parametrize("case", FAILURES)
def test_an_error_after_the_request(transport: Transport, case: str, make: Make) -> None:
    with url_of(FAILURES[case]) as url:
        check_silent_about_the_exchange(failure(transport, make(url), Timeout(connect=1, read=0.05)))


def test_an_error_of_an_interim_response_or_of_the_total(transport: Transport) -> None:
    with url_of(reply(b"HTTP/1.1 103 Early Hints\r\n\r\n")) as url:
        check_silent_about_the_exchange(failure(transport, get(url), LONG))
    with url_of(reply(http(200, b"fine"))) as url:
        check_silent_about_the_exchange(failure(transport, get(url), Timeout(total=1e-9)))


def test_an_error_of_a_setting(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http:///nowhere")
    check_silent_about_the_exchange(failure(transport, get("http://service.invalid")))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-bundle.pem")
    with nobody() as url:
        check_silent_about_the_exchange(failure(transport, get(url.replace("http:", "https:"))))


@get_and_post
def test_an_error_of_a_proxy_does_not_contain_its_password_either(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    with serving(reply(http(403))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:hush@127.0.0.1:{proxy.port}")
        error = failure(transport, make("https://service.invalid"), LONG)
    assert type(error) is ConnectError
    check_silent_about_the_exchange(error)
    assert "hush" not in "".join(traceback.format_exception(error)) + repr(error.__dict__)


class Unreadable(Parts):
    """A body that cannot be read."""

    def __iter__(self) -> Iterator[bytes]:
        raise PermissionError("no")


def test_an_error_of_a_body_has_no_context_of_the_library(transport: Transport) -> None:
    with url_of(silent) as url:
        error = caught(PermissionError, lambda: exchange(transport, post(url, Unreadable())))
    assert error.__cause__ is None
    assert error.__context__ is None

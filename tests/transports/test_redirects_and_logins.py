"""No redirect is followed, no cookie stored and no password looked up: the key is sent to its own host only."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests.utils
from support.exchanges import OK, Make, exchange, get, get_and_post
from support.servers import answering, http, serving

from decart.transports.base import Transport


@get_and_post
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_with_its_location_and_not_followed(
    transport: Transport, status: int, make: Make
) -> None:
    with serving(answering(lambda request, number: OK)) as other:
        with serving(answering(lambda r, n: http(status, b"moved", {"Location": other.url + "/x"}))) as server:
            got, headers, body = exchange(transport, make(server.url))
            assert (got, headers["location"], body) == (status, other.url + "/x", b"moved")
            assert len(server.requests) == 1
        assert not other.connections


@pytest.mark.parametrize("status", [300, 304, 399])
def test_any_other_3xx_is_returned_too(transport: Transport, status: int) -> None:
    with serving(answering(lambda request, number: http(status, headers={"Location": "/x"}))) as server:
        got, headers, _ = exchange(transport, get(server.url))
        assert (got, headers["location"]) == (status, "/x")


@get_and_post
@pytest.mark.parametrize("location", ["/elsewhere", "http://[", "", "http://" + "a" * 300, "http://a/\xe9"])
def test_a_location_is_returned_unchanged_even_if_it_is_nonsense(
    transport: Transport, location: str, make: Make
) -> None:
    with serving(answering(lambda request, number: http(302, b"moved", {"Location": location}))) as server:
        status, headers, body = exchange(transport, make(server.url))
        assert (status, body) == (302, b"moved")
        assert headers["location"].isascii() <= (headers["location"] == location)


def test_a_redirect_without_a_location_is_returned(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(302, b"moved"))) as server:
        status, headers, body = exchange(transport, get(server.url))
    assert (status, body) == (302, b"moved")
    assert "location" not in headers


def test_a_connection_is_kept_after_a_redirect(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(307, b"moved", {"Location": "/x"}))) as server:
        for _ in range(2):
            assert exchange(transport, get(server.url))[0] == 307
        assert len(server.connections) == 1


def test_a_cookie_of_one_response_is_not_sent_with_the_next_request(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(200, b"", {"Set-Cookie": "a=b; Path=/"}))) as server:
        exchange(transport, get(server.url))
        exchange(transport, get(server.url))
        assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def test_a_netrc_file_is_not_used(transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(lambda request, number: OK)) as server:
        assert requests.utils.get_netrc_auth(server.url) == ("me", "hush")  # it would be found
        exchange(transport, get(server.url))
        assert "authorization" not in server.requests[0].headers

"""`decart.redaction`: whatever a server echoes of the API key, in any form, is in nothing that we show or keep."""

from __future__ import annotations

import base64
import html
import json
import logging
import traceback
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import LAKE, FakeTransport, make_response, status

from decart import DecartClient, DecartSDKError, RetryPolicy, Timeout, TransportError
from decart.config import Secret, settings
from decart.protocol import ERROR_LIMIT
from decart.redaction import SHORT_KEY, TEXT_LIMIT, clean, holds_key, redact_json, redact_secret
from decart.responses import BODY_LIMIT, BufferedResponse, api_error
from decart.transports.base import HttpResponse

KEY = 'dct_K"7v/T2x&N9p+Lw4%Zs\\Y'
LONG = "dct_" + "k0L1m2N3" * 625  # 5,004 characters
SHORT = "abc"
SET = settings(KEY, "https://api.test", Timeout(), None)


def forms_of(key: str) -> dict[str, str]:
    encoded = base64.b64encode(key.encode()).decode()
    return {
        "as it is": key,
        "in lower case": key.lower(),
        "percent-encoded": quote(key, safe=""),
        "percent-encoded in all": "".join(f"%{ord(character):02x}" for character in key),
        "percent-encoded twice": quote(quote(key, safe=""), safe=""),
        "in JSON": json.dumps(key)[1:-1].replace("/", "\\/"),
        "in JSON, all escaped": "".join(f"\\u{ord(character):04X}" for character in key),
        "in JSON in JSON": json.dumps(json.dumps(key))[3:-3],
        "in HTML": html.escape(key),
        "in base64": encoded,
        "in base64 without an end": encoded.rstrip("="),
        "in base64 for URLs": base64.urlsafe_b64encode(key.encode()).decode(),
        "in base64 behind one character": base64.b64encode(b":" + key.encode()).decode(),
        "in base64 in a login": base64.b64encode(b"me:" + key.encode() + b"@x").decode(),
    }


@lru_cache
def pieces_of(key: str) -> set[str]:
    return {text[start : start + 9] for text in (key, *forms_of(key).values()) for start in range(len(text) - 9)}


def leaks(key: str, shown: str) -> bool:
    """Return whether a recognizable piece of the key, or of one of its forms, is in what is shown."""
    return not pieces_of(key).isdisjoint(shown[start : start + 9] for start in range(len(shown)))


@pytest.mark.parametrize("key", [KEY, LONG], ids=["usual", "long"])
@pytest.mark.parametrize("form", forms_of(KEY))
def test_a_key_is_redacted_in_each_of_its_forms(key: str, form: str) -> None:
    shown = redact_secret(f"the key {forms_of(key)[form]}, it is", key)
    assert not leaks(key, shown)
    assert shown.startswith("the key ") and shown.endswith(", it is")


@pytest.mark.parametrize("key", [KEY, LONG], ids=["usual", "long"])
@given(st.integers(0, 600), st.integers(1, 600))
def test_a_key_at_the_place_where_a_text_is_cut_is_redacted_before(key: str, before: int, limit: int) -> None:
    setting = settings(key, "https://api.test", Timeout(), None)
    assert not leaks(key, clean("-" * before + key, setting, limit=limit))


@given(st.integers(6, len(KEY) - 1), st.integers(0, 30))
def test_the_beginning_of_a_key_where_a_response_breaks_off_is_redacted(end: int, before: int) -> None:
    assert redact_secret("-" * before + KEY[:end], KEY) == "-" * before + "***"


def test_a_short_key_is_redacted_where_it_stands_alone_and_not_inside_of_words() -> None:
    assert redact_secret("bad key abc! abcdef, xabc", SHORT) == "bad key ***! abcdef, xabc"


@given(st.text(alphabet="\\%u0025dct_K&#;x", max_size=3000))
def test_text_that_only_looks_like_a_key_is_left_alone(text: str) -> None:
    assert redact_secret(text, LONG) in (text, text.removesuffix("dct_K") + "***")


def test_control_characters_and_lone_surrogates_are_replaced_and_long_text_is_cut() -> None:
    assert clean(" a\r\n\x1b\x85\u2028b\ud800 ", SET) == "a b?"
    assert clean("x" * 501, SET) == "x" * 499 + "…"
    assert clean("x" * 500, SET) == "x" * 500
    assert clean(f"x{KEY}x", SET, limit=5) == "x***x"


def test_a_text_contains_the_key_if_it_echoes_enough_of_it_to_be_recognized() -> None:
    assert holds_key(f"x{KEY}y", SET)
    assert holds_key(KEY[: SHORT_KEY + 1], SET)
    assert not holds_key("video/mp4", SET)
    assert not holds_key("abc", settings(SHORT, "https://api.test", Timeout(), None))  # may be part of any word


def test_the_title_and_the_text_of_a_page_are_redacted_before_they_are_cut() -> None:
    for before in range(150, 200):
        page = f"<title>{'x' * before}{KEY}</title>".encode()
        error = api_error(
            BufferedResponse(status=502, headers={}, body=page), settings(KEY, "https://a.test", Timeout(), None)
        )
        assert not leaks(KEY, repr(error.args))
    for before in (TEXT_LIMIT, BODY_LIMIT, ERROR_LIMIT):
        for shift in range(len(KEY)):
            body = ("x" * (before - shift) + KEY).encode()[:ERROR_LIMIT]
            error = api_error(
                BufferedResponse(status=502, headers={}, body=body), settings(KEY, "https://a.test", Timeout(), None)
            )
            assert not leaks(KEY, repr(error.args))


# through the client: errors with their frames, the log and the events


def echoes(text: str) -> Iterator[tuple[str, Any]]:
    """Yield each place, and the response in which a server echoes a text there."""
    page = f"<html>{text}".encode()
    yield "an error body", make_response(400, f"bad {text} key".encode())
    yield "a JSON error", make_response(422, {"detail": text, "code": text})
    yield "a title", make_response(502, f"<title>{text}</title>".encode(), content_type="text/html")
    yield (
        "headers",
        make_response(
            401,
            b"no",
            location=text,
            x_request_id=text,
            etag=f'"{text}"',
            content_type=text,
            retry_after=text,
            server=text,
        ),
    )
    yield "a good response", make_response(200, page, content_type=text, etag=f'"{text}"')
    yield "an encoding", make_response(200, text.encode(), content_encoding=text, content_type="video/mp4")
    yield "a video", make_response(200, b" " + page, content_type="video/mp4", etag=f'"{text}"')
    yield "an id", make_response(200, {"job_id": text, "status": text})
    yield "a response that breaks off", HttpResponse(200, {}, cut_after(text.encode()))


def cut_after(body: bytes) -> Iterator[bytes]:
    yield body
    raise TransportError("The connection broke off.")


def local_variables(error: BaseException | None) -> Iterator[str]:
    """Yield what a debugger or Sentry would show of our frames, for an error and its causes."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/decart/" in frame.f_code.co_filename:
                yield from (f"{frame.f_code.co_qualname}: {name}={value!r}" for name, value in frame.f_locals.items())
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("key", [KEY, LONG], ids=["usual", "long"])
@pytest.mark.parametrize("form", forms_of(KEY))
@pytest.mark.parametrize("place", [place for place, _ in echoes("")])
def test_an_echoed_key_is_in_no_error_frame_log_or_part(
    key: str, form: str, place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    text = forms_of(key)[form]
    for call in ("submit", "status", "download", "stream"):
        echoing = dict(echoes(text))[place]
        script = [status("completed"), echoing] if call in ("download", "stream") else [echoing]
        client = DecartClient(key, transport=FakeTransport(*script), retry=RetryPolicy(attempts=1))
        try:
            if call == "submit":
                client.queue.submit(LAKE)
            elif call == "status":
                client.queue.status("j1")
            elif call == "download":
                client.queue.download("j1", tmp_path / "lake.mp4")
            else:
                list(client.queue.stream("j1"))
        except DecartSDKError as error:
            shown += ["".join(traceback.format_exception(error)), *local_variables(error)]
            shown += [repr(vars(behind)) for behind in (error, error.cause) if behind is not None]
    assert shown
    assert not [each for each in (*shown, caplog.text) if leaks(key, each)]
    assert not [path for path in tmp_path.iterdir() if leaks(key, path.read_text("latin-1"))]


def test_a_stream_passes_no_header_on_that_echoes_the_key(tmp_path: Path) -> None:
    headers = {"Content-Type": "video/mp4", "ETag": f'"{LONG}"', "Content-Length": "300"}
    echoing = HttpResponse(200, {**headers, "Last-Modified": LONG[:40]}, [bytes(300)])
    client = DecartClient(LONG, transport=FakeTransport(status("completed"), echoing))
    with client.queue.stream("j1") as video:
        assert video.headers == {"Content-Type": "video/mp4", "Content-Length": "300"}
        assert not leaks(LONG, repr(video) + repr(vars(video)))


def test_the_key_is_a_secret_itself() -> None:
    assert repr(Secret(KEY)) == "'***'"


def test_json_is_redacted_text_by_text_and_keeps_its_shape() -> None:
    value = {"by": KEY, "more": [f"for {KEY}", 5, None, True, 0.5], KEY: {}}
    hidden = redact_json(value, lambda text: redact_secret(text, KEY))
    assert hidden == {"by": "***", "more": ["for ***", 5, None, True, 0.5], "***": {}}


def test_json_that_is_nested_too_deeply_is_not_shown() -> None:
    value: Any = KEY
    for _ in range(100_000):
        value = [value]
    assert redact_json(value, str) is None

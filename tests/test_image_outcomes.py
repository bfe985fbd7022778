"""What ends a request for an image, what it may have cost, and what the caller gets to know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, Takes, client_of, make_response
from support.images import HAT, PNG, cut, image, part_of, picture, unframed

from decart import (
    AsyncDecartClient,
    ClientClosedError,
    ImageResult,
    ModelRetiredError,
    PaymentRequiredError,
    ProcessingCancelledError,
    ProcessingError,
    ProcessingOutcomeUnknownError,
    QueueError,
    Timeout,
    TransportError,
    models,
)
from decart.images import IMAGE_LIMIT
from decart.transports.base import HttpRequest, HttpResponse

# ---------------------------------------------------------------- money


@pytest.mark.parametrize(
    "refusal",
    [
        make_response(429, {"detail": "slow down"}, retry_after="2"),
        make_response(503, b"", retry_after="2"),
        TransportError("No connection.", may_have_been_sent=False),
    ],
)
def test_what_surely_was_not_accepted_is_repeated(refusal: Any) -> None:
    transport = FakeTransport(refusal, image())
    assert client_of(transport).process(HAT).data == PNG
    assert len(transport.posts) == 2


@pytest.mark.parametrize(
    "outcome",
    [
        make_response(504, b"<html><title>Gateway Time-out</title>"),
        make_response(500, {"detail": "oops"}),
        make_response(503, b""),
        make_response(302, b"", location="https://elsewhere.test"),
        TransportError("The connection broke off."),
        Takes(1000, image()),
    ],
)
def test_after_these_the_image_may_be_billed_and_nothing_is_repeated(outcome: Any) -> None:
    transport = FakeTransport(outcome)
    with pytest.raises(
        ProcessingOutcomeUnknownError, match="may have been made and billed.*Check your account"
    ) as caught:
        client_of(transport, timeout=Timeout(total=60)).process(HAT)
    assert len(transport.posts) == 1
    assert "try again" not in caught.value.message


@pytest.mark.parametrize("code", [400, 401, 402, 403, 413, 422, 501])
def test_after_these_nothing_was_billed(code: int) -> None:
    with pytest.raises(ProcessingError, match="The image was not made: ") as caught:
        client_of(FakeTransport(make_response(code, {"detail": "No."}, x_request_id="r-1"))).process(HAT)
    assert (caught.value.status_code, caught.value.request_id) == (code, "r-1")


def test_the_cause_says_why() -> None:
    with pytest.raises(ProcessingError) as caught:
        client_of(FakeTransport(make_response(402, {"detail": "No credits."}))).process(HAT)
    assert isinstance(caught.value.cause, PaymentRequiredError)


@pytest.mark.parametrize("code", [404, 405, 410])
def test_a_retired_model_is_said_to_be_one(code: int) -> None:
    with pytest.raises(ProcessingError, match="lucy-pro-t2i was retired in March 2026") as caught:
        client_of(FakeTransport(make_response(code))).process({"model": models.image("lucy-pro-t2i"), "prompt": "x"})
    assert isinstance(caught.value.cause, ModelRetiredError)


def test_a_refusal_is_one_although_its_body_was_cut_off() -> None:
    with pytest.raises(ProcessingError):
        client_of(FakeTransport(cut(b'{"detail": "too', "application/json", 422))).process(HAT)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (image(b""), "it is empty"),
        (image(b'{"error": "queued as j-1"}', "application/json"), "it is application/json instead of an image"),
        (image(b"\0" * 99, "video/mp4"), "it is video/mp4 instead of an image"),
        (image(b"<svg/>", "image/svg+xml"), r"it is image/svg\+xml instead of an image"),
        (image(b"<html>upstream", "image/png"), "it is text instead of an image"),
        (unframed(PNG[:-3]), "no length was announced, and the file seems to be truncated"),
        (
            make_response(200, PNG[:-3], content_type="image/png", content_length="999"),
            f"it has {len(PNG) - 3} of 999 bytes",
        ),
        (
            make_response(200, PNG[:-3], content_type="image/png", content_encoding="gzip", content_length="999"),
            "no length was announced, and the file seems to be truncated",
        ),
        (image(content_encoding="br"), "its content encoding is not supported"),
        (part_of(PNG), "it is a part of an image"),
        (image(b"\x80" * (IMAGE_LIMIT + 1)), "it is larger than 64 MiB"),
        (cut(PNG[:-3]), f"it ended after {len(PNG) - 3} bytes: The connection broke off"),
        (cut(PNG[:-3], length=len(PNG)), "The connection broke off"),
    ],
)
def test_a_response_that_is_no_complete_picture_leaves_the_outcome_unknown(response: Any, why: str) -> None:
    transport = FakeTransport(response)
    with pytest.raises(ProcessingOutcomeUnknownError, match=why):
        client_of(transport).process(HAT)
    assert len(transport.posts) == 1


@pytest.mark.parametrize(
    "response", [unframed(PNG), unframed(picture("JPEG"), "image/jpeg"), cut(PNG), cut(PNG, length=len(PNG) + 9)]
)
def test_the_structure_decides_where_http_does_not_say_where_a_picture_ends(response: Any) -> None:
    assert client_of(FakeTransport(response)).process(HAT).to_pil().size == (24, 16)


def test_the_error_and_the_log_quote_what_arrived(caplog: pytest.LogCaptureFixture) -> None:
    body = f'{{"queued": "j-17", "key": "{KEY}"}}'.encode()
    with pytest.raises(ProcessingOutcomeUnknownError) as caught:
        client_of(FakeTransport(image(body, "application/json", location="/v1/jobs/j-17"))).process(HAT)
    quoted = caught.value.data
    assert (quoted["body"], quoted["location"]) == ('{"queued": "j-17", "key": "***"}', "/v1/jobs/j-17")
    assert caught.value.status_code is None and "j-17" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        ('{"queued": "j-17"}'.encode("utf-16"), '{"queued": "j-17"}'),
        ("demandé : j-17".encode("latin-1"), "demand\ufffd : j-17"),
        (("é" * 40_000).encode(), "é" * 1999 + "…"),  # what is read of it ends inside of a character
    ],
    ids=["UTF-16", "Latin-1", "long"],
)
def test_a_text_is_quoted_in_any_encoding(body: bytes, quoted: str) -> None:
    with pytest.raises(ProcessingOutcomeUnknownError) as caught:
        client_of(FakeTransport(image(b"a" * (len(body) % 2) + body, "text/plain"))).process(HAT)
    assert caught.value.data["body"].removeprefix("a") == quoted


def test_an_error_refers_to_no_other_one_that_keeps_the_response() -> None:
    for response in (image(b"<html>"), image(b"{}", "application/json"), cut(PNG[:60])):
        with pytest.raises(ProcessingOutcomeUnknownError) as caught:
            client_of(FakeTransport(response)).process(HAT)
        cause = caught.value.cause
        assert cause is not None
        assert (cause.__context__, cause.__traceback__) == (None, None)


def test_of_half_a_picture_the_error_quotes_the_number_of_bytes() -> None:
    with pytest.raises(ProcessingOutcomeUnknownError) as caught:
        client_of(FakeTransport(cut(PNG[:60]))).process(HAT)
    assert caught.value.data["body"] == "60 bytes that are not text"


# ---------------------------------------------------------------- ends


def test_an_interrupt_once_the_body_is_under_way_says_that_it_may_be_billed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(FakeTransport(KeyboardInterrupt())).process(HAT)
    (note,) = caught.value.__notes__
    assert note == (
        "The call ended before its image arrived. The image may have been made, and you may have been charged: check "
        "your account before you ask for it again."
    )
    assert note in caplog.text


def interrupted(after: str) -> Any:
    """Respond with a picture; Ctrl-C is pressed when all of it has been read, or when the connection is given back."""

    def press() -> None:
        raise KeyboardInterrupt

    def chunks() -> Iterator[bytes]:
        yield PNG
        press()

    headers = {"Content-Type": "image/png"}
    if after == "reading":
        return lambda request: HttpResponse(200, headers, chunks())
    return lambda request: HttpResponse(200, headers, iter([PNG]), press)


@pytest.mark.parametrize("after", ["reading", "closing"])
def test_a_picture_that_arrived_before_the_interrupt_is_not_lost(after: str) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(FakeTransport(interrupted(after))).process(HAT)
    assert caught.value.image == ImageResult(data=PNG, content_type="image/png", model="lucy-image-2")  # type: ignore[attr-defined]
    (note,) = caught.value.__notes__
    assert note.startswith("The image was made and billed, and may not be saved.")


def test_of_half_a_picture_an_interrupt_has_none() -> None:
    def chunks() -> Iterator[bytes]:
        yield PNG[:60]
        raise KeyboardInterrupt

    transport = FakeTransport(lambda request: HttpResponse(200, {"Content-Type": "image/png"}, chunks()))
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(transport).process(HAT)
    assert not hasattr(caught.value, "image")
    assert "you may have been charged" in caught.value.__notes__[0]


def test_a_task_that_is_cancelled_says_the_same() -> None:
    client = AsyncDecartClient(KEY, transport=FakeTransport(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(client.process(HAT))
    assert "you may have been charged" in caught.value.__notes__[0]


def test_an_interrupt_in_the_pause_after_a_refusal_has_cost_nothing() -> None:
    transport = FakeTransport(make_response(429))
    transport.interrupt_at(0.01)
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(transport).process(HAT)
    assert not hasattr(caught.value, "__notes__")


def test_an_interrupt_before_anything_was_sent_says_nothing() -> None:
    class Slow:
        def read(self, size: int = -1) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(FakeTransport()).process({**HAT, "data": Slow()})
    assert not hasattr(caught.value, "__notes__")


def test_a_cancelled_image_is_not_requested() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(ProcessingCancelledError, match="nothing was sent or billed") as caught:
        client_of(FakeTransport()).process(HAT, cancel=cancel)
    assert isinstance(caught.value, ProcessingError)
    assert not isinstance(caught.value, QueueError)


def test_an_image_that_is_cancelled_in_the_pause_after_a_refusal_is_not_requested_again() -> None:
    cancel, transport = threading.Event(), FakeTransport(make_response(429, retry_after="60"))
    transport.at(1, cancel.set)
    with pytest.raises(ProcessingCancelledError):
        client_of(transport).process(HAT, cancel=cancel)
    assert (len(transport.posts), transport.now()) == (1, 1)


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_once_it_is_cancelled_or_closed_no_body_leaves_any_more(end: str) -> None:
    """The transport asks at the last moment, when there is a connection."""
    cancel = threading.Event()

    def connected(request: HttpRequest) -> HttpResponse:
        cancel.set() if end == "cancel" else client.close()
        assert request.may_start is not None
        request.may_start()
        raise AssertionError("it was sent")

    client = client_of(FakeTransport(connected))
    with pytest.raises(ProcessingCancelledError if end == "cancel" else ClientClosedError):
        client.process(HAT, cancel=cancel)


def test_a_closed_client_requests_nothing() -> None:
    client = client_of(FakeTransport())
    client.close()
    with pytest.raises(ClientClosedError):
        client.process(HAT)

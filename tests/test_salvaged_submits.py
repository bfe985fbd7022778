"""What a 2xx answer to a submit held is never thrown away: its job id, or else its text."""

from __future__ import annotations

import json
import logging
import pickle
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import KEY, LAKE, OWN_MODEL, FakeTransport, accepted, client_of

from decart import (
    ConfigurationError,
    ConnectError,
    ResponseError,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
    TransportTimeout,
)
from decart.config import settings
from decart.options import from_options
from decart.protocol import parse_submit, submit_call
from decart.responses import BODY_LIMIT, BufferedResponse
from decart.transports.base import HttpRequest, HttpResponse

SET = settings(KEY, "https://api.test", Timeout(), None)
PLAIN = b'{"job_id": "j-1", "status": "pending"}'


def submitted(body: bytes, status: int = 200, **headers: str) -> str:
    return parse_submit(
        BufferedResponse(status=status, headers=headers, body=body), settings=SET, model=OWN_MODEL
    ).job_id


ODD = {
    "cut behind the id": b'{"job_id": "j-1", "sta',
    "cut at the comma": b'{"job_id": "j-1",',
    "cut right behind the id": b'{"job_id": "j-1"',
    "cut behind another field": b'{"status": "pending", "job_id": "j-1", "queue": {"place": 3, "of": [1, 2',
    "a number, cut behind it": b'{"job_id": 17, "status',
    "a comma too many": b'{"job_id": "j-1",}',
    "a value that is no JSON": b'{"job_id": "j-1", "seed": undefined, "a": 1, "b": 2}',
    "something behind it": PLAIN + b"\n<!-- proxy -->",
    "something before it": b")]}',\n" + PLAIN,
    "a page around it": b"<html><pre>" + PLAIN + b"</pre></html>",
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "UTF-16 without a mark": PLAIN.decode().encode("utf-16-be"),
    "UTF-16, cut": PLAIN.decode().encode("utf-16-le")[:-11],
    "a list around it": b"[" + PLAIN + b"]",
    "under data": b'{"data": ' + PLAIN + b"}",
    "under job, cut": b'{"ok": true, "job": {"job_id": "j-1", "sta',
    "an empty id beside it": b'{"job_id": null, "data": ' + PLAIN + b"}",
    "bytes that are no text": b'{"job_id": "j-1", "note": "\xff\xfe"}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@pytest.mark.parametrize("code", [200, 201, 202])
def test_an_id_that_can_be_read_is_used_whatever_is_around_it(body: bytes, code: int) -> None:
    assert submitted(body, code) == ("17" if b": 17" in body else "j-1")


NONE = {
    "nothing": b"",
    "cut inside the id": b'{"job_id": "j-',
    "a number that may be cut": b'{"job_id": 17',
    "two answers": PLAIN + b'{"job_id": "j-2", "status": "pending"}',
    "two jobs": b"[" + PLAIN + b"," + PLAIN + b"]",
    "an id of something else": b'{"parent": {"job_id": "j-0"}}',
    "another name": b'{"id": "j-1"}',
    "a damaged id": b'{"job_id": "j-\xff1"}',
    "a true id": b'{"job_id": true}',
    "the key as the id": b'{"job_id": "' + KEY.encode() + b'"}',
    "the key in the id": b'{"job_id": "j-' + KEY.encode() + b'-1"}',
    "brackets without an end": b"[" * 100_000,
    "a thousand objects": b'{"job_id":' * 1000,
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_an_id_that_cannot_be_trusted_is_not_used(body: bytes) -> None:
    with pytest.raises(ResponseError) as caught:
        submitted(body)
    assert KEY not in repr(caught.value.args)


def test_without_an_id_the_error_and_the_log_contain_the_text_and_the_location(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = f"accepted as j-1 for {KEY} ".encode() + b"x" * 5000
    with pytest.raises(ResponseError) as caught:
        submitted(body, 202, location=f"/v1/jobs/j-1?key={KEY}")
    data = caught.value.data
    assert data["status_code"] == 202
    assert data["body"].startswith("accepted as j-1 for *** xxx") and len(data["body"]) == BODY_LIMIT
    assert data["location"] == "/v1/jobs/j-1?key=***"
    assert pickle.loads(pickle.dumps(caught.value)) == caught.value
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for shown in ("accepted as j-1 for *** xxx", "/v1/jobs/j-1?key=***"):
        assert shown in record.getMessage()
    assert KEY not in record.getMessage()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.text(min_size=1, max_size=9).filter(lambda text: text.strip() and text.isprintable() and text not in ("..", "."))
    | st.integers(0, 10**9),
    st.lists(
        st.tuples(st.sampled_from(["status", "queue", "eta"]), VALUES), max_size=3, unique_by=lambda pair: pair[0]
    ),
    st.integers(0, 3),
    st.booleans(),
    st.data(),
)
def test_any_cut_of_any_response_gives_the_right_id_or_an_error(
    job_id: str | int, others: list[tuple[str, object]], place: int, ascii_only: bool, data: st.DataObject
) -> None:
    fields = dict([*others[:place], ("job_id", job_id), *others[place:]])
    whole = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "replace")
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        found = submitted(cut)
    except ResponseError:
        assert cut != whole or "\ufffd" in str(job_id)
    else:
        assert found == str(job_id)


@pytest.mark.parametrize("code", [200, 429, 503])
@pytest.mark.parametrize("kind", [ConnectError, ConfigurationError, TransportError])
def test_a_response_that_breaks_off_is_never_followed_by_another_submit_whatever_the_failure_says(
    kind: type[TransportError], code: int
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"job_'
        raise kind("The proxy is gone.", may_have_been_sent=False)

    transport = FakeTransport(HttpResponse(code, {"Retry-After": "1"}, chunks()), accepted())
    with pytest.raises(SubmitOutcomeUnknownError):
        client_of(transport).queue.submit(LAKE)
    assert len(transport.posts) == 1


def test_an_error_about_a_response_that_broke_off_does_not_keep_the_request_alive() -> None:
    bodies = []

    def cut(request: HttpRequest) -> HttpResponse:
        bodies.append(weakref.ref(request.body))
        return HttpResponse(200, {}, chunks())

    def chunks() -> Iterator[bytes]:
        yield b'{"job_'
        raise TransportError("The connection broke off.")

    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        client_of(FakeTransport(cut)).queue.submit(LAKE)
    assert caught.value.cause is not None
    assert [body() for body in bodies] == [None]


def test_the_data_that_arrived_before_a_connection_broke_off_is_read_too() -> None:
    call = submit_call(SET, from_options(LAKE))
    failure = TransportError("The connection broke off.")
    whole = BufferedResponse(status=200, headers={"content-length": "900"}, body=ODD["cut behind the id"])
    assert call.salvage(whole, failure).job_id == "j-1"
    with pytest.raises(TransportTimeout) as caught:
        call.salvage(
            BufferedResponse(status=202, headers={"location": "/v1/jobs/j-1"}, body=b'{"job_id": "j-'),
            TransportTimeout("Silence."),
        )
    assert caught.value.message == "Silence."
    assert caught.value.data["reason"].endswith("it ended before it named a job: Silence (no content type)")
    told = {name: caught.value.data[name] for name in ("status_code", "body", "location")}
    assert told == {"status_code": 202, "body": '{"job_id": "j-', "location": "/v1/jobs/j-1"}
    assert caught.value.may_have_been_sent
    with pytest.raises(TransportError, match="broke off"):
        call.salvage(BufferedResponse(status=503, headers={"retry-after": "1"}, body=PLAIN), failure)

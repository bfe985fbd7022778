"""`decart.protocol`: what is sent, and what a response means, whatever it is."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.fakes import KEY, LAKE, MP4, OWN_MODEL

from decart import (
    APIError,
    InvalidInputError,
    JobStatusResponse,
    JobSubmitResponse,
    ModelRetiredError,
    NotFoundError,
    QueueJobResult,
    ResponseError,
    Timeout,
    TransportError,
    ValidationError,
    models,
)
from decart.config import Settings, settings
from decart.options import from_options
from decart.protocol import (
    ID_LIMIT,
    AnyJob,
    content_request,
    job_id_of,
    parse_status,
    parse_submit,
    status_call,
    submit_call,
)
from decart.responses import BufferedResponse

SET: Settings = settings(KEY, "https://api.test/base", Timeout(), None)
AT_ROOT = settings(KEY, "https://api.test", Timeout(), None)
BASE = SET.base_url
JSON = {"content-type": "application/json"}


def reply(body: object, status: int = 200, **headers: str) -> BufferedResponse:
    names = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return BufferedResponse(
        status=status, headers=names, body=body if isinstance(body, bytes) else json.dumps(body).encode()
    )


def submit_of(answer: BufferedResponse) -> JobSubmitResponse:
    return parse_submit(answer, settings=SET, model=OWN_MODEL)


def status_of(answer: BufferedResponse) -> JobStatusResponse:
    return parse_status(answer, SET, "j1")


PARSERS: list[Callable[[BufferedResponse], object]] = [submit_of, status_of]
every_parser = pytest.mark.parametrize("parse", PARSERS)


# what is sent


def test_a_submit_posts_a_multipart_form_to_the_models_endpoint() -> None:
    request = submit_call(SET, from_options(LAKE)).request
    assert (request.method, request.url) == ("POST", f"{BASE}/v1/jobs/lucy-pro-t2v")
    assert request.body is not None
    body = b"".join(request.body)
    boundary = re.fullmatch("multipart/form-data; boundary=(.+)", request.headers["Content-Type"])
    assert boundary and body.endswith(f"--{boundary[1]}--\r\n".encode())
    assert b'name="prompt"\r\n\r\nA serene lake at sunset\r\n' in body
    assert {name: request.headers[name] for name in SET.headers} == SET.headers


def fields_of(options: dict[str, Any]) -> dict[str, bytes]:
    body = b"".join(submit_call(SET, from_options(options)).request.body or ())  # type: ignore[arg-type]
    return {
        name.decode(): value
        for name, value in re.findall(
            rb'name="(\w+)"[^\r]*(?:\r\nContent-Type[^\r]*)?\r\n\r\n(.*?)\r\n--', body, re.DOTALL
        )
    }


def test_only_what_was_given_is_sent_so_that_the_services_defaults_hold() -> None:
    assert fields_of({**LAKE, "seed": None}) == {"prompt": b"A serene lake at sunset"}


def test_numbers_booleans_and_lists_are_sent_as_json_and_files_as_they_are() -> None:
    edit = {"model": models.video("lucy-2.5"), "data": MP4, "prompt": "", "enhance_prompt": False, "seed": 7}
    assert fields_of(edit) == {"prompt": b"", "data": MP4, "enhance_prompt": b"false", "seed": b"7"}
    points = [{"frame": 0, "x": 0.5, "y": 1}, {"frame": 9, "x": 1, "y": 0}]
    motion = {"model": models.video("lucy-motion"), "data": MP4, "trajectory": points}
    assert json.loads(fields_of(motion)["trajectory"]) == points


def test_a_file_that_cannot_be_read_is_refused_before_anything_is_sent(tmp_path: pathlib.Path) -> None:
    job = from_options({"model": models.video("lucy-pro-i2v"), "prompt": "move", "data": tmp_path / "no.png"})
    with pytest.raises(InvalidInputError, match="data: the file cannot be read"):
        submit_call(SET, job)


@pytest.mark.parametrize("end", ["", "/content"])
def test_a_status_and_a_result_are_requested_by_the_id_of_the_job(end: str) -> None:
    request = content_request(SET, "j1") if end else status_call(SET, "j1").request
    assert (request.method, request.url, request.body) == ("GET", f"{BASE}/v1/jobs/j1{end}", None)
    assert request.headers == SET.headers


def test_a_part_of_a_result_is_requested_on_condition_that_the_content_is_still_the_same() -> None:
    assert content_request(SET, "j1", "bytes=9-").headers == {**SET.headers, "Range": "bytes=9-"}
    part = content_request(SET, "j1", "bytes=9-", '"v1"').headers
    assert part == {**SET.headers, "Range": "bytes=9-", "If-Range": '"v1"'}
    assert content_request(SET, "j1", None, '"v1"').headers == SET.headers  # HTTP has no condition without a range


def test_each_call_knows_its_job_and_how_to_read_the_response() -> None:
    submit, status = submit_call(SET, from_options(LAKE)), status_call(SET, "j9")
    assert submit.parse(reply({"job_id": "j9"})) == JobSubmitResponse(job_id="j9", status="pending")
    assert status.parse(reply({"status": "completed"})) == JobStatusResponse(job_id="j9", status="completed")
    assert (submit.job_id, status.job_id, status.salvage) == (None, "j9", None)


def test_a_submit_reports_what_was_sent_and_the_job_as_soon_as_it_is_known() -> None:
    sent: list[tuple[int, int]] = []
    jobs: list[JobSubmitResponse] = []
    call = submit_call(SET, from_options(LAKE), on_sent=lambda *so_far: sent.append(so_far), on_accepted=jobs.append)
    assert call.request.body is not None and call.salvage is not None
    body = b"".join(call.request.body)
    assert sent[-1] == (len(body), len(body))
    call.salvage(reply(b'{"job_id": "j9", "sta'), TransportError("The connection broke off."))
    assert jobs == [JobSubmitResponse(job_id="j9", status="pending")]


@pytest.mark.parametrize("code", [302, 408, 429, 500, 503])
def test_an_error_that_breaks_off_is_the_failure_of_the_connection(code: int) -> None:
    failure = TransportError("The connection broke off.")
    with pytest.raises(TransportError) as caught:
        parse_submit(reply(b'{"detail"', code), failure, settings=SET, model=OWN_MODEL)
    assert caught.value is failure


def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    with pytest.raises(ValidationError):
        parse_submit(
            reply(b'{"detail"', 400), TransportError("The connection broke off."), settings=SET, model=OWN_MODEL
        )


def test_a_submit_that_may_not_start_sends_nothing() -> None:
    def refuse() -> None:
        raise ZeroDivisionError

    may_start = submit_call(SET, from_options(LAKE), may_start=refuse).request.may_start
    assert may_start is not None
    with pytest.raises(ZeroDivisionError):
        may_start()


AWKWARD_IDS = [
    "../files/x", "a b", "a?b#c", "a/../../v1/verify", "%2e%2e", "j\r\nHost: evil", "…", "a\\b", "//evil.test",
]  # fmt: skip


@hypothesis_settings(deadline=None)
@given(job_id=st.one_of(st.sampled_from(AWKWARD_IDS), st.text(), st.text(alphabet="./%?#\\ \r\n@:")))
def test_a_job_id_never_leaves_its_one_segment_of_the_url(job_id: str) -> None:
    try:
        url = content_request(SET, job_id_of(job_id, SET)).url
    except InvalidInputError:
        assert not job_id.strip() or job_id in (".", "..") or not job_id.isprintable() or len(job_id) > ID_LIMIT
        return
    assert re.fullmatch(re.escape(BASE) + r"/v1/jobs/[A-Za-z0-9_.~%-]+/content", url)
    assert unquote(urlsplit(url).path.split("/")[4]) == job_id


@pytest.mark.parametrize("job_id", ["", "  ", ".", "..", "\ud800", "j1\n", "j\0", "j" * 1001, None, 7, b"j1"])
def test_an_invalid_job_id_is_refused(job_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="job_id must be the id that submit returned"):
        job_id_of(job_id, SET)


@pytest.mark.parametrize(
    "job",
    [
        "j1",
        JobSubmitResponse(job_id="j1", status="pending"),
        JobStatusResponse(job_id="j1", status="failed"),
        QueueJobResult(job_id="j1", status="failed"),
    ],
)
def test_a_job_is_named_by_its_id_or_by_anything_that_the_queue_returned_for_it(job: AnyJob) -> None:
    assert job_id_of(job, SET) == "j1"


# what a response means


@pytest.mark.parametrize(
    ("body", "job_id", "status"),
    [
        ({"job_id": "j1", "status": "pending"}, "j1", "pending"),
        ({"job_id": "j1"}, "j1", "pending"),
        ({"job_id": 17, "status": "queued", "more": []}, "17", "queued"),
    ],
)
def test_the_id_of_a_job_that_is_paid_for_is_taken_even_from_a_sloppy_response(
    body: object, job_id: str, status: str
) -> None:
    assert submit_of(reply(body)) == JobSubmitResponse(job_id=job_id, status=status)


@pytest.mark.parametrize("job_id", [None, "", " ", ".", "..", True, 1.5, [], {}, "\ud800"])
def test_a_response_to_a_submit_without_a_usable_id_cannot_be_read(job_id: object) -> None:
    with pytest.raises(ResponseError, match="it has no job_id"):
        submit_of(reply({"job_id": job_id, "status": "pending"}))


@pytest.mark.parametrize("status", [1, [], {}, True, None, "", "\x00"])
def test_a_submit_status_that_cannot_be_read_does_not_cost_the_id(status: object) -> None:
    assert submit_of(reply({"job_id": "j", "status": status})) == JobSubmitResponse(job_id="j", status="pending")


@pytest.mark.parametrize("job_id", ["x" * 1001, "two\nlines", "bell\x07"])
def test_an_id_that_would_corrupt_a_log_is_invalid(job_id: str) -> None:
    with pytest.raises(ResponseError, match="it has no job_id"):
        submit_of(reply({"job_id": job_id, "status": "pending"}))


@pytest.mark.parametrize("read", [submit_of, status_of])
def test_an_empty_response_is_called_empty(read: Callable[[BufferedResponse], object]) -> None:
    with pytest.raises(ResponseError, match="^The server sent status 204, but .* cannot be used: it is empty"):
        read(BufferedResponse(status=204, headers={}))


def test_the_response_to_a_status_check_need_not_repeat_the_id() -> None:
    assert status_of(reply({"job_id": None, "status": "pending"})).job_id == "j1"


@pytest.mark.parametrize("status", [None, "", " ", "\x00", 1, [], {}])
def test_a_status_that_is_not_a_string_cannot_be_read(status: object) -> None:
    with pytest.raises(ResponseError, match="it has no status"):
        status_of(reply({"job_id": "j1", "status": status}))


@pytest.mark.parametrize("theirs", ["j2", 1, ["j1"]])
def test_a_response_about_another_job_is_not_taken_for_this_one(theirs: object) -> None:
    with pytest.raises(ResponseError, match="it is about another job"):
        status_of(reply({"job_id": theirs, "status": "completed"}))


def test_a_job_id_that_is_a_number_is_the_same_as_its_text() -> None:
    assert parse_status(reply({"job_id": 17, "status": "pending"}), SET, "17").job_id == "17"


REASONS = [
    ("NSFW prompt", "NSFW prompt"),
    ([{"loc": ["body", "prompt"], "msg": "too long"}, {"msg": "bad"}], "prompt: too long; bad"),
    ({"message": "worker lost", "code": 7}, "worker lost"),
]


@pytest.mark.parametrize("key", ["error", "message", "detail", "error_message"])
@pytest.mark.parametrize(("said", "words"), REASONS)
def test_a_failed_job_carries_the_servers_reason_under_whichever_key(key: str, said: object, words: str) -> None:
    assert status_of(reply({"status": "failed", key: said})).error == words


def test_only_a_failed_job_has_a_reason_and_a_missing_one_is_none() -> None:
    assert status_of(reply({"status": "processing", "message": "step 3 of 9"})).error is None
    assert status_of(reply({"status": "failed", "error": None, "detail": []})).error is None


def test_a_status_unknown_to_us_is_kept_as_text_on_one_line() -> None:
    assert status_of(reply({"status": "warming\nup"})).status == "warming up"


@every_parser
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"3", b"<html>hello", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000],
)
def test_a_good_status_with_an_unusable_body_is_a_response_error(
    parse: Callable[[BufferedResponse], object], body: bytes
) -> None:
    with pytest.raises(
        ResponseError, match=r"^The server sent status 200, but the response cannot be used: .* is at fault\.$"
    ):
        parse(reply(body))


@every_parser
@pytest.mark.parametrize("status", [101, 301, 400, 404, 500])
def test_a_status_other_than_2xx_is_an_api_error(parse: Callable[[BufferedResponse], object], status: int) -> None:
    with pytest.raises(APIError) as caught:
        parse(reply({"detail": "because"}, status))
    assert caught.value.status_code == status
    assert "because" in caught.value.message


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_retired_model_is_named_with_its_date_and_its_successors(status: int) -> None:
    for name in ("lucy-motion", "lucy-fast-v2v"):
        model = models.video(name)
        with pytest.raises(ModelRetiredError) as caught:
            parse_submit(reply({"detail": "Not Found"}, status), settings=AT_ROOT, model=model)
        assert caught.value.message == f"{models.retirement(model)} (HTTP {status}: Not Found)"


@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (405, APIError), (410, ModelRetiredError)])
def test_a_model_that_is_not_known_to_be_retired_is_not_said_to_be(status: int, kind: type[APIError]) -> None:
    with pytest.raises(APIError) as caught:
        submit_of(reply({}, status))
    assert type(caught.value) is kind
    assert OWN_MODEL.name not in caught.value.message


def test_other_errors_of_a_retired_model_are_what_they_are() -> None:
    with pytest.raises(APIError) as caught:
        parse_submit(reply({}, 401), settings=SET, model=models.video("lucy-motion"))
    assert not isinstance(caught.value, ModelRetiredError)

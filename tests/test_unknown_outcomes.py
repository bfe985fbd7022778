"""The responses to a submit that leave open whether it was accepted and billed."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from support.fakes import LAKE, SILENCE, FakeTransport, client_of, make_response
from support.images import HAT

from decart import CallError, DecartClient, QueueSubmitError, RetryPolicy, SubmitOutcomeUnknownError, TransportError

ONCE = RetryPolicy(attempts=1)
REFUSED = [code for code in range(400, 500) if code != 408] + [501]
UNKNOWN = [101, *range(300, 400), 408, *[code for code in range(500, 600) if code != 501]]


@pytest.mark.parametrize("code", UNKNOWN)
def test_after_these_the_outcome_is_unknown_and_nothing_is_retried(code: int) -> None:
    transport = FakeTransport(make_response(code, b"", location="/v1/jobs/j-1"))
    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        client_of(transport).queue.submit(LAKE)
    assert caught.value.status_code == code
    assert caught.value.cause is not None and caught.value.cause.data["location"] == "/v1/jobs/j-1"
    assert len(transport.sent) == 1


@pytest.mark.parametrize("code", REFUSED)
def test_after_these_it_was_surely_refused(code: int) -> None:
    with pytest.raises(QueueSubmitError) as caught:
        client_of(FakeTransport(make_response(code)), retry=ONCE).queue.submit(LAKE)
    assert not isinstance(caught.value, SubmitOutcomeUnknownError)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda client: client.queue.submit(LAKE), "Check your account before you submit it again."),
        (lambda client: client.process(HAT), "Check your account before you ask for it again."),
        (lambda client: client.files.upload(b"x"), "it was not sent again"),
    ],
)
def test_no_line_of_a_traceback_advises_to_repeat_what_may_be_billed(
    call: Callable[[DecartClient], object], advice: str
) -> None:
    page = make_response(200, b"<html><title>Sign in</title>", content_type="text/html")
    for end in (*map(make_response, UNKNOWN), page, TransportError("It broke off."), SILENCE):
        with pytest.raises(CallError) as caught:
            call(client_of(FakeTransport(end)))
        shown = "".join(traceback.format_exception(caught.value))
        assert "direct cause" in shown and advice in shown
        assert "try again" not in shown

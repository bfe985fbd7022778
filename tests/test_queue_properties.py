"""Properties of waits and errors, whatever a server does."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import (
    KEY,
    SILENCE,
    FakeTransport,
    Takes,
    accepted,
    always,
    client_of,
    make_response,
    status,
    video,
)
from support.queues import OWN, POLL, connect_error, queue_of

from decart import (
    DecartSDKError,
    PollPolicy,
    QueueResultError,
    QueueStatusError,
    Timeout,
    TransportError,
)
from decart.policies import LAST_REQUEST

STEPS = st.one_of(
    st.sampled_from(
        [
            lambda: status("pending"),
            lambda: status("processing"),
            lambda: status("odd"),
            lambda: status("completed"),
            lambda: make_response(500),
            lambda: make_response(404),
            lambda: make_response(429, retry_after="7"),
            lambda: make_response(503, retry_after="99999"),
            lambda: make_response(200, b"<html>"),
            lambda: TransportError("cut"),
            connect_error,
            lambda: SILENCE,
            video,
        ]
    ),
    st.integers(0, 999).map(lambda n: lambda: make_response(429, retry_after=str(n))),
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(STEPS, st.floats(0, 90)), max_size=40),
    last=STEPS,
    poll=st.builds(
        PollPolicy, interval=st.floats(0.1, 9), backoff=st.floats(1, 3), max_interval=st.floats(0.1, 30),
        jitter=st.floats(0, 1), timeout=st.floats(0, 100),
    ),
    read=st.floats(0.1, 90),
)  # fmt: skip
def test_no_wait_outlives_its_deadline_by_more_than_one_request(
    steps: list[tuple[Callable[[], Any], float]], last: Callable[[], Any], poll: PollPolicy, read: float
) -> None:
    """After the deadline no status check starts, a running one ends within a second, and a download is tried once."""
    script = [make() if make() is SILENCE else Takes(seconds, make()) for make, seconds in steps]
    slow = attrs.evolve(poll, interval=max(poll.interval, 0.5), jitter=min(poll.jitter, 0.5))
    transport = FakeTransport(*script, always(last))
    queue = client_of(transport, timeout=Timeout(read=read), poll=slow).queue
    assert slow.timeout is not None
    end = slow.timeout + 1e-6
    try:
        result = queue.poll("j1")
    except (QueueStatusError, QueueResultError) as error:
        assert error.job_id == "j1"
    else:
        assert result.job_id == "j1"
        assert not result.timed_out or slow.timeout - 0.001 <= transport.now() <= end + LAST_REQUEST
    assert all(moment <= end for moment in transport.check_times())
    looks = [request for request in transport.requests if not request.path.endswith("/content")]
    assert all(LAST_REQUEST <= (look.timeout.total or 0) <= max(end - look.at, LAST_REQUEST) + 1e-9 for look in looks)
    downloads = [request.at for request in transport.requests if request.path.endswith("/content")]
    assert all(moment <= end + LAST_REQUEST for moment in downloads)
    assert sum(moment > end for moment in downloads) <= 1


ECHOES: list[Callable[[], Any]] = [
    lambda: make_response(401, {"detail": f"bad key {KEY}"}),
    lambda: make_response(500, KEY.encode() * 9, content_type=KEY, x_request_id=KEY),
    lambda: make_response(302, location=f"https://{KEY}.test/{KEY}"),
    lambda: make_response(200, {"status": KEY, "job_id": "j1"}),
    lambda: make_response(200, {"status": "failed", "job_id": "j1", "error": [{"loc": [KEY], "msg": KEY}]}),
    lambda: make_response(200, f"<{KEY}>".encode(), content_type=f"text/{KEY}"),
    lambda: make_response(429, f"<title>{KEY}</title>".encode()),
    lambda: status("completed"),
    lambda: accepted(),
]


@settings(deadline=None)
@given(
    script=st.lists(st.sampled_from(ECHOES), min_size=1, max_size=6),
    verb=st.sampled_from(["submit_and_poll", "poll", "status", "result"]),
)
def test_the_key_is_in_no_error_no_result_and_no_log_line_even_when_the_server_echoes_it(
    script: list[Callable[[], Any]], verb: str
) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.getMessage()} {record.args}")  # type: ignore[method-assign]
    logger = logging.getLogger("decart")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    shown: list[object] = []
    try:
        queue, transport = queue_of(*(make() for make in script), always(lambda: make_response(403, KEY.encode())))
        subject = OWN if verb == "submit_and_poll" else "j1"
        shown.append(
            getattr(queue, verb)(
                subject, **({"poll": POLL, "on_status_change": shown.append} if "poll" in verb else {})
            )
        )
    except DecartSDKError as error:
        while error is not None:
            shown += [str(error), error.args, vars(error), pickle.dumps(error)]
            error = error.cause  # type: ignore[assignment]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert shown and lines
    assert KEY not in repr(shown) and KEY not in repr(transport.requests)
    assert not any(KEY in line for line in lines)

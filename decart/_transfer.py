"""A download under way: what to ask for next, what an answer means, and when to give up.

A connection that breaks off is not the end of a download. The next attempt asks for the rest (``Range``), on condition
that the content is still the same (``If-Range``), so that no file is made of two. Where the server cannot do that, a
file is begun anew; a stream, whose bytes have been handed out, ends.

===============================  ==================================================================
answer                           means
===============================  ==================================================================
206 with the range asked for     go on where it stopped
200                              the whole, from its first byte: begin anew
416, or a 206 with another range  what is there is of no use: forget it, and ask again
200 or 206 with text             a page of some proxy: ask again
anything else                    an error; the table of `decart.policies` says if it is worth a repeat
===============================  ==================================================================

Only attempts that bring nothing count as failures, and the time for repeats begins anew with each that brings
something: a download that gets on, however often it is cut, is not given up.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ._config import Settings
from ._disk import Part
from ._problems import Answer, api_error, unreadable
from ._ranges import Wanted, span_of
from ._reporter import Reporter
from ._wire import check_kind, check_length, content_request, promised_length
from .errors import APIError, DecartSDKError, ResponseError
from .policies import Deadline, RetryPolicy, error_of, hooks, pause, repeat_read, retry_after
from .progress import Meter
from .transports.base import HttpRequest, Timeout

if TYPE_CHECKING:
    from tenacity import RetryCallState


@attrs.define(kw_only=True)
class Transfer:
    """What one download has got so far, and the decisions that follow from it.

    Attributes:
        settings: The client's.
        job_id: The job whose video it is.
        retry: How attempts are repeated.
        deadline: When attempts that bring nothing end; each that brings something puts it off.
        limit: When all of it ends.
        meter: Tells the caller how far it is.
        reporter: Tells what goes wrong on the way.
        wanted: The part of the video that is wanted; a file is always of the whole.
        part: The file that it goes to; a stream has none.
        response: The answer that is being read, if one is.
        over: Whether there is nothing more to come.
        have: Bytes so far.
        total: Bytes of all that is to come, if the server said.
        status, headers: Those of the answer that began it.
    """

    settings: Settings
    job_id: str
    retry: RetryPolicy
    deadline: Deadline
    limit: Deadline
    meter: Meter
    reporter: Reporter = attrs.field(repr=False)
    wanted: Wanted = Wanted()
    part: Part | None = None
    response: Any = attrs.field(default=None, init=False)
    over: bool = attrs.field(default=False, init=False)
    have: int = attrs.field(default=0, init=False)
    total: int | None = attrs.field(default=None, init=False)
    status: int = attrs.field(default=0, init=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False)
    _validator: str | None = attrs.field(default=None, init=False)
    _first: int = attrs.field(default=0, init=False)  # where in the video it begins
    _last: int | None = attrs.field(default=None, init=False)  # where it ends, if that is before the video's end
    _furthest: int = attrs.field(default=0, init=False)  # bytes that some attempt has had
    _failures: int = attrs.field(default=0, init=False)  # attempts in a row that brought nothing
    _lost: bool = attrs.field(default=False, init=False)  # a stream cannot be gone on with

    def into(self, part: Part) -> None:
        """Go on with a part that is there."""
        self.part = part
        self.have = self._furthest = part.have
        self.total, self._validator = part.total, part.validator
        self.over = self.total is not None and self.have == self.total > 0  # but for its name

    @property
    def source(self) -> str:
        """What a part of it is a part of."""
        return f"{self.settings.base_url} {self.job_id}"

    def request(self) -> HttpRequest:
        """Build the next question: for the whole, or for what is missing of it."""
        if not self.have or self._validator is None:
            return content_request(self.settings, self.job_id, self.wanted.range, self.wanted.if_range)
        rest = f"bytes={self._at}-{'' if self._last is None else self._last}"
        return content_request(self.settings, self.job_id, rest, self._validator)

    @property
    def _at(self) -> int:
        """The place in the video of the next byte."""
        return self._first + self.have

    def timeout(self, timeout: Timeout) -> Timeout:
        """Return the time that an attempt begun now has."""
        return timeout.within(self.limit.for_request())

    def answered(self, status: int, headers: Mapping[str, str]) -> bool:
        """Read the head of an answer; say whether it is one that brings bytes.

        Raises:
            ResponseError: It is of no use.
        """
        answer = Answer(status=status, headers=headers, body=b"")
        if status == 416 and self.have:
            raise self._useless("it has no such range", answer)
        if not 200 <= status < 300:
            return False
        check_kind(answer, self.settings)
        if status != 206:
            self._begins(answer)
        elif self.wanted.range and not self.have:
            self._begins_inside(answer)
        else:
            self._goes_on(answer)
        self.meter.at(self.have, self.total)
        return True

    def _goes_on(self, answer: Answer) -> None:
        first, last, whole = span_of(answer.headers)
        same = self._validator is not None and _validator(answer.headers) in (None, self._validator)
        if self._last is not None:
            same = same and last == self._last
        elif whole is not None:
            same = same and whole == (self.total or whole)
        if first != self._at or not same:
            raise self._useless("it is another part than was asked for", answer)
        if self._last is None:
            self.total = whole or self.total

    def _begins_inside(self, answer: Answer) -> None:
        first, last, _ = span_of(answer.headers)
        if not 0 <= first <= last:
            raise self._useless("it does not say which part it is", answer)
        self._note(answer, last - first + 1)
        self._first, self._last = first, last

    def _begins(self, answer: Answer) -> None:
        if self.part is None and self.have:
            self._lost = True
            raise unreadable("it begins anew, and what was handed out cannot be taken back", answer, self.settings)
        self._note(answer, promised_length(answer.headers))
        if self.part is not None:
            self.part.begin(self._validator, self.total)

    def _note(self, answer: Answer, total: int | None) -> None:
        if self.part is None and self.status and (self.status, self.total) != (answer.status, total):
            self._lost = True
            raise unreadable("it is not what an earlier answer announced", answer, self.settings)
        self.have, self.status, self.headers, self.total = 0, answer.status, answer.headers, total
        self._validator = _validator(answer.headers)
        self._first, self._last = 0, None

    def _useless(self, why: str, answer: Answer) -> ResponseError:
        """Forget what is there: a file can be begun anew, a stream cannot."""
        self._lost = self.part is None
        self._validator = None
        return unreadable(why, answer, self.settings)

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> APIError:
        """Turn a refusal into an error."""
        return api_error(Answer(status=status, headers=headers, body=body), self.settings)

    def took(self, data: bytes | None) -> None:
        """Take note of the next bytes, and keep them if there is a file to keep them in; None is the end.

        Raises:
            ResponseError: It has ended too early.
        """
        if data is None:
            answer = Answer(status=self.status, headers=self.headers, body=b"")
            check_length(self.have, self.total, answer, self.settings)
            self.over = True
        elif data:
            if not self._at:
                check_kind(Answer(status=self.status, headers=self.headers, body=data), self.settings)
            if self.part is not None:
                self.part.write(data)
            self.have += len(data)
            self.meter.at(self.have, self.total)

    def retrying(self) -> Mapping[str, Any]:
        """Return tenacity's settings."""
        return {
            "retry": self._goes_round,
            "wait": self._wait,
            "stop": self._stop,
            "reraise": True,
            **hooks(self._say, self.reporter),
        }

    def _goes_round(self, state: RetryCallState) -> bool:
        error = error_of(state)
        if not isinstance(error, DecartSDKError):
            return False
        if self.have > self._furthest:
            self._furthest, self._failures = self.have, 0
            later = Deadline.after(self.retry.timeout, self.meter.now)
            self.deadline = max(self.deadline, later, key=lambda deadline: deadline.at)
        else:
            self._failures += 1
        self._lost |= self.part is None and self.have > 0 and self._validator is None
        return repeat_read(error) and not self._lost

    def _wait(self, state: RetryCallState) -> float:
        asked = retry_after(error_of(state), self.retry)
        own = pause(self.retry, max(1, self._failures), random.random())
        return self.limit.clip(own if asked is None else asked)

    def _stop(self, state: RetryCallState) -> bool:
        left = min(self.deadline.remaining(), self.limit.remaining())
        asked = retry_after(error_of(state), self.retry) or 0.0
        return max(1, self._failures) >= self.retry.attempts or left <= 0 or asked > left

    def _say(self, state: RetryCallState) -> None:
        what = f"the download of job {self.job_id} stopped at {self.have} bytes"
        self.reporter.retry(what, self.job_id, error_of(state), state.attempt_number, state.upcoming_sleep)


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what the server calls this content, if it is a name that a range may be asked for by.

    A weak ``ETag`` is not, and neither is anything that could not stand in a header of ours.
    """
    etag, date = headers.get("etag", ""), headers.get("last-modified", "")
    if "content-encoding" in headers:
        return None
    if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', etag):
        return etag
    return date if re.fullmatch(r"[\x20-\x7e]{10,50}", date) else None

"""A download under way: what to ask for next, what an answer means, and when to give up.

A connection that breaks off is not the end of a download. The next attempt asks for the rest (``Range``), on condition
that the content is still the same (``If-Range``), so that no file is made of two. Where the server cannot do that, a
file is begun anew; a stream, whose bytes have been handed out, ends.

===================================  ==============================================================
answer                               means
===================================  ==============================================================
206 from where it stopped            go on, and ask for the rest if it ends before what was asked for
200                                  the whole, from its first byte: begin anew
416, or a 206 that does not fit      what is there is of no use: forget it, and ask again
200 or 206 with text                 a page of some proxy: ask again
anything else                        an error; the table of `decart.policies` says if it is worth a repeat
===================================  ==============================================================

A 206 fits if it begins where asked, is of as many bytes in all as before, and repeats the validator (a strong ``ETag``,
or else ``Last-Modified``) of the first answer. Where HTTP does not say how long the video is, its structure decides
whether it is whole.

Only attempts that bring nothing count as failures, and the time for repeats begins anew with each that brings
something: a download that gets on, however often it is cut, is not given up.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .config import Settings
from .content import (
    BEGINNING,
    check_beginning,
    check_length,
    check_type,
    content_codings,
    is_framed,
    promised_length,
    unfinished,
)
from .errors import APIError, DecartSDKError, ResponseError
from .partfile import PartFile
from .policies import Deadline, RetryPolicy, error_of, hooks, pause, repeat_read, retry_after
from .progress import Meter
from .protocol import content_request
from .ranges import ContentRange, RequestedRange
from .reporter import Reporter
from .responses import BufferedResponse, api_error, holds_key, unreadable
from .structure import Structure
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
        cancel: What ends the pause between two attempts.
        check: Called before each attempt and for each chunk; it raises if the caller has cancelled.
        part: The file that it goes to; a stream has none.
        response: The answer that is being read, if one is.
        over: Whether there is nothing more to come.
        have: Bytes so far.
        total: Bytes of all that is to come, if the server said.
        status, headers: Those of the answer that began it; ``Content-Range`` is that of all that is to come.
    """

    settings: Settings
    job_id: str
    retry: RetryPolicy
    deadline: Deadline
    limit: Deadline
    meter: Meter
    reporter: Reporter = attrs.field(repr=False)
    wanted: RequestedRange = RequestedRange()
    cancel: Any = None
    check: Callable[[], None] = attrs.field(default=lambda: None, repr=False)
    part: PartFile | None = None
    response: Any = attrs.field(default=None, init=False)
    over: bool = attrs.field(default=False, init=False)
    have: int = attrs.field(default=0, init=False)
    total: int | None = attrs.field(default=None, init=False)
    status: int = attrs.field(default=0, init=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _validator: str | None = attrs.field(default=None, init=False, repr=False)
    _etag: str | None = attrs.field(default=None, init=False, repr=False)  # of any kind, of the answer that began it
    _first: int = attrs.field(default=0, init=False)  # where in the video it begins
    _last: int | None = attrs.field(default=None, init=False)  # where it ends, if that is before the video's end
    _whole: int | None = attrs.field(default=None, init=False)  # bytes of the video, if the server said
    _answer_ends: int | None = attrs.field(default=None, init=False)  # the place behind the part that is being read
    _beginning: bytes = attrs.field(default=b"", init=False, repr=False)
    _structure: Structure | None = attrs.field(default=None, init=False, repr=False)  # if that has to tell the end
    _furthest: int = attrs.field(default=0, init=False)  # bytes that some attempt has had
    _failures: int = attrs.field(default=0, init=False)  # attempts in a row that brought nothing
    _lost: bool = attrs.field(default=False, init=False)  # a stream cannot be gone on with

    def into(self, part: PartFile) -> None:
        """Go on with a part that is there."""
        self.part = part
        self.have = self._furthest = part.size
        self.total, self._whole, self._validator = part.total, part.total, part.validator
        self.over = self.total is not None and self.have == self.total > 0  # but for its name

    @property
    def source(self) -> str:
        """What a part of it is a part of."""
        return f"{self.settings.base_url} {self.job_id}"

    def request(self) -> HttpRequest:
        """Build the next request: for the whole, or for what is missing of it."""
        self.check()
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

    def answered(self, answer: BufferedResponse) -> bool:
        """Read the head of an answer; say whether it is one that brings bytes.

        Raises:
            ResponseError: It is of no use.
        """
        if answer.status == 416 and self.have:
            raise self._useless("it has no such range", answer)
        if not 200 <= answer.status < 300:
            return False
        check_type(answer, self.settings)
        if answer.status != 206:
            self._begins(answer)
        elif self.wanted.range and not self.have:
            self._begins_inside(answer)
        else:
            self._goes_on(answer)
        self.meter.at(self.have, self.total)
        return True

    def _goes_on(self, answer: BufferedResponse) -> None:
        span = self._span(answer)
        if self._validator is None or not self._is_same(answer.headers):
            raise self._useless("it does not say that it is a part of the same", answer)
        too_long = self._last is not None and span.last > self._last
        if span.first != self._at or span.total not in (None, self._whole or span.total) or too_long:
            raise self._useless("it is another part than was asked for", answer)
        self._answer_ends = span.last + 1
        self._whole = self._whole or span.total
        if self._last is None:
            self.total = self._whole

    def _begins_inside(self, answer: BufferedResponse) -> None:
        span = self._span(answer)
        if not self.wanted.accepts(span):
            raise self._useless("it is another part than was asked for", answer)
        last = self.wanted.last_byte(span) if _validator(answer.headers, self.settings) else span.last
        self._note(answer, last - span.first + 1)
        self._first, self._last, self._whole, self._answer_ends = span.first, last, span.total, span.last + 1
        self.headers = {**answer.headers, "content-range": str(attrs.evolve(span, last=last))}

    def _begins(self, answer: BufferedResponse) -> None:
        if self.part is None and self.have:
            self._lost = True
            raise unreadable("it begins anew, and what was handed out cannot be taken back", answer, self.settings)
        self._note(answer, promised_length(answer.headers))
        self._whole = self.total
        self._structure = Structure() if self.total is None else None
        if self.part is not None:
            self.part.begin(self._validator, self.total)

    def _span(self, answer: BufferedResponse) -> ContentRange:
        """Return which part of the video an answer brings."""
        span = ContentRange.from_headers(answer.headers)
        if span is None or content_codings(answer.headers):
            raise self._useless("it does not say which part it is", answer)
        if promised_length(answer.headers) not in (None, span.last - span.first + 1):
            raise self._useless("it is not as long as the part that it says it is", answer)
        return span

    def _is_same(self, headers: Mapping[str, str]) -> bool:
        """Say whether a part is of the video that the first answer was of."""
        same_etag = self._etag is None or headers.get("etag") in (None, self._etag)
        return same_etag and self._validator in (headers.get("etag"), headers.get("last-modified"))

    def _note(self, answer: BufferedResponse, total: int | None) -> None:
        if self.part is None and self.status and (self.status, self.total) != (answer.status, total):
            self._lost = True
            raise unreadable("it is not what an earlier answer announced", answer, self.settings)
        self.have, self.status, self.headers, self.total = 0, answer.status, answer.headers, total
        self._validator, self._etag = _validator(answer.headers, self.settings), answer.headers.get("etag")
        self._first, self._last, self._whole, self._answer_ends = 0, None, None, None
        self._beginning, self._structure = b"", None

    def _useless(self, why: str, answer: BufferedResponse) -> ResponseError:
        """Forget what is there: a file can be begun anew, a stream cannot."""
        self._lost = self.part is None
        self._validator = None
        return unreadable(why, answer, self.settings)

    def refused(self, answer: BufferedResponse) -> APIError:
        """Turn a refusal into an error."""
        return api_error(answer, self.settings)

    def took(self, data: bytes | None) -> ResponseError | None:
        """Take note of the next bytes, and keep them if there is a file to keep them in; None is the end.

        Returns:
            What is wrong: it has ended too early, or is not what it was said to be. It is not raised from here, whose
            frames hold the bytes: they may echo the key.
        """
        self.check()
        try:
            if data is None:
                self._ended()
            elif data:
                self._check(data)
        except ResponseError as error:
            return error.with_traceback(None)
        if data:
            if self.part is not None:
                self.part.write(data)
            self.have += len(data)
            self.meter.at(self.have, self.total)
        return None

    def _check(self, data: bytes) -> None:
        """Look at bytes before they are kept or handed out."""
        answer = self._answer()
        if self._at == len(self._beginning) < BEGINNING:
            self._beginning = (self._beginning + data)[:BEGINNING]
            check_beginning(self._beginning, answer, self.settings)
        if self._answer_ends is not None and self._at + len(data) > self._answer_ends:
            raise self._useless("it is longer than the part that it says it is", answer)
        if self._structure is not None:
            self._structure.feed(data)

    def _ended(self) -> None:
        """Read the end of an answer, which is that of the video unless only a part was sent."""
        answer = self._answer()
        if self._answer_ends is not None and self._at < self._answer_ends:
            raise unreadable(f"it has ended {self._answer_ends - self._at} bytes too early", answer, self.settings)
        only_a_part = self._answer_ends is not None and self.total is not None and self.have < self.total
        if only_a_part and not self.limit.passed():
            return  # the rest is asked for
        check_length(self.have, self.total, answer, self.settings)
        if self.total is None and not (self._ends_with_its_chunks() or self._has_whole_structure()):
            self._validator = None  # no part can follow
            raise unfinished(answer, self.settings)
        self.over = True

    def _ends_with_its_chunks(self) -> bool:
        return self._answer_ends is None and is_framed(self.headers)

    def _has_whole_structure(self) -> bool:
        return self._structure is not None and self._structure.is_complete

    def _answer(self) -> BufferedResponse:
        return BufferedResponse(status=self.status, headers=self.headers, body=b"")

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


def _validator(headers: Mapping[str, str], settings: Settings) -> str | None:
    """Return what the server calls this content, if it is a name that a range may be asked for by.

    A weak ``ETag`` is not, and neither is anything that could not stand in a header of ours, or echoes the key: it
    is kept in a file.
    """
    etag, date = headers.get("etag", ""), headers.get("last-modified", "")
    if content_codings(headers) or holds_key(etag, settings) or holds_key(date, settings):
        return None
    if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', etag):
        return etag
    return date if re.fullmatch(r"[\x20-\x7e]{10,50}", date) else None

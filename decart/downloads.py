"""One download as a state machine: what to request next, what a response means, and when to give up.

The same for a result in memory, in a file or as a stream. A broken connection does not end a download: the next request
asks for the rest (``Range``), on condition that the content is still the same (``If-Range``). If the server cannot do
that, a file starts over; a stream, whose bytes have been handed out, ends.

===================================  ==================================================================
response                             meaning
===================================  ==================================================================
206 from where the last one stopped  continue, and request the rest if it is shorter than requested
200                                  the complete content: start over
416, or a 206 that does not fit      what was received cannot be continued: forget it, and request again
200 or 206 with text                 the page of a proxy: request again
anything else                        an error; the table of `decart.policies` says if it is repeated
===================================  ==================================================================

A 206 fits if it begins where requested, is part of as many bytes as before, and repeats the validator (a strong
``ETag``, or else ``Last-Modified``) of the first response. Where HTTP does not say how long the video is, its structure
decides whether it is complete.

Only attempts that receive no data count as failures, and the time for retries starts over with each that receives some:
a download that makes progress is not given up, however often it is interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from .config import Settings
from .content import (
    BEGINNING,
    announced_length,
    check_beginning,
    check_length,
    check_type,
    content_codings,
    incomplete,
    is_framed,
)
from .errors import ResponseError
from .policies import LAST_REQUEST, TICK, RetryPolicy, next_pause, repeat_read, retry_after, seconds_until_visible
from .protocol import content_request
from .ranges import ContentRange, RequestedRange
from .redaction import holds_key
from .responses import BufferedResponse, unreadable
from .structure import Structure
from .transports.base import HttpRequest

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,500}"')
_DATE = re.compile(r"[\x20-\x7e]{10,50}")


@attrs.define(kw_only=True)
class Download:
    """What one download has received so far. All times are seconds on one clock of the caller's choice.

    Attributes:
        job_id: The job whose result it is.
        settings: The client's.
        retry: How attempts are repeated.
        give_up: When attempts that receive no data end; each that receives some postpones it.
        deadline: When the download ends in any case.
        accepted: When the job was accepted, if that is known.
        restartable: Whether received bytes can be taken back: those of a stream cannot.
        requested: The requested range of the video; for files and memory, all of it.
        size: Bytes received.
        total: Bytes of all that is requested, if known.
        validator: What the server calls the content, if later requests may refer to it.
        complete: Whether nothing more is to come.
        status, headers: Those of the response that it started with; ``Content-Range`` is that of all that is to come.
    """

    job_id: str
    settings: Settings = attrs.field(repr=False)
    retry: RetryPolicy
    give_up: float = float("inf")
    deadline: float = float("inf")
    accepted: float | None = None
    restartable: bool = True
    requested: RequestedRange = RequestedRange()
    size: int = 0
    total: int | None = None
    validator: str | None = attrs.field(default=None, repr=False)
    complete: bool = False
    status: int = 0
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    failures: int = 0  # attempts in a row that received no data
    _etag: str | None = attrs.field(default=None, init=False, repr=False)  # of any kind, of the first response
    _first: int = attrs.field(default=0, init=False)  # the position in the video where this download begins
    _last: int | None = attrs.field(default=None, init=False)  # where it ends, if before the end of the video
    _video_size: int | None = attrs.field(default=None, init=False)
    _response_ends: int | None = attrs.field(default=None, init=False)  # the position after the part that is being read
    _beginning: bytes = attrs.field(default=b"", init=False, repr=False)
    _structure: Structure | None = attrs.field(default=None, init=False, repr=False)  # if it decides completeness
    _furthest: int = attrs.field(default=0, init=False)  # the most bytes that any attempt has reached
    _broken: bool = attrs.field(default=False, init=False)  # a stream that cannot be continued

    def to_json(self) -> dict[str, Any]:
        """Return what a later download needs to continue, as JSON values: the arguments of ``resume``."""
        return {"size": self.size, "total": self.total, "validator": self.validator}

    def resume(self, size: int, total: int | None, validator: str | None) -> None:
        """Continue with bytes that an earlier download left in a file."""
        self.size = self._furthest = size
        self.total = self._video_size = total
        self.validator = validator
        self.complete = total is not None and size == total > 0

    def next_request(self) -> HttpRequest:
        """Return the next request: for everything, or for what is missing."""
        if not self.size or self.validator is None:
            return content_request(self.settings, self.job_id, self.requested.range, self.requested.if_range)
        rest = f"bytes={self._position}-{'' if self._last is None else self._last}"
        return content_request(self.settings, self.job_id, rest, self.validator)

    def time_for_request(self, now: float) -> float:
        """Return the seconds that a request begun now may take."""
        return max(self.deadline - now, LAST_REQUEST)

    def observe_head(self, response: BufferedResponse) -> bool:
        """Read the head of a response; return whether a body with (part of) the video follows.

        If it does and ``size`` is 0, whatever was received before is void.

        Raises:
            ResponseError: The response is of no use.
        """
        if response.status == 416 and self.size:
            raise self._unfit("it has no such range", response)
        if not response.ok:
            return False
        check_type(response, self.settings)
        if response.status != 206:
            self._start(response)
        elif self.requested.range and not self.size:
            self._start_inside(response)
        else:
            self._continue(response)
        return True

    def observe_data(self, data: bytes) -> ResponseError | None:
        """Check bytes before they are kept or handed out, and count them.

        Returns:
            What is wrong with them. It is not raised: this frame holds bytes that may echo the key.
        """
        try:
            self._check(data)
            self.size += len(data)
        except ResponseError as error:
            return error.with_traceback(None)
        return None

    def observe_end(self, now: float) -> None:
        """Take note of the end of a response, which ends the download unless only a part was sent.

        Raises:
            ResponseError: The response ended too early.
        """
        response = self._response()
        if self._response_ends is not None and self._position < self._response_ends:
            missing = self._response_ends - self._position
            raise unreadable(f"it ended {missing} bytes too early", response, self.settings)
        is_part = self._response_ends is not None and self.total is not None and self.size < self.total
        if is_part and now < self.deadline:
            return  # the rest is requested next
        check_length(self.size, self.total, response, self.settings)
        if self.total is None and not self._ended_completely():
            self.validator = None  # nothing can be appended
            raise incomplete(response, self.settings)
        self.complete = True

    def pause_after(self, error: BaseException, now: float) -> float | None:
        """Take note of an attempt that failed; return the seconds until the next one, or ``None`` to give up."""
        if self.size > self._furthest:
            self._furthest, self.failures = self.size, 0
            later = float("inf") if self.retry.timeout is None else now + self.retry.timeout
            self.give_up = max(self.give_up, later)
        else:
            self.failures += 1
        self._broken |= not self.restartable and self.size > 0 and self.validator is None
        left = min(self.give_up, self.deadline) - now
        failures = max(1, self.failures)
        asked = retry_after(error, self.retry) or 0.0
        if invisible := seconds_until_visible(error, now, self.accepted):
            left = min(left, invisible)
        elif self._broken or not repeat_read(error) or failures >= self.retry.attempts or asked > left:
            return None
        return None if left < TICK else min(next_pause(self.retry, failures, error), left)

    @property
    def _position(self) -> int:
        """The position of the next byte in the video."""
        return self._first + self.size

    def _start(self, response: BufferedResponse) -> None:
        """Begin with a response that has the complete content."""
        if self.size and not self.restartable:
            self._broken = True
            raise unreadable("it starts over, and what was handed out cannot be taken back", response, self.settings)
        self._reset(response, announced_length(response.headers))
        self._video_size = self.total
        self._structure = Structure() if self.total is None else None

    def _start_inside(self, response: BufferedResponse) -> None:
        """Begin with a response that has the requested range."""
        part = self._part_in(response)
        if not self.requested.accepts(part):
            raise self._unfit("it is another part than requested", response)
        last = self.requested.last_byte(part) if self._validator_of(response.headers) else part.last
        self._reset(response, last - part.first + 1)
        self._first, self._last, self._video_size, self._response_ends = part.first, last, part.total, part.last + 1
        self.headers = {**response.headers, "content-range": str(attrs.evolve(part, last=last))}

    def _continue(self, response: BufferedResponse) -> None:
        """Go on with a response that has the rest, or some of it."""
        part = self._part_in(response)
        if self.validator is None or not self._is_same(response.headers):
            why = "it does not say that it is part of the same content" if self.size else "it is only a part"
            raise self._unfit(why, response)
        too_long = self._last is not None and part.last > self._last
        if part.first != self._position or part.total not in (None, self._video_size or part.total) or too_long:
            raise self._unfit("it is another part than requested", response)
        self._response_ends = part.last + 1
        self._video_size = self._video_size or part.total
        if self._last is None:
            self.total = self._video_size

    def _reset(self, response: BufferedResponse, total: int | None) -> None:
        """Forget what was received, and take note of what is to come."""
        if not self.restartable and self.status and (self.status, self.total) != (response.status, total):
            self._broken = True
            raise unreadable("it differs from what an earlier response announced", response, self.settings)
        self.size, self.status, self.headers, self.total = 0, response.status, response.headers, total
        self.validator, self._etag = self._validator_of(response.headers), response.headers.get("etag")
        self._first, self._last, self._video_size, self._response_ends = 0, None, None, None
        self._beginning, self._structure = b"", None

    def _part_in(self, response: BufferedResponse) -> ContentRange:
        """Return which part of the video a response has."""
        part = ContentRange.from_headers(response.headers)
        if part is None or content_codings(response.headers):
            raise self._unfit("it does not say which part it is", response)
        if announced_length(response.headers) not in (None, part.last - part.first + 1):
            raise self._unfit("it is not as long as the part that it claims to be", response)
        return part

    def _is_same(self, headers: Mapping[str, str]) -> bool:
        """Return whether a part is of the same video as the first response."""
        same_etag = self._etag is None or headers.get("etag") in (None, self._etag)
        return same_etag and self.validator in (headers.get("etag"), headers.get("last-modified"))

    def _unfit(self, why: str, response: BufferedResponse) -> ResponseError:
        """Give up what was received: a file can start over, a stream cannot."""
        self._broken = not self.restartable
        self.validator = None
        return unreadable(why, response, self.settings)

    def _check(self, data: bytes) -> None:
        response = self._response()
        if self._position == len(self._beginning) < BEGINNING:
            self._beginning = (self._beginning + data)[:BEGINNING]
            check_beginning(self._beginning, response, self.settings)
        if self._response_ends is not None and self._position + len(data) > self._response_ends:
            raise self._unfit("it is longer than the part that it claims to be", response)
        if self._structure is not None:
            self._structure.feed(data)

    def _ended_completely(self) -> bool:
        """Return whether a download without a known length is complete, by its chunks or by its structure."""
        if self._response_ends is None and is_framed(self.headers):
            return True
        return self._structure is not None and self._structure.is_complete

    def _response(self) -> BufferedResponse:
        return BufferedResponse(status=self.status, headers=self.headers)

    def _validator_of(self, headers: Mapping[str, str]) -> str | None:
        """Return what the server calls this content, if a later request may refer to it.

        It may not refer to a weak ``ETag``, nor to anything that cannot stand in a header or echoes the key: it is kept
        in a file.
        """
        etag, date = headers.get("etag", ""), headers.get("last-modified", "")
        if content_codings(headers) or holds_key(etag, self.settings) or holds_key(date, self.settings):
            return None
        if _STRONG_ETAG.fullmatch(etag):
            return etag
        return date if _DATE.fullmatch(date) else None

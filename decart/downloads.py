"""One download as a state machine: what to request next, what a response means, and when to give up.

The same for a result in memory, in a file or as a stream. A broken connection does not end a download: the next request
asks for the rest (``Range``), on condition that the content is still the same (``If-Range``). If the server cannot do
that, a file starts over; a stream, whose bytes have been passed on, ends.

===================================  ==================================================================
response                             meaning
===================================  ==================================================================
206 from where the last one stopped  continue, and request the rest if it is shorter than requested
200                                  the complete content: start over
416, or a 206 that does not fit      what was received cannot be continued: discard it, and request again
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

import attrs

from .config import Settings
from .content import (
    BEGINNING,
    TEXT,
    ContentRange,
    Structure,
    announced_length,
    check_type,
    is_framed,
    validator_of,
)
from .errors import ResponseError
from .inputs import refuse
from .policies import TICK, RetryPolicy, next_pause, repeat_read, retry_after, seconds_until_visible
from .protocol import content_request
from .responses import BufferedResponse, unreadable
from .transports.base import HttpRequest, content_codings

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-\d{1,18})", re.ASCII)
_IF_RANGE = re.compile(r"[\x20-\x7e]{1,500}")
_NO_END = 10**18


@attrs.frozen
class RequestedRange:
    """The part of a video that a caller requests.

    Attributes:
        range: The value of ``Range``; None for the complete video.
        if_range: The value of ``If-Range``: unless the content still has this validator, all of it is requested.
    """

    range: str | None = None
    if_range: str | None = None

    @classmethod
    def parse(cls, range: object, if_range: object) -> RequestedRange:
        """Read the two headers of a browser's request; what HTTP lets servers ignore means the complete video.

        Raises:
            InvalidInputError: A value is neither None nor a str.
        """
        for name, value in (("range", range), ("if_range", if_range)):
            if value is not None and not isinstance(value, str):
                raise refuse(name, "the value of a header", value)
        value, condition = str(range or "").strip(), None if if_range is None else str(if_range).strip()
        match = _RANGE.fullmatch(value)
        is_usable = match is not None and not (match[2] and int(match[2]) < int(match[1]))
        if not is_usable or (condition is not None and not _IF_RANGE.fullmatch(condition)):
            return cls()
        return cls(value, condition)

    def expected(self, part: ContentRange) -> ContentRange | None:
        """Return what this download will be, if a server sends ``part`` first; ``None`` if it does not fit.

        A server may send only the beginning of what was requested, and nothing before or after it.
        """
        first, _, last = (self.range or "").removeprefix("bytes=").partition("-")
        if first:
            start, end = int(first), int(last or _NO_END)
        else:
            start, end = (part.first if part.total is None else max(0, part.total - int(last))), _NO_END
        if part.first != start or part.last > end:
            return None
        return part if part.total is None else attrs.evolve(part, last=min(end, part.total - 1))


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
        restartable: Whether received bytes can be discarded; those of a stream have been passed on.
        requested: The requested range of the video; for files and memory, all of it.
        size: Bytes received.
        total: Bytes of all that is requested, if known.
        validator: The server's ``ETag`` or date of the content, if it identifies the bytes.
        complete: Whether nothing more is to come.
        status, headers: Those of the first response; ``Content-Range`` is that of the whole download.
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
    _response: BufferedResponse = attrs.field(init=False, repr=False)  # the head of the one that is being read
    _response_ends: int | None = attrs.field(default=None, init=False)  # the position after it, if it is a part
    _range: ContentRange | None = attrs.field(default=None, init=False)  # what this download is, if not the video
    _first: int = attrs.field(default=0, init=False)  # its position in the video: the next byte is at _first + size
    _beginning: bytes = attrs.field(default=b"", init=False, repr=False)
    _structure: Structure | None = attrs.field(default=None, init=False, repr=False)  # if it decides completeness
    _furthest: int = attrs.field(default=0, init=False)  # the most bytes that any attempt has reached
    _broken: bool = attrs.field(default=False, init=False)  # a stream that cannot be continued

    def resume(self, size: int, total: int | None, validator: str | None) -> None:
        """Continue with bytes that an earlier download left in a file."""
        self.size, self._furthest, self.total, self.validator = size, size, total, validator
        self.complete = total is not None and size == total > 0

    def next_request(self) -> HttpRequest:
        """Return the next request: for everything, or for what is missing."""
        if not self.size or self.validator is None:
            return content_request(self.settings, self.job_id, self.requested.range, self.requested.if_range)
        rest = f"bytes={self._first + self.size}-{'' if self._range is None else self._range.last}"
        return content_request(self.settings, self.job_id, rest, self.validator)

    def observe_head(self, response: BufferedResponse) -> bool:
        """Read the head of a response; return whether a body with (part of) the video follows.

        If it does and ``size`` is 0, whatever was received before is void.

        Raises:
            ResponseError: The response is of no use.
        """
        self._response = response
        if response.status == 416 and self.size:
            raise self._unfit("it has no such range")
        if not response.ok:
            return False
        is_encoded = check_type(response, self.settings)
        if response.status != 206 and is_encoded:
            self._start(None, None)
        elif response.status != 206:
            self._start(announced_length(response.headers), validator_of(response.headers, self.settings))
        elif self.requested.range and not self.size:
            self._start_inside(self._part())
        else:
            self._continue(self._part())
        return True

    def observe_data(self, data: bytes) -> ResponseError | None:
        """Check bytes before they are kept or passed on, and count them.

        Returns:
            What is wrong with them. It is not raised: this frame holds bytes that may echo the key.
        """
        position = self._first + self.size
        if position == len(self._beginning) < BEGINNING:
            self._beginning = (self._beginning + data)[:BEGINNING]
            if TEXT.match(self._beginning):
                return self._error("it is text instead of a video")
        if self._response_ends is not None and position + len(data) > self._response_ends:
            return self._unfit("it is longer than its Content-Range")
        if self._structure is not None:
            self._structure.feed(data)
        self.size += len(data)
        return None

    def observe_end(self, now: float) -> None:
        """Take note of the end of a response, which ends the download unless only a part was sent.

        Raises:
            ResponseError: The response ended too early.
        """
        ends, position = self._response_ends, self._first + self.size
        if ends is not None and position < ends:
            raise self._error(f"it ended {ends - position} bytes too early")
        if ends is not None and self.total is not None and self.size < self.total and now < self.deadline:
            return  # the rest is requested next
        if not self.size:
            raise self._error("it is empty")
        if self.total not in (None, self.size):
            raise self._error(f"it has {self.size} of {self.total} bytes")
        if self.total is None:
            is_whole = (ends is None and is_framed(self.headers)) or (self._structure and self._structure.is_complete)
            if not is_whole:
                self.validator = None  # nothing can be appended
                raise self._error("no length was announced, and the file seems to be truncated")
        self.complete = True

    def pause_after(self, error: BaseException, now: float) -> float | None:
        """Take note of an attempt that failed; return the seconds until the next one, or ``None`` to give up."""
        if self.size > self._furthest:
            self._furthest, self.failures = self.size, 0
            later = float("inf") if self.retry.timeout is None else now + self.retry.timeout
            self.give_up = max(self.give_up, later)
        else:
            self.failures += 1
        is_stuck = self._broken or (not self.restartable and self.size > 0 and self.validator is None)
        left = min(self.give_up, self.deadline) - now
        failures = max(1, self.failures)
        asked = retry_after(error, self.retry) or 0.0
        if invisible := seconds_until_visible(error, now, self.accepted):
            left = min(left, invisible)
        elif is_stuck or not repeat_read(error) or failures >= self.retry.attempts or asked > left:
            return None
        return None if left < TICK else min(next_pause(self.retry, failures, error), left)

    def _start(self, total: int | None, validator: str | None, of: ContentRange | None = None) -> None:
        """Begin with the response, which has the complete content, or that range of it; discard what was received."""
        if not self.restartable and self.size:
            raise self._unfit("it starts over, but some bytes have already been passed on")
        if not self.restartable and self.status and (self.status, self.total) != (self._response.status, total):
            raise self._unfit("its status or length is not that of the first response")
        self.status, self.headers = self._response.status, self._response.headers
        self.size, self.total, self.validator = 0, total, validator
        self._range, self._first = of, 0 if of is None else of.first
        self._response_ends, self._beginning = None, b""
        self._structure = Structure() if total is None else None

    def _start_inside(self, part: ContentRange) -> None:
        """Begin with the response, which has the requested range, or its beginning."""
        expected = self.requested.expected(part)
        if expected is None:
            raise self._unfit("it is not the part that was requested")
        validator = validator_of(self._response.headers, self.settings)
        if validator is None:
            expected = part  # the rest cannot be requested
        self._start(expected.last - expected.first + 1, validator, expected)
        self.headers = {**self.headers, "content-range": str(expected)}
        self._response_ends = part.last + 1

    def _continue(self, part: ContentRange) -> None:
        """Continue with the response, which has the rest, or some of it."""
        if not self.size:
            raise self._unfit("it is only a part of the video")
        if not self._is_same(self._response.headers):
            raise self._unfit("its ETag or date is missing or has changed")
        size = (self.total if self._range is None else self._range.total) or part.total
        is_too_long = self._range is not None and part.last > self._range.last
        if part.first != self._first + self.size or part.total not in (None, size) or is_too_long:
            raise self._unfit("it is not the part that was requested")
        self._response_ends = part.last + 1
        if self._range is None:
            self.total = size

    def _part(self) -> ContentRange:
        """Return which part of the video the response has."""
        part = ContentRange.from_headers(self._response.headers)
        if part is None or content_codings(self._response.headers):
            raise self._unfit("it does not say which part of the video it is")
        if announced_length(self._response.headers) not in (None, part.last - part.first + 1):
            raise self._unfit("its Content-Length contradicts its Content-Range")
        return part

    def _is_same(self, headers: Mapping[str, str]) -> bool:
        """Return whether a part is of the same video as what was received; a weak ``ETag`` may rule that out, too."""
        etag, first_etag = headers.get("etag"), self.headers.get("etag")
        if self.validator is None or (etag and first_etag and etag != first_etag):
            return False
        return self.validator in (etag, headers.get("last-modified"))

    def _unfit(self, why: str) -> ResponseError:
        """Give up what was received: a file can start over, a stream cannot."""
        self._broken = not self.restartable
        self.validator = None
        return self._error(why)

    def _error(self, why: str) -> ResponseError:
        return unreadable(why, self._response, self.settings)

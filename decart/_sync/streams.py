# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""A finished video piece by piece, for web views."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from ..jobs import JobStatusResponse, to_result
from ..outcomes import result_error
from ..policies import FAILURES
from ..redaction import holds_key
from .transfers import Transfer

PASSED_ON = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
"""Headers of a response that describe the video, and not the connection that it came over."""


class VideoStream:
    """A finished video in chunks of up to 1 MiB; ``client.queue.stream(job_id)`` returns it.

    Use it as a context manager. Or ``open()`` it, so that its length and type are known, and hand it to a web
    framework, which iterates over it and closes it at the end. If a connection breaks, the stream continues with the
    rest over another one, if the server can do that.

    Example:
        >>> with client.queue.stream(job.job_id) as video:
        ...     for chunk in video:
        ...         response.write(chunk)
    """

    def __init__(self, transfer: Transfer, last_status: Callable[[], JobStatusResponse]) -> None:
        self._transfer = transfer
        self._last_status = last_status

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job_id={self.job_id!r})"

    @property
    def job_id(self) -> str:
        """The job whose video it is."""
        return self._transfer.download.job_id

    @property
    def status(self) -> int:
        """The HTTP status: 200, or 206 for a part; 0 until the stream is open."""
        return self._transfer.download.status

    @property
    def length(self) -> int | None:
        """Bytes in all, of the video or of the requested part; ``None`` if the server did not say."""
        return self._transfer.download.total

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a web view passes on to a browser, with ``status``; empty until the stream is open."""
        download = self._transfer.download
        passed = {name: download.headers[name.lower()] for name in PASSED_ON if name.lower() in download.headers}
        passed = {name: value for name, value in passed.items() if not holds_key(value, download.settings)}
        if self.length is not None:
            passed["Content-Length"] = str(self.length)
        return passed

    @property
    def content_type(self) -> str:
        """The MIME type, such as ``"video/mp4"``."""
        return self.headers.get("Content-Type", "application/octet-stream")

    def __enter__(self) -> VideoStream:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> VideoStream:
        """Request the video, and read the head of the response; the context manager and the first chunk do it, too.

        Raises:
            QueueResultError: The job has not finished yet, or its video could not be fetched. A range that begins
                after the end of the video has ``status_code`` 416.
            JobFailedError: The job failed, and there is no video.
        """
        if not (self.status or self._transfer.download.complete):
            last = self._last_status()
            if last.status == "failed":
                to_result(last).raise_for_status()
            try:
                self._transfer.open()
            except FAILURES as cause:
                raise result_error(self.job_id, cause) from cause
        return self

    def __iter__(self) -> VideoStream:
        return self

    def __next__(self) -> bytes:
        self.open()
        try:
            chunk = self._transfer.next_chunk()
        except FAILURES as cause:
            raise result_error(self.job_id, cause) from cause
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        self._transfer.download.complete = True
        self._transfer.close()

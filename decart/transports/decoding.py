"""Decode gzip and deflate response bodies, which some servers send although no request asks for an encoding."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

from ..errors import TransportError
from .base import CHUNK
from .failures import place_of

KEPT = 64 * 1024
"""The bytes of an encoded body that are kept as received, in case they cannot be decoded."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_NO_HEADER = -15


class Decoder:
    """Decode one body incrementally, at most ``CHUNK`` bytes at a time."""

    def __init__(self, encoding: str, url: str) -> None:
        self._encoding, self._url = encoding, url
        self._stream = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._raw = bytearray()
        self._has_decoded = False

    @classmethod
    def of(cls, headers: Mapping[str, str], url: str) -> Decoder | None:
        """Return the decoder for a response, or ``None`` if its body must be passed on as received."""
        named = [part.strip().lower() for part in headers.get("content-encoding", "").split(",")]
        encodings = [name for name in named if name not in ("", "identity")]
        return cls(encodings[0], url) if len(encodings) == 1 and encodings[0] in _WINDOW_BITS else None

    def decode(self, raw: bytes) -> Iterator[bytes]:
        """Decode the next piece of the body, and yield it in chunks.

        Raises:
            TransportError: It is not valid, or data follows its end.
        """
        without_header = self._encoding == "deflate" and raw[0] & 15 != 8
        if not self._raw and without_header:
            self._stream = zlib.decompressobj(_NO_HEADER)
            self._encoding = "raw deflate"
        self._raw += raw[: KEPT - len(self._raw)]
        piece = b""
        while not self._stream.eof and (raw or len(piece) == CHUNK):
            piece = b""
            try:
                piece = self._stream.decompress(raw, CHUNK)
            except zlib.error:
                break
            raw = self._stream.unconsumed_tail or self._stream.unused_data
            if piece:
                self._has_decoded = True
                yield piece
        if raw:  # zlib may "decode" some plain text as raw deflate before it fails, which is garbage
            self._has_decoded = self._has_decoded and self._encoding != "raw deflate"
            raw = piece = b""  # they may echo the key, and a traceback would keep them alive
            raise self._failure("is not valid")

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            TransportError: It ends too early.
        """
        if self._raw and not self._stream.eof:
            raise self._failure("ends too early for")

    def salvage(self) -> bytes:
        """Return the beginning of a body for which ``decode`` yielded nothing, decoded if possible."""
        if self._has_decoded:
            return b""
        decoded = bytearray()
        if self._encoding != "raw deflate":
            stream = zlib.decompressobj(_WINDOW_BITS[self._encoding])
            with suppress(zlib.error):
                for byte in self._raw:  # one by one, since zlib drops the output of a call that fails
                    decoded += stream.decompress(bytes([byte]), KEPT - len(decoded) or 1)
        return bytes(decoded or self._raw)

    def _failure(self, what: str) -> TransportError:
        return TransportError(f"{place_of(self._url)} sent a response body that {what} {self._encoding}.")

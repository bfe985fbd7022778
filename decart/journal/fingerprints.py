"""Recognize a request that is made again: a digest of each of its inputs, so that a message can say what differs.

The bytes of media count, and not their name, path or time. Of a file of more than ``SAMPLED`` bytes, its size and
64 blocks of 1 MiB, evenly spread from its first to its last byte, stand for all of it. Whatever encodes or cuts a video
anew changes these, because its index stands at one of the ends; somebody who changes a few bytes in between on purpose
is not noticed. A stream that cannot seek is copied for the upload anyway, and the copy is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import attrs

from ..config import Settings
from ..file_sources import UnreadableFile
from ..inputs import JobInput
from ..uploads import Upload, file_errors
from .records import JobRecord

BLOCK = 1024 * 1024
SAMPLED = 64 * BLOCK
"""Bytes of a file from which on parts of it stand for all of it."""


@attrs.frozen(kw_only=True)
class Request:
    """What makes two submits the same: the inputs, the model, and whose money is spent where."""

    fingerprint: Mapping[str, str]
    model: str
    origin: str
    account: str

    def differences(self, record: JobRecord) -> list[str]:
        """Return what differs from the request of a record: names of inputs, ``model``, ``origin``, ``account``."""
        names = sorted({*self.fingerprint, *record.fingerprint})
        inputs = [name for name in names if self.fingerprint.get(name) != record.fingerprint.get(name)]
        return [
            name for name in ("origin", "account", "model") if getattr(self, name) != getattr(record, name)
        ] + inputs


def request_of(fields: Mapping[str, str | Upload], model: str, settings: Settings) -> Request:
    """Describe a request by the form fields that are sent; this reads its files.

    Raises:
        InvalidInputError: A file cannot be read.
    """
    fingerprint = {
        name: _of_file(value) if isinstance(value, Upload) else _digest([value.encode("utf-8", "surrogatepass")])
        for name, value in fields.items()
    }
    origin, account = whose(settings)
    return Request(fingerprint=fingerprint, model=model, origin=origin, account=account)


def whose(settings: Settings) -> tuple[str, str]:
    """Return the origin and the account of a client: where it sends requests, and a digest of its key."""
    return settings.origin, _digest([settings.api_key.encode()])


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12, person=b"decart-journal")
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _of_file(file: Upload) -> str:
    if file.size <= SAMPLED:
        return _digest(file.chunks())
    last = file.size - BLOCK
    starts = [last * number // 63 for number in range(64)]
    return _digest(chain([str(file.size).encode()], _blocks(file, starts)))


def _blocks(file: Upload, starts: Iterable[int]) -> Iterator[bytes]:
    """Read the blocks of a file that begin at these positions."""
    with file_errors(file.field, file.display_name), file.source.open() as read_at:
        for start in starts:
            done = 0
            while done < BLOCK:
                chunk = read_at(start + done, BLOCK - done)
                if not chunk:
                    raise UnreadableFile("the file became shorter while it was being read")
                done += len(chunk)
                yield chunk


def kept_inputs(job: JobInput) -> dict[str, Any]:
    """Return the inputs of a job as JSON values, without its media."""
    kept = {}
    for field in attrs.fields(type(job)):
        value = getattr(job, field.name)
        if value is not None and field.name != "model" and not field.metadata.get("file"):
            kept[field.name] = [attrs.asdict(point) for point in value] if isinstance(value, tuple) else value
    return kept

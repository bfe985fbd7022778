# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Wait for the unfinished jobs of a journal, after a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import attrs

from ..arguments import WaitArguments
from ..errors import DecartSDKError
from ..journal.failures import gone
from ..journal.files import VideoFiles
from ..journal.owners import Claim
from ..journal.records import JobRecord
from ..journal.reports import ResumedJob
from ..outcomes import CallState
from ..targets import check_target
from .backend import in_thread
from .operations import Operations
from .recorder import Recorder

FileOf = Callable[[JobRecord], str | os.PathLike[str]]


def resume(
    operations: Operations,
    recorder: Recorder,
    records: Sequence[JobRecord],
    file_of: FileOf,
    arguments: WaitArguments,
) -> list[ResumedJob]:
    """Wait for the jobs of this account among some records, one after the other, and save their videos."""
    files = VideoFiles(recorder.journal)

    def target_of(record: JobRecord) -> Path:
        return in_thread(lambda: files.reserve(check_target(file_of(record), "save_to"), record))

    ours, done = (recorder.origin, recorder.account), []
    for record in records:
        if record.job_id is not None and (record.origin, record.account) == ours:
            resumed = resume_one(operations, recorder, record, record.job_id, target_of, arguments)
            done += [] if resumed is None else [resumed]
    return done


def resume_one(
    operations: Operations,
    recorder: Recorder,
    record: JobRecord,
    job_id: str,
    target_of: Callable[[JobRecord], Path],
    arguments: WaitArguments,
) -> ResumedJob | None:
    """Wait for a job, and save its video, unless another call has taken it up."""
    state, claim = CallState(job_id), Claim()
    resumed = ResumedJob(record=record)
    try:
        if not recorder.take(job_id, claim):
            return None
        arguments = attrs.evolve(arguments, save_to=target_of(record))
        resumed = attrs.evolve(resumed, result=operations.wait(job_id, state, arguments))
    except BaseException as error:
        state.explain(error)
        cancelled = arguments.cancel is not None and arguments.cancel.is_set()
        if cancelled or not isinstance(error, (DecartSDKError, OSError)):
            raise
        resumed = attrs.evolve(resumed, error=gone(error, record.label) if isinstance(error, DecartSDKError) else error)
    finally:
        recorder.release(job_id, claim)
    with suppress(Exception):  # the journal may fail now, and the video matters more
        current = in_thread(partial(recorder.journal.by_job, job_id))
        resumed = attrs.evolve(resumed, record=current or record)
    return resumed

"""What earlier runs of a batch have left in its folder: it must be known to the journal, or be paid for again."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from pathlib import Path

from ..errors import InvalidInputError
from ..journal import SQLiteJournal
from .joblist import JobList
from .resultsfile import RESULTS, read_results


def check_earlier_runs(folder: Path, jobs: JobList, arguments: Namespace) -> None:
    """Compare the results in a folder with the journal, before anything is sent, or changed in the folder.

    Raises:
        InvalidInputError: Jobs would be paid for again, or their videos be replaced by placeholders.
        JournalError: The journal cannot be read.
    """
    results = folder / RESULTS
    if not results.is_file():
        return
    if not Path(arguments.journal).exists():
        if not arguments.emulator:
            raise _unknown(arguments, f"its journal {arguments.journal} is missing")
        return
    accepted = {each["label"]: each["job_id"] for each in read_results(results) if each["label"] and each["job_id"]}
    with closing(SQLiteJournal(arguments.journal)) as journal:
        if arguments.emulator:
            if any(journal.by_job(job_id) for job_id in accepted.values()):
                raise InvalidInputError(
                    f"{arguments.out} has the results of jobs that are in the journal {arguments.journal}, and "
                    "--emulator would replace their videos with placeholders. Choose another folder."
                )
            return
        unknown = {label for label in accepted if journal.latest(label) is None}
    if unknown and any(label in unknown for _, label in jobs.labelled()):
        raise _unknown(arguments, f"the journal {arguments.journal} does not know its jobs")


def _unknown(arguments: Namespace, reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"{arguments.out} has the results of an earlier run, and {reason}, so its jobs would be paid for again. Name "
        f"the journal of that run with --journal, choose another folder, or delete {RESULTS} to begin anew. Nothing "
        "was sent."
    )

"""Jobs of a journal that were submitted with another API key, or to another service: commands leave them alone."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ..config import settings
from ..journal.fingerprints import whose
from ..journal.records import JobRecord
from .service import read_key


class Elsewhere(NamedTuple):
    """A job that needs other settings than those of the command.

    Attributes:
        record: The last record of its label.
        how: How it was submitted, such as "with another API key".
        use: What to use to get its video.
    """

    record: JobRecord
    how: str
    use: str


def submitted_elsewhere(records: Iterable[JobRecord], arguments: Namespace) -> dict[str, Elsewhere]:
    """Return the jobs among some records that were submitted with another API key or to another service, by label.

    Args:
        records: Records of a journal, oldest first: only the last one of each label counts.
        arguments: Those of the command.

    Raises:
        InvalidAPIKeyError: There is no key, or it cannot be used.
        InvalidBaseURLError: The base URL cannot be used.
    """
    key = read_key(arguments.api_key_file)
    origin, account = whose(settings(key, arguments.base_url, None, None, allow_http=arguments.allow_http))
    found: dict[str, Elsewhere] = {}
    for record in records:
        found.pop(record.label, None)
        if record.state in ("intended", "refused") or (record.origin, record.account) == (origin, account):
            continue
        how, use = f"to {record.origin}", f"--base-url {record.origin}"
        if record.origin == origin:
            how, use = "with another API key", "that key"
        found[record.label] = Elsewhere(record, how, use)
    return found


def summary(jobs: Iterable[Elsewhere]) -> str:
    """Return how many jobs were submitted how, such as "2 submitted with another API key"."""
    return ", ".join(f"{number} submitted {how}" for how, number in Counter(job.how for job in jobs).items())


def advice(jobs: Collection[Elsewhere]) -> str:
    """Return what happens to the jobs of a batch that need other settings, and what to do about them."""
    return (
        f"Jobs of the list that are not submitted again: {summary(jobs)}. The others run with the current key and base "
        "URL. To fetch the videos of those, run the same command with "
        f"{' or '.join(sorted({job.use for job in jobs}))}. To submit all jobs to the current account, and pay again, "
        "use another --out and --journal."
    )


def unfinished_elsewhere(records: Iterable[JobRecord], arguments: Namespace) -> str | None:
    """Return the sentence about unfinished jobs of a journal that other settings are needed for, if there are any.

    Args:
        records: Its unfinished jobs.
        arguments: Those of the command.

    Raises:
        InvalidAPIKeyError: There is no key, or it cannot be used.
        InvalidBaseURLError: The base URL cannot be used.
    """
    jobs = submitted_elsewhere(records, arguments)
    if not jobs:
        return None
    return f"Unfinished jobs that cannot be resumed with the current key and base URL: {summary(jobs.values())}."

"""The commands ``jobs list``, ``show``, ``settle`` and ``prune``: the jobs in a journal."""

from __future__ import annotations

import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError
from ..journal.records import STATES, UNFINISHED, JobRecord
from . import unfinished
from .commands import Commands, new_command
from .exits import Exit
from .output import Output
from .service import add_service_options, check_journal, client_of

if TYPE_CHECKING:
    from ..client import DecartClient

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGES = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
COLUMNS = ("label", "state", "model", "age")
SHOWN = ("label", "generation", "state", "model", "job_id", "created", "saved_to", "error", "cost")
WHEN = "a date or time such as 2026-01-31, or how long ago: 12h, 7d"


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    parser = commands.add_parser(
        "jobs",
        help="list, resume and settle the jobs of a journal",
        description="The jobs of a journal. `decart jobs list --help` describes their states.",
    )
    jobs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(jobs)
    show = new_command(jobs, "show", show_job, "Print all that a journal has on a label")
    _add_label(show)
    add_service_options(show, emulator=False)

    unfinished.add_commands(jobs)
    _add_settle(jobs)
    _add_prune(jobs)


def _add_list(jobs: Commands) -> None:
    states = """\
A job is in one of these states:
  intended   nothing has been sent yet
  sending    its request may be on its way
  refused    it was not accepted
  unknown    it may have been accepted and billed; see `decart jobs settle`
  accepted   the service has it
  completed  its video is ready, and nobody has it yet
  failed     it failed
  delivered  its video was saved"""
    parser = new_command(jobs, "list", list_jobs, "List the jobs of a journal, the newest last", states)
    add = parser.add_argument
    add("--state", action="append", choices=STATES, help="only those in this state; may be repeated")
    add("-m", "--model", metavar="NAME", help="only those of this model")
    add("--label-prefix", default="", metavar="TEXT", help="only those whose label begins with this text")
    add("--since", type=_when, metavar="WHEN", help=f"only those submitted since {WHEN}")
    add("--limit", type=int, metavar="N", help="only the newest")
    add(
        "--ids",
        action="store_true",
        help="print job_id in place of saved_to; --json has both, and the labels as they are",
    )
    add_service_options(parser, emulator=False)


def _add_settle(jobs: Commands) -> None:
    settle = new_command(
        jobs,
        "settle",
        settle_job,
        "Decide about a label whose outcome is unknown",
        "Check your account at the service first: only it knows whether the job was accepted.",
    )
    _add_label(settle)
    outcome = settle.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--job-id", metavar="ID", help="the job is there, under this id")
    outcome.add_argument("--not-accepted", action="store_true", help="it is not there: the label may be submitted")
    add_service_options(settle, emulator=False)


def _add_prune(jobs: Commands) -> None:
    prune = new_command(
        jobs,
        "prune",
        prune_jobs,
        "Delete the records of jobs that have ended",
        "Their labels may be submitted, and billed, again. What is unfinished or unknown always stays.",
    )
    prune.add_argument("--before", required=True, type=_when, metavar="WHEN", help=f"last written before {WHEN}")
    add_service_options(prune, emulator=False)


def _add_label(parser: ArgumentParser) -> None:
    parser.add_argument("label", metavar="LABEL", help="the label of the job")


def _when(text: str) -> datetime:
    """Read a date, a time, or how long ago it was."""
    try:
        if found := re.fullmatch(r"(\d+)([smhdw])", text):
            return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not {WHEN}") from None


def list_jobs(arguments: Namespace, output: Output) -> int:
    """List the jobs of a journal, the newest last."""
    from .otherkeys import unfinished_elsewhere  # few commands need it

    with _reader(arguments) as client:
        records = client.jobs.select(
            states=arguments.state,
            model=arguments.model,
            label_prefix=arguments.label_prefix,
            since=arguments.since,
            limit=arguments.limit,
            newest_first=True,
        )
        unfinished_jobs = client.jobs.select(states=UNFINISHED)
    records.reverse()
    columns = (*COLUMNS, "job_id" if arguments.ids else "saved_to")
    rows = [columns, *(_row(record, columns[-1]) for record in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    output.result([{name: _fields(record)[name] for name in SHOWN} for record in records], "\n".join(lines))
    with suppress(InvalidAPIKeyError, InvalidBaseURLError):  # a list needs neither
        if sentence := unfinished_elsewhere(unfinished_jobs, arguments):
            output.note(sentence)
    return Exit.DONE


def _row(record: JobRecord, last: str) -> tuple[str, ...]:
    seconds = max(0.0, time.time() - record.created_at)
    unit, size = next(((unit, size) for unit, size in AGES if seconds >= size), AGES[-1])
    label = record.label if record.generation == 1 else f"{record.label} ({record.generation})"
    return label, record.state, record.model, f"{seconds // size:.0f} {unit}", getattr(record, last) or ""


def _fields(record: JobRecord) -> dict[str, Any]:
    """Return all that is known of a job, as JSON values."""
    return {**attrs.asdict(record), "created": record.created.isoformat(timespec="seconds")}


def show_job(arguments: Namespace, output: Output) -> int:
    """Print all that a journal has on a label."""
    with _reader(arguments) as client:
        record = client.jobs.get(arguments.label)
    if record is None:
        raise InvalidInputError(f"The journal {arguments.journal} has no job with the label {arguments.label!r}.")
    fields = _fields(record)
    output.result(fields, "\n".join(f"{name}: {value}" for name, value in fields.items() if value not in (None, "")))
    return Exit.DONE


def settle_job(arguments: Namespace, output: Output) -> int:
    """Decide about a label whose outcome is unknown."""
    check_journal(arguments)
    with client_of(arguments) as client:
        record = client.jobs.settle(arguments.label, job_id=arguments.job_id)
    job = "" if record.job_id is None else f" as job {record.job_id}"
    output.result(_fields(record), f"{record.label}: {record.state}{job}")
    return Exit.DONE


def prune_jobs(arguments: Namespace, output: Output) -> int:
    """Delete the records of jobs that have ended."""
    age = datetime.now(UTC) - arguments.before
    with _reader(arguments) as client:
        deleted = client.jobs.prune(older_than=max(age, timedelta()))
    output.result({"deleted": deleted}, f"{deleted} deleted")
    return Exit.DONE


def _reader(arguments: Namespace) -> DecartClient:
    """Return a client that sends no request, and so needs no key."""
    check_journal(arguments)
    from ..client import DecartClient  # --help needs no HTTP library

    return DecartClient("none", base_url="http://localhost", journal=arguments.journal)

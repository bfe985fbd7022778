"""The commands ``jobs resume`` and ``jobs sweep``: finish the jobs of a journal, with a wait or without one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DecartSDKError, InvalidInputError, JobTimeoutError
from ..journal.records import UNFINISHED, JobRecord
from .commands import Commands, new_command
from .exits import Exit, code_of
from .output import Output
from .service import add_service_options, add_wait_options, check_journal, client_of, poll_policy

if TYPE_CHECKING:
    from ..client import DecartClient
    from ..journal.jobstep import JobStep
    from ..journal.reports import ResumedJob


def add_commands(jobs: Commands) -> None:
    """Add the commands of this module."""
    resume = new_command(
        jobs,
        "resume",
        resume_jobs,
        "Wait for every unfinished job, and save its video",
        "Nothing is submitted, or billed. If jobs end in different ways, the exit code is the first of these that\n"
        "applies: 4 (the key was refused), 5 (a job failed, or its video could not be fetched), 3 (one timed out), 0.",
    )
    _add_options(resume)

    sweep = new_command(
        jobs,
        "sweep",
        sweep_jobs,
        "Check each unfinished job that is due, and save the videos that are ready",
        "For cron: it does not wait, but is run again and again, such as every minute. Runs that overlap share the\n"
        "work. Nothing is submitted, or billed. It prints a line for each job that has ended, or whose check or\n"
        "download failed. Unfinished jobs of another key or service are left alone, and counted in a line that -q\n"
        "leaves out. The exit code is the first of these that applies: 4 (the key was refused), 5 (a job failed, or\n"
        "its video is gone), 3 (one timed out: only `decart jobs resume` still waits for it), 0. A failure after\n"
        "which the next run tries again does not count, unless the key was refused.",
    )
    _add_options(sweep)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the folder of the videos, which is created")
    parser.add_argument(
        "--name",
        default="{label}.mp4",
        help="the name of each video: with {label} or {job_id}, and {model} or {generation} (default: %(default)s)",
    )
    add_wait_options(parser)
    add_service_options(parser, emulator=False)


def resume_jobs(arguments: Namespace, output: Output) -> int:
    """Wait for every unfinished job, and save its video."""
    check_journal(arguments)
    file_of = _files(arguments)
    with client_of(arguments) as client:
        elsewhere = _note_elsewhere(client, arguments, output)
        ended = client.jobs.resume(save_to=file_of, poll=poll_policy(arguments))
    results = [_result(job, output) for job in ended]
    nothing = f"No {'other ' if elsewhere else ''}job is unfinished."
    output.result(results, "\n".join(map(_line, results)) or nothing)
    return next((code for code in ORDER if code in map(_code, ended)), Exit.DONE)


def _note_elsewhere(client: DecartClient, arguments: Namespace, output: Output) -> bool:
    """Name the unfinished jobs of another key or service, which are left alone; return whether there are any."""
    from .otherkeys import unfinished_elsewhere  # few commands need it

    sentence = unfinished_elsewhere(client.jobs.select(states=UNFINISHED), arguments)
    if sentence is not None:
        output.note(sentence)
    return sentence is not None


def _files(arguments: Namespace) -> Callable[[JobRecord], Path]:
    """Create the folder of the videos, and return a function that gives each job a file in it.

    Raises:
        InvalidInputError: Their names would not differ.
    """
    from ..journal.files import files_named  # few commands need it

    try:
        name_of = files_named(arguments.name)
    except InvalidInputError:
        rule = "with {label} or {job_id} in it, and no other fields than {model} and {generation}"
        raise InvalidInputError(f"--name must be the name of a file {rule}, not {arguments.name!r}.") from None
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda record: folder / name_of(record)


def _line(result: dict[str, Any]) -> str:
    return f"{result['label']}: {result['status']}: {result['path'] or result['error']}"


ORDER = (Exit.KEY_REFUSED, Exit.JOB_FAILED, Exit.TIMED_OUT)
"""If several jobs end in different ways, the exit code is the first of these."""


def _code(job: ResumedJob) -> Exit:
    if job.result is None:
        return Exit.KEY_REFUSED if _key_is_refused(job.error) else Exit.JOB_FAILED
    if job.result.timed_out:
        return Exit.TIMED_OUT
    return Exit.DONE if job.result.status == "completed" else Exit.JOB_FAILED


def _key_is_refused(error: Exception | None) -> bool:
    return isinstance(error, DecartSDKError) and code_of(error) == Exit.KEY_REFUSED


def _result(job: ResumedJob, output: Output) -> dict[str, Any]:
    result = job.result
    facts = {"label": job.record.label, "job_id": job.record.job_id}
    if result is None:
        return facts | {"status": "error", "path": None, "error": output.worded(str(job.error))}
    status = "timed_out" if result.timed_out else result.status
    error = result.error and output.worded(result.error)
    return facts | {"status": status, "path": result.path and str(result.path), "error": error}


def sweep_jobs(arguments: Namespace, output: Output) -> int:
    """Make the next step of every unfinished job that is due."""
    check_journal(arguments)
    file_of = _files(arguments)
    with client_of(arguments) as client:
        _note_elsewhere(client, arguments, output)
        steps = client.jobs.sweep(save_to=file_of, poll=poll_policy(arguments))
    results = [_step_result(step, output) for step in steps]
    lines = [_line(each) for each in results if each["status"] != "running" or each["error"]]
    if lines or output.as_json:  # cron mails what is printed
        output.result(results, "\n".join(lines))
    codes = {STEP_CODES.get(each["status"], Exit.DONE) for each in results}
    codes |= {Exit.KEY_REFUSED for step in steps if _key_is_refused(step.error)}
    return next((code for code in ORDER if code in codes), Exit.DONE)


STEP_CODES: dict[str, Exit] = {"failed": Exit.JOB_FAILED, "error": Exit.JOB_FAILED, "timed_out": Exit.TIMED_OUT}
"""What the end of a job means for the exit code."""


def _step_result(step: JobStep, output: Output) -> dict[str, Any]:
    record = step.record
    assert record is not None  # a sweep submits nothing, so there is one
    if step.wait is not None or step.superseded:
        status = "running"
    elif step.error is None:
        status = "completed" if record.state == "delivered" else record.state
    else:
        status = "timed_out" if isinstance(step.error, JobTimeoutError) else "error"
    error = record.error if step.error is None else output.worded(str(step.error))
    facts = {"label": record.label, "job_id": record.job_id}
    return facts | {"status": status, "path": record.saved_to, "error": error}

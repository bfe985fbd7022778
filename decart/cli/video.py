"""The commands about one video: run, submit, status, wait, download."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..jobs import JobStatusResponse, QueueJobResult
from .commands import Commands, new_command
from .exits import Exit
from .inputs import add_job_options, options_of
from .output import Output
from .preview import add_dry_run_option, show_request
from .service import add_service_options, add_wait_options, client_of, poll_policy

if TYPE_CHECKING:
    from ..client import DecartClient


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    run = new_command(commands, "run", run_job, "Submit a job, wait for it, and save its video")
    add_job_options(run, "video")
    _add_output_file(run, required=True)
    _add_label_options(run)
    add_wait_options(run)
    add_dry_run_option(run)
    add_service_options(run)

    submit = new_command(
        commands, "submit", submit_job, "Submit a job and print its id", "`decart wait ID -o FILE` gets its video."
    )
    add_job_options(submit, "video")
    _add_label_options(submit)
    add_dry_run_option(submit)
    add_service_options(submit, emulator=False)

    status = new_command(
        commands,
        "status",
        show_status,
        "Print the status of a job",
        "It is pending, processing, completed or failed; the exit code is 0 for all of them.",
    )
    _add_job(status)
    add_service_options(status, emulator=False)

    wait = new_command(commands, "wait", wait_for_job, "Wait for a job, and save its video if a file is given")
    _add_job(wait)
    _add_output_file(wait, required=False)
    add_wait_options(wait)
    add_service_options(wait, emulator=False)

    download = new_command(commands, "download", download_video, "Save the video of a job that has completed")
    _add_job(download)
    _add_output_file(download, required=True)
    add_service_options(download, emulator=False)


def _add_job(parser: ArgumentParser) -> None:
    parser.add_argument("job", metavar="ID", help="the id of the job, as submit and run print it")


def _add_output_file(parser: ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "-o",
        "--output",
        required=required,
        metavar="FILE",
        help="the file to save the video to, which is replaced; - writes it to standard output",
    )


def _add_label_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("label (needs --journal)")
    group.add_argument("--label", help="your name for the job: however often it is submitted, it is paid for once")
    group.add_argument("--again", action="store_true", help="submit a label anew whose job has failed")


def run_job(arguments: Namespace, output: Output) -> int:
    """Submit a job, wait for it, and save its video."""
    options = options_of(arguments, "video")
    if arguments.dry_run:
        return show_request(options, "video", arguments, output)
    if arguments.output == "-":
        output.check_data()
    with client_of(arguments) as client:
        result = client.queue.submit_and_poll(
            options,
            label=arguments.label,
            again=arguments.again,
            on_status_change=status_printer(output),
            poll=poll_policy(arguments),
            save_to=None if arguments.output == "-" else arguments.output,
            progress=output.shows_bars,
        )
    return finish(result, output)


def submit_job(arguments: Namespace, output: Output) -> int:
    """Submit a job and print its id."""
    options = options_of(arguments, "video")
    if arguments.dry_run:
        return show_request(options, "video", arguments, output)
    with client_of(arguments) as client:
        job = client.queue.submit(options, label=arguments.label, again=arguments.again)
    output.result(attrs.asdict(job), job.job_id)
    return Exit.DONE


def show_status(arguments: Namespace, output: Output) -> int:
    """Print the status of a job."""
    with client_of(arguments) as client:
        job = client.queue.status(arguments.job)
    reason = f": {job.error}" if job.error else ""
    output.result({"job_id": job.job_id, "status": job.status, "error": job.error}, f"{job.status}{reason}")
    return Exit.DONE


def wait_for_job(arguments: Namespace, output: Output) -> int:
    """Wait for a job, and save its video if a file is given."""
    if arguments.output == "-":
        output.check_data()
    with client_of(arguments) as client:
        if arguments.output is None:
            job = _finished(client, arguments, output)
            output.result({"job_id": job.job_id, "status": job.status, "error": job.error}, job.status)
            return Exit.DONE if job.status == "completed" else Exit.JOB_FAILED
        result = client.queue.poll(
            arguments.job,
            on_status_change=status_printer(output),
            poll=poll_policy(arguments),
            save_to=None if arguments.output == "-" else arguments.output,
            progress=output.shows_bars,
        )
    return finish(result, output)


def _finished(client: DecartClient, arguments: Namespace, output: Output) -> JobStatusResponse:
    """Wait for a job without fetching its video."""
    step = client.queue.poll_once(arguments.job, poll=poll_policy(arguments))
    while step.job is None:
        time.sleep(step.wait)
        step = client.queue.poll_once(arguments.job, step.state)
    return step.job


def download_video(arguments: Namespace, output: Output) -> int:
    """Save the video of a job that has completed."""
    if arguments.output == "-":
        output.check_data()
        with client_of(arguments) as client, client.queue.stream(arguments.job) as video:
            for chunk in video:
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return Exit.DONE
    with client_of(arguments) as client:
        path = client.queue.download(arguments.job, arguments.output, progress=output.shows_bars)
    output.result({"job_id": arguments.job, "status": "completed", "path": str(path)}, str(path))
    return Exit.DONE


def status_printer(output: Output) -> Callable[[JobStatusResponse], None]:
    """Return a callback that prints each status, or only the first one, with the id, where a bar shows the others."""
    is_first = True

    def show(job: JobStatusResponse) -> None:
        nonlocal is_first
        if is_first or not output.shows_bars:
            output.note(f"Job {job.job_id}: {job.status}")
        is_first = False

    return show


def finish(result: QueueJobResult, output: Output) -> int:
    """Print the path of a video, or write the video to standard output.

    Raises:
        JobFailedError: There is none.
        JobTimeoutError: There is none yet.
    """
    result.raise_for_status()
    if result.data is not None:
        output.data(result.data)
    else:
        facts = {"job_id": result.job_id, "status": result.status, "path": str(result.path)}
        output.result(facts | {"model": result.model, "seconds": result.elapsed}, str(result.path))
    return Exit.DONE

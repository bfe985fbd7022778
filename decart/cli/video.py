"""The commands about one video: run, submit, status, wait, download."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from .commands import Commands, new_command
from .exits import Exit
from .inputs import add_job_options, options_of
from .output import Output
from .preview import add_dry_run_option, show_request
from .progress import JobProgress
from .service import add_service_options, add_wait_options, client_of, poll_policy
from .target import add_target_option, target_of

if TYPE_CHECKING:
    from ..client import DecartClient
    from ..jobs import JobStatusResponse, QueueJobResult


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    run = new_command(commands, "run", run_job, "Submit a job, wait for it, and save its video")
    add_job_options(run, "video")
    add_target_option(run, "the video")
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
    add_target_option(wait, "the video", required=False)
    add_wait_options(wait)
    add_service_options(wait, emulator=False)

    download = new_command(
        commands,
        "download",
        download_video,
        "Save the video of a job that has completed",
        "It does not wait: if the job is still pending or processing, the exit code is 1. `decart wait` waits for it.",
    )
    _add_job(download)
    add_target_option(download, "the video")
    add_service_options(download, emulator=False)


def _add_job(parser: ArgumentParser) -> None:
    parser.add_argument("job", metavar="ID", help="the id of the job, as submit and run print it")


def _add_label_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("label (needs --journal)")
    group.add_argument("--label", help="your name for the job: however often it is submitted, it is paid for once")
    group.add_argument(
        "--again", action="store_true", help="if the job of the label has ended, submit it again, and pay again"
    )


def run_job(arguments: Namespace, output: Output) -> int:
    """Submit a job, wait for it, and save its video."""
    options = options_of(arguments, "video", output)
    if arguments.dry_run:
        return show_request(options, "video", arguments, output)
    target = target_of(arguments, output)
    with JobProgress(arguments, output) as progress, client_of(arguments, event_hooks=[progress]) as client:
        result = client.queue.submit_and_poll(
            options,
            label=arguments.label,
            again=arguments.again,
            poll=poll_policy(arguments),
            save_to=target,
            progress=progress.callback,
        )
    return finish(result, output)


def submit_job(arguments: Namespace, output: Output) -> int:
    """Submit a job and print its id."""
    options = options_of(arguments, "video", output)
    if arguments.dry_run:
        return show_request(options, "video", arguments, output)
    with JobProgress(arguments, output) as progress, client_of(arguments) as client:
        job = client.queue.submit(options, label=arguments.label, again=arguments.again, progress=progress.callback)
        arguments.job = job.job_id
    facts = {"job_id": job.job_id, "status": job.status, "model": job.model}
    output.result(facts, job.job_id, job_id=job.job_id)
    return Exit.DONE


def show_status(arguments: Namespace, output: Output) -> int:
    """Print the status of a job."""
    with client_of(arguments) as client:
        job = client.queue.status(arguments.job)
    _show(job, output)
    return Exit.DONE


def _show(job: JobStatusResponse, output: Output) -> None:
    """Print a status, and why a job has failed."""
    reason = f": {job.error}" if job.error else ""
    output.result({"job_id": job.job_id, "status": job.status, "error": job.error}, f"{job.status}{reason}")


def wait_for_job(arguments: Namespace, output: Output) -> int:
    """Wait for a job, and save its video if a file is given."""
    target = None if arguments.output is None else target_of(arguments, output)
    with JobProgress(arguments, output) as progress, client_of(arguments, event_hooks=[progress]) as client:
        if arguments.output is None:
            job = _finished(client, arguments)
            _show(job, output)
            return Exit.DONE if job.status == "completed" else Exit.JOB_FAILED
        result = client.queue.poll(
            arguments.job, poll=poll_policy(arguments), save_to=target, progress=progress.callback
        )
    return finish(result, output)


def _finished(client: DecartClient, arguments: Namespace) -> JobStatusResponse:
    """Wait for a job without fetching its video."""
    step = client.queue.poll_once(arguments.job, poll=poll_policy(arguments))
    while step.job is None:
        time.sleep(step.wait)
        step = client.queue.poll_once(arguments.job, step.state)
    return step.job


def download_video(arguments: Namespace, output: Output) -> int:
    """Save the video of a job that has completed."""
    target = target_of(arguments, output)
    with JobProgress(arguments, output) as progress, client_of(arguments) as client:
        if target is None:
            with client.queue.stream(arguments.job) as video:
                output.data(video, job_id=arguments.job)
            return Exit.DONE
        path = client.queue.download(arguments.job, target, progress=progress.callback)
    output.result({"job_id": arguments.job, "status": "completed", "path": str(path)}, str(path))
    return Exit.DONE


def finish(result: QueueJobResult, output: Output) -> int:
    """Print the path of a video, or write the video to standard output.

    Raises:
        JobFailedError: There is none.
        JobTimeoutError: There is none yet.
    """
    result.raise_for_status()
    if result.data is not None:
        output.data([result.data], job_id=result.job_id)
    else:
        facts = {"job_id": result.job_id, "status": result.status, "path": str(result.path)}
        output.result(facts | {"model": result.model, "seconds": result.elapsed}, str(result.path))
    return Exit.DONE

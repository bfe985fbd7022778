"""A Flask app that restyles its visitors' videos: a form, a list of jobs, and a page for each job.

No view waits for a job: one submits it, one checks its status once, one streams the finished video.
No job is paid for twice: a journal has its label, which is that of its form, before it is submitted.
A job's page can be reloaded and shared: its address cannot be guessed, and anybody who has it can watch.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Any

import click
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    JobRecord,
    LabelConflictError,
    QueueStatusError,
    QueueSubmitError,
    RetryPolicy,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
    Timeout,
    ValidationError,
    models,
)

MODEL = models.video("lucy-restyle-2")
MIB = 1024 * 1024
BUSY = "The service does not take jobs at the moment. Nothing was billed; try again later."

pages = Blueprint("pages", __name__, cli_group=None)


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """Create the app. Its settings come from the environment; those in ``config`` take precedence."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SESSION_COOKIE_SECURE=os.environ.get("SESSION_COOKIE_SECURE") == "1",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=int(os.environ.get("MAX_CONTENT_LENGTH", 200 * MIB)),
        DATABASE=os.environ.get("DATABASE", str(Path(app.instance_path) / "jobs.sqlite3")),
    )
    app.config.update(config or {})
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("SECRET_KEY is missing: set it in the environment; README.md has a command that makes one.")
    database = Path(app.config["DATABASE"])
    database.parent.mkdir(parents=True, exist_ok=True)
    client = app.extensions["decart"] = DecartClient(  # threads share it, and forked workers may use it
        app.config.get("DECART_API_KEY"),  # without a setting, the client takes these two from the environment
        base_url=app.config.get("DECART_BASE_URL"),
        retry=RetryPolicy(attempts=2, timeout=5),  # one quick retry: a view does not sleep
        timeout=Timeout(connect=5, read=20),  # a submit without a response ends before a worker's usual 30 s
        journal=SQLiteJournal(database, keep_inputs=True),  # the pages show the prompts
    )
    for job in client.jobs.select(states=["unknown"]):
        app.logger.warning("Job %s may have been billed; README.md says what to do.", job.label)
    shown = (csrf_token, size_limit, status_of, text_of)
    app.jinja_env.globals.update({function.__name__: function for function in shown}, FINISHED=FINISHED)
    app.register_blueprint(pages)
    app.before_request(check_csrf)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_problem)
    return app


def client() -> DecartClient:
    found: DecartClient = current_app.extensions["decart"]
    return found


# ---------------------------------------------------------------- jobs in the journal

STATUSES = {
    "sending": "Being sent to the service.",
    "refused": "Not submitted. Nothing was billed.",
    "unknown": "It is unknown whether the service accepted this job. It may be billed: check the account.",
    "pending": "Waiting in the queue.",
    "processing": "Being processed.",
    "completed": "Your video is ready.",
    "failed": "The service could not make this video.",
}
FINISHED = ("refused", "unknown", "completed", "failed")


def status_of(job: JobRecord) -> str:
    """Return the service's word for the state of a job, or ours for one that it does not have."""
    if job.state == "accepted":
        return job.status or "pending"
    return {"intended": "sending", "delivered": "completed"}.get(job.state, job.state)


def text_of(job: JobRecord) -> str:
    """Say what the status means; one that the service may introduce later is shown as it is."""
    return STATUSES.get(status_of(job), status_of(job))


def mine() -> str:
    """Return what the labels of the visitor's jobs begin with. It is in their addresses, so it is not the id."""
    return hashlib.sha256(visitor().encode()).hexdigest()[:16] + "."


def find_job(label: str) -> JobRecord:
    known = client().jobs.get(label) if re.fullmatch(r"[\w.-]{60}", label, re.ASCII) else None
    return known or abort(404)


# ---------------------------------------------------------------- the views


@pages.get("/", endpoint="index")
def form_page(problem: str = "", prompt: str = "", code: int = 200) -> ResponseReturnValue:
    """Show the form, each time with a new key, and the visitor's own jobs."""
    jobs = client().jobs.select(label_prefix=mine(), newest_first=True, limit=20)
    return render_template("form.html", problem=problem, prompt=prompt, key=secrets.token_urlsafe(), jobs=jobs), code


@pages.post("/jobs")
def submit() -> ResponseReturnValue:
    """Submit a job, which takes as long as its upload. This is the view that costs money."""
    key, prompt = request.form.get("key", ""), request.form.get("prompt", "")
    file: Any = request.files.get("video")
    if not re.fullmatch(r"[\w-]{43}", key, re.ASCII):
        abort(400)
    if file is None or not is_video(file):
        return form_page("Choose a video: an MP4 file.", prompt, 422)
    label = mine() + key
    page = redirect(url_for(".show", label=label), 303)
    if client().jobs.get(label) is not None:  # a form that is sent again leads to its first job at once
        return page
    try:
        client().queue.submit({"model": MODEL, "prompt": prompt, "data": file}, label=label)
    except InvalidInputError as error:  # before anything was sent
        return form_page(error.message, prompt, 422)
    except QueueSubmitError as error:  # not accepted; some reasons only the owner can fix
        current_app.logger.error("Job %s: %s", label, error)
        return form_page(error.message if isinstance(error.cause, ValidationError) else BUSY, prompt, 502)
    except (SubmitOutcomeUnknownError, LabelConflictError) as error:  # its page says what became of the first submit
        current_app.logger.error("Job %s: %s", label, error)
    return page


@pages.get("/jobs/<label>")
def show(label: str) -> ResponseReturnValue:
    """Show a job, its video or its error; the page's script keeps it up to date."""
    job, note = latest(label)
    return render_template("job.html", job=job, note=note)


@pages.get("/jobs/<label>/status")
def status(label: str) -> ResponseReturnValue:
    """Return the status of a job, for the page's script."""
    job, note = latest(label)
    return {"status": status_of(job), "text": text_of(job), "note": note, "finished": status_of(job) in FINISHED}


def latest(label: str) -> tuple[JobRecord, str]:
    """Return a job after one status check, if it has not finished, and its error or what else is to be said."""
    job = find_job(label)
    if job.state == "accepted" and job.job_id is not None:
        try:
            client().queue.status(job.job_id)
        except QueueStatusError as error:
            current_app.logger.warning("%s", error)
            return job, "The service cannot be reached at the moment; this is the last known status."
        job = find_job(label)  # a status that arrives late does not replace a later one
    return job, (job.error or "") if job.state == "failed" else ""


@pages.get("/jobs/<label>/video")
def video(label: str) -> ResponseReturnValue:
    """Stream the video, or the range that the browser asked for, without holding it in memory."""
    job, download = find_job(label), "download" in request.args
    name = f"video-{label[-8:]}.mp4"
    if job.job_id is None or status_of(job) != "completed":
        abort(404)
    if job.saved_to is not None:
        return send_file(job.saved_to, "video/mp4", as_attachment=download, download_name=name)
    wanted, condition = request.headers.get("Range"), request.headers.get("If-Range")
    stream = client().queue.stream(job.job_id, range=wanted, if_range=condition)
    try:
        stream.open()
    except DecartSDKError as error:
        current_app.logger.warning("%s", error)
        code = getattr(error, "status_code", None)
        abort(code if code in (404, 416) else 502)
    response = Response(stream, stream.status, stream.headers)  # Flask closes it, also if the browser disconnects
    if download:
        response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@pages.cli.command("resume")
def resume() -> None:
    """Wait for what is under way, save all videos, and list the jobs that may have been billed."""
    folder = Path(current_app.config["DATABASE"]).absolute().parent / "videos"
    folder.mkdir(exist_ok=True)
    for resumed in client().jobs.resume(save_to=lambda job: folder / f"{job.label}.mp4"):
        click.echo(f"{resumed.record.label}: {resumed.error or resumed.result}")
    for job in client().jobs.select(states=["unknown"]):
        click.echo(f"{job.label}: {text_of(job)}")


@pages.cli.command("settle")
@click.argument("label")
@click.argument("job_id", required=False)
def settle(label: str, job_id: str | None) -> None:
    """Say what became of a job that may have been billed: its id in the account, or none if it is not there."""
    try:
        job = client().jobs.settle(label, job_id=job_id)
    except DecartSDKError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"{job.label}: {text_of(job)}")


# ---------------------------------------------------------------- uploads, cookies, headers, errors

MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash", b"3gp", b"qt")


def is_video(file: Any) -> bool:
    """Check the first bytes: a name and a declared type prove nothing, and pictures and sound share the container."""
    head: bytes = file.read(12)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:].startswith(MP4_BRANDS)


def visitor() -> str:
    """Return the visitor's id, which is random and kept in the signed session cookie."""
    if "visitor" not in session:
        session.permanent = True
        session["visitor"], session["csrf"] = secrets.token_urlsafe(), secrets.token_urlsafe()
    return str(session["visitor"])


def csrf_token() -> str:
    visitor()
    return str(session["csrf"])


def check_csrf() -> None:
    """Refuse a form that is not from our page: only ours knows the token of the session."""
    if request.method == "POST":
        expected = session.get("csrf") or abort(400)  # before the body is read
        if not secrets.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
            abort(400)


CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def add_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"  # the address of a job's page is a secret
    response.headers.setdefault("Cache-Control", "no-store")
    if (response.mimetype or "").startswith("video/"):
        response.headers["Cache-Control"] = "private"
    return response


def size_limit() -> str:
    return f"{current_app.config['MAX_CONTENT_LENGTH'] / MIB:.4g} MiB"


def show_problem(error: HTTPException) -> ResponseReturnValue:
    problems = {
        400: "This form is too old, or your browser keeps no cookies. Go back to the form and try again.",
        404: "There is no such page.",
        413: f"This is too large: a video may have {size_limit()}, and a prompt 500 kB.",
        502: "The video cannot be fetched at the moment. Try again later.",
    }
    text = problems.get(error.code or 0, error.description)
    return render_template("problem.html", title=error.name, text=text), error.code or 500, error.get_headers()

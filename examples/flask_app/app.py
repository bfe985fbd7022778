"""A Flask app that restyles its visitors' videos: a form, jobs in SQLite, and a page for each job.

No view waits for a job: one submits it, one checks its status once, one streams the finished video.
No job is paid for twice: its row is in the database before it is submitted, and a form makes one row.
A job's page can be reloaded and shared: its address cannot be guessed, and anybody who has it can watch.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    JobFailedError,
    QueueResultError,
    QueueStatusError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    ValidationError,
    VideoRestyleInput,
    models,
)

MODEL = models.video("lucy-restyle-2")
MIB = 1024 * 1024

pages = Blueprint("pages", __name__)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Create the app. Its settings come from the environment; those in ``config`` take precedence."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SESSION_COOKIE_SECURE=os.environ.get("SESSION_COOKIE_SECURE") == "1",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=int(os.environ.get("MAX_CONTENT_LENGTH", 200 * MIB)),
        DATABASE=os.environ.get("DATABASE", str(Path(app.instance_path) / "jobs.sqlite3")),
        DECART_API_KEY=os.environ.get("DECART_API_KEY"),
        DECART_BASE_URL=os.environ.get("DECART_BASE_URL"),
    )
    app.config.update(config or {})
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("SECRET_KEY is missing: set it in the environment; README.md has a command that makes one.")
    app.logger.setLevel(logging.INFO)  # job ids, and errors that only the site's owner can fix
    app.extensions["decart"] = DecartClient(  # threads share it, and forked workers may use it
        app.config["DECART_API_KEY"],
        base_url=app.config["DECART_BASE_URL"],
        retry=RetryPolicy(attempts=2, timeout=5),  # one quick retry: a view does not sleep
        timeout=Timeout(connect=5, read=20),  # a submit without a response ends before a worker's usual 30 s
    )
    create_table(app.config["DATABASE"])
    app.jinja_env.globals.update(csrf_token=csrf_token, size_limit=size_limit)
    app.register_blueprint(pages)
    app.before_request(check_csrf)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_problem)
    app.teardown_appcontext(close_database)
    return app


def client() -> DecartClient:
    found: DecartClient = current_app.extensions["decart"]
    return found


# ---------------------------------------------------------------- jobs in the database

TABLE = """
    CREATE TABLE IF NOT EXISTS job (
        key TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        prompt TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'sending',
        job_id TEXT,
        error TEXT NOT NULL DEFAULT '',
        created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    )
"""

STATES = {
    "sending": "Being sent to the service. If this does not change, the server was stopped: check the account.",
    "refused": "Not submitted. Nothing was billed.",
    "unknown": "It is unknown whether the service accepted this job. It may be billed: check the account.",
    "pending": "Waiting in the queue.",
    "processing": "Being processed.",
    "completed": "Your video is ready.",
    "failed": "The service could not make this video.",
}
FINISHED = ("refused", "unknown", "completed", "failed")


@dataclass(frozen=True)
class Job:
    """A row: one submitted form. ``key`` is the form's; ``job_id`` is the service's, once it has accepted the job."""

    key: str
    owner: str
    prompt: str
    status: str
    job_id: str | None
    error: str
    created: str

    @property
    def text(self) -> str:
        """What the status means; one that the service may introduce later is shown as it is."""
        return STATES.get(self.status, self.status)

    @property
    def finished(self) -> bool:
        """Whether the status can no longer change."""
        return self.status in FINISHED


def create_table(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers
        connection.execute(TABLE)


def database() -> sqlite3.Connection:
    """Return this request's connection. Each statement commits by itself."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"], isolation_level=None)
        g.database.row_factory = sqlite3.Row
    connection: sqlite3.Connection = g.database
    return connection


def close_database(error: BaseException | None) -> None:
    if "database" in g:
        g.pop("database").close()


def find_job(key: str) -> Job:
    row = database().execute("SELECT * FROM job WHERE key = ?", (key,)).fetchone()
    return Job(**row) if row is not None else abort(404)


def store(key: str, status: str, *, job_id: str | None = None, error: str | None = None) -> None:
    """Store the status of a job. One that has finished stays so, even if an older response arrives late."""
    database().execute(
        "UPDATE job SET status = ?, job_id = coalesce(?, job_id), error = ? WHERE key = ?"
        f" AND status NOT IN {FINISHED}",
        (status, job_id, error or "", key),
    )


# ---------------------------------------------------------------- the views


@pages.get("/")
def index() -> ResponseReturnValue:
    return form_page()


def form_page(problem: str = "", prompt: str = "", code: int = 200) -> ResponseReturnValue:
    """Show the form, each time with a new key, and the visitor's own jobs."""
    rows = database().execute("SELECT * FROM job WHERE owner = ? ORDER BY rowid DESC LIMIT 20", (visitor(),))
    jobs, key = [Job(**row) for row in rows], secrets.token_urlsafe()
    return render_template("form.html", problem=problem, prompt=prompt, key=key, jobs=jobs), code


@pages.post("/jobs")
def submit() -> ResponseReturnValue:
    """Store and submit a job, which takes as long as its upload. This is the view that costs money."""
    key, prompt = request.form.get("key", ""), request.form.get("prompt", "")
    file: Any = request.files.get("video")
    if not re.fullmatch(r"[\w-]{43}", key, re.ASCII):
        abort(400)
    if file is None or not is_video(file):
        return form_page("Choose a video: an MP4 file.", prompt, 422)
    try:
        order = VideoRestyleInput(model=MODEL, prompt=prompt, data=file)
    except InvalidInputError as error:
        return form_page(error.message, prompt, 422)
    added = database().execute(
        "INSERT INTO job (key, owner, prompt) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (key, visitor(), prompt)
    )
    problem = send(key, order) if added.rowcount else ""  # a form that is sent again leads to its first job
    return form_page(problem, prompt, 502) if problem else redirect(url_for(".show", key=key), 303)


def send(key: str, order: VideoRestyleInput) -> str:
    """Submit a job and store the outcome; return what the visitor should correct, if anything."""
    try:
        accepted = client().queue.submit(order)
    except SubmitOutcomeUnknownError as error:  # it may be billed, so the row stays, and nothing is sent again
        current_app.logger.error("Job %s: %s", key, error)
        store(key, "unknown")
    except DecartSDKError as error:  # any other error: the job was not accepted
        current_app.logger.error("Job %s: %s", key, error)
        store(key, "refused", error=(problem := reason(error)))
        return problem
    else:
        current_app.logger.info("Job %s is %s at the service.", key, accepted.job_id)  # in case the database fails now
        store(key, accepted.status, job_id=accepted.job_id)
    return ""


def reason(error: DecartSDKError) -> str:
    """Say why a job was not accepted. What the visitor cannot fix (the key, the credits) is only logged."""
    if isinstance(error, InvalidInputError) or isinstance(error.cause, ValidationError):
        return error.message
    return "The service does not take jobs at the moment. Nothing was billed; try again later."


@pages.get("/jobs/<key>")
def show(key: str) -> ResponseReturnValue:
    """Show a job, its video or its error; the page's script keeps it up to date."""
    job, note = latest(key)
    return render_template("job.html", job=job, note=note)


@pages.get("/jobs/<key>/status")
def status(key: str) -> ResponseReturnValue:
    """Return the status of a job, for the page's script."""
    job, note = latest(key)
    return jsonify(status=job.status, text=job.text, note=note, finished=job.finished)


def latest(key: str) -> tuple[Job, str]:
    """Return a job after one status check, if it has not finished, and its error or what else is to be said."""
    job = find_job(key)
    if job.job_id is None or job.finished:
        return job, job.error
    try:
        found = client().queue.status(job.job_id)
    except QueueStatusError as error:
        current_app.logger.warning("%s", error)
        return job, "The service cannot be reached at the moment; this is the last known status."
    if found.status != job.status:
        store(key, found.status, error=found.error)
        job = find_job(key)
    return job, job.error


@pages.get("/jobs/<key>/video")
def video(key: str) -> ResponseReturnValue:
    """Stream the video, or the range that the browser asked for, without holding it in memory."""
    job = find_job(key)
    if job.job_id is None or job.status != "completed":
        abort(404)
    wanted, condition = request.headers.get("Range"), request.headers.get("If-Range")
    stream = client().queue.stream(job.job_id, range=wanted, if_range=condition)
    try:
        stream.open()
    except (QueueResultError, JobFailedError) as error:
        current_app.logger.warning("%s", error)
        code = getattr(error, "status_code", None)
        abort(code if code in (404, 416) else 502)
    response = Response(stream, stream.status, stream.headers)  # Flask closes it, also if the browser disconnects
    if "download" in request.args:
        response.headers.set("Content-Disposition", "attachment", filename=f"video-{key[:8]}.mp4")
    return response


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
    private = (response.mimetype or "").startswith("video/")
    response.headers.setdefault("Cache-Control", "private" if private else "no-store")
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

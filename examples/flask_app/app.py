"""Videos for the visitors of a web page, in one file: a form, jobs in a database, a page that follows a job, the video.

No view waits for a job: one submits it, one asks once where it is, one passes the finished video on in pieces.
No job is paid for twice: its row is in the database before it is submitted, and a form makes one row.
No visitor sees another's job: each statement to the database names whose job it is about.

Run and read on: README.md beside this file.
"""

from __future__ import annotations

import hmac
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
from jinja2 import DictLoader
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException

from decart import (
    DecartClient,
    DecartSDKError,
    ImageToVideoInput,
    InvalidInputError,
    JobFailedError,
    JobInput,
    QueueResultError,
    QueueStatusError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    TextToVideoInput,
    Timeout,
    ValidationError,
    VideoToVideoInput,
    models,
)

MIB = 1024 * 1024
RETRY = RetryPolicy(attempts=2, timeout=5)  # one quick repeat: a view does not sleep
TIMEOUT = Timeout(connect=5, read=20)  # a submit without a response ends before a worker's usual 30 s

pages = Blueprint("pages", __name__)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app. Its settings come from the environment; those in ``config`` take precedence."""
    app = Flask(__name__)
    app.config.update(settings(os.environ, Path(app.instance_path)), **(config or {}))
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("SECRET_KEY is missing: set it in the environment; README.md has a command that makes one.")
    app.logger.setLevel(logging.INFO)  # job ids, and errors that only the site's owner can fix
    app.jinja_env.loader = DictLoader(TEMPLATES)
    app.jinja_env.globals.update(csrf_token=csrf_token, nonce=nonce, size_limit=size_limit)
    app.register_blueprint(pages)
    app.before_request(check_csrf)
    app.after_request(add_headers)
    app.register_error_handler(HTTPException, show_problem)
    app.teardown_appcontext(close_database)
    create_table(app.config["DATABASE"])
    return app


def settings(environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Read the app's settings."""
    return {
        "SECRET_KEY": environment.get("SECRET_KEY"),
        "DECART_API_KEY": environment.get("DECART_API_KEY"),
        "DECART_BASE_URL": environment.get("DECART_BASE_URL"),
        "DATABASE": environment.get("DATABASE", str(folder / "jobs.sqlite3")),
        "MAX_CONTENT_LENGTH": int(environment.get("MAX_CONTENT_LENGTH", 200 * MIB)),
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": environment.get("SESSION_COOKIE_SECURE") == "1",
    }


def client() -> DecartClient:
    """Return the app's one client. Threads share it, and it may be made before a fork.

    Of two threads that make it at once, the first one wins; the other's has not opened anything yet.
    """
    made: DecartClient | None = current_app.extensions.get("decart")
    if made is None:
        key, base_url = current_app.config["DECART_API_KEY"], current_app.config["DECART_BASE_URL"]
        made = DecartClient(api_key=key, base_url=base_url, retry=RETRY, timeout=TIMEOUT)
    return current_app.extensions.setdefault("decart", made)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- the jobs, in the database

TABLE = """
    CREATE TABLE IF NOT EXISTS job (
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        prompt TEXT NOT NULL,
        model TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'sending',
        job_id TEXT,
        error TEXT NOT NULL DEFAULT '',
        created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (owner, key)
    )
"""

STATES = {
    "sending": "Being sent to the service. If it stays like this, the server was stopped in the middle: the job may "
    "exist and be billed, so look in the account before you submit it again.",
    "refused": "Not submitted. Nothing was billed.",
    "unknown": "Nobody knows whether the service accepted this job. It may be billed, so it was not sent again: look "
    "in the account before you submit it again.",
    "pending": "Waiting in the queue.",
    "processing": "Being made.",
    "completed": "Your video is ready.",
    "failed": "The service could not make this video.",
}
FINISHED = ("refused", "unknown", "completed", "failed")


@dataclass(frozen=True)
class Job:
    """A row: one submitted form.

    ``key`` is the form's, and new for each form; ``job_id`` is the service's, as soon as it has accepted the job.
    """

    owner: str
    key: str
    prompt: str
    model: str
    status: str
    job_id: str | None
    error: str
    created: str

    @property
    def text(self) -> str:
        """What the status means; one that the service introduces tomorrow is shown as it is."""
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


def add_job(key: str, prompt: str, model: str) -> bool:
    """Store a job that is about to be submitted; return whether its form is a new one."""
    added = database().execute(
        "INSERT INTO job (owner, key, prompt, model) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (visitor(), key, prompt, model),
    )
    return added.rowcount == 1


def store(key: str, status: str, *, job_id: str | None = None, error: str | None = None) -> None:
    """Store the status of a job. One that has ended stays so, even if an older response arrives late."""
    database().execute(
        "UPDATE job SET status = ?, job_id = coalesce(?, job_id), error = ? WHERE owner = ? AND key = ?"
        f" AND status NOT IN {FINISHED}",
        (status, job_id, error or "", visitor(), key),
    )


def latest_jobs() -> list[Job]:
    rows = database().execute("SELECT * FROM job WHERE owner = ? ORDER BY rowid DESC LIMIT 20", (visitor(),))
    return [Job(**row) for row in rows]


def job_of(key: str) -> Job:
    """Return a visitor's own job; other visitors' jobs are not found."""
    row = database().execute("SELECT * FROM job WHERE owner = ? AND key = ?", (visitor(), key)).fetchone()
    return Job(**row) if row is not None else abort(404)


# ---------------------------------------------------------------- the views


@pages.get("/")
def index() -> ResponseReturnValue:
    return form_page()


@pages.post("/jobs")
def submit() -> ResponseReturnValue:
    """Store and submit a job, which takes as long as its upload. This is the view that costs money."""
    key, prompt = request.form.get("key", ""), request.form.get("prompt", "")
    if not re.fullmatch(r"[\w-]{43}", key, re.ASCII):
        abort(400)
    try:
        order = order_of(prompt, request.files.get("file"))
    except InvalidInputError as error:
        return form_page(error.message, prompt, 422)
    is_new = add_job(key, prompt, order.model.name)
    problem = send(key, order) if is_new else ""  # a form that is sent again leads to its first job
    return form_page(problem, prompt, 502) if problem else redirect(url_for(".show", key=key), 303)


@pages.get("/jobs/<key>")
def show(key: str) -> ResponseReturnValue:
    """Show a job as the database has it; the page's script keeps it up to date."""
    return render_template("job.html", job=job_of(key))


@pages.get("/jobs/<key>/status")
def status(key: str) -> ResponseReturnValue:
    """Return the status of a job, from one status check if it has not finished."""
    job, note = job_of(key), ""
    if job.job_id is not None and not job.finished:
        try:
            found = client().queue.status(job.job_id)
        except QueueStatusError as error:
            current_app.logger.warning("%s", error)
            note = "No news at the moment: the service cannot be reached. This is what it said last."
        else:
            if found.status != job.status:
                store(key, found.status, error=found.error)
                job = job_of(key)
    return jsonify(status=job.status, text=job.text, note=note or job.error, finished=job.finished)


@pages.get("/jobs/<key>/video")
def video(key: str) -> ResponseReturnValue:
    """Stream the video, or the part of it that the browser asked for, without holding it in memory."""
    job = job_of(key)
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
    return Response(stream, stream.status, stream.headers)  # Flask closes it, also if the browser disconnects


def form_page(problem: str = "", prompt: str = "", code: int = 200) -> ResponseReturnValue:
    """Show the form, each time with a new key."""
    jobs = latest_jobs()
    page = render_template("form.html", problem=problem, prompt=prompt, key=secrets.token_urlsafe(), jobs=jobs)
    return page, code


def send(key: str, order: JobInput) -> str:
    """Submit a job and store the outcome; return what the visitor should correct, if anything."""
    log = current_app.logger
    try:
        accepted = client().queue.submit(order)
    except SubmitOutcomeUnknownError as error:  # it may be billed, so the row stays, and nothing is repeated
        log.error("Job %s: %s", key, error)
        store(key, "unknown")
    except DecartSDKError as error:  # any other error: the job was not accepted
        log.error("Job %s: %s", key, error)
        problem = reason(error)
        store(key, "refused", error=problem)
        return problem
    else:
        log.info("Job %s is %s at the service.", key, accepted.job_id)  # whatever happens next, the log has the id
        store(key, accepted.status, job_id=accepted.job_id)
    return ""


def reason(error: DecartSDKError) -> str:
    """Say why a job was not accepted. What the visitor cannot fix (the key, the credits) is only logged."""
    if isinstance(error, InvalidInputError) or isinstance(error.cause, ValidationError):
        return error.message
    return "The service does not take jobs at the moment. Nothing was billed; try again later."


# ---------------------------------------------------------------- what is uploaded

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
MP4_BRANDS = (b"iso", b"mp4", b"avc1", b"M4V", b"MSNV", b"dash", b"3gp", b"qt")


def order_of(prompt: str, file: FileStorage | None) -> JobInput:
    """Return what to submit, with a model that takes a picture, a video or neither.

    Raises:
        InvalidInputError: The prompt is empty, or the file is something else.
    """
    upload: Any = file  # pyright does not see the methods that a FileStorage takes from its stream
    if not file:  # the browser sends an empty one when none was chosen
        return TextToVideoInput(model=models.video("lucy-pro-t2v"), prompt=prompt)
    head = file.read(12)
    file.seek(0)
    if is_picture(head):
        return ImageToVideoInput(model=models.video("lucy-pro-i2v"), prompt=prompt, data=upload)
    if is_video(head):
        return VideoToVideoInput(model=models.video("lucy-clip"), prompt=prompt, data=upload)
    raise InvalidInputError("The file is neither a picture (JPEG, PNG, WebP) nor a video (MP4).")


def is_picture(head: bytes) -> bool:
    """Check the first bytes; a name and a declared type prove nothing."""
    return head.startswith(PICTURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def is_video(head: bytes) -> bool:
    """Tell an MP4 from other files in the same container: pictures from phones, and sound."""
    return head[4:8] == b"ftyp" and head[8:].startswith(MP4_BRANDS)


# ---------------------------------------------------------------- who asks, and may they


def visitor() -> str:
    """Return the visitor's id, which is random and kept in the signed session cookie."""
    if "visitor" not in session:
        session.permanent = True
        session["visitor"], session["csrf"] = secrets.token_urlsafe(), secrets.token_urlsafe()
    return str(session["visitor"])


def csrf_token() -> str:
    """Return what each form of this visitor holds."""
    visitor()
    return str(session["csrf"])


def check_csrf() -> None:
    """Refuse a form that is not from our page: only ours knows the token of the session."""
    if request.method == "POST":
        due = session.get("csrf") or abort(400)  # before the body is read
        if not hmac.compare_digest(request.form.get("csrf", "").encode(), due.encode()):
            abort(400)


def nonce() -> str:
    """Return what marks our own script and style on this page."""
    return str(g.setdefault("nonce", secrets.token_urlsafe()))


def add_headers(response: Response) -> Response:
    ours = f"'nonce-{nonce()}'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {ours}; style-src {ours}; connect-src 'self'; media-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    kind = response.headers.get("Content-Type", "")
    response.headers.setdefault("Cache-Control", "private" if kind.startswith("video/") else "no-store")
    return response


PROBLEMS = {
    400: "This form is too old, or your browser keeps no cookies. Go back to the form and try again.",
    404: "There is no such page here, or it is another visitor's.",
    502: "The video cannot be fetched at the moment. Try again later.",
}


def size_limit() -> str:
    return f"{current_app.config['MAX_CONTENT_LENGTH'] / MIB:.4g} MiB"


def show_problem(error: HTTPException) -> ResponseReturnValue:
    """Show in one sentence what went wrong."""
    problems = {**PROBLEMS, 413: f"This is too large: a file may have {size_limit()}, and a prompt 500 kB."}
    text = problems.get(error.code or 0, error.description)
    return render_template("problem.html", title=error.name, text=text), error.code or 500, error.get_headers()


# ---------------------------------------------------------------- the pages

BASE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}Make a video{% endblock %}</title>
<link rel="icon" href="data:,">
<style nonce="{{ nonce() }}">
:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --soft: light-dark(#5a6575, #9aa5b4);
  --paper: light-dark(#fff, #1b2129); --line: light-dark(#cfd6df, #3a4452); --accent: light-dark(#1f5fbf, #7db0ff);
  --bad: light-dark(#a3201a, #ff9a92); }
* { box-sizing: border-box; }
body { margin: 0; font: 1.0625rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: light-dark(#f3f5f8, #12161c); }
main { max-width: 44rem; margin: 2rem auto; padding: 2rem; background: var(--paper); border: 1px solid var(--line);
  border-radius: .75rem; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.1rem; }
a { color: var(--accent); }
label { display: block; margin: 1rem 0 .35rem; font-weight: 600; }
textarea, input[type=file] { width: 100%; padding: .6rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--soft); border-radius: .4rem; }
button { margin-top: 1.5rem; padding: .65rem 1.6rem; font: inherit; font-weight: 600; color: var(--paper);
  background: var(--accent); border: 0; border-radius: .4rem; cursor: pointer; }
button:disabled { opacity: .6; cursor: wait; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
video { display: block; width: 100%; margin: 1rem 0; border-radius: .4rem; background: #000; }
[hidden] { display: none; }
progress { width: 100%; accent-color: var(--accent); }
ul { margin: 0; padding: 0; list-style: none; }
li { padding: .5rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
p:empty { display: none; }
.soft { color: var(--soft); font-size: .9375rem; }
li .soft { display: block; }
.problem { color: var(--bad); font-weight: 600; }
</style>
</head>
<body><main>{% block main %}{% endblock %}</main></body>
</html>
"""

FORM = """{% extends "base.html" %}
{% block main %}
<h1>Make a video</h1>
{% if problem %}<p class="problem" role="alert">{{ problem }}</p>{% endif %}
<form method="post" action="{{ url_for('.submit') }}" enctype="multipart/form-data">
  <input type="hidden" name="csrf" value="{{ csrf_token() }}" autocomplete="off">
  <input type="hidden" name="key" value="{{ key }}" autocomplete="off">
  <label for="prompt">What should it show?</label>
  <textarea id="prompt" name="prompt" rows="4" required autofocus>{{ prompt }}</textarea>
  <label for="file">A picture to bring to life, or a video to make over (optional)</label>
  <input id="file" type="file" name="file" accept="image/jpeg,image/png,image/webp,video/mp4" aria-describedby="limit">
  <p id="limit" class="soft">JPEG, PNG, WebP or MP4, up to {{ size_limit() }}.</p>
  <button autocomplete="off">Make the video</button>
</form>
{% if jobs %}
<h2>Your videos</h2>
<ul>{% for job in jobs %}
  <li><a href="{{ url_for('.show', key=job.key) }}">{{ job.prompt|truncate(80) }}</a>
    <span class="soft">{{ job.status }}{{ "" if job.finished else " when last seen" }}, {{ job.created }} UTC</span>
  </li>
{% endfor %}</ul>
{% endif %}
<script nonce="{{ nonce() }}">
const form = document.querySelector("form"), button = form.querySelector("button");
const tooLarge = file => file && file.size > {{ config.MAX_CONTENT_LENGTH }};
form.file.addEventListener("change", () => {
  form.file.setCustomValidity(tooLarge(form.file.files[0]) ? "This file is too large." : "");
  form.file.reportValidity();
});
form.addEventListener("submit", () => { button.disabled = true; button.textContent = "Sending…"; });
addEventListener("pageshow", event => {
  if (event.persisted) location.reload();  // somebody went back to a page that the browser had kept: its key is used up
});
</script>
{% endblock %}
"""

JOB = """{% extends "base.html" %}
{% block title %}{{ job.prompt|truncate(60) }}{% endblock %}
{% block main %}
<h1>{{ job.prompt }}</h1>
<p id="text" role="status">{{ job.text }}</p>
<p id="note" class="soft">{{ job.error }}</p>
<progress aria-label="Working" {{ "hidden" if job.finished }}></progress>
<video controls playsinline preload="metadata" data-src="{{ url_for('.video', key=job.key) }}" hidden></video>
<p class="soft">{{ job.model }}, {{ job.created }} UTC{% if job.job_id %}, job {{ job.job_id }}{% endif %}</p>
<p><a href="{{ url_for('.index') }}">Make another one</a></p>
<noscript>This page needs JavaScript to follow the job and to show the video.</noscript>
<script nonce="{{ nonce() }}">
const [text, note, bar, video] = ["#text", "#note", "progress", "video"].map(name => document.querySelector(name));
const say = (place, words) => { if (place.textContent !== words) place.textContent = words; };

function show(job) {
  say(text, job.text);
  say(note, job.note);
  bar.hidden = job.finished;
  if (job.status === "completed") {
    video.src = video.dataset.src;
    video.hidden = false;
  }
}

async function look() {
  const answer = await fetch("{{ url_for('.status', key=job.key) }}");
  if (!answer.ok) throw new Error(`The answer was ${answer.status}.`);
  return answer.json();
}

async function follow() {
  let finished = false;
  try {
    const job = await look();
    finished = job.finished;
    show(job);
  } catch (error) {
    say(note, `No news at the moment. ${error.message}`);
  }
  if (!finished) setTimeout(follow, 1500);
}

video.addEventListener("error", () => say(note, "The video cannot be fetched at the moment; reload to try again."));
follow();
</script>
{% endblock %}
"""

PROBLEM = """{% extends "base.html" %}
{% block title %}{{ title }}{% endblock %}
{% block main %}
<h1>{{ title }}</h1>
<p>{{ text }}</p>
<p><a href="{{ url_for('pages.index') }}">To the form</a></p>
{% endblock %}
"""

TEMPLATES = {"base.html": BASE, "form.html": FORM, "job.html": JOB, "problem.html": PROBLEM}

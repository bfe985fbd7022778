"""The request log of an emulator, which a test can read, and assertions about the jobs that were submitted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from ..inputs import one_line
from ..models import ModelDefinition
from .limits import FIELDS_LIMIT, HEADERS_LIMIT, LOG_LIMIT

if TYPE_CHECKING:
    from typing import Unpack

SHOWN = 20
"""How many requests a failed assertion lists: the latest."""

SECRET = ("x-api-key", "authorization", "proxy-authorization", "cookie")
"""Headers whose value is not kept."""


@attrs.frozen(kw_only=True)
class LoggedRequest:
    """One request.

    Attributes:
        method: Its method.
        path: Its path, as text; at most 1,000 characters.
        route: Its kind: ``submit``, ``status``, ``content``, ``generate``, ``files``, ``tokens``, ``models``,
            ``verify`` or ``other``.
        at: When it arrived, in seconds on the emulator's clock.
        status: The HTTP status of the response, or None if the connection was dropped before it.
        job_id: The job that it is about, or that it created, even if the response was lost.
        key: The `fingerprint` of the API key; None without a key.
        headers: The headers, their names in lower case, with ``***`` for a secret; at most 8,000 characters.
        faults: The names of the faults that acted on it, or on the job that it created.
        received: How many bytes of a body were received.
        fields: The text fields of the form, if the emulator read it; at most 10,000 characters.
        files: The names of the form's files.
    """

    method: str
    path: str
    route: str
    at: float
    status: int | None
    job_id: str | None
    key: str | None
    headers: Mapping[str, str]
    faults: tuple[str, ...]
    received: int
    fields: Mapping[str, str]
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as the JSON of the control route."""
        return attrs.asdict(self)


class Submit(TypedDict, total=False):
    """What a submit may be expected to have.

    Attributes:
        model: The model, or its name as it was sent.
        job_id: The job that was created.
        files: The names of the files, in any order.

    The others are fields of the form; ``None`` means that it was not sent. A trajectory is a list of points.
    """

    model: str | ModelDefinition
    job_id: str
    files: Iterable[str]
    prompt: str | None
    seed: int | None
    resolution: str | None
    orientation: str | None
    enhance_prompt: bool | None
    self_anchor: bool | None
    trajectory: list[Mapping[str, float]] | None


class RequestLog(list[LoggedRequest]):
    """The latest 10,000 requests at most, in the order in which their responses began.

    The assertions are about accepted jobs, which is what is billed, even if the response was lost. An attempt that was
    refused does not count; a failure lists it, too.

    Example:
        >>> len(emulator.requests.submits)
        1
        >>> emulator.requests.polls(job.job_id)
        [0.5, 1.25]
    """

    def __repr__(self) -> str:
        return f"<RequestLog: {len(self)} requests>"

    @property
    def submits(self) -> list[LoggedRequest]:
        """Every attempt to submit a job, whatever the response was."""
        return self.of(route="submit")

    @property
    def images(self) -> list[LoggedRequest]:
        """Every attempt to make an image, whatever the response was."""
        return self.of(route="generate", method="POST")

    def polls(self, job_id: str | None = None) -> list[float]:
        """Return the times of the status checks of a job, or of all jobs, in seconds on the emulator's clock."""
        wanted = {"route": "status"} if job_id is None else {"route": "status", "job_id": job_id}
        return [request.at for request in self.of(**wanted)]

    def of(self, **wanted: object) -> list[LoggedRequest]:
        """Return the requests whose attributes have these values.

        Example:
            >>> emulator.requests.of(route="content", status=206)
            []
        """
        return [entry for entry in self[:] if all(getattr(entry, name) == value for name, value in wanted.items())]

    def count(self, value: object = None, **wanted: object) -> int:
        """Return how many requests there are whose attributes have these values.

        Example:
            >>> emulator.requests.count(route="submit", status=200)
            1
        """
        return len([entry for entry in self.of(**wanted) if value is None or entry == value])

    def note(self, request: LoggedRequest) -> None:
        """Add a request."""
        self.append(request)
        del self[:-LOG_LIMIT]

    def assert_submitted_once(self, **expected: Unpack[Submit]) -> LoggedRequest:
        """Assert that exactly one accepted job has these values, and return its request.

        Example:
            >>> emulator.requests.assert_submitted_once(model="lucy-pro-t2v", prompt="A serene lake").status
            200

        Raises:
            AssertionError: There is no such job, or more than one; the message lists what was submitted.
            TypeError: There is no such field.
        """
        __tracebackhide__ = True
        (found,) = self.assert_submitted(1, **expected)
        return found

    def assert_submitted(self, times: int | None = None, **expected: Unpack[Submit]) -> list[LoggedRequest]:
        """Assert that accepted jobs have these values, and return their requests.

        Args:
            times: How many there are; by default, any number but 0.
            expected: The values; see `Submit`.

        Raises:
            AssertionError: There are none, or another number; the message lists what was submitted.
            TypeError: There is no such field.
        """
        __tracebackhide__ = True
        unknown = expected.keys() - Submit.__annotations__.keys()
        if unknown:
            raise TypeError(f"a submit has no {', '.join(sorted(unknown))}; it has {', '.join(Submit.__annotations__)}")
        found = [submit for submit in self.submits if submit.job_id is not None and _fits(submit, expected)]
        if len(found) == times or (times is None and found):
            return found
        wanted = {None: "at least one accepted job", 0: "no accepted job"}.get(times, f"accepted jobs: {times}")
        values = " with " + ", ".join(f"{name}={_short(value)}" for name, value in expected.items())
        lines = [_line(submit) for submit in self.submits]
        left_out = [f"  ({len(lines) - SHOWN} earlier ones)"] if len(lines) > SHOWN else []
        listed = ["Submitted:", *left_out, *lines[-SHOWN:]] if lines else ["Nothing was submitted."]
        first = f"expected {wanted}{values if expected else ''}; found {len(found)}."
        raise AssertionError("\n".join([first, *listed]))

    def assert_not_submitted(self, **expected: Unpack[Submit]) -> None:
        """Assert that no accepted job has these values; without any, that no job was accepted.

        Raises:
            AssertionError: There is one; the message lists what was submitted.
            TypeError: There is no such field.
        """
        __tracebackhide__ = True
        self.assert_submitted(0, **expected)


def fingerprint(key: str) -> str:
    """Return what distinguishes one API key from another without revealing it: its kind, and eight digits of its hash.

    Example:
        >>> fingerprint("dct_test")
        'dct_…8a6fbb8e'
    """
    kind = next((start for start in ("dct_", "ek_", "eyJ") if key.startswith(start)), "")
    return f"{kind}…{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:8]}"


def safe(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without secrets, shortened."""
    named = {name.lower(): value for name, value in headers.items()}
    return short({name: "***" if name in SECRET else value for name, value in named.items()}, HEADERS_LIMIT)


def short(fields: Mapping[str, str], left: int = FIELDS_LIMIT) -> dict[str, str]:
    """Return names and values up to so many characters in all."""
    kept = {}
    for name, value in fields.items():
        name = name or ""  # a part of a form may have no name
        if left <= len(name):
            break
        left -= len(name)
        kept[name] = value[:left]
        left -= len(kept[name])
    return kept


def route_of(method: str, path: str) -> tuple[str, str | None]:
    """Return the kind of a request, and the job that it is about."""
    match path.split("/")[1:]:
        case ["v1", "jobs", name]:
            return ("submit", None) if method == "POST" else ("status", name)
        case ["v1", "jobs", name, "content"]:
            return "content", name
        case ["v1", "generate", _]:
            return "generate", None
        case ["v1", "files", *_]:
            return "files", None
        case ["v1", "client", "tokens"]:
            return "tokens", None
        case ["v1", "models", _]:
            return "models", None
        case ["v1", "verify"]:
            return "verify", None
    return "other", None


def _fits(submit: LoggedRequest, expected: Submit) -> bool:
    sent: dict[str, Any] = {"model": _model_of(submit), "job_id": submit.job_id, "files": sorted(submit.files)}
    return all(
        (sent[name] if name in sent else submit.fields.get(name)) == _as_sent(name, value, submit)
        for name, value in expected.items()
    )


def _as_sent(name: str, value: Any, submit: LoggedRequest) -> object:
    """Return an expected value as the log has it."""
    if name == "files":
        return sorted(value)
    if isinstance(value, ModelDefinition):
        return value.name
    if value is None or isinstance(value, str):
        return value
    text = submit.fields.get(name, "")
    try:  # an equal number, boolean or list may be written in another way
        return text if json.loads(text.lower()) == value else json.dumps(value)
    except ValueError:
        return json.dumps(value)


def _model_of(submit: LoggedRequest) -> str:
    return submit.path.rpartition("/")[2]


def _short(value: object) -> str:
    return one_line(value.name if isinstance(value, ModelDefinition) else repr(value), 80)


def _line(submit: LoggedRequest) -> str:
    values = [_model_of(submit), *(f"{name}={_short(value)}" for name, value in submit.fields.items())]
    values += [f"files={_short(list(submit.files))}"] if submit.files else []
    outcome = f"job {submit.job_id}" if submit.job_id else f"not accepted ({submit.status or 'dropped'})"
    return f"  {', '.join(values)}: {outcome}"

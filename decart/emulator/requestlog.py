"""The request log of an emulator, which a test can read, and assertions about the jobs that were submitted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from ..inputs import one_line
from ..models import ModelDefinition
from .limits import LOG_LIMIT
from .logged import LoggedRequest, mark

if TYPE_CHECKING:
    from typing import Unpack

SHOWN = 20
"""How many requests a failed assertion lists: the latest."""


class Submit(TypedDict, total=False):
    """What a submit may be expected to have.

    Attributes:
        model: The model, or its name as it was sent.
        job_id: The job that was created.
        files: The name of its file, or the names of its files in any order.

    The others are fields of the form; ``None`` means that it was not sent. A trajectory is a list of points.
    """

    model: str | ModelDefinition
    job_id: str
    files: str | Iterable[str]
    prompt: str | None
    seed: int | None
    resolution: str | None
    orientation: str | None
    enhance_prompt: bool | None
    self_anchor: bool | None
    trajectory: list[Mapping[str, float]] | None


class RequestLog(list[LoggedRequest]):
    """The latest 10,000 requests, in the order in which their responses began. Submits are the last to be forgotten.

    The assertions are about accepted jobs, which is what is billed, even if the response was lost. An attempt that was
    refused does not count; a failure lists it, too.

    Example:
        >>> len(emulator.requests.submits)
        1
        >>> emulator.requests.polls(job.job_id)
        [0.5, 1.25]
    """

    def __init__(self) -> None:
        super().__init__()
        self._forgotten = 0

    def __repr__(self) -> str:
        return f"<RequestLog: {len(self)} requests>"

    def clear(self) -> None:
        """Forget all requests."""
        super().clear()
        self._forgotten = 0

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

        Raises:
            TypeError: A request has no such attribute.
        """
        _check_names("request", wanted, [field.name for field in attrs.fields(LoggedRequest)])
        return [entry for entry in self[:] if all(getattr(entry, name) == value for name, value in wanted.items())]

    def count(self, value: object = None, **wanted: object) -> int:
        """Return how many requests there are whose attributes have these values.

        Example:
            >>> emulator.requests.count(route="submit", status=200)
            1
        """
        return len([entry for entry in self.of(**wanted) if value is None or entry == value])

    def note(self, request: LoggedRequest) -> None:
        """Add a request, and forget the oldest one beyond the limit: if possible, one that is never billed."""
        self.append(request)
        if len(self) > LOG_LIMIT:
            free = next((at for at, each in enumerate(self) if each.route not in ("submit", "generate")), None)
            self._forgotten += free is None
            del self[free or 0]

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
        _check_names("submit", expected, Submit.__annotations__)
        if self._forgotten:
            raise AssertionError(f"the log has forgotten {self._forgotten} submits or images; clear() it more often")
        found = [submit for submit in self.submits if submit.job_id is not None and _fits(submit, expected)]
        if len(found) == times or (times is None and found):
            return found
        jobs = {None: "at least one accepted job", 0: "no accepted job", 1: "one accepted job"}
        wanted = jobs.get(times, f"{times} accepted jobs")
        values = " with " + ", ".join(f"{name}={_short(value)}" for name, value in expected.items())
        lines = [_line(submit) for submit in self.submits]
        left_out = [f"  ({len(lines) - SHOWN} earlier ones)"] if len(lines) > SHOWN else []
        listed = ["Attempts:", *left_out, *lines[-SHOWN:]] if lines else ["Nothing was submitted."]
        first = f"expected {wanted}{values if expected else ''}, found {len(found)}."
        raise AssertionError("\n".join([first, *listed]))

    def assert_not_submitted(self, **expected: Unpack[Submit]) -> None:
        """Assert that no accepted job has these values; without any, that no job was accepted.

        Raises:
            AssertionError: There is one; the message lists what was submitted.
            TypeError: There is no such field.
        """
        __tracebackhide__ = True
        self.assert_submitted(0, **expected)


def _check_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(f"a {what} has no {', '.join(unknown)}; it has {', '.join(known)}")


def _fits(submit: LoggedRequest, expected: Submit) -> bool:
    sent: dict[str, Any] = {"model": _model_of(submit), "job_id": submit.job_id, "files": sorted(submit.files)}
    for name, value in expected.items():
        found, wanted = sent[name] if name in sent else submit.fields.get(name), _as_sent(name, value, submit)
        is_shortened = isinstance(found, str) and isinstance(wanted, str) and found.endswith(mark(wanted))
        if found != wanted and not is_shortened:
            return False
    return True


def _as_sent(name: str, value: Any, submit: LoggedRequest) -> object:
    """Return an expected value as the log has it."""
    if name == "files":
        return [value] if isinstance(value, str) else sorted(value)
    if isinstance(value, ModelDefinition):
        return value.name
    if value is None or isinstance(value, str):
        return value
    text = submit.fields.get(name, "")
    with suppress(ValueError):  # an equal number, boolean or list may be written in another way
        found = json.loads(text.lower())
        if found == value and isinstance(found, bool) == isinstance(value, bool):
            return text
    return json.dumps(value, default=str)


def _model_of(submit: LoggedRequest) -> str:
    return submit.path.rpartition("/")[2]


def _short(value: object) -> str:
    return one_line(value.name if isinstance(value, ModelDefinition) else repr(value), 80)


def _line(submit: LoggedRequest) -> str:
    values = [_model_of(submit), *(f"{name}={_short(value)}" for name, value in submit.fields.items())]
    values += [f"files={_short(list(submit.files))}"] if submit.files else []
    outcome = f"job {submit.job_id}" if submit.job_id else f"not accepted ({submit.status or 'dropped'})"
    return f"  {', '.join(values)}: {outcome}"

"""Assertions about the jobs that were submitted, whose failures list what was submitted instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from ..inputs import one_line
from ..models import ModelDefinition
from .requestlog import LoggedRequest, RequestLog

if TYPE_CHECKING:
    from typing import Unpack

SHOWN = 20
"""How many requests a failure lists: the latest."""


class Submit(TypedDict, total=False):
    """What a submit may be expected to have.

    Attributes:
        model: The model, or its name as it was sent.
        job_id: The job that was created.
        files: The names of the files, in any order.
        prompt: A field of the form. ``None``, here and below, means that it was not sent.
        seed: The same.
        resolution: The same.
        orientation: The same.
        enhance_prompt: The same.
        self_anchor: The same.
        trajectory: The same, as a list of points.
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


class AssertableLog(RequestLog):
    """A request log with assertions about submits.

    A submit counts if a job was accepted, which is what is billed, even if the response was lost. An attempt that was
    refused does not count; a failure lists it, too.
    """

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
        found = self._matching(expected)
        if len(found) != times if times is not None else not found:
            wanted = "at least one accepted job" if times is None else f"accepted jobs: {times}"
            raise AssertionError(self._message(wanted, expected, len(found)))
        return found

    def assert_not_submitted(self, **expected: Unpack[Submit]) -> None:
        """Assert that no accepted job has these values; without any, that no job was accepted.

        Raises:
            AssertionError: There is one; the message lists what was submitted.
            TypeError: There is no such field.
        """
        __tracebackhide__ = True
        found = self._matching(expected)
        if found:
            raise AssertionError(self._message("no accepted job", expected, len(found)))

    def _matching(self, expected: Submit) -> list[LoggedRequest]:
        unknown = expected.keys() - Submit.__annotations__.keys()
        if unknown:
            raise TypeError(f"a submit has no {', '.join(sorted(unknown))}; it has {', '.join(Submit.__annotations__)}")
        return [submit for submit in self.submits if submit.job_id is not None and _fits(submit, expected)]

    def _message(self, wanted: str, expected: Submit, found: int) -> str:
        values = ", ".join(f"{name}={_short(value)}" for name, value in expected.items())
        lines = [_line(submit) for submit in self.submits]
        left_out = [f"  ({len(lines) - SHOWN} earlier ones)"] if len(lines) > SHOWN else []
        listed = ["Submitted:", *left_out, *lines[-SHOWN:]] if lines else ["Nothing was submitted."]
        return "\n".join([f"expected {wanted}{f' with {values}' if values else ''}; found {found}.", *listed])


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

"""`decart.errors`: one tree, and every error in it can be pickled and copied."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from decart import errors
from decart.errors import (
    APIError,
    ConfigurationError,
    ConnectError,
    DecartSDKError,
    InvalidAPIKeyError,
    InvalidInputError,
    JobError,
    JobFailedError,
    JobTimeoutError,
    MissingExtraError,
    ModelNotFoundError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
    TransportTimeout,
    WaitCancelledError,
)
from decart.journal import errors as journal_errors

CLASSES: dict[str, type[DecartSDKError]] = {
    name: kind
    for name, kind in (vars(errors) | vars(journal_errors)).items()
    if inspect.isclass(kind) and issubclass(kind, DecartSDKError)
}
OWN: list[tuple[type[DecartSDKError], dict[str, Any]]] = [
    (ModelNotFoundError, {"model": "lucy-pro-t2w"}),
    (APIError, {"status_code": 429, "code": "slow", "body": "{}", "request_id": "r-1", "retry_after": 2.5}),
    (TransportError, {"may_have_been_sent": False}),
]
EACH = pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
CAUSE = RateLimitError(
    "Too many requests.", status_code=429, code="slow", body="{}", request_id="r-1", retry_after=2.5, data={"n": 1}
)


class UsersError(QueueSubmitError):
    """A subclass as a user may write it, with its own arguments and attributes."""

    def __init__(self, tenant: str, /, *, attempts: int) -> None:
        super().__init__(f"Tenant {tenant} failed.", cause=CAUSE, job_id="j9")
        self.tenant, self.attempts = tenant, attempts


def own_arguments(kind: type[DecartSDKError]) -> dict[str, Any]:
    return next((own for base, own in OWN if issubclass(kind, base)), {})


def full(kind: type[DecartSDKError]) -> DecartSDKError:
    """Create an error in which everything is set."""
    return kind("It went wrong.", data={"field": "seed"}, cause=CAUSE, job_id="j1", **own_arguments(kind))


def bare(kind: type[DecartSDKError]) -> DecartSDKError:
    """Create an error from its message, and a status if it needs one."""
    return kind("It went wrong.", **({"status_code": 500} if issubclass(kind, APIError) else {}))


def drawn() -> dict[str, list[str]]:
    """Read the tree in the module's docstring: class -> its bases."""
    bases: dict[str, list[str]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ]*(?:[├└]── )?)([A-Z]\w+(?:, [A-Z]\w+)*)(?: \((\w+)\))?(?: |$)", line)
        if found:
            depth, names = len(found[1]) // 4, found[2].split(", ")
            path[depth:] = [names[0]]
            also = [found[3]] if found[3] else []
            bases.update({name: [path[depth - 1] if depth else "Exception", *also] for name in names})
    return bases


def test_the_tree_is_the_one_drawn_in_the_docstring() -> None:
    assert drawn() == {name: [base.__name__ for base in kind.__bases__] for name, kind in CLASSES.items()}


def test_two_errors_are_also_builtin_exceptions() -> None:
    assert issubclass(InvalidInputError, ValueError) and issubclass(MissingExtraError, ImportError)
    also = {name for name, bases in drawn().items() if len(bases) > 1}
    assert also == {"InvalidInputError", "MissingExtraError"}


@EACH
def test_every_error_has_its_own_docstring(kind: type[DecartSDKError]) -> None:
    assert kind.__dict__["__doc__"]


@EACH
def test_every_error_has_a_message_data_a_cause_and_a_job_id(kind: type[DecartSDKError]) -> None:
    error = bare(kind)
    assert (error.message, str(error), error.args) == ("It went wrong.",) * 2 + (("It went wrong.",),)
    assert (error.data, error.cause, error.job_id) == ({}, None, None)


@EACH
def test_an_error_keeps_its_arguments(kind: type[DecartSDKError]) -> None:
    error = full(kind)
    assert (error.data, error.cause, error.job_id) == ({"field": "seed"}, CAUSE, "j1")
    for name, value in own_arguments(kind).items():
        assert getattr(error, name) == value


@EACH
def test_everything_but_the_message_is_a_keyword(kind: type[DecartSDKError]) -> None:
    message, *rest = inspect.signature(kind).parameters.values()
    assert message.name == "message"
    assert {parameter.kind for parameter in rest} <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


def copies(error: DecartSDKError) -> list[DecartSDKError]:
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return [copy.copy(error), copy.deepcopy(error), *pickled]


@pytest.mark.parametrize("made", [full, bare])
@EACH
def test_a_copy_or_an_unpickled_error_is_equal(kind: type[DecartSDKError], made: Any) -> None:
    error = made(kind)
    for again in copies(error):
        assert type(again) is kind
        assert again == error and hash(again) == hash(error)
        assert vars(again) == vars(error) and again.args == error.args
        assert str(again) == "It went wrong."
        assert getattr(again, "msg", None) == getattr(error, "msg", None)  # ImportError has one


def test_a_users_subclass_survives_pickling_with_its_attributes_and_notes() -> None:
    error = UsersError("acme", attempts=3)
    error.add_note("Ask Bob.")
    for again in copies(error):
        assert isinstance(again, UsersError) and again == error
        assert (again.tenant, again.attempts, again.job_id, again.status_code) == ("acme", 3, "j9", 429)
        assert again.__notes__ == ["Ask Bob."]


def test_a_note_does_not_make_another_error() -> None:
    error = full(QueueError)
    error.add_note("Seen twice.")
    assert error == full(QueueError)


@pytest.mark.parametrize(
    "change",
    [
        {"message": "n"}, {"data": {"a": 1}}, {"cause": CAUSE}, {"job_id": "j2"}, {"status_code": 2}, {"code": "x"},
        {"body": "x"}, {"request_id": "x"}, {"retry_after": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_errors_that_differ_in_one_fact_are_unequal(change: dict[str, Any]) -> None:
    assert APIError(**{"message": "m", "status_code": 1, **change}) != APIError("m", status_code=1)


def test_another_class_or_something_else_is_never_equal() -> None:
    assert QueueStatusError("m") != QueueResultError("m")
    assert QueueError("m") != QueueSubmitError("m")
    assert DecartSDKError("m") != "m"
    assert DecartSDKError("m") != Exception("m")


def test_equal_errors_are_one_in_a_set() -> None:
    errors = [
        QueueError("m"),
        QueueError("m"),
        QueueError("n"),
        DecartSDKError("m"),
        DecartSDKError("m", data={"a": []}),
    ]
    assert len(set(errors)) == 4


def test_data_is_copied() -> None:
    given = {"a": 1}
    error = DecartSDKError("m", data=given)
    error.data["b"] = 2
    assert given == {"a": 1}


@pytest.mark.parametrize("kind", [QueueError, *QueueError.__subclasses__()])
def test_a_queue_error_has_the_attributes_of_its_cause(kind: type[QueueError]) -> None:
    error = kind("m", cause=CAUSE, job_id="job-1")
    assert (error.job_id, error.status_code, error.retry_after, error.request_id) == ("job-1", 429, 2.5, "r-1")


@pytest.mark.parametrize("cause", [None, TransportTimeout("silent")])
def test_a_queue_error_without_a_response_has_no_status(cause: DecartSDKError | None) -> None:
    error = QueueError("m", cause=cause)
    assert (error.job_id, error.status_code, error.retry_after, error.request_id) == (None, None, None, None)


@pytest.mark.parametrize(
    ("kind", "sent"),
    [(TransportError, True), (TransportTimeout, True), (ConnectError, False), (ConfigurationError, False)],
)
def test_only_a_failure_before_sending_certainly_sent_nothing(kind: type[TransportError], sent: bool) -> None:
    assert kind("m").may_have_been_sent is sent
    assert kind("m", may_have_been_sent=not sent).may_have_been_sent is not sent


def test_one_except_clause_catches_them_all() -> None:
    for kind in CLASSES.values():
        with pytest.raises(DecartSDKError):
            raise bare(kind)


def test_a_chain_of_causes_survives_pickling() -> None:
    inner = ServerError("down", status_code=503)
    error = QueueSubmitError("not accepted", cause=TransportError("cut", cause=inner))
    again = pickle.loads(pickle.dumps(error))
    assert again.cause.cause == inner and again.cause.cause.status_code == 503


def test_who_submits_again_after_a_refusal_does_not_pay_twice() -> None:
    assert not issubclass(SubmitOutcomeUnknownError, QueueSubmitError)


def test_a_cancelled_wait_is_not_a_failed_job() -> None:
    assert issubclass(WaitCancelledError, QueueError) and not issubclass(WaitCancelledError, JobError)


def test_a_failed_job_is_not_one_that_ran_out_of_time() -> None:
    assert not issubclass(JobTimeoutError, JobFailedError) and not issubclass(JobFailedError, JobTimeoutError)
    assert not issubclass(InvalidAPIKeyError, APIError)

"""`decart.errors`: one tree, and every error of it survives the way to another process."""

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
    ConnectError,
    DecartSDKError,
    InvalidAPIKeyError,
    InvalidInputError,
    JobError,
    JobFailedError,
    JobTimeoutError,
    MissingExtraError,
    ModelNotFoundError,
    NotFoundError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ServerError,
    TransportError,
    TransportTimeout,
)

CLASSES: dict[str, type[DecartSDKError]] = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, DecartSDKError)
}
EXTRA: list[tuple[type[DecartSDKError], dict[str, Any]]] = [
    (ModelNotFoundError, {"model": "lucy-pro-t2w"}),
    (QueueError, {"job_id": "job-1"}),
    (APIError, {"status_code": 429, "code": "slow", "body": "{}", "request_id": "r-1", "retry_after": 2.5}),
    (TransportError, {"may_have_been_sent": False}),
    (JobError, {"job_id": "job-1"}),
]


def own_arguments(kind: type[DecartSDKError]) -> dict[str, Any]:
    return next((extra for base, extra in EXTRA if issubclass(kind, base)), {})


def full(kind: type[DecartSDKError]) -> DecartSDKError:
    """Make an error in which everything is set, by keyword."""
    cause = RateLimitError("Too many requests.", {"n": 1}, None, 429, "slow", "{}", "r-1", 2.5)
    return kind(message="It went wrong.", data={"field": "seed"}, cause=cause, **own_arguments(kind))


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


def test_two_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(InvalidInputError, ValueError) and issubclass(MissingExtraError, ImportError)
    also = {name for name, bases in drawn().items() if len(bases) > 1}
    assert also == {"InvalidInputError", "MissingExtraError"}


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_error_has_a_docstring_of_its_own(kind: type[DecartSDKError]) -> None:
    assert kind.__dict__["__doc__"]


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_the_message_alone_is_enough_and_is_what_str_shows(kind: type[DecartSDKError]) -> None:
    error = kind("It went wrong.")
    assert (error.message, str(error), error.data, error.cause) == ("It went wrong.", "It went wrong.", {}, None)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_an_error_keeps_what_it_was_given(kind: type[DecartSDKError]) -> None:
    error = full(kind)
    assert error.data == {"field": "seed"}
    assert isinstance(error.cause, RateLimitError)
    for name, value in own_arguments(kind).items():
        assert getattr(error, name) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_error_comes_back_equal_from_a_pickle(kind: type[DecartSDKError], protocol: int) -> None:
    error = full(kind)
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert again == error and hash(again) == hash(error)
    assert vars(again) == vars(error)
    assert str(again) == "It went wrong."


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_bare_error_comes_back_equal_from_a_pickle(kind: type[DecartSDKError]) -> None:
    error = kind("It went wrong.")
    again = pickle.loads(pickle.dumps(error))
    assert again == error and vars(again) == vars(error)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_copy_is_equal(kind: type[DecartSDKError], copied: Any) -> None:
    again = copied(full(kind))
    assert again == full(kind) and vars(again) == vars(full(kind))


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_keywords_and_positions_make_the_same_error(kind: type[DecartSDKError]) -> None:
    error = full(kind)
    assert kind(*error.args) == error
    assert len(error.args) == len(inspect.signature(kind).parameters)


@pytest.mark.parametrize("name", inspect.signature(APIError).parameters)
def test_errors_that_differ_in_one_argument_are_unequal(name: str) -> None:
    values: dict[str, Any] = {"cause": ServerError("x"), "data": {"a": 1}, "status_code": 1, "retry_after": 1.0}
    assert APIError(**{"message": "m", name: values.get(name, "x")}) != APIError("m")


def test_another_class_or_something_else_is_never_equal() -> None:
    assert QueueStatusError("m") != QueueResultError("m")
    assert QueueError("m") != QueueSubmitError("m")
    assert DecartSDKError("m") != "m"
    assert DecartSDKError("m") != Exception("m")


def test_equal_errors_are_one_in_a_set() -> None:
    assert len({NotFoundError("m"), NotFoundError("m"), NotFoundError("n"), APIError("m")}) == 3


def test_an_error_with_a_dict_of_data_can_be_hashed() -> None:
    assert hash(DecartSDKError("m", {"a": [1]})) == hash(DecartSDKError("m", {"a": [1]}))


def test_data_is_a_copy_of_its_own() -> None:
    given = {"a": 1}
    error = DecartSDKError("m", given)
    error.data["b"] = 2
    assert given == {"a": 1}


@pytest.mark.parametrize("kind", [QueueError, QueueSubmitError, QueueStatusError, QueueResultError])
def test_a_queue_error_shows_what_its_cause_knows(kind: type[QueueError]) -> None:
    error = kind("m", None, RateLimitError("c", None, None, 429, None, "", "r-1", 2.5), "job-1")
    assert (error.job_id, error.status_code, error.retry_after, error.request_id) == ("job-1", 429, 2.5, "r-1")


@pytest.mark.parametrize("cause", [None, TransportTimeout("silent")])
def test_a_queue_error_without_an_answer_has_no_status(cause: DecartSDKError | None) -> None:
    error = QueueError("m", None, cause)
    assert (error.job_id, error.status_code, error.retry_after, error.request_id) == (None, None, None, None)


def test_a_transport_error_may_have_been_sent_unless_it_says_otherwise() -> None:
    assert TransportError("m").may_have_been_sent is True
    assert ConnectError("m", None, None, False).may_have_been_sent is False


def test_an_api_error_has_a_default_for_every_fact() -> None:
    error = APIError("m")
    facts = (error.status_code, error.code, error.body, error.request_id, error.retry_after)
    assert facts == (0, None, "", None, None)


def test_one_except_clause_catches_them_all() -> None:
    for kind in CLASSES.values():
        with pytest.raises(DecartSDKError):
            raise kind("m")


def test_a_chain_of_causes_survives_the_pickle() -> None:
    inner = ServerError("down", None, None, 503)
    error = QueueSubmitError("not accepted", None, TransportError("cut", None, inner))
    again = pickle.loads(pickle.dumps(error))
    assert again.cause.cause == inner and again.cause.cause.status_code == 503


def test_a_job_that_failed_is_not_one_that_ran_out_of_time() -> None:
    assert not issubclass(JobTimeoutError, JobFailedError) and not issubclass(JobFailedError, JobTimeoutError)
    assert not issubclass(InvalidAPIKeyError, APIError)

"""`decart.options` and `decart.inputs`: whatever an option is or does, the only error is ours, in one line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeTransport, client_of

from decart import InvalidInputError, MotionTrajectoryInput, models
from decart.options import callback_of, from_options, input_class

T2V = models.video("lucy-pro-t2v")


class Odd:
    """An object whose every method fails."""

    def _fail(self, *args: object) -> Any:
        raise KeyError("odd\nand more")

    __len__ = __eq__ = __bool__ = __iter__ = __repr__ = __str__ = __hash__ = __fspath__ = __index__ = __float__ = _fail  # type: ignore


class OddMapping(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("gone")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("gone")

    def __len__(self) -> int:
        raise RuntimeError("gone")

    __contains__ = __getitem__  # type: ignore[assignment]


ODD: list[Any] = [
    *(Odd(), OddMapping(), np.array([1, 2]), np.array(["landscape", "720p"]), np.bool_(True), 10**5000, Decimal("NaN")),
    *(float("nan"), 1j, b"x", [], object(), type, lambda: 1 / 0),
]
OPTIONS = [
    "prompt",
    "seed",
    "resolution",
    "orientation",
    "data",
    "trajectory",
    "enhance_prompt",
    "self_anchor",
    "model",
]


def kind_of(value: object) -> str:
    return type(value).__name__


def refused(options: Any) -> str:
    """Return the one line in which it is refused."""
    transport = FakeTransport()
    with pytest.raises(InvalidInputError) as caught:
        client_of(transport).queue.submit(options)
    assert transport.requests == []
    assert caught.value.message.isprintable() and len(caught.value.message) < 400
    return caught.value.message


@pytest.mark.parametrize("value", ODD, ids=kind_of)
@pytest.mark.parametrize("name", OPTIONS)
def test_an_odd_value_of_any_option_is_refused_before_anything_is_sent(name: str, value: Any) -> None:
    if name == "data" and isinstance(value, bytes):
        return
    model = {
        "trajectory": "lucy-motion",
        "orientation": "lucy-pro-t2v",
        "seed": "lucy-pro-t2v",
        "resolution": "lucy-pro-t2v",
        "prompt": "lucy-pro-t2v",
    }.get(name, "lucy-2.5")
    needed: dict[str, Any] = {"lucy-2.5": {"data": b"x"}, "lucy-motion": {"data": b"x"}}.get(model, {"prompt": "x"})
    refused({"model": models.video(model), **needed, name: value})


@pytest.mark.parametrize("options", [OddMapping(), Odd(), None, 5, [("model", T2V)]], ids=kind_of)
def test_odd_options_are_refused(options: Any) -> None:
    assert refused(options).startswith("options ")
    if isinstance(options, Mapping):
        with pytest.raises(InvalidInputError, match=r"^options cannot be read \(RuntimeError: gone\)\.$"):
            callback_of(options, None)  # type: ignore[arg-type]


def test_a_value_that_pretends_to_be_a_number_is_refused() -> None:
    pretender = type("int", (), {"__repr__": Odd._fail})()
    assert refused({"model": T2V, "prompt": "x", "seed": pretender}).endswith(", not int.")


def test_a_key_that_cannot_be_written_out_is_refused() -> None:
    class Key:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    assert refused({"model": T2V, "prompt": "x", Key(): 1})


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers(), st.decimals()))
def test_any_value_of_a_seed_is_taken_or_refused(value: Any) -> None:
    try:
        job = from_options({"model": T2V, "prompt": "x", "seed": value})
    except InvalidInputError as error:
        assert error.message.isprintable()
    else:
        assert job.seed is None or 0 <= job.seed < 2**32


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(
    "value", [10**400, 10**5000, np.bool_(True), Decimal("sNaN"), Odd(), np.float32("inf")], ids=kind_of
)
def test_an_odd_coordinate_is_refused(axis: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"^trajectory: {axis} must be a number of 0 or more, not "):
        MotionTrajectoryInput(**{"frame": 0, "x": 0.5, "y": 0.5, axis: value})


def test_a_trajectory_without_an_end_is_refused() -> None:
    points = itertools.repeat({"frame": 0, "x": 0, "y": 0})
    options: Any = {"model": models.video("lucy-motion"), "data": b"x", "trajectory": points}
    assert refused(options) == "trajectory must have 2 to 1000 points, not 1001 or more."


def test_a_trajectory_that_breaks_off_is_refused_with_the_reason() -> None:
    def points() -> Iterator[dict[str, float]]:
        yield {"frame": 0, "x": 0, "y": 0}
        raise RuntimeError("the tracker\nwas stopped")

    options: Any = {"model": models.video("lucy-motion"), "data": b"x", "trajectory": points()}
    assert refused(options) == "trajectory cannot be read (RuntimeError: the tracker was stopped)."


@pytest.mark.parametrize("model", ["lucy-motion"])
def test_points_that_are_odd_are_refused(model: str) -> None:
    for point in (OddMapping(), Odd(), {1: 2}, {"frame": Odd(), "x": 0, "y": 0}):
        with pytest.raises(InvalidInputError, match="^trajectory"):
            input_class(models.video(model))(model=models.video(model), data=b"x", trajectory=[point, point])  # type: ignore[call-arg]


def test_an_error_that_has_no_words_is_named_by_its_kind() -> None:
    class Wordless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Options(OddMapping):
        def __iter__(self) -> Any:
            raise Wordless

        keys = __iter__

    assert refused(Options()) == "options cannot be read (Wordless)."

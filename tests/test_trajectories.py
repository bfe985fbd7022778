"""`decart.file_inputs`: the path along which a picture moves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from decart import InvalidInputError, MotionTrajectoryInput, models
from decart.file_inputs import TRAJECTORY_POINTS
from decart.options import input_class

PATH = [{"frame": 0, "x": 0.5, "y": 0.5}, {"frame": 24, "x": 0.75, "y": 0.25}]


def made(name: str, /, **changes: Any) -> Any:
    """Make the input of a model of motions."""
    model = models.video(name)
    return input_class(model)(**{"model": model, "data": b"a file", "trajectory": PATH, **changes})


def refused(text: str, name: str, /, **changes: Any) -> None:
    """Check that it is refused by one printable sentence that contains ``text``."""
    with pytest.raises(InvalidInputError) as caught:
        made(name, **changes)
    message = caught.value.message
    assert text in message
    assert message.endswith(".") and message.isprintable() and len(message) < 300


@pytest.mark.parametrize("count", [2, 3, 121, 122, 1000])
def test_a_trajectory_has_two_to_a_thousand_points(count: int) -> None:
    points = [{"frame": frame, "x": 0.0, "y": 1} for frame in range(count)]
    assert len(made("lucy-motion", trajectory=points).trajectory) == count
    assert TRAJECTORY_POINTS == (2, 1000)


@pytest.mark.parametrize(("count", "said"), [(0, "0"), (1, "1"), (1001, "1001 or more"), (5000, "1001 or more")])
def test_a_trajectory_of_any_other_length_is_refused(count: int, said: str) -> None:
    sentence = f"trajectory must have 2 to 1000 points, not {said}."
    refused(sentence, "lucy-motion", trajectory=[PATH[0]] * count)


def test_dicts_and_objects_make_the_same_trajectory_which_is_a_copy() -> None:
    objects = [MotionTrajectoryInput(**point) for point in PATH]  # type: ignore[arg-type]
    mixed = [PATH[0], objects[1]]
    for given in (PATH, tuple(PATH), iter(PATH), objects, mixed):
        assert made("lucy-motion", trajectory=given).trajectory == tuple(objects)
    assert mixed == [PATH[0], objects[1]]


@pytest.mark.parametrize("name", ["lucy-motion", "lucy-motion-latest"])
@pytest.mark.parametrize("given", ["[]", b"[]", {"frame": 0, "x": 0, "y": 0}, 5, True])
def test_a_trajectory_is_a_list(name: str, given: Any) -> None:
    refused("trajectory must be a list of points", name, trajectory=given)


@pytest.mark.parametrize(
    "point",
    [
        {"frame": 0, "x": 0.5},
        {"frame": 0, "x": 0.5, "y": 0.5, "z": 0},
        {"frames": 0, "x": 0.5, "y": 0.5},
        {},
        (0, 0.5, 0.5),
        "0",
        None,
    ],
)
def test_a_point_has_exactly_frame_x_and_y(point: Any) -> None:
    refused("trajectory: each point must be {'frame': ..., 'x': ..., 'y': ...}", "lucy-motion", trajectory=[point] * 2)


@pytest.mark.parametrize("frame", [-1, 0.0, 1.5, True, "0", None, math.nan])
def test_a_frame_is_an_int_of_zero_or_more(frame: Any) -> None:
    point = {"frame": frame, "x": 0.5, "y": 0.5}
    refused("trajectory: frame must be an int of 0 or more", "lucy-motion", trajectory=[PATH[0], point])


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("value", [-0.1, -1, math.nan, math.inf, -math.inf, True, "0.5", None, 1j])
def test_a_coordinate_is_a_finite_number_of_zero_or_more(axis: str, value: Any) -> None:
    point = {**PATH[1], axis: value}
    refused(f"trajectory: {axis} must be a number of 0 or more", "lucy-motion", trajectory=[PATH[0], point])


@pytest.mark.parametrize("value", [0, 0.0, 1, 1.0, 1280, 1e300])
def test_a_coordinate_has_no_upper_bound(value: float) -> None:
    point = MotionTrajectoryInput(frame=10_000, x=value, y=value)
    assert (point.x, point.y) == (value, value)


def test_motion_has_no_prompt() -> None:
    with pytest.raises(TypeError, match="prompt"):
        made("lucy-motion", prompt="A lake")


def test_the_numbers_of_a_trajectory_may_be_of_another_library() -> None:
    import numpy as np

    point = MotionTrajectoryInput(frame=np.int64(3), x=np.float32(0.5), y=np.float64(0.25))  # type: ignore[arg-type]
    assert (point, type(point.frame), type(point.x)) == (MotionTrajectoryInput(frame=3, x=0.5, y=0.25), int, float)
    with pytest.raises(InvalidInputError, match="trajectory: x must be a number"):
        MotionTrajectoryInput(frame=0, x=np.array([1.0, 2.0]), y=0)  # type: ignore[arg-type]

"""What an emulator can be made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.raw import RawClient

from decart import InvalidInputError, ModelDefinition, models
from decart.emulator import VirtualEmulator

LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pending": "3"}, "pending must be a number of seconds, 0 or more, not '3'."),
        ({"pending": -1}, "pending must be a number of seconds, 0 or more, not '-1'."),
        ({"processing": float("nan")}, "processing must be a number of seconds, 0 or more, not 'nan'."),
        ({"processing": True}, "processing must be a number of seconds, 0 or more, not 'True'."),
        ({"keep": "x"}, "keep must be a whole number, 1 or more, not 'x'."),
        ({"keep": 0}, "keep must be a whole number, 1 or more, not '0'."),
        ({"models": ["lucy-x"]}, "models must be a list of ModelDefinition, not"),
        ({"models": "lucy-x=video-edit"}, "models must be a list of ModelDefinition, not"),
        ({"models": 5}, "models must be a list of ModelDefinition, not '5'."),
        ({"api_keys": "dct_secret"}, "api_keys must be a list of keys, none of them empty."),
        ({"api_keys": [""]}, "api_keys must be a list of keys, none of them empty."),
        ({"api_keys": 5}, "api_keys must be a list of keys, none of them empty."),
        ({"fps": "x"}, "fps must be a whole number between 1 and 120, not 'x'."),
        ({"fps": 24.5}, "fps must be a whole number between 1 and 120, not '24.5'."),
        ({"fps": True}, "fps must be a whole number between 1 and 120, not 'True'."),
    ],
    ids=str,
)
def test_an_argument_that_cannot_be_used_is_refused_at_once(settings: Any, why: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        VirtualEmulator(**settings)
    assert caught.value.message.startswith(f"Emulator: {why}")
    assert "dct_" not in caught.value.message


def test_a_key_is_accepted_as_a_whole() -> None:
    with VirtualEmulator(api_keys=["dct_secret"]) as emulator:
        raw = RawClient.within(emulator)
        assert [raw.get("/v1/jobs/x", key=key).status for key in ("dct_secret", "dct_", "c")] == [404, 401, 401]


def test_a_job_whose_renderer_writes_no_file_fails_with_that_reason() -> None:
    def forgetful(order: object, target: Path) -> None:
        pass

    with VirtualEmulator(renderer=forgetful) as emulator, emulator.client() as client:
        assert client.queue.submit_and_poll(LAKE).error == "the renderer has written no file"


@pytest.mark.parametrize("seconds", [1234567, 0.00001])
def test_a_retry_after_of_any_size_can_be_read(seconds: float) -> None:
    with VirtualEmulator(faults=[{"name": "status", "retry_after": seconds}]) as emulator:
        response = RawClient.within(emulator).get("/v1/jobs/x")
        assert float(response.headers["retry-after"]) == seconds
        assert "e" not in response.headers["retry-after"]


def test_a_model_of_ones_own_is_reached_where_its_inputs_go() -> None:
    model = ModelDefinition(name="lucy-own", task="text-to-video", endpoint="/v1/jobs/lucy-own-v2")
    with VirtualEmulator(models=[model]) as emulator, emulator.client() as client:
        assert client.queue.submit({"model": model, "prompt": "A lake"}).status == "pending"

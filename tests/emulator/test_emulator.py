"""The emulator does what the service does, whichever way it is reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.raw import RawClient
from support.studio import Studio

from decart import (
    AuthenticationError,
    DecartClient,
    InvalidInputError,
    ModelDefinition,
    ModelRetiredError,
    NotFoundError,
    QueueStatusError,
    QueueSubmitError,
    ValidationError,
    models,
)
from decart.emulator import Emulator, EmulatorTransport, VirtualClock, VirtualEmulator
from decart.emulator.render import RenderJob
from decart.transports import HttpRequest, Timeout


def job(model: str, **options: Any) -> Any:
    kind = models.image if model == "lucy-image-2" else models.video
    return {"model": kind(model), **options}


class Raw:
    """A handmade form, for what the SDK would refuse to send."""

    def __init__(self, *parts: tuple[str, str]) -> None:
        lines = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts]
        self._bytes = "".join([*lines, "--x--\r\n"]).encode()

    def __len__(self) -> int:
        return len(self._bytes)

    def __iter__(self) -> Any:
        return iter([self._bytes])


def post(path: str, *parts: tuple[str, str], key: str | None = "dct_test", emulator: Emulator | None = None) -> Any:
    """Submit a handmade form in process, and return the status and the JSON text of the response."""
    transport = EmulatorTransport(emulator)
    headers = {"Content-Type": "multipart/form-data; boundary=x"} | ({"X-API-KEY": key} if key is not None else {})
    with transport.send(
        HttpRequest(method="POST", url=f"http://emulator{path}", headers=headers, body=Raw(*parts)), timeout=Timeout()
    ) as response:
        response = response.status, json.loads(response.read())
    transport.close()
    return response


def test_a_job_is_pending_then_processing_and_then_has_a_video(client: DecartClient) -> None:
    result = client.queue.submit_and_poll(job("lucy-pro-t2v", prompt="a lake"))
    assert (result.status, result.data) == ("completed", b"video of a lake")


def test_the_status_follows_the_clock() -> None:
    clock = VirtualClock()
    with Emulator(pending=1, processing=3, clock=clock, renderer=Studio(), background=False) as emulator:
        client = DecartClient(api_key="dct_test", transport=EmulatorTransport(emulator))
        job_id = client.queue.submit(job("lucy-pro-t2v", prompt="a lake")).job_id
        seen = []
        for seconds in (0, 0.9, 0.2, 2.8, 0.2):
            clock.sleep(seconds)
            seen.append(client.queue.status(job_id).status)
    assert seen == ["pending", "pending", "processing", "processing", "completed"]


def test_a_job_that_cannot_be_rendered_fails_with_the_reason(client: DecartClient) -> None:
    result = client.queue.submit_and_poll(job("lucy-pro-t2v", prompt="fail"))
    assert (result.status, result.error) == ("failed", "the prompt asked for it")


def test_a_bug_in_a_renderer_fails_the_job_and_not_the_emulator(client: DecartClient) -> None:
    result = client.queue.submit_and_poll(job("lucy-pro-t2v", prompt="crash"))
    assert result.status == "failed"
    assert result.error == "internal error: KeyError"


def test_no_path_of_the_server_is_in_the_reason_of_a_failed_job(caplog: pytest.LogCaptureFixture) -> None:
    def stumble(order: RenderJob, target: Path) -> None:
        raise FileNotFoundError(2, "No such file", str(target))

    with VirtualEmulator(renderer=stumble) as emulator, emulator.client() as client:
        result = client.queue.submit_and_poll(job("lucy-pro-t2v", prompt="x"))
    assert result.error == "internal error: FileNotFoundError"
    assert "result.mp4" in caplog.text  # for whoever runs the emulator


def test_every_input_reaches_the_renderer_under_its_name(client: DecartClient, studio: Studio) -> None:
    client.queue.submit_and_poll(
        job("lucy-pro-t2v", prompt="Gr\u00fc\u00dfe \u6e56", seed=7, resolution="480p", orientation="portrait")
    )
    client.queue.submit_and_poll(
        job(
            "lucy-motion", data=b"picture", trajectory=[{"frame": 0, "x": 0, "y": 0.5}, {"frame": 9, "x": 1, "y": 0.25}]
        )
    )
    client.queue.submit_and_poll(job("lucy-pro-flf2v", prompt="melt", start=b"one", end=b"two"))
    text, motion, between = studio.orders
    assert (text.prompt, text.seed, text.width, text.height, text.fps) == ("Gr\u00fc\u00dfe \u6e56", 7, 480, 832, 25)
    assert list(motion.trajectory) == [(0, 0, 0.5), (9, 1, 0.25)]
    assert studio.files[1:] == [{"data": b"picture"}, {"start": b"one", "end": b"two"}]
    assert between.task == "first-last-frame"


def test_a_trajectory_in_pixels_is_converted_to_fractions(client: DecartClient, studio: Studio) -> None:
    points = [{"frame": 0, "x": 0, "y": 0}, {"frame": 1, "x": 640, "y": 352}]
    client.queue.submit_and_poll(job("lucy-motion", data=b"picture", trajectory=points))
    assert list(studio.orders[0].trajectory) == [(0, 0, 0), (1, 0.5, 0.5)]


def test_an_image_model_makes_a_png(client: DecartClient, studio: Studio) -> None:
    image = client.process(job("lucy-image-2", prompt="a hat", data=b"picture", enhance_prompt=False))
    assert (image.data, image.content_type) == (b"video of a hat", "image/png")
    assert studio.orders[0].task == "image-to-image"


def test_an_image_model_is_also_in_the_queue_of_the_emulator(raw: RawClient) -> None:
    job_id = raw.finished(raw.form("/v1/jobs/lucy-image-2", {"prompt": "a hat"}, {"data": b"picture"}))
    assert raw.get(f"/v1/jobs/{job_id}/content").headers["content-type"] == "image/png"


def test_a_custom_model_can_be_added() -> None:
    mine = ModelDefinition(name="mine", task="text-to-video")
    clock, studio = VirtualClock(), Studio()
    with Emulator(models=[mine], clock=clock, renderer=studio, background=False) as emulator:
        client = DecartClient(api_key="dct_test", transport=EmulatorTransport(emulator))
        assert client.queue.submit_and_poll({"model": mine, "prompt": "x"}).status == "completed"
    assert (studio.orders[0].fps, studio.orders[0].width, studio.orders[0].height) == (20, 1280, 720)


def test_an_unknown_model_is_405_as_at_the_service(client: DecartClient) -> None:
    with pytest.raises(QueueSubmitError) as caught:
        client.queue.submit({"model": ModelDefinition(name="nobody", task="text-to-video"), "prompt": "x"})
    assert caught.value.status_code == 405
    assert not isinstance(caught.value.cause, ModelRetiredError)


def test_an_unknown_job_is_404_for_its_status_and_its_content(client: DecartClient) -> None:
    with pytest.raises(QueueStatusError) as caught:
        client.queue.status("nobody")
    assert isinstance(caught.value.cause, NotFoundError)
    transport = EmulatorTransport()
    request = HttpRequest(method="GET", url="http://emulator/v1/jobs/nobody/content", headers={"X-API-KEY": "dct_x"})
    assert transport.send(request, timeout=Timeout()).status == 404


def test_content_is_refused_until_the_job_is_completed() -> None:
    transport = EmulatorTransport()
    client = DecartClient(api_key="dct_test", transport=transport)
    job_id = client.queue.submit(job("lucy-pro-t2v", prompt="x")).job_id
    request = HttpRequest(method="GET", url=f"http://emulator/v1/jobs/{job_id}/content", headers={"X-API-KEY": "dct_x"})
    assert transport.send(request, timeout=Timeout()).status == 409


def test_any_well_formed_key_is_accepted_and_no_other() -> None:
    with VirtualEmulator(renderer=Studio()) as emulator:
        assert emulator.client(api_key="dct_any").queue.submit(job("lucy-pro-t2v", prompt="x")).status == "pending"
        with pytest.raises(QueueSubmitError) as caught:
            emulator.client(api_key="your-api-key").queue.submit(job("lucy-pro-t2v", prompt="x"))
    assert isinstance(caught.value.cause, AuthenticationError)
    assert "Invalid API key" in caught.value.message


def test_only_the_configured_keys_are_accepted() -> None:
    with VirtualEmulator(api_keys={"only-me"}) as emulator:
        assert post("/v1/jobs/lucy-pro-t2v", key="dct_other", emulator=emulator)[0] == 401
        assert post("/v1/jobs/lucy-pro-t2v", ("prompt", "x"), key="only-me", emulator=emulator)[0] == 200


def test_a_missing_key_is_401() -> None:
    assert post("/v1/jobs/lucy-pro-t2v", key=None) == (401, {"detail": "Missing API key"})


@pytest.mark.parametrize("path", ["/v1", "/v1/jobs", "/v2/jobs/lucy-pro-t2v", "/v1/jobs/a/b/c"])
def test_other_routes_are_404(path: str) -> None:
    assert post(path)[0] == 404


@pytest.mark.parametrize(
    ("model", "field", "text", "kind"),
    [
        ("lucy-pro-t2v", "prompt", "", "missing"),
        ("lucy-pro-t2v", "seed", "-1", "greater_than_equal"),
        ("lucy-pro-t2v", "seed", "4294967296", "less_than_equal"),
        ("lucy-pro-t2v", "seed", "seven", "int_parsing"),
        ("lucy-pro-t2v", "resolution", "9999p", "literal_error"),
        ("lucy-dev-i2v", "resolution", "480p", "literal_error"),
        ("lucy-pro-t2v", "orientation", "upside down", "literal_error"),
        ("lucy-clip", "enhance_prompt", "perhaps", "bool_parsing"),
        ("lucy-motion", "trajectory", "[{'frame': 0}]", "json_invalid"),
        ("lucy-motion", "trajectory", '[{"frame": 0}]', "missing"),
        ("lucy-motion", "trajectory", "[" * 100_000, "json_invalid"),
        ("lucy-motion", "trajectory", "7", "list_type"),
        ("lucy-motion", "trajectory", "[]", "too_short"),
        ("lucy-motion", "trajectory", "[" + ",".join(['{"frame":0,"x":0,"y":0}'] * 1001) + "]", "too_long"),
        ("lucy-motion", "trajectory", '[{"frame":0,"x":0,"y":0},{"frame":-1,"x":0,"y":0}]', "greater_than_equal"),
        ("lucy-motion", "trajectory", '[{"frame":0,"x":0,"y":0},{"frame":0.5,"x":0,"y":0}]', "int_from_float"),
        ("lucy-motion", "trajectory", '[{"frame":0,"x":0,"y":0},{"frame":1,"x":NaN,"y":0}]', "finite_number"),
    ],
)
def test_an_invalid_field_is_422_and_named(model: str, field: str, text: str, kind: str) -> None:
    status, body = post(f"/v1/jobs/{model}", (field, text))
    assert status == 422
    assert (["body", field], kind) in [(detail["loc"][:2], detail["type"]) for detail in body["detail"]]


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("lucy-pro-t2v", ["prompt"]),
        ("lucy-pro-i2v", ["prompt", "data"]),
        ("lucy-pro-flf2v", ["prompt", "start", "end"]),
        ("lucy-motion", ["data", "trajectory"]),
        ("lucy-2.6", ["data"]),
        ("lucy-restyle-2", ["data"]),
    ],
)
def test_every_missing_field_is_named(model: str, missing: list[str]) -> None:
    status, body = post(f"/v1/jobs/{model}")
    assert (status, [detail["loc"][1] for detail in body["detail"]]) == (422, missing)


def test_the_sdk_reports_the_details_of_a_422() -> None:
    lenient = ModelDefinition(name="lucy-dev-i2v", task="image-to-video", resolutions=("720p", "480p"))
    client = DecartClient(api_key="dct_test", transport=EmulatorTransport())
    with pytest.raises(QueueSubmitError) as caught:
        client.queue.submit({"model": lenient, "prompt": "x", "data": b"y", "resolution": "480p"})
    assert isinstance(caught.value.cause, ValidationError)
    assert "resolution: Input should be '720p'" in caught.value.message


def test_an_edit_may_have_an_empty_prompt(client: DecartClient, studio: Studio) -> None:
    client.queue.submit_and_poll(job("lucy-2.5", data=b"clip", prompt="", self_anchor=True))
    assert studio.orders[0].prompt == ""


def test_a_form_beyond_the_limit_is_413() -> None:
    assert post("/v1/jobs/lucy-pro-t2v", ("prompt", "x" * 2_000_000))[0] == 413


def test_a_transport_does_not_close_an_emulator_that_it_was_given() -> None:
    with VirtualEmulator() as emulator:
        EmulatorTransport(emulator).close()
        assert post("/v1/jobs/lucy-pro-t2v", ("prompt", "x"), emulator=emulator)[0] == 200


def test_a_transport_refuses_an_emulator_without_a_virtual_clock() -> None:
    with Emulator() as emulator, pytest.raises(InvalidInputError, match="use VirtualEmulator, or"):
        EmulatorTransport(emulator)


def test_unsupported_features_are_refused_in_the_usual_form() -> None:
    import decart.emulator

    with pytest.raises(AttributeError, match="'decart.emulator' has no attribute 'Nothing'"):
        decart.emulator.Nothing  # noqa: B018

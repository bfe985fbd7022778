"""``client.process``: what is sent, what comes back, and what is reported."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import UnidentifiedImageError
from support.fakes import KEY, LAKE, FakeTransport, Takes, client_of, make_response
from support.images import HAT, I2I, PNG, image

from decart import (
    AsyncDecartClient,
    DecartClient,
    EventHook,
    ImageResult,
    ImageToImageInput,
    InvalidInputError,
    ModelDefinition,
    Progress,
    RetryPolicy,
    SavedImage,
    Timeout,
    models,
)
from decart.events import BytesMoved, Operation, RequestSent
from decart.transports.base import HttpRequest, HttpResponse

# ---------------------------------------------------------------- what is sent and returned


def test_an_image_is_one_request_and_its_response() -> None:
    transport = FakeTransport(image())
    result = client_of(transport).process({**HAT, "reference_image": b"a hat", "enhance_prompt": False, "seed": 5})
    assert result == ImageResult(data=PNG, content_type="image/png", model="lucy-image-2")
    (sent,) = transport.requests
    assert (sent.method, sent.path, sent.headers["X-API-KEY"]) == ("POST", "/v1/generate/lucy-image-2", KEY)
    for part in (b'"prompt"\r\n\r\nA hat', b'"enhance_prompt"\r\n\r\nfalse', b'"seed"\r\n\r\n5', b"a hat", b"a face"):
        assert part in (sent.body or b"")


def test_an_input_object_does_as_well_as_a_dict() -> None:
    transport = FakeTransport(image(), image())
    client = client_of(transport)
    client.process(ImageToImageInput(model=I2I, prompt="A hat", data=b"a face"))
    client.process({"model": models.image("lucy-pro-t2i"), "prompt": "A lake", "resolution": "480p"})
    assert [sent.path for sent in transport.requests] == ["/v1/generate/lucy-image-2", "/v1/generate/lucy-pro-t2i"]


def test_a_model_of_your_own_goes_to_its_endpoint() -> None:
    transport = FakeTransport(image(), image())
    for more in ({}, {"endpoint": "/v2/paint"}):
        mine = ModelDefinition(name="preview", task="image-to-image", **more)
        assert client_of(transport).process({**HAT, "model": mine}).model == "preview"
    assert [sent.path for sent in transport.requests] == ["/v1/generate/preview", "/v2/paint"]


def test_the_integration_is_in_the_user_agent() -> None:
    transport = FakeTransport(image())
    client_of(transport, integration="my-app/1.0").process(HAT)
    assert transport.requests[0].headers["User-Agent"].endswith(" my-app/1.0")


def test_a_prompt_may_have_any_length() -> None:
    assert client_of(FakeTransport(image())).process({**HAT, "prompt": "a" * 5000}).data == PNG


@pytest.mark.parametrize(
    "options",
    [
        {"model": I2I, "prompt": "A hat"},
        {"model": I2I, "data": b"x"},
        {"prompt": "A hat"},
        {**HAT, "promt": "x"},
        {**HAT, "data": Path("no such file")},
        LAKE,
    ],
)
def test_what_cannot_be_an_image_is_refused_before_anything_is_sent(options: Any) -> None:
    with pytest.raises(InvalidInputError):
        client_of(FakeTransport()).process(options)


@pytest.mark.parametrize("call", ["submit", "submit_and_poll"])
def test_the_queue_refuses_a_model_for_images_and_names_the_call(call: str) -> None:
    with pytest.raises(InvalidInputError, match=r"lucy-image-2 makes an image; write client.process\(\.\.\.\)"):
        getattr(client_of(FakeTransport()).queue, call)(HAT)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ({}, Timeout(read=180)),
        ({"timeout": 20}, Timeout(read=20)),
        ({"timeout": 60}, Timeout(read=60)),
        ({"timeout": Timeout()}, Timeout()),
        ({"timeout": None}, Timeout(connect=None, read=None)),
    ],
)
def test_the_default_timeout_fits_an_image_and_an_explicit_one_is_obeyed(client: Any, expected: Timeout) -> None:
    transport = FakeTransport(Takes(20, image()))
    client_of(transport, **client).process(HAT)
    assert transport.requests[0].timeout == expected


def test_a_timeout_that_is_set_later_is_obeyed_although_it_equals_the_default() -> None:
    transport = FakeTransport(image(), image())
    client = client_of(transport)
    client.with_options(retry=RetryPolicy(attempts=1)).process(HAT)
    client.with_options(timeout=(10, 60)).process(HAT)
    assert [sent.timeout.read for sent in transport.requests] == [180, 60]


# ---------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("sent", "kind"),
    [("image/png; q=1", "image/png"), ("image/WEBP", "image/webp"), ("", "image/png"), (None, "image/png")],
)
def test_the_type_of_an_image_is_the_declared_one_or_what_its_bytes_say(sent: str | None, kind: str) -> None:
    headers = {} if sent is None else {"content_type": sent}
    response = make_response(200, PNG, content_length=str(len(PNG)), **headers)
    assert client_of(FakeTransport(response)).process(HAT).content_type == kind


def test_bytes_that_say_nothing_have_no_type() -> None:
    response = image(b"\x80\x81\x82 something new", "binary/octet-stream")
    assert client_of(FakeTransport(response)).process(HAT).content_type == "application/octet-stream"


def test_an_image_is_not_part_of_its_repr() -> None:
    result = ImageResult(data=PNG, content_type="image/png", model="m")
    assert repr(result) == f"ImageResult(data=<{len(PNG)} bytes>, content_type='image/png', model='m')"


def test_an_image_is_saved_as_a_result_of_the_queue_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = ImageResult(data=PNG, content_type="image/png", model="m")
    assert result.save("hat.png") == Path("hat.png")
    assert (tmp_path / "hat.png").read_bytes() == PNG
    with pytest.raises(OSError, match="the folder none does not exist"):
        result.save("none/hat.png")
    assert [path.name for path in tmp_path.iterdir()] == ["hat.png"]


def test_an_image_goes_to_a_file_instead_of_memory(tmp_path: Path) -> None:
    target = tmp_path / "hat.png"
    result = client_of(FakeTransport(image())).process(HAT, save_to=target)
    assert result == SavedImage(path=target, content_type="image/png", model="lucy-image-2")
    assert target.read_bytes() == PNG


def test_a_folder_that_does_not_exist_is_refused_before_an_image_is_paid_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="save_to: .* does not exist"):
        client_of(FakeTransport()).process(HAT, save_to=tmp_path / "none" / "hat.png")


def test_an_image_that_cannot_be_saved_is_kept_by_the_error(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()

    def gone(request: HttpRequest) -> HttpResponse:
        folder.rmdir()
        return image()

    with pytest.raises(OSError) as caught:
        client_of(FakeTransport(gone)).process(HAT, save_to=folder / "hat.png")
    assert caught.value.image.data == PNG  # type: ignore[attr-defined]
    (note,) = caught.value.__notes__
    assert note.startswith("The image was made and billed, and may not be saved.")
    assert "error.image.save(path)" in note


def test_the_same_when_awaited(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    target = tmp_path / "pictures" / "hat.png"

    def gone(request: HttpRequest) -> HttpResponse:
        target.parent.rmdir()
        return image()

    with pytest.raises(OSError) as caught:
        asyncio.run(AsyncDecartClient(KEY, transport=FakeTransport(gone)).process(HAT, save_to=target))
    assert caught.value.image.data == PNG  # type: ignore[attr-defined]
    assert len(caught.value.__notes__) == 1


def test_an_image_becomes_one_of_pillow() -> None:
    result = ImageResult(data=PNG, content_type="image/png", model="m")
    assert (result.to_pil().size, result.to_pil().getpixel((3, 3))) == ((24, 16), (0, 128, 128))
    with pytest.raises(UnidentifiedImageError):
        ImageResult(data=b"\x80 something new", content_type="image/x-new", model="m").to_pil()


def test_without_pillow_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["PIL"] = None
import decart
try:
    decart.ImageResult(data=b"", content_type="image/png", model="m").to_pil()
except decart.MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("This feature needs PIL, from the extra 'images': pip install 'decart-queue[images]'\n")


def test_a_pillow_that_cannot_be_imported_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ImportError('a library of the system is missing')")
    code = "import decart; decart.ImageResult(data=b'', content_type='image/png', model='m').to_pil()"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "ImportError: a library of the system is missing"


# ---------------------------------------------------------------- reports


class Hook(EventHook):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def request_sent(self, event: RequestSent) -> None:
        self.seen.append(event)

    def bytes_moved(self, event: BytesMoved) -> None:
        self.seen.append(event)

    def operation(self, operation: Operation) -> Any:
        self.seen.append(operation)
        return super().operation(operation)


def test_a_hook_and_a_progress_callback_see_the_upload() -> None:
    hook, progress = Hook(), list[Progress]()
    client_of(FakeTransport(image()), event_hooks=[hook]).process(HAT, progress=progress.append)
    operation, sent, *moved = hook.seen
    assert operation == Operation(name="process", model="lucy-image-2")
    assert (sent.method, sent.length) == ("POST", moved[-1].total)
    assert {event.direction for event in moved} == {"upload"} == {report.direction for report in progress}
    assert progress[-1].done == progress[-1].total == sent.length


def test_a_retry_is_logged_as_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "decart")
    client_of(FakeTransport(make_response(429), image())).process(HAT)
    assert "attempt 1 of the request for an image failed" in caplog.text


@pytest.mark.parametrize("kind", [DecartClient, AsyncDecartClient])
def test_the_client_says_what_it_costs_and_how_it_fails(kind: type) -> None:
    text = kind.process.__doc__ or ""  # type: ignore[attr-defined]
    for word in ("costs money", "ProcessingOutcomeUnknownError", "ProcessingError", "save_to"):
        assert word in text

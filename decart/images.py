"""Images: one request, whose response is the picture.

The request is billed like a submit, but has no id to come back to: a picture that does not arrive is lost. So it is
repeated only where a submit is, and anything but a complete picture is an error that says what may have been billed and
quotes what arrived.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from .config import DEFAULT_TIMEOUT, Settings
from .content import BEGINNING, TEXT, announced_length, check_type, image_type, is_complete, is_framed
from .errors import ResponseError, TransportError
from .inputs import JobInput
from .models import ModelDefinition
from .protocol import ERROR_LIMIT, Call, form_fields, form_request, quoting, refusal
from .responses import BufferedResponse, text_of, unreadable
from .results import FileResult, Savable, size_of, write_to
from .transports.base import Timeout

_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f]")  # of which there are some in any picture, and none in a text

if TYPE_CHECKING:
    from PIL import Image  # an extra

IMAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of the largest image that is accepted; the service's have one or two MiB."""

PATIENCE = 180.0
"""Seconds to wait for an image, unless the client was given a timeout: it takes up to a minute."""


@attrs.frozen(kw_only=True)
class ImageResult(Savable, FileResult):
    """An image in memory.

    Attributes:
        data: The image as bytes, usually a PNG; never part of a ``repr``.
        content_type: Its MIME type, such as ``"image/png"``.
        model: The name of the model that made it.
    """

    data: bytes = attrs.field(repr=size_of)
    content_type: str
    model: str

    def to_pil(self) -> Image.Image:
        """Return the image as a ``PIL.Image.Image``, decoded.

        Raises:
            MissingExtraError: Pillow is not installed (extra ``images``).
            PIL.UnidentifiedImageError: Pillow does not know the format.

        Example:
            >>> image.to_pil().size
            (1280, 720)
        """
        from .integrations.pillow import open_image  # needs an extra

        return open_image(self.data)

    def _save(self, path: str | os.PathLike[str], start: str) -> Path:
        return write_to(path, start, self.data)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import image_bundle

        return image_bundle(self, data=self.data)


@attrs.frozen(kw_only=True)
class SavedImage(FileResult):
    """An image in a file (``save_to=``).

    Attributes:
        path: The absolute path of the file.
        content_type: The MIME type of the image, such as ``"image/png"``.
        model: The name of the model that made it.
    """

    path: Path
    content_type: str
    model: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import image_bundle

        return image_bundle(self, path=self.path)


def patient(timeout: Timeout) -> Timeout:
    """Return the timeout of a request for an image: the client's, if it was given one."""
    return attrs.evolve(timeout, read=PATIENCE) if timeout is DEFAULT_TIMEOUT else timeout


def process_call(
    settings: Settings,
    inputs: JobInput,
    *,
    on_sent: Callable[[int, int], None] | None = None,
    may_start: Callable[[], None] | None = None,
    on_image: Callable[[ImageResult], None] = lambda image: None,
) -> Call[ImageResult]:
    """Build the request for an image: POST /v1/generate/{model}; the arguments are those of ``submit_call``.

    Args:
        on_image: Called as soon as the image has been read.

    Raises:
        InvalidInputError: A file cannot be read.
    """
    request = form_request(settings, inputs.model.endpoint, form_fields(inputs), on_sent, may_start)

    def parse(response: BufferedResponse, failure: TransportError | None = None) -> ImageResult:
        image = parse_image(response, failure, settings=settings, model=inputs.model)
        on_image(image)
        return image

    return Call(request=request, parse=parse, salvage=parse, what="request for an image", limit=IMAGE_LIMIT + 1)


def parse_image(
    response: BufferedResponse, failure: TransportError | None = None, *, settings: Settings, model: ModelDefinition
) -> ImageResult:
    """Read the response to a request for an image.

    Args:
        failure: Why the connection broke off, if the response is only what arrived before. If that is a complete
            picture nevertheless, nothing is missing.
    """
    if not response.ok:
        raise refusal(response, settings, model, failure)
    error = _unusable(response, settings, failure)
    if error is not None:
        what = "the response to a request for an image cannot be used"
        raise quoting(error, what, _quotable(response), settings, failure)
    return ImageResult(data=response.body, content_type=image_type(response), model=model.name)


def _unusable(response: BufferedResponse, settings: Settings, failure: TransportError | None) -> ResponseError | None:
    """Return the error of a response that is not a complete picture; ``None`` if it is one."""
    try:
        is_encoded = check_type(response, settings, "image")
    except ResponseError as error:
        return error.with_traceback(None)
    flaw = _flaw_of(response, failure, is_encoded=is_encoded)
    return unreadable(flaw, response, settings) if flaw else None


def _flaw_of(response: BufferedResponse, failure: TransportError | None, *, is_encoded: bool) -> str:
    """Return why a response is not a complete picture; ``""`` if it is one."""
    body, announced = response.body, None if is_encoded else announced_length(response.headers)
    if not body:
        return "it is empty"
    if TEXT.match(body[:BEGINNING]):
        return "it is text instead of an image"
    if len(body) > IMAGE_LIMIT:
        return f"it is larger than {IMAGE_LIMIT // 1024**2} MiB"
    if is_complete([body]):
        return ""
    if response.status == 206:
        return "it is a part of an image"
    if failure is not None:
        return f"it ended after {len(body)} bytes: {failure.message.rstrip('.')}"
    if announced not in (None, len(body)):
        return f"it has {len(body)} of {announced} bytes"
    return "" if is_framed(response.headers) else "no length was announced, and the file seems to be truncated"


def _quotable(response: BufferedResponse) -> BufferedResponse:
    """Return a response whose body is fit to be quoted: the start of a text, or how many bytes there were."""
    start = text_of(response.body[:ERROR_LIMIT])
    quoted = f"{len(response.body)} bytes that are not text" if _CONTROLS.search(start) else start
    return attrs.evolve(response, body=quoted.encode())

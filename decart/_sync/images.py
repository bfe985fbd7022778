# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Request an image, and save it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..arguments import WaitArguments, shown_progress, wait_arguments
from ..events import Operation
from ..images import ImageResult, SavedImage, patient, process_call
from ..inputs import JobInput
from ..options import ImageOptions, from_options
from ..outcomes import (
    IMAGE_NOT_SAVED,
    PROCESS_ENDED,
    CallState,
    Cancellation,
    Sending,
    process_cancelled,
    process_error,
)
from ..progress import ShowProgress
from ..results import write_to
from .backend import AWAITED, CancelEvent, finish_in_thread, in_thread
from .engine import Engine


def process(
    engine: Engine,
    options: ImageOptions | JobInput,
    *,
    save_to: str | os.PathLike[str] | None,
    progress: ShowProgress | None,
    cancel: CancelEvent | None,
) -> ImageResult | SavedImage:
    """Request an image, and return it, or the file that it was saved to; see ``client.process``."""
    state, received = CallState(if_sent=PROCESS_ENDED), list[ImageResult]()
    try:
        with shown_progress(progress, awaited=AWAITED) as shown:
            arguments = wait_arguments(None, None, cancel, save_to, shown, awaited=AWAITED)
            inputs = from_options(options, "image")
            image = request(engine, inputs, arguments, state, received.append)
            return image if arguments.save_to is None else saved(image, arguments.save_to)
    except BaseException as error:
        if received:  # it was paid for, and cannot be fetched again
            state.if_sent = IMAGE_NOT_SAVED
            with suppress(Exception):  # an exception that takes no attributes
                error.image = received[0]  # type: ignore[attr-defined]
        state.explain(error)
        raise


def request(
    engine: Engine,
    inputs: JobInput,
    arguments: WaitArguments,
    state: CallState,
    on_image: Callable[[ImageResult], None],
) -> ImageResult:
    """Request an image; ``on_image`` is called with it even if the call is interrupted before it can return it."""
    cancellation = Cancellation(arguments.cancel, process_cancelled)
    meter = engine.reporter.meter("upload", arguments.on_progress, engine.transport.now)
    sending = Sending(state, engine.check_open, cancellation, meter)
    build = partial(
        process_call,
        engine.settings,
        inputs,
        on_sent=sending.on_sent,
        may_start=sending.may_start,
        on_image=on_image,
    )
    call = in_thread(build) if inputs.has_files else build()
    operation = Operation(name="process", model=inputs.model.name)
    timeout = patient(engine.settings.timeout)
    return engine.call(operation, call, sending.repeat, process_error, cancel=cancellation, timeout=timeout)


def saved(image: ImageResult, target: Path) -> SavedImage:
    """Save an image."""
    finish_in_thread(partial(write_to, target, os.curdir, image.data))
    return SavedImage(path=target, content_type=image.content_type, model=image.model)

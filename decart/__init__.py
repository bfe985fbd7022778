"""Videos from a hosted model, without an event loop: submit a job, wait for it, get an MP4."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from . import models
from ._version import __version__
from .client import DecartClient
from .errors import (
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConnectError,
    DecartSDKError,
    InvalidAPIKeyError,
    InvalidBaseURLError,
    InvalidInputError,
    JobError,
    JobFailedError,
    JobTimeoutError,
    MissingExtraError,
    ModelNotFoundError,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    ProcessingError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ResponseError,
    ServerError,
    SubmitOutcomeUnknownError,
    TokenCreateError,
    TransportError,
    TransportTimeout,
    ValidationError,
    WaitCancelledError,
)
from .files import FileInput
from .inputs import (
    FirstLastFrameInput,
    ImageToImageInput,
    ImageToMotionVideoInput,
    ImageToVideoInput,
    JobInput,
    MotionTrajectoryInput,
    TextToImageInput,
    TextToVideoInput,
    VideoEdit2Input,
    VideoRestyleInput,
    VideoToVideoInput,
)
from .jobs import JobStatus, JobStatusResponse, JobSubmitResponse, QueueJobResult
from .models import ModelDefinition
from .options import JobOptions
from .policies import PollPolicy, RetryPolicy
from .queue import QueueClient
from .transports.base import Timeout

if TYPE_CHECKING:
    from .aio import AsyncDecartClient, AsyncQueueClient
    from .transports.aiohttp import AiohttpTransport as AiohttpTransport  # not in __all__: it needs an extra
    from .transports.requests import RequestsTransport
    from .transports.threaded import ThreadedTransport

__all__ = [
    "APIError",
    "AsyncDecartClient",
    "AsyncQueueClient",
    "AuthenticationError",
    "ClientClosedError",
    "ConnectError",
    "DecartClient",
    "DecartSDKError",
    "FileInput",
    "FirstLastFrameInput",
    "ImageToImageInput",
    "ImageToMotionVideoInput",
    "ImageToVideoInput",
    "InvalidAPIKeyError",
    "InvalidBaseURLError",
    "InvalidInputError",
    "JobError",
    "JobFailedError",
    "JobInput",
    "JobOptions",
    "JobStatus",
    "JobStatusResponse",
    "JobSubmitResponse",
    "JobTimeoutError",
    "MissingExtraError",
    "ModelDefinition",
    "ModelNotFoundError",
    "ModelRetiredError",
    "MotionTrajectoryInput",
    "NotFoundError",
    "PaymentRequiredError",
    "PollPolicy",
    "ProcessingError",
    "QueueClient",
    "QueueError",
    "QueueJobResult",
    "QueueResultError",
    "QueueStatusError",
    "QueueSubmitError",
    "RateLimitError",
    "RequestsTransport",
    "ResponseError",
    "RetryPolicy",
    "ServerError",
    "SubmitOutcomeUnknownError",
    "TextToImageInput",
    "TextToVideoInput",
    "ThreadedTransport",
    "Timeout",
    "TokenCreateError",
    "TransportError",
    "TransportTimeout",
    "ValidationError",
    "VideoEdit2Input",
    "VideoRestyleInput",
    "VideoToVideoInput",
    "WaitCancelledError",
    "__version__",
    "models",
]

logging.getLogger("decart").addHandler(logging.NullHandler())


_LATER = {  # loaded when asked for: requests, aiohttp and asyncio are each as heavy as all the rest together
    "AiohttpTransport": "transports.aiohttp",
    "AsyncDecartClient": "aio",
    "AsyncQueueClient": "aio",
    "RequestsTransport": "transports.requests",
    "ThreadedTransport": "transports.threaded",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)

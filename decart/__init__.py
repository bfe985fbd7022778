"""Videos from a hosted model, without an event loop: submit a job, wait for it, get an MP4.

Importing this package loads next to nothing: each name is looked up in its module when it is first asked for.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING

if os.path.exists(os.path.join(__path__[0], "_user_agent.py")):  # a module that only the other one has
    raise ImportError(
        "Another package called decart (the service's own SDK) is installed into the same folder, "
        f"{__path__[0]}, and the two overwrite each other's files. Uninstall both, then install this "
        "one: pip uninstall decart decart-queue; pip install decart-queue"
    )

from ._version import __version__
from .errors import (
    APIError,
    AuthenticationError,
    CallError,
    ClientClosedError,
    ConfigurationError,
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
    ProcessingCancelledError,
    ProcessingError,
    ProcessingOutcomeUnknownError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ResponseError,
    ServerError,
    SubmitOutcomeUnknownError,
    TokenCreateError,
    TokenDecodeError,
    TokenVerifyError,
    TransportError,
    TransportTimeout,
    ValidationError,
    WaitCancelledError,
)

if TYPE_CHECKING:
    from . import models
    from ._async.client import AsyncDecartClient
    from ._async.files import AsyncFilesClient
    from ._async.jobs import AsyncJobsClient
    from ._async.lookups import AsyncModelsClient
    from ._async.pool import AsyncJobPool
    from ._async.queue import AsyncQueueClient
    from ._async.tokens import AsyncTokensClient
    from ._async.transfers import AsyncVideoStream
    from ._sync.files import FilesClient
    from ._sync.jobs import JobsClient
    from ._sync.lookups import ModelsClient
    from ._sync.pool import JobPool
    from ._sync.queue import QueueClient
    from ._sync.tokens import TokensClient
    from ._sync.transfers import VideoStream
    from .claims import ClientTokenClaims, VerifiedClientToken
    from .client import DecartClient
    from .events import EventHook
    from .file_inputs import (
        FirstLastFrameInput,
        ImageToImageInput,
        ImageToMotionVideoInput,
        ImageToVideoInput,
        MotionTrajectoryInput,
        VideoEditInput,
        VideoRestyleInput,
        VideoToVideoInput,
    )
    from .files import FileReference
    from .images import ImageResult, SavedImage
    from .inputs import JobInput, TextToImageInput, TextToVideoInput
    from .jobs import (
        CompletedJob,
        FailedJob,
        JobStatus,
        JobStatusResponse,
        JobSubmitResponse,
        PollStep,
        QueueJobResult,
        SavedJob,
    )
    from .journal import (
        JobRecord,
        Journal,
        JournalError,
        LabelBusyError,
        LabelConflictError,
        MemoryJournal,
        SQLiteJournal,
    )
    from .journal.jobstep import JobStep
    from .lookups import Provenance
    from .models import ImageModelName, ModelDefinition, VideoModelName
    from .options import (
        FirstLastFrameOptions,
        ImageOptions,
        ImageToImageOptions,
        ImageToMotionVideoOptions,
        ImageToVideoOptions,
        JobOptions,
        TextToImageOptions,
        TextToVideoOptions,
        VideoEditOptions,
        VideoRestyleOptions,
        VideoToVideoOptions,
    )
    from .policies import PollPolicy, RetryPolicy
    from .pool.spending import SpendLimitError
    from .progress import OnPoolProgress, OnProgress, PoolProgress, Progress
    from .tokens import (
        CreateTokenResponse,
        RealtimeConstraints,
        TokenConstraints,
        TokenPermissions,
    )
    from .transports.aiohttp import AiohttpTransport as AiohttpTransport
    from .transports.base import Timeout
    from .transports.requests import RequestsTransport
    from .transports.threaded import ThreadedTransport
    from .transports.urllib3 import Urllib3Transport
    from .uploads import FileInput

__all__ = [
    "APIError",
    "AsyncDecartClient",
    "AsyncFilesClient",
    "AsyncJobPool",
    "AsyncJobsClient",
    "AsyncModelsClient",
    "AsyncQueueClient",
    "AsyncTokensClient",
    "AsyncVideoStream",
    "AuthenticationError",
    "CallError",
    "ClientClosedError",
    "ClientTokenClaims",
    "CompletedJob",
    "ConfigurationError",
    "ConnectError",
    "CreateTokenResponse",
    "DecartClient",
    "DecartSDKError",
    "EventHook",
    "FailedJob",
    "FileInput",
    "FileReference",
    "FilesClient",
    "FirstLastFrameInput",
    "FirstLastFrameOptions",
    "ImageModelName",
    "ImageOptions",
    "ImageResult",
    "ImageToImageInput",
    "ImageToImageOptions",
    "ImageToMotionVideoInput",
    "ImageToMotionVideoOptions",
    "ImageToVideoInput",
    "ImageToVideoOptions",
    "InvalidAPIKeyError",
    "InvalidBaseURLError",
    "InvalidInputError",
    "JobError",
    "JobFailedError",
    "JobInput",
    "JobOptions",
    "JobPool",
    "JobRecord",
    "JobStatus",
    "JobStatusResponse",
    "JobStep",
    "JobSubmitResponse",
    "JobTimeoutError",
    "JobsClient",
    "Journal",
    "JournalError",
    "LabelBusyError",
    "LabelConflictError",
    "MemoryJournal",
    "MissingExtraError",
    "ModelDefinition",
    "ModelNotFoundError",
    "ModelRetiredError",
    "ModelsClient",
    "MotionTrajectoryInput",
    "NotFoundError",
    "OnPoolProgress",
    "OnProgress",
    "PaymentRequiredError",
    "PollPolicy",
    "PollStep",
    "PoolProgress",
    "ProcessingCancelledError",
    "ProcessingError",
    "ProcessingOutcomeUnknownError",
    "Progress",
    "Provenance",
    "QueueClient",
    "QueueError",
    "QueueJobResult",
    "QueueResultError",
    "QueueStatusError",
    "QueueSubmitError",
    "RateLimitError",
    "RealtimeConstraints",
    "RequestsTransport",
    "ResponseError",
    "RetryPolicy",
    "SQLiteJournal",
    "SavedImage",
    "SavedJob",
    "ServerError",
    "SpendLimitError",
    "SubmitOutcomeUnknownError",
    "TextToImageInput",
    "TextToImageOptions",
    "TextToVideoInput",
    "TextToVideoOptions",
    "ThreadedTransport",
    "Timeout",
    "TokenConstraints",
    "TokenCreateError",
    "TokenDecodeError",
    "TokenPermissions",
    "TokenVerifyError",
    "TokensClient",
    "TransportError",
    "TransportTimeout",
    "Urllib3Transport",
    "ValidationError",
    "VerifiedClientToken",
    "VideoEditInput",
    "VideoEditOptions",
    "VideoModelName",
    "VideoRestyleInput",
    "VideoRestyleOptions",
    "VideoStream",
    "VideoToVideoInput",
    "VideoToVideoOptions",
    "WaitCancelledError",
    "__version__",
    "models",
]
logging.getLogger("decart").addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name == "models":
        return import_module(".models", __name__)
    from ._names import WHERE  # a program that only needs an error loads none of it

    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{WHERE[name]}", __name__), name)
    globals()[name] = value  # the next time, it is simply there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

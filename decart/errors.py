"""Every exception that this library raises.

::

    DecartSDKError                      .message .data .cause .job_id
    ├── InvalidAPIKeyError, InvalidBaseURLError, ClientClosedError, ModelNotFoundError, LabelConflictError
    ├── JournalError                    the journal cannot be used
    │   └── LabelBusyError
    ├── InvalidInputError (ValueError)  refused before anything was sent
    ├── MissingExtraError (ImportError) a feature whose packages are not installed
    ├── CallError                       .status_code .retry_after .request_id: where it went wrong
    │   ├── QueueError
    │   │   └── QueueSubmitError, SubmitOutcomeUnknownError, QueueStatusError, QueueResultError, WaitCancelledError
    │   ├── ProcessingError
    │   │   └── ProcessingCancelledError
    │   └── ProcessingOutcomeUnknownError, TokenCreateError
    ├── TokenDecodeError, TokenVerifyError
    ├── APIError                        .status_code .code .body .request_id .retry_after: why (the cause of the above)
    │   ├── AuthenticationError, PaymentRequiredError, NotFoundError, ModelRetiredError  401 403, 402, 404, 410
    │   └── ValidationError, RateLimitError, ServerError                                 400 413 415 422, 429, 5xx
    ├── TransportError                  .may_have_been_sent: no complete response arrived
    │   └── ConnectError, ConfigurationError, TransportTimeout
    ├── ResponseError                   a 2xx response that cannot be read
    └── JobError                        raised by ``raise_for_status()``
        └── JobFailedError, JobTimeoutError

The class of a ``CallError`` says *where* it went wrong, in the names of the documented page; its ``cause`` says *why*.
Every error can be pickled and copied, including your own subclasses; a copy equals the original. None holds the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict, Unpack


class Facts(TypedDict, total=False):
    """What every error takes beside its message."""

    data: Mapping[str, Any] | None
    cause: DecartSDKError | None
    job_id: str | None


class DecartSDKError(Exception):
    """Base class of every error in this library.

    Attributes:
        message: What happened and what to do about it, in one or two sentences.
        data: Further facts as a plain dict; empty if there are none.
        cause: The error of this library that led to this one, if any.
        job_id: The job concerned; ``None`` if there is none, or none yet.
    """

    def __init__(
        self,
        message: str,
        *,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.data = dict(data or {})
        self.cause = cause
        self.job_id = job_id

    def __str__(self) -> str:
        return self.message

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        no_notes = {"__notes__": None}  # added on the way up; they do not make another error
        return vars(self) | no_notes == vars(other) | no_notes

    def __hash__(self) -> int:
        return hash((type(self), self.message))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the attributes and not the constructor's arguments, which subclasses are free to choose."""
        return _restore, (type(self), self.args), dict(vars(self))


def _restore(kind: type[DecartSDKError], args: tuple[Any, ...]) -> DecartSDKError:
    """Recreate a pickled or copied error without calling its constructor; its attributes are set afterwards."""
    error = kind.__new__(kind, *args)
    super(DecartSDKError, error).__init__(*args)  # ImportError, for one, keeps state of its own
    return error


class InvalidAPIKeyError(DecartSDKError):
    """The API key is missing, blank or malformed. The message never contains the key."""


class InvalidBaseURLError(DecartSDKError):
    """The base URL is not an http(s) origin with an optional path."""


class InvalidInputError(DecartSDKError, ValueError):
    """An argument cannot be used. It was refused before anything was sent, so nothing is billed."""


class ClientClosedError(DecartSDKError):
    """A client was used after ``close()`` or after its ``with`` block."""


class MissingExtraError(DecartSDKError, ImportError):
    """The packages that a feature needs are not installed; the message contains the command that installs them."""


class ModelNotFoundError(DecartSDKError):
    """The catalogue, or the service, has no model with that name.

    Attributes:
        model: The name that was looked up.
    """

    def __init__(self, message: str, *, model: str = "", **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.model = model


class CallError(DecartSDKError):
    """A call failed; ``cause`` says why. Raised as it is by calls that have no class of their own."""

    @property
    def status_code(self) -> int | None:
        """The HTTP status of the last response, if there was one."""
        return getattr(self.cause, "status_code", None)

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asked to wait, if it did."""
        return getattr(self.cause, "retry_after", None)

    @property
    def request_id(self) -> str | None:
        """The server's id of the request, if it sent one; quote it to support."""
        return getattr(self.cause, "request_id", None)


class QueueError(CallError):
    """A call of the queue failed."""


class QueueSubmitError(QueueError):
    """The job was not accepted. Nothing was billed."""


class SubmitOutcomeUnknownError(QueueError):
    """The request was sent, and no readable response came: the job may exist and be billed. It is never repeated."""


class QueueStatusError(QueueError):
    """The status of a job could not be read. The job itself continues; ``job_id`` identifies it."""


class QueueResultError(QueueError):
    """The result of a job could not be fetched, or is not available yet. ``job_id`` identifies the job."""


class WaitCancelledError(QueueError):
    """The caller set ``cancel``. A job that was submitted continues; ``job_id`` identifies it."""


class ProcessingError(CallError):
    """An image was not made. Nothing was billed."""


class ProcessingCancelledError(ProcessingError):
    """The caller set ``cancel`` before the request for an image was sent. Nothing was sent or billed."""


class ProcessingOutcomeUnknownError(CallError):
    """The request for an image was sent, and no readable response arrived: it may be billed, and is never repeated."""


class TokenCreateError(CallError):
    """A client token was not created."""


class TokenDecodeError(DecartSDKError):
    """A text is not a signed client token."""


class TokenVerifyError(DecartSDKError):
    """A client token must not be accepted.

    Attributes:
        reason: ``"malformed"``, ``"algorithm"``, ``"key"``, ``"signature"``, ``"expired"``, ``"not_yet_valid"``,
            ``"issuer"``, ``"audience"`` or ``"incomplete"``.
    """

    def __init__(self, message: str, *, reason: str = "", **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.reason = reason


class APIError(DecartSDKError):
    """The server responded with a status other than 2xx.

    Attributes:
        status_code: The HTTP status.
        code: The server's machine-readable error code, if the body has one.
        body: The start of the response's text (at most 2,000 characters), with the API key redacted.
        request_id: The server's id of the request, if it sent one.
        retry_after: The seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        body: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(message, **facts)
        self.status_code, self.code, self.body = status_code, code, body
        self.request_id, self.retry_after = request_id, retry_after


class AuthenticationError(APIError):
    """401 or 403: the key was refused, or lacks the permission."""


class PaymentRequiredError(APIError):
    """402: the account has no credits left."""


class NotFoundError(APIError):
    """404: the server knows no such job or route."""


class ModelRetiredError(APIError):
    """The server no longer runs this model; the message says since when, and which models replace it."""


class ValidationError(APIError):
    """400, 413, 415 or 422: the server refused the input; nothing was billed."""


class RateLimitError(APIError):
    """429: too many requests; ``retry_after`` is the pause that the server asked for, if it did."""


class ServerError(APIError):
    """5xx: the server failed, through no fault of the caller."""


class TransportError(DecartSDKError):
    """No complete HTTP response arrived.

    Attributes:
        may_have_been_sent: False only if certainly no byte of the request's body left this machine.
    """

    _assume_sent: ClassVar[bool] = True

    def __init__(self, message: str, *, may_have_been_sent: bool | None = None, **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.may_have_been_sent = self._assume_sent if may_have_been_sent is None else may_have_been_sent


class ConnectError(TransportError):
    """No connection was made (DNS, network, proxy or certificate), so nothing was sent."""

    _assume_sent: ClassVar[bool] = False


class ConfigurationError(TransportError):
    """No attempt can succeed: malformed proxy or URL, unreadable CA bundle, missing package. Nothing was sent."""

    _assume_sent: ClassVar[bool] = False


class TransportTimeout(TransportError):
    """The server sent nothing for longer than the timeout."""


class ResponseError(DecartSDKError):
    """A 2xx response that cannot be read: not JSON, missing fields, text in place of a video, or cut short."""


class JobError(DecartSDKError):
    """A job did not complete."""


class JobFailedError(JobError):
    """The service reports that the job failed; the message contains the reason, if one was given."""


class JobTimeoutError(JobError):
    """The job had not finished when the wait ended. It may still finish, and it is still billed."""

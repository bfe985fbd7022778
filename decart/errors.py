"""Every exception that this library raises.

::

    DecartSDKError                      .message .data .cause
    ├── InvalidAPIKeyError              the key is missing or cannot be a key
    ├── InvalidBaseURLError             the base URL cannot be used
    ├── ModelNotFoundError              .model: no such name in the catalogue
    ├── InvalidInputError (ValueError)  refused before anything was sent
    ├── ClientClosedError               a client was used after close()
    ├── MissingExtraError (ImportError) a capability whose packages are not installed
    ├── QueueError                      .job_id .status_code .retry_after .request_id: where it went wrong
    │   ├── QueueSubmitError            not accepted, not billed
    │   ├── SubmitOutcomeUnknownError   the job may exist and be billed; never repeated by itself
    │   ├── QueueStatusError
    │   └── QueueResultError
    ├── ProcessingError, TokenCreateError
    ├── APIError                        .status_code .code .body .request_id .retry_after: why (the cause of the above)
    │   ├── AuthenticationError         401, 403
    │   ├── PaymentRequiredError        402
    │   ├── NotFoundError               404
    │   ├── ModelRetiredError           410, and 404 or 405 for a model known to be retired
    │   ├── ValidationError             400, 413, 415, 422
    │   ├── RateLimitError              429
    │   └── ServerError                 5xx
    ├── TransportError                  .may_have_been_sent: no complete answer arrived
    │   ├── ConnectError                no connection was made: nothing was sent
    │   ├── ConfigurationError          no attempt can succeed: nothing was sent
    │   └── TransportTimeout
    ├── ResponseError                   a 2xx answer that cannot be read
    └── JobError                        .job_id
        ├── JobFailedError              raised by ``raise_for_status()``
        ├── JobTimeoutError             raised by ``raise_for_status()``
        └── WaitCancelledError          a wait ended by its ``cancel`` event

Two questions have two answers. *Where* did it go wrong: ``QueueSubmitError``, ``QueueStatusError`` and
``QueueResultError``, the names of the documented page. *Why*: the ``cause`` of those, which is an ``APIError``, a
``TransportError`` or a ``ResponseError``.

Every message is a sentence or two that a person can act on. Every argument is positional and kept in ``args``, so every
error survives pickling (task queues pickle them) and compares equal to its copy. No error holds the API key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DecartSDKError(Exception):
    """Base of every error of this library.

    Attributes:
        message: What happened, whose fault it is and what to do, in a sentence or two.
        data: Further facts as a plain dict; empty when there are none.
        cause: The error of this library that led to this one, if any.
    """

    def __init__(
        self, message: str, data: Mapping[str, Any] | None = None, cause: DecartSDKError | None = None
    ) -> None:
        self._keep(message, data, cause)
        self.message = message
        self.data = dict(data or {})
        self.cause = cause

    def _keep(self, *args: Any) -> None:
        """Store what the constructor took, in its order: pickle hands ``args`` back to the constructor."""
        self.args = args

    def __str__(self) -> str:
        return self.message

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DecartSDKError):
            return NotImplemented
        return type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.message))


class InvalidAPIKeyError(DecartSDKError):
    """The API key is missing, blank, or holds characters that no key has. The message never repeats the key."""


class InvalidBaseURLError(DecartSDKError):
    """The base URL is not an http(s) origin, with or without a path."""


class InvalidInputError(DecartSDKError, ValueError):
    """Something passed in cannot be used; refused before anything was sent, so nothing is billed."""


class ClientClosedError(DecartSDKError):
    """A client was used after ``close()`` or after its ``with`` block."""


class MissingExtraError(DecartSDKError, ImportError):
    """A capability was asked for whose packages are not installed; the message holds the command that installs them."""


class ModelNotFoundError(DecartSDKError):
    """The catalogue has no model of that name.

    Attributes:
        model: The name that was asked for.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        model: str = "",
    ) -> None:
        super().__init__(message, data, cause)
        self._keep(message, data, cause, model)
        self.model = model


class QueueError(DecartSDKError):
    """A call of the queue that did not get its answer; ``cause`` says why.

    Attributes:
        job_id: The job that the call was about; ``None`` for a submit, which had no id yet.
        status_code: HTTP status of the last answer, if there was one.
        retry_after: Seconds the server asked to wait, if it did.
        request_id: The server's id of the exchange, if it sent one; quote it to support.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, data, cause)
        self._keep(message, data, cause, job_id)
        self.job_id = job_id
        self.status_code: int | None = getattr(cause, "status_code", None)
        self.retry_after: float | None = getattr(cause, "retry_after", None)
        self.request_id: str | None = getattr(cause, "request_id", None)


class QueueSubmitError(QueueError):
    """The job was not accepted. Nothing was billed."""


class SubmitOutcomeUnknownError(QueueError):
    """The job may exist and may be billed: the request was sent, and no readable answer came back.

    It is never repeated by itself, because a second POST makes, and bills, a second job.
    """


class QueueStatusError(QueueError):
    """The status of a job could not be read. The job itself goes on; ``job_id`` finds it again."""


class QueueResultError(QueueError):
    """The result of a job could not be fetched, or is not there yet. ``job_id`` finds it again."""


class ProcessingError(DecartSDKError):
    """The synchronous image endpoint failed. Not raised yet; kept so that ``except`` clauses written for it import."""


class TokenCreateError(DecartSDKError):
    """A client token was not created. Not raised yet; kept so that ``except`` clauses written for it import."""


class APIError(DecartSDKError):
    """The server answered with a status other than 2xx.

    Attributes:
        status_code: The HTTP status.
        code: The server's machine-readable code, if the body has one.
        body: The start of the answer's text (at most 2,000 characters), with the API key blotted out.
        request_id: The server's id of the exchange, if it sent one.
        retry_after: Seconds the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        status_code: int = 0,
        code: str | None = None,
        body: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, data, cause)
        self._keep(message, data, cause, status_code, code, body, request_id, retry_after)
        self.status_code = status_code
        self.code = code
        self.body = body
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(APIError):
    """401 or 403: the key was refused, or may not do this."""


class PaymentRequiredError(APIError):
    """402: the account has no credits left."""


class NotFoundError(APIError):
    """404: the service knows no such job or route."""


class ModelRetiredError(APIError):
    """The service no longer runs this model; the message says since when and what does the same task today."""


class ValidationError(APIError):
    """400, 413, 415 or 422: the service looked at the input and refused it; nothing was billed."""


class RateLimitError(APIError):
    """429: too many requests; ``retry_after`` says when to come back, if the server did."""


class ServerError(APIError):
    """5xx: the service failed. Not the caller's fault."""


class TransportError(DecartSDKError):
    """No complete HTTP answer arrived.

    Attributes:
        may_have_been_sent: False only when surely no byte of the request's body left this machine.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        may_have_been_sent: bool = True,
    ) -> None:
        super().__init__(message, data, cause)
        self._keep(message, data, cause, may_have_been_sent)
        self.may_have_been_sent = may_have_been_sent


class ConnectError(TransportError):
    """No connection was made (name, network, proxy or certificate), so nothing was sent."""

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        may_have_been_sent: bool = False,
    ) -> None:
        super().__init__(message, data, cause, may_have_been_sent)


class ConfigurationError(TransportError):
    """No attempt can succeed: a malformed proxy or URL, a CA bundle that cannot be read, a missing package.

    Nothing was sent, and the SDK does not retry it.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        may_have_been_sent: bool = False,
    ) -> None:
        super().__init__(message, data, cause, may_have_been_sent)


class TransportTimeout(TransportError):
    """The other side went silent for longer than the timeout."""


class ResponseError(DecartSDKError):
    """A 2xx answer that cannot be read: not JSON, fields missing, a text page where a video should be, or cut short."""


class JobError(DecartSDKError):
    """Something about one job.

    Attributes:
        job_id: The job.
    """

    def __init__(
        self,
        message: str,
        data: Mapping[str, Any] | None = None,
        cause: DecartSDKError | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, data, cause)
        self._keep(message, data, cause, job_id)
        self.job_id = job_id


class JobFailedError(JobError):
    """The service says that the job failed; the message carries its reason when it gave one."""


class JobTimeoutError(JobError):
    """The job had not finished when the wait ended. It may still finish, and it is still billed."""


class WaitCancelledError(JobError):
    """The wait was ended by its ``cancel`` event. The job itself goes on; ``job_id`` finds it again."""

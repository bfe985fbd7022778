"""The client: one object with the key, the connections and the policies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, overload

from ..config import DEFAULT_TIMEOUT, UNCHANGED, ClientConfig, Prices, Shared, Unchanged, check_hooks, settings
from ..events import EventHook
from ..file_inputs import ImageInput
from ..images import ImageResult, SavedImage
from ..lookups import Provenance
from ..options import ImageOptions
from ..policies import PollPolicy, RetryPolicy
from ..progress import ShowProgress
from ..transports import AnyTransport, make_transport
from ..transports.base import AnyTimeout, AsyncTransport
from ..uploads import FileInput
from .backend import CancelEvent, adapt
from .engine import AsyncEngine
from .files import AsyncFilesClient
from .images import process
from .lookups import AsyncModelsClient, verify
from .queue import AsyncQueueClient
from .tokens import AsyncTokensClient

if TYPE_CHECKING:
    from ..journal.records import Journal
    from .jobs import AsyncJobsClient


class AsyncDecartClient:
    """An async client of the service. One serves the whole program, also one event loop after another.

    Args:
        api_key: The API key; defaults to the environment variable ``DECART_API_KEY``.
        base_url: Where the service is; defaults to ``DECART_BASE_URL``, or else https://api.decart.ai.
        timeout: Seconds to wait for a byte of a response, ``(connect, read)``, a ``Timeout``, or ``None`` for no limit.
        retry: How failed exchanges are repeated.
        poll: How waits check the status of their jobs, and for how long. By default the client learns the best pace.
        transport: What sends requests: a transport, or the name of one. ``"requests"`` is the default, ``"urllib3"``
            needs less CPU, and ``"aiohttp"`` is async (extra ``async``). It is closed with the client. When awaited,
            sync transports run in threads.
        integration: Your program's name and version, such as ``"my-app/1.0"``, for the User-Agent header.
        event_hooks: Called for every request, response, retry, change of status and transfer; see `decart.events`.
        allow_http: Accept an ``http://`` base URL outside of this machine and private networks, which sends the key
            unencrypted.
        journal: Where submits are recorded, so that no job is lost or paid for twice: the path of a file, or a journal
            of `decart.journal`. See ``client.jobs``, and ``label`` of ``client.queue.submit``.
        prices: What a job costs, for ``client.jobs.spent``: a dict of model names, or a function of the inputs.

    Raises:
        InvalidAPIKeyError: There is no key, or it cannot be one.
        InvalidBaseURLError: The base URL is not an http(s) address.
        InvalidInputError: Another argument cannot be used.

    Example:
        >>> async with AsyncDecartClient(api_key="your-api-key") as client:
        ...     job = await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
    """

    queue: AsyncQueueClient
    models: AsyncModelsClient
    tokens: AsyncTokensClient
    files: AsyncFilesClient

    @property
    def jobs(self) -> AsyncJobsClient:
        """The jobs in the journal of this client; without one, its methods raise ``InvalidInputError``."""
        from .jobs import AsyncJobsClient  # a client without a journal needs none of it

        return AsyncJobsClient(self.queue._operations)

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: AnyTimeout = DEFAULT_TIMEOUT,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
        poll: PollPolicy | None = None,
        transport: AnyTransport | None = None,
        integration: str | None = None,
        event_hooks: Iterable[EventHook] = (),
        allow_http: bool = False,
        journal: Journal | str | os.PathLike[str] | None = None,
        prices: Prices | None = None,
    ) -> None:
        config = ClientConfig(
            settings=settings(api_key, base_url, timeout, integration, allow_http=allow_http),
            retry=retry,
            poll=poll,
            event_hooks=check_hooks(event_hooks),
        )
        shared = Shared(
            transport=make_transport(transport),
            journal=open_journal(journal),
            owns_journal=isinstance(journal, (str, os.PathLike)),
            prices=prices,
        )
        self._start(config, shared, adapt(shared.transport))

    def _start(self, config: ClientConfig, shared: Shared, transport: AsyncTransport) -> None:
        self._config, self._shared, self._transport = config, shared, transport
        self._engine = AsyncEngine(config, shared, transport)
        self.queue = AsyncQueueClient(self._engine)
        self.models = AsyncModelsClient(self._engine)
        self.tokens = AsyncTokensClient(self._engine)
        self.files = AsyncFilesClient(self._engine)

    @classmethod
    def _made_of(cls, config: ClientConfig, shared: Shared, transport: AsyncTransport) -> Self:
        client = cls.__new__(cls)
        client._start(config, shared, transport)
        return client

    def with_options(
        self,
        *,
        timeout: AnyTimeout | Unchanged = UNCHANGED,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | Unchanged | None = UNCHANGED,
        event_hooks: Iterable[EventHook] | None = None,
    ) -> Self:
        """Return a client with other options, which shares connections, learned durations and keys with this one.

        Closing either closes both.

        Args:
            timeout, retry, poll, event_hooks: As for the client; what is not given stays.

        Raises:
            InvalidInputError: An option cannot be used.

        Example:
            >>> patient = client.with_options(poll=PollPolicy(timeout=3600))
        """
        config = self._config.changed(timeout=timeout, retry=retry, poll=poll, event_hooks=event_hooks)
        return self._made_of(config, self._shared, self._transport)

    @overload
    async def process(
        self,
        options: ImageOptions | ImageInput,
        *,
        save_to: None = None,
        progress: ShowProgress | None = None,
        cancel: CancelEvent | None = None,
    ) -> ImageResult: ...
    @overload
    async def process(
        self,
        options: ImageOptions | ImageInput,
        *,
        save_to: str | os.PathLike[str],
        progress: ShowProgress | None = None,
        cancel: CancelEvent | None = None,
    ) -> SavedImage: ...
    async def process(
        self,
        options: ImageOptions | ImageInput,
        *,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
        cancel: CancelEvent | None = None,
    ) -> ImageResult | SavedImage:
        """Make an image, and return it. This is one request of up to a minute, and it costs money.

        There is no id to come back to. Like a submit, it is repeated only if the service certainly did not accept it.

        Args:
            options: A dict with ``model`` and the model's inputs, or an input object such as ``ImageToImageInput``.
            save_to: A file that the image goes to instead of memory. Its folder is checked before anything is sent.
            progress: Called with a ``Progress``, in bytes, at most ten times a second while the inputs are sent; True
                for a bar (extra ``progress``).
            cancel: An event that ends the call if it is set before the request is sent.

        Returns:
            The image as ``data``, or its file as ``path``.

        Raises:
            InvalidInputError: An input cannot be used, or the model makes videos; nothing was sent.
            ProcessingError: The image was not made; nothing was billed.
            ProcessingOutcomeUnknownError: It may have been made and billed; check before asking for it again.
            ProcessingCancelledError: ``cancel`` was set; nothing was sent or billed. It is a ``ProcessingError``, too.
            OSError: The image was made and could not be saved; the error has it as ``image``.

        Example:
            >>> image = await client.process({
            ...     "model": models.image("lucy-image-2"), "prompt": "As an oil painting", "data": Path("image.jpg")
            ... })
            >>> image.save("painting.png")
            PosixPath('painting.png')
        """
        return await process(self._engine, options, save_to=save_to, progress=progress, cancel=cancel)

    async def verify(self, file: FileInput, *, progress: ShowProgress | None = None) -> Provenance:
        """Ask whether a video or image carries the service's watermark, which survives re-encoding.

        The service publishes neither the shape of its response nor a price. The request changes nothing, and is retried
        as a status check is.

        Args:
            file: The video or image, as any input of a job.
            progress: As for ``process``.

        Raises:
            InvalidInputError: The file cannot be read; nothing was sent.
            CallError: It was not checked; ``cause`` says why, with status 501 where the service has no such check.

        Example:
            >>> (await client.verify(Path("lake.mp4"))).detected
            True
        """
        return await verify(self._engine, file, progress)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        Example:
            >>> await client.close()
        """
        is_open = not self._shared.closed
        self._shared.close()
        if is_open:
            try:
                await self._transport.aclose()
            finally:
                if self.queue._operations.recorder is not None:
                    await self.queue._operations.recorder.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._config.settings.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a key and connections, and is neither copied nor pickled; make one in each "
            "process instead."
        )


def open_journal(journal: object) -> Journal | None:
    """Return the caller's journal, or one in the file of this name.

    Raises:
        InvalidInputError: It is neither.
    """
    if journal is None:
        return None
    if isinstance(journal, (str, os.PathLike)):
        from ..journal.sqlite import SQLiteJournal  # only a journal of this kind loads SQLite

        return SQLiteJournal(journal)
    from ..journal.records import check_members  # a client without a journal needs none of it

    return check_members(journal)

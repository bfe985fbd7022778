"""One job of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context
from decimal import Decimal

import attrs

from ..arguments import WaitArguments
from ..inputs import JobInput
from ..jobs import JobStatusResponse, QueueJobResult
from ..outcomes import CallState
from ..pool.spending import FREE
from ..pool.tally import Place, Tally
from ..pool.throttle import SubmitRetries
from ..uploads import Upload
from .waits import AsyncJobWait
from .workers import Future, settle


@attrs.define(kw_only=True, eq=False)
class AsyncPoolJob:
    """One job of a pool.

    Attributes:
        future: What the caller gets.
        context: The context that all its steps run in: that of the caller.
        on_end: Called once the future is done. Its own callbacks would have the caller's thread take the lock of the
            future; Ctrl-C at that moment leaves it locked, and a worker would hang.
        input: What is submitted.
        label: Its label; with a journal, one of ours if the caller gave none.
        cost: What it costs.
        arguments: What the caller asked of its wait.
        fields: Its form fields, made once: a stream can be read only once.
        place: Where the progress of the pool counts it.
        again: Whether its label is submitted anew, since its job has failed in an earlier run.
        begun: Whether its first step has begun.
        is_dropped: Whether the caller has lost interest in it; it is cancelled unless it has begun.
        operation: What the event hooks returned for it.
        retries: The attempts to submit it.
        reserved: What was reserved for it.
        state: How far its submit and its wait have come.
        wait: Its status checks.
        last: Its last status, once it is known to have completed.
    """

    future: Future[QueueJobResult]
    context: Context
    on_end: Callable[[], None] | None = None
    input: JobInput = attrs.field(init=False)
    label: str | None = None
    cost: Decimal = FREE
    arguments: WaitArguments = WaitArguments()
    fields: Mapping[str, str | Upload] | None = None
    place: Place = "waiting"
    again: bool = False
    begun: bool = False
    is_dropped: bool = False
    operation: AbstractContextManager[object] | None = None
    retries: SubmitRetries | None = None
    reserved: Decimal = FREE
    state: CallState = attrs.field(factory=CallState)
    wait: AsyncJobWait | None = None
    last: JobStatusResponse | None = None

    @contextmanager
    def refusing(self, tally: Tally) -> Iterator[None]:
        """Make what is wrong with the arguments of the job the exception of its future: other jobs go on."""
        try:
            yield
        except StopIteration as error:  # of a caller's function that calls next(); some futures do not take it
            self.end(RuntimeError(f"A function of the caller raised StopIteration({error})."))
        except Exception as error:
            tally.move(self, "failed")
            self.end(error)

    def end(self, outcome: QueueJobResult | BaseException) -> None:
        """Hand over the result or the error of the job, unless its future was cancelled."""
        settle(self.future, outcome)
        if self.on_end is not None:
            self.on_end()

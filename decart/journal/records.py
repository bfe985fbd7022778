"""What a journal keeps of a job: one record for each submit, and the interface of a place that keeps them.

A record goes through these states. Only the first two ever change because a process died: then it is not known what it
did after its last write.

=============  ===============================================================================  =============
state          meaning                                                                          billed
=============  ===============================================================================  =============
``intended``   it is about to be submitted, for the first time or after a refusal               no
``sending``    its request may be on its way                                                    perhaps
``refused``    it was certainly not accepted                                                    no
``unknown``    it may have been accepted, and its id is not known; a person must decide         perhaps
``accepted``   the service has it, under ``job_id``                                             yes
``completed``  its video is ready, and was not handed over yet                                  yes
``failed``     it failed                                                                        perhaps
``delivered``  its video was returned, or saved to ``saved_to``                                 yes
=============  ===============================================================================  =============
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, cast, get_args, runtime_checkable

import attrs

from ..errors import InvalidInputError

State = Literal["intended", "sending", "refused", "unknown", "accepted", "completed", "failed", "delivered"]

STATES: tuple[State, ...] = get_args(State)

OPEN: frozenset[State] = frozenset({"intended", "sending", "unknown", "accepted", "completed"})
"""The states of records that somebody still has to act on. They are never pruned."""

UNFINISHED: tuple[State, ...] = ("accepted", "completed")
"""The states of jobs that somebody has to wait for, or whose video nobody has yet."""


@attrs.frozen(kw_only=True)
class JobRecord:
    """What a journal knows of one submit. It holds no prompt, no media and never the key.

    Attributes:
        label: The caller's name for the job; a job without one gets a random label.
        generation: 1 for the first submit of a label, 2 for the next one that the caller asked for, and so on.
        revision: How often the record was written: 0 at first. A change is written only on the revision that it was
            made from, so of two processes that act on a record at once, one finds that the other was faster.
        state: See `decart.journal.records`.
        fingerprint: A digest of each input (``"prompt"``, ``"data"``, ...), by which a repeated request is recognized.
        model: The model's name.
        origin: The scheme, host and port that it was sent to.
        account: A digest of the API key.
        owner: The call that is submitting the job, or waiting for it; see `decart.journal.owners`.
        created_at: When the record was created, in UNIX seconds; ``created`` is the same as a ``datetime``.
        updated_at: When it was written last, in UNIX seconds.
        job_id: The job's id, once it is known.
        status: The last status that the service reported, in its words.
        error: Why it failed, was refused or is unknown.
        saved_to: The absolute path of the video, once it is saved.
        cost: What it costs by the caller's ``prices``, in the caller's unit.
        inputs: Its inputs as JSON values, without media, if the journal is to keep them (``keep_inputs=True``).
        steps: How many steps ``client.jobs.step`` has made of it, and the last one if that was made by a sweep.
        due_at: When its next step is due, in UNIX seconds. While there is one, only a step ends the record.
        poll: What the steps know of the wait, as JSON values; without ``due_at``, they were given up.
    """

    label: str
    generation: int = 1
    revision: int = 0
    state: State = "intended"
    fingerprint: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    model: str
    origin: str
    account: str = attrs.field(repr=False)
    owner: str = attrs.field(repr=False)
    created_at: float
    updated_at: float
    job_id: str | None = None
    status: str | None = None
    error: str | None = None
    saved_to: str | None = None
    cost: float | None = None
    inputs: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    steps: int = 0
    due_at: float | None = None
    poll: Mapping[str, Any] | None = attrs.field(default=None, repr=False)

    @property
    def created(self) -> datetime:
        """When the record was created, in UTC."""
        return datetime.fromtimestamp(self.created_at, UTC)

    @property
    def place(self) -> tuple[float, str, int]:
        """Its place in the order of ``Journal.select``."""
        return self.created_at, self.label, self.generation

    def changed(self, now: float, **fields: Any) -> JobRecord:
        """Return the next revision, with some fields replaced."""
        return attrs.evolve(self, revision=self.revision + 1, updated_at=now, **fields)


@runtime_checkable
class Journal(Protocol):
    """A place that keeps records: a file, a database, memory. Safe to use from many threads at once.

    Every method is one transaction, and returns once it is as durable as the place can make it. Each raises
    ``JournalError`` if the place cannot do it, and has changed nothing then. What it keeps is a copy, since the
    mappings of a record may change later; ``decart.journal.rows`` turns records into rows of a table.
    ``decart.journal.conformance`` tests a journal of your own.
    """

    keep_inputs: bool
    """Whether records are to hold the inputs of their jobs: a client then fills in their ``inputs``."""

    def insert(self, record: JobRecord) -> bool:
        """Add a record; return ``False``, and change nothing, if there is one of its label and generation."""
        ...

    def replace(self, record: JobRecord) -> bool:
        """Write a later revision of a record; return ``False`` unless the stored one is ``record.revision - 1``."""
        ...

    def latest(self, label: str) -> JobRecord | None:
        """Return the record of the highest generation of a label."""
        ...

    def by_job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job; that of the highest generation if there are several."""
        ...

    def select(
        self,
        *,
        states: Collection[State] | None = None,
        model: str | None = None,
        prefix: str = "",
        since: float | None = None,
        after: tuple[float, str, int] | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[JobRecord]:
        """Return records, ordered by ``(created_at, label, generation)``.

        Args:
            states: Only those in these states.
            model: Only those of this model.
            prefix: Only those whose label begins with this text.
            since: Only those created at this UNIX time or later.
            after: Only those after this place in the order, for the next page.
            limit: The most records to return.
            newest_first: Whether the order is the opposite one, also for ``after`` and ``limit``.
        """
        ...

    def delete(self, before: float, states: Collection[State]) -> int:
        """Delete the records in these states that were last written before this UNIX time; return how many."""
        ...

    def close(self) -> None:
        """Release what is open. The journal may be used again, and then opens what it needs."""
        ...


MEMBERS = ("keep_inputs", "insert", "replace", "latest", "by_job", "select", "delete", "close")
"""What a journal has."""


def check_members(journal: object) -> Journal:
    """Return a journal. No error shows it, since it may be the settings of a database with a password.

    Raises:
        InvalidInputError: It is none, or lacks some of its members.
    """
    if isinstance(journal, type):
        raise InvalidInputError(f"journal is the class {journal.__name__}; pass an object of it.")
    kind, missing = type(journal).__name__, [name for name in MEMBERS if not hasattr(journal, name)]
    if len(missing) > len(MEMBERS) / 2:
        raise InvalidInputError(
            f"journal must be the path of a file, or a journal such as decart.SQLiteJournal(path), not of type {kind}."
        )
    if missing:
        raise InvalidInputError(f"journal: {kind} lacks {', '.join(missing)}; see decart.journal.Journal.")
    return cast(Journal, journal)

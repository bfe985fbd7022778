"""The errors of journals and labels."""

from __future__ import annotations

from ..errors import DecartSDKError


class JournalError(DecartSDKError):
    """The journal could not be read or written: a full disk, a locked or corrupt file, an unreachable database.

    Raised before a submit, nothing was sent or billed. Raised after one, ``job_id`` is the job that was accepted, which
    the journal may not know yet: the write is repeated with the next use of the journal.
    """


class LabelBusyError(JournalError):
    """Another call is still submitting a job with the same label; nothing was sent by this one. Try again later."""


class LabelConflictError(DecartSDKError):
    """The label belongs to another request, service or account; ``data["differs"]`` lists what differs.

    Nothing was sent or billed.
    """

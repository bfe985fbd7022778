"""The arguments of a pool, and what is said about it when it is left early."""

from __future__ import annotations

import os
from collections.abc import Collection
from itertools import islice
from typing import Any

import attrs

from ..errors import ClientClosedError
from ..inputs import real, refuse

MOST_NAMED = 20
"""Jobs that a note names."""


def _number(least: float, most: float) -> Any:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        is_number = isinstance(value, int if isinstance(least, int) else (int, float)) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:  # type: ignore[operator]
            kind = "a whole number" if isinstance(least, int) else "a number"
            raise refuse(attribute.name, f"{kind} from {least} to {most:,}", value)

    return check


def _is_bool(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise refuse(attribute.name, "True or False", value)


@attrs.frozen(kw_only=True)
class PoolLimits:
    """How much a pool does; see ``client.queue.pool``."""

    max_in_flight: int = attrs.field(converter=real, validator=_number(1, 100_000))
    workers: int = attrs.field(converter=real, validator=_number(1, 256))
    max_checks_per_second: float = attrs.field(converter=real, validator=_number(0.01, 100_000))
    retry_failed: bool = attrs.field(default=False, validator=_is_bool)


@attrs.define
class OneProcess:
    """The process whose threads run a pool: that of its first job. A forked child has none of them."""

    _pid: int | None = attrs.field(default=None, init=False)

    def check(self) -> None:
        """Note the first process that calls this, and refuse others.

        Raises:
            ClientClosedError: It was called in another process before.
        """
        self._pid = self._pid or os.getpid()
        if self._pid != os.getpid():
            raise ClientClosedError(
                "This pool was used before the fork, and its threads exist in the parent only. The job was not "
                "submitted; create a pool in this process."
            )


def left_early(running: Collection[str], sending: int, most: int = MOST_NAMED, *, journal: bool) -> str:
    """Return what to say about a pool that was left early, and of which something continues.

    Args:
        running: The ids of the jobs that the service has accepted, and whose results were not fetched.
        sending: How many submits are still under way.
        most: How many jobs to name.
        journal: Whether the client has one.
    """
    said = []
    if running:
        more = f" and {len(running) - most} more, which are in the log" if len(running) > most else ""
        again = ", or submit the same labels in a pool again, or client.jobs.resume(save_to=...)" if journal else ""
        named = ", ".join(islice(running, most))
        said.append(
            f"Jobs of this pool that still run, and are billed ({len(running)}): {named}{more}. "
            f"To wait for one: client.queue.poll(job_id){again}."
        )
    if sending:
        said.append(f"Submits that are under way, and may be billed: {sending}; their ids will be in the log.")
    return " ".join(said)

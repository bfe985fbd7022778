"""What one client remembers of its jobs: how long those of each model and size took. `decart.pace` learns from it."""

from __future__ import annotations

from typing import TypeVar

JOBS = 1000  # whose submit is remembered, so that `poll` knows them
KEYS = 100  # models and sizes
DURATIONS = 100  # of each: the newest

Key = tuple[str, ...]
K = TypeVar("K")
V = TypeVar("V")


class Durations:
    """The memory of one client. Bounded, and safe to use from many threads.

    There is no lock, which a fork could leave locked for ever: a value is replaced by another in one step. Two threads
    that learn of the same kind of job in the same instant may keep one duration of the two.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Key, float]] = {}
        self._seen: dict[Key, tuple[float, ...]] = {}
        self._spans: dict[str, tuple[str, float, float | None]] = {}  # the model, and when a job began and ended

    def begin(self, job_id: str, key: Key, at: float) -> None:
        """Remember that a job of this kind was accepted, at this time of the transport's clock."""
        _put(self._jobs, job_id, (key, at), JOBS)
        _put(self._spans, job_id, (key[0], at, None), JOBS)

    def age(self, job_id: str, at: float, *, finished: bool) -> tuple[str | None, float | None]:
        """Return the model of a job, and how old it is; one that has ended is no older than when that was first seen.

        Of a job that this client did not submit, nothing is known.
        """
        if job_id not in self._spans:
            return None, None
        model, began, ended = self._spans[job_id]
        if ended is None and finished:
            self._spans[job_id] = (model, began, at)
        return model, (at if ended is None else ended) - began

    def begun(self, job_id: str) -> tuple[Key, float] | None:
        """Return of what kind a job is, and when it was accepted, if this client submitted it."""
        return self._jobs.get(job_id)

    def took(self, job_id: str, seconds: float) -> None:
        """Remember how long a job took, once."""
        key, _ = self._jobs.pop(job_id, ((), 0.0))
        if key:
            _put(self._seen, key, (*self._seen.get(key, ()), seconds)[-DURATIONS:], KEYS)

    def seen(self, key: Key) -> tuple[float, ...]:
        """Return how many seconds the last jobs of a kind took."""
        return self._seen.get(key, ())


def _put(memory: dict[K, V], key: K, value: V, most: int) -> None:
    """Keep a value, and of all values so many: the oldest goes."""
    memory[key] = value
    if len(memory) > most:
        for old in list(memory)[:-most]:
            memory.pop(old, None)

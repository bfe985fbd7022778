"""The rules that every journal keeps, as tests for your own.

Subclass `JournalRules` in a test file, and run it with pytest::

    from decart.journal.conformance import JournalRules

    class TestMyJournal(JournalRules):
        def make(self):
            return MyJournal(create_an_empty_database())

If your records survive the process, also say how another process opens them::

        def reopen(self, journal):
            journal.close()
            return MyJournal(journal.address)
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import product
from typing import Any, TypeVar

import attrs

from .errors import JournalError
from .records import STATES, JobRecord, Journal
from .samples import FULL, LABELS, ODD_TEXT, place, record

T = TypeVar("T")

THREADS = 16

MEMBERS = ("keep_inputs", "insert", "replace", "latest", "by_job", "select", "delete", "close")
"""What a journal has."""


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make calls in threads that start together; return their results."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


class JournalRules:
    """Tests of a journal; see `decart.journal.conformance`."""

    def make(self) -> Journal:
        """Return an empty journal, which keeps its records apart from those of all other tests."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make(self) that returns an empty journal.")

    def reopen(self, journal: Journal) -> Journal:
        """Close a journal; return one that has its records, as another process would open it."""
        journal.close()
        return journal

    @cached_property
    def journal(self) -> Journal:
        """The journal of this test."""
        return self.make()

    def teardown_method(self) -> None:
        """Close the journal after each test, which pytest calls."""
        self.journal.close()

    def labels(self, **filters: Any) -> list[str]:
        """Return the labels of what ``select`` finds."""
        return [found.label for found in self.journal.select(**filters)]

    def fill(self, *records: JobRecord) -> None:
        """Insert records, of which there must be none yet."""
        for each in records:
            assert self.journal.insert(each) is True

    def test_it_is_a_journal(self) -> None:
        missing = [name for name in MEMBERS if not hasattr(self.journal, name)]
        assert missing == []
        assert isinstance(self.journal, Journal)
        assert isinstance(self.journal.keep_inputs, bool)

    def test_a_new_journal_is_empty(self) -> None:
        assert self.journal.latest("order-1") is None
        assert self.journal.by_job("j1") is None
        assert self.journal.select() == []
        assert self.journal.delete(math.inf, STATES) == 0

    def test_a_record_comes_back_as_it_went_in(self) -> None:
        self.fill(record(), record("full", **FULL))
        assert self.journal.latest("order-1") == record()
        assert self.journal.latest("full") == self.journal.by_job("j1") == record("full", **FULL)
        assert self.journal.select() == [record("full", **FULL), record()]

    def test_numbers_and_texts_come_back_exactly(self) -> None:
        for number in (0.1 + 0.2, 1e-300, 1.7976931348623157e308, 1790000000.1234567, 2.0**53 + 2):
            odd = record(f"{number}", created_at=number, updated_at=number, cost=number, inputs={"n": [number, 2**63]})
            self.fill(odd)
            assert self.journal.latest(odd.label) == odd
        for text in (ODD_TEXT, "", "long" * 50_000):
            odd = record(
                f"text {len(text)}", error=text, saved_to=text, fingerprint={text: text}, inputs={text: [text]}
            )
            self.fill(odd)
            assert self.journal.latest(odd.label) == odd

    def test_labels_are_told_apart_by_each_character(self) -> None:
        self.fill(*(record(label, generation=index + 1) for index, label in enumerate(LABELS)))
        for index, label in enumerate(LABELS):
            found = self.journal.latest(label)
            assert found is not None
            assert (found.label, found.generation) == (label, index + 1)
        assert self.labels() == sorted(LABELS)

    def test_a_text_that_cannot_be_a_key_is_refused_or_kept_exactly(self) -> None:
        for label in ("half a pair \ud800", "nul \0 nul", "nul \0 other"):
            for odd in (record(label), record("usual", generation=ord(label[-1]), job_id=label)):
                try:
                    inserted = self.journal.insert(odd)
                except JournalError:
                    assert odd not in self.journal.select()
                else:
                    assert inserted is True
                    assert odd in self.journal.select()

    def test_a_label_and_generation_is_inserted_once(self) -> None:
        self.fill(record(model="first"))
        assert self.journal.insert(record(model="second", revision=1)) is False
        assert self.journal.select() == [record(model="first")]
        self.fill(record(model="second", generation=2))
        found = self.journal.latest("order-1")
        assert found is not None
        assert found.model == "second"

    def test_of_threads_that_insert_the_same_at_once_exactly_one_succeeds(self) -> None:
        for label in ("a", "b", "c"):
            records = [record(label, owner=f"m/{number}/0") for number in range(THREADS)]
            inserted = at_once([partial(self.journal.insert, each) for each in records])
            assert sorted(inserted) == [False] * (THREADS - 1) + [True]
            assert self.journal.latest(label) == records[inserted.index(True)]

    def test_a_record_is_replaced_only_from_the_revision_before(self) -> None:
        first = record()
        second = first.changed(1001.5, state="sending", owner="other/2/3")
        assert self.journal.replace(second) is False
        assert self.journal.select() == []
        self.fill(first)
        for stale in (first, attrs.evolve(second, revision=2), attrs.evolve(second, revision=-1)):
            assert self.journal.replace(stale) is False
            assert self.journal.latest("order-1") == first
        assert self.journal.replace(second) is True
        assert self.journal.replace(second) is False
        assert self.journal.latest("order-1") == second

    def test_replacing_one_generation_leaves_the_others(self) -> None:
        first, second, other = record(), record(generation=2), record("order-2")
        self.fill(first, second, other)
        changed = first.changed(1002.0, **FULL)
        assert self.journal.replace(changed) is True
        assert self.journal.select() == [attrs.evolve(changed), second, other]
        emptied = changed.changed(1003.0, job_id=None, error=None, saved_to=None, cost=None, inputs=None)
        assert self.journal.replace(emptied) is True
        assert self.journal.select() == [emptied, second, other]
        assert self.journal.by_job("j1") is None

    def test_of_threads_that_replace_the_same_at_once_exactly_one_succeeds(self) -> None:
        self.fill(stored := record())
        for now in (1001.0, 1002.0, 1003.0):
            nexts = [stored.changed(now, owner=f"m/{number}/0") for number in range(THREADS)]
            replaced = at_once([partial(self.journal.replace, each) for each in nexts])
            assert sorted(replaced) == [False] * (THREADS - 1) + [True]
            stored = nexts[replaced.index(True)]
            assert self.journal.latest("order-1") == stored

    def test_the_latest_is_that_of_the_highest_generation(self) -> None:
        ages = {2: 5.0, 11: 6.0, 9: 9.0, 1: 1.0}  # by generation; its order is another one
        records = [record(generation=number, created_at=age, job_id="j1") for number, age in ages.items()]
        self.fill(*records)
        assert self.journal.latest("order-1") == self.journal.by_job("j1") == records[1]
        assert self.journal.latest("order") is self.journal.latest("ORDER-1") is None
        assert self.journal.by_job("J1") is None

    def test_select_filters(self) -> None:
        for number, state in enumerate(STATES):
            self.fill(record(state, state=state, created_at=1000.0 + number, model=f"m{number % 2}"))
        assert self.labels() == list(STATES)
        assert self.labels(states={"unknown", "intended"}) == ["intended", "unknown"]
        assert self.labels(states=["failed", "failed"]) == ["failed"]
        assert self.labels(states=frozenset()) == []
        assert self.labels(model="m1") == list(STATES[1::2])
        assert self.labels(model="M1") == []
        assert self.labels(since=1006.0) == ["failed", "delivered"]
        assert self.labels(since=math.nextafter(1006.0, math.inf)) == ["delivered"]
        assert self.labels(states=STATES[2:], model="m0", prefix="", since=1003.0, limit=1) == ["accepted"]
        assert self.labels(limit=0) == []

    def test_a_prefix_is_compared_exactly(self) -> None:
        self.fill(*map(record, LABELS))
        for prefix in {label[:length] for label in LABELS for length in range(len(label) + 1)} | {"x", "\ud7ff"}:
            expected = sorted(label for label in LABELS if label.startswith(prefix))
            assert self.labels(prefix=prefix) == self.labels(prefix=prefix, states=["intended"]) == expected

    def test_pages_follow_each_other_in_order_and_leave_out_nothing(self) -> None:
        keys = [
            (when, label, number) for when in (1.5, 1000.0, 2.0) for label in ("b", "B", "é", "a") for number in (2, 1)
        ]
        labels = {(when, label, number): f"{label}{when}" for when, label, number in keys}
        records = {
            key: record(labels[key], created_at=key[0], generation=key[2], state=STATES[index % 3])
            for index, key in enumerate(keys)
        }
        self.fill(*records.values())
        choices: list[dict[str, Any]] = [{}, {"states": STATES[:2]}, {"states": STATES, "since": 2.0}]
        for filters in choices:
            everything = self.journal.select(**filters)
            assert everything == sorted(everything, key=place)
            for limit, newest_first in product((1, 5, 7), (False, True)):
                pages: list[JobRecord] = []
                order: dict[str, Any] = {"limit": limit, "newest_first": newest_first}
                while page := self.journal.select(**filters, **order, after=place(pages[-1]) if pages else None):
                    assert len(page) <= limit
                    pages += page
                assert pages == (everything[::-1] if newest_first else everything)
        assert len(self.journal.select()) == len(keys)

    def test_only_old_records_in_the_given_states_are_deleted(self) -> None:
        self.fill(*(record(f"{state} {age}", state=state, updated_at=age) for state in STATES for age in (1.0, 2.0)))
        assert self.journal.delete(3.0, []) == 0
        assert self.journal.delete(1.0, STATES) == 0
        assert self.journal.delete(2.0, ["failed", "delivered"]) == 2
        left = {f"{state} {age}" for state in STATES for age in (1.0, 2.0)} - {"failed 1.0", "delivered 1.0"}
        assert set(self.labels()) == left
        assert self.journal.latest("failed 1.0") is None
        self.fill(record("failed 1.0"))

    def test_a_record_is_no_part_of_what_it_was_made_from(self) -> None:
        inputs, fingerprint = {"tags": ["a"]}, {"prompt": "1"}
        self.fill(record(inputs=inputs, fingerprint=fingerprint))
        inputs["tags"].append("b")
        fingerprint["prompt"] = "2"
        for _ in range(2):
            found = self.journal.latest("order-1")
            assert found is not None
            assert (found.inputs, found.fingerprint) == ({"tags": ["a"]}, {"prompt": "1"})
            dict(found.inputs or {})["tags"].append("c")

    def test_records_outlive_a_close(self) -> None:
        self.fill(record("old"), record())
        changed = record().changed(1001.0, state="accepted", job_id="j1")
        assert self.journal.replace(changed) is True
        assert self.journal.delete(1001.0, ["intended"]) == 1
        self.journal.close()
        self.journal.close()
        assert self.journal.select() == [changed]
        self.journal = self.reopen(self.journal)
        assert self.journal.select() == [changed]
        assert self.journal.insert(record()) is False

    def test_a_close_disturbs_no_other_thread(self) -> None:
        journal = self.journal  # which is made by its first use

        def work(number: int) -> None:
            for index in range(5):
                assert journal.insert(record(f"{number} {index}")) is True
                journal.close()
                assert journal.latest(f"{number} {index}") is not None

        at_once([partial(work, number) for number in range(8)])
        assert len(journal.select()) == 40

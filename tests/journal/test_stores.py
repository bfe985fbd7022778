"""Every journal keeps the rules of `decart.journal.conformance`, and those rules find what breaks one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import attrs
import pytest

from decart import journal
from decart.journal import JobRecord, MemoryJournal, SQLiteJournal
from decart.journal.conformance import JournalRules
from decart.journal.records import OPEN, State


class TestMemoryJournal(JournalRules):
    def make(self) -> MemoryJournal:
        return MemoryJournal()


class TestSQLiteJournal(JournalRules):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "jobs.db"

    def make(self) -> SQLiteJournal:
        return SQLiteJournal(self.path)

    def reopen(self, journal: Any) -> SQLiteJournal:
        journal.close()
        return SQLiteJournal(self.path)


@pytest.mark.parametrize("make", [MemoryJournal, lambda **options: SQLiteJournal("jobs.db", **options)])
def test_a_journal_keeps_inputs_only_if_it_is_asked_to(make: Callable[..., Any]) -> None:
    assert make().keep_inputs is False
    assert make(keep_inputs=True).keep_inputs is True


def test_the_text_of_a_journal_names_its_place() -> None:
    assert repr(MemoryJournal()) == "MemoryJournal()"
    assert repr(SQLiteJournal("jobs.db")) == f"SQLiteJournal({str(Path.cwd() / 'jobs.db')!r})"


class Overwrites(MemoryJournal):
    def insert(self, record: JobRecord) -> bool:
        return super().insert(record) or super().replace(attrs.evolve(record, revision=1))


class NeverTrue(MemoryJournal):
    def insert(self, record: JobRecord) -> bool:
        super().insert(record)
        return False


class RacesToInsert(MemoryJournal):
    """Looks before it writes."""

    def insert(self, record: JobRecord) -> bool:
        known = self.latest(record.label)
        if known is not None and known.generation >= record.generation and known.owner == record.owner:
            return False
        super().insert(record)
        return True


class AnyRevision(MemoryJournal):
    def replace(self, record: JobRecord) -> bool:
        known = self.latest(record.label)
        return known is not None and super().replace(attrs.evolve(record, revision=known.revision + 1))


class Creates(MemoryJournal):
    def replace(self, record: JobRecord) -> bool:
        return super().replace(record) or super().insert(record)


class Rounds(MemoryJournal):
    def insert(self, record: JobRecord) -> bool:
        return super().insert(attrs.evolve(record, created_at=round(record.created_at, 3)))


class IgnoresCase(MemoryJournal):
    def latest(self, label: str) -> JobRecord | None:
        return super().latest(label) or super().latest(label.upper()) or super().latest(label.lower())


class Forgets(MemoryJournal):
    def close(self) -> None:
        self.delete(9e9, tuple(OPEN))


class DeletesMore(MemoryJournal):
    def delete(self, before: float, states: Collection[State]) -> int:
        return super().delete(before + 1, states)


class Keeps(MemoryJournal):
    def delete(self, before: float, states: Collection[State]) -> int:
        return 0


class Strips(MemoryJournal):
    def insert(self, record: JobRecord) -> bool:
        return super().insert(attrs.evolve(record, inputs=None))


class Selects(MemoryJournal):
    """Changes what ``select`` does."""

    change: Callable[[dict[str, Any]], dict[str, Any]] = staticmethod(dict)

    def select(self, **filters: Any) -> list[JobRecord]:
        return super().select(**self.change(filters))


class NoAfter(Selects):
    change = staticmethod(lambda filters: filters | {"after": None, "limit": 1})


class NoLimit(Selects):
    change = staticmethod(lambda filters: filters | {"limit": 1000})


class NoPrefix(Selects):
    change = staticmethod(lambda filters: filters | {"prefix": filters.get("prefix", "")[:1]})


class NoStates(Selects):
    change = staticmethod(lambda filters: filters | {"states": filters.get("states") or None})


class NoModel(Selects):
    change = staticmethod(lambda filters: filters | {"model": None})


class NoSince(Selects):
    change = staticmethod(lambda filters: filters | {"since": None})


class NewestFirst(MemoryJournal):
    def select(self, **filters: Any) -> list[JobRecord]:
        return super().select(**filters)[::-1]


class OldestFirst(Selects):
    change = staticmethod(lambda filters: filters | {"newest_first": False})


class FirstGeneration(MemoryJournal):
    def latest(self, label: str) -> JobRecord | None:
        return next((record for record in self.select() if record.label == label), None)


class Lends(MemoryJournal):
    """Hands out the same record each time."""

    known: JobRecord | None = None

    def latest(self, label: str) -> JobRecord | None:
        if self.known is None or self.known.label != label:
            self.known = super().latest(label)
        return self.known


RULES = {name: rule for name, rule in vars(JournalRules).items() if name.startswith("test_")}


def broken_rules(kind: type[MemoryJournal]) -> set[str]:
    """Return the rules that a journal breaks."""
    broken = set()
    for name, rule in RULES.items():
        rules = JournalRules()
        rules.make = kind  # type: ignore[method-assign]
        try:
            rule(rules)
        except AssertionError:
            broken.add(name)
    return broken


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Overwrites, "test_a_label_and_generation_is_inserted_once"),
        (NeverTrue, "test_a_record_comes_back_as_it_went_in"),
        (RacesToInsert, "test_of_threads_that_insert_the_same_at_once_exactly_one_succeeds"),
        (AnyRevision, "test_a_record_is_replaced_only_from_the_revision_before"),
        (AnyRevision, "test_of_threads_that_replace_the_same_at_once_exactly_one_succeeds"),
        (Creates, "test_a_record_is_replaced_only_from_the_revision_before"),
        (Rounds, "test_numbers_and_texts_come_back_exactly"),
        (IgnoresCase, "test_the_latest_is_that_of_the_highest_generation"),
        (Forgets, "test_records_outlive_a_close"),
        (DeletesMore, "test_only_old_records_in_the_given_states_are_deleted"),
        (Keeps, "test_only_old_records_in_the_given_states_are_deleted"),
        (Strips, "test_a_record_comes_back_as_it_went_in"),
        (NoLimit, "test_select_filters"),
        (NoPrefix, "test_a_prefix_is_compared_exactly"),
        (NoStates, "test_select_filters"),
        (NoModel, "test_select_filters"),
        (NoSince, "test_select_filters"),
        (NewestFirst, "test_pages_follow_each_other_in_order_and_leave_out_nothing"),
        (OldestFirst, "test_pages_follow_each_other_in_order_and_leave_out_nothing"),
        (FirstGeneration, "test_the_latest_is_that_of_the_highest_generation"),
        (Lends, "test_a_record_is_no_part_of_what_it_was_made_from"),
    ],
)
def test_a_journal_that_breaks_a_rule_is_found(kind: type[MemoryJournal], rule: str) -> None:
    assert rule in broken_rules(kind)


def test_a_journal_that_breaks_no_rule_passes_all() -> None:
    assert len(RULES) >= 19
    assert broken_rules(MemoryJournal) == set()


def test_the_rules_need_a_journal() -> None:
    with pytest.raises(NotImplementedError, match=r"JournalRules needs a method make\(self\)"):
        JournalRules().make()


def test_the_rules_say_what_a_journal_lacks() -> None:
    class Half:
        keep_inputs = False
        insert = replace = latest = by_job = select = lambda self: None

    rules = JournalRules()
    rules.make = Half  # type: ignore[assignment, method-assign]
    with pytest.raises(AssertionError, match="'delete', 'close'"):
        rules.test_it_is_a_journal()


def test_the_package_of_journals_has_the_public_names_and_no_others() -> None:
    assert set(journal.__all__) <= set(dir(journal))
    with pytest.raises(AttributeError, match="no attribute 'RedisJournal'"):
        journal.RedisJournal  # type: ignore[attr-defined]  # noqa: B018

"""The journal in the database of a Django site: `decart.integrations.django`."""

from __future__ import annotations

import asyncio
import gc
import threading
import types
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError, connections, transaction
from django.db import connection as database
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase, override_settings
from django.urls import path
from support.django_visits import ACCEPTED, visitor
from support.servers import answering, serving

from decart import DecartClient, JobOptions, models
from decart.integrations.django.journal import DjangoJournal
from decart.integrations.django.models import Job
from decart.journal.conformance import JournalRules, at_once
from decart.journal.errors import JournalError
from decart.journal.records import JobRecord
from decart.journal.samples import FULL, record

View = Callable[[HttpRequest], HttpResponse]


class TestDjangoJournal(JournalRules):
    def make(self) -> DjangoJournal:
        return DjangoJournal()

    def reopen(self, journal: Any) -> DjangoJournal:
        database.close()
        return DjangoJournal()


class Rollback(Exception):
    """Ends a transaction."""


@contextmanager
def rolled_back() -> Iterator[None]:
    with pytest.raises(Rollback), transaction.atomic():
        yield
        raise Rollback


@contextmanager
def failing(error: Exception, *, disconnected: bool) -> Iterator[list[str]]:
    """Have the first statement fail, and the connection with it or not; yield the statements that come later."""
    statements: list[str] = []
    failed: list[Exception] = []

    def execute(go_on: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not failed:
            failed.append(error)
            raise error
        statements.append(sql)
        return go_on(sql, *rest)

    with database.execute_wrapper(execute), pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections["default"], "is_usable", lambda: not disconnected)
        yield statements


def test_the_migration_matches_the_model() -> None:
    call_command("makemigrations", "decart_jobs", check=True, dry_run=True, verbosity=0)


def test_a_record_without_the_id_of_its_job_is_not_written_inside_a_transaction() -> None:
    journal, stored = DjangoJournal(), record(state="sending")
    journal.insert(stored)
    with rolled_back():
        for write in (
            lambda: journal.insert(record("other")),
            lambda: journal.replace(stored.changed(1001.0, state="unknown")),
            lambda: journal.replace(stored.changed(1001.0, state="accepted", job_id="j1")),
        ):
            with pytest.raises(
                JournalError, match="cannot write inside a transaction, .*@transaction.non_atomic_requests"
            ):
                write()
        assert User.objects.count() == 0  # the transaction goes on
    assert journal.select() == [stored]


def test_what_becomes_of_an_accepted_job_is_written_with_the_transaction() -> None:
    journal, stored = DjangoJournal(), record(state="accepted", job_id="j1")
    journal.insert(stored)
    later = stored.changed(1001.0, state="completed", status="completed")
    with rolled_back():
        assert journal.replace(later) is True
        assert journal.replace(later) is False
        assert journal.latest(stored.label) == later
    assert journal.latest(stored.label) == stored
    with transaction.atomic():
        assert journal.replace(later) is True
    assert journal.latest(stored.label) == later


def test_nothing_is_written_while_autocommit_is_off() -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(JournalError, match="cannot write while autocommit is off"):
            DjangoJournal().insert(record())
    finally:
        transaction.set_autocommit(True)
    assert DjangoJournal().select() == []


def test_on_commit_is_after_the_transaction() -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: written.append(DjangoJournal().insert(record())))
        written: list[bool] = []
        assert written == []
    assert written == [True]


def atomic(request: HttpRequest) -> HttpResponse:
    """Insert a record, and then fail like any view may."""
    DjangoJournal().insert(record())
    raise Rollback


@transaction.non_atomic_requests
def not_atomic(request: HttpRequest) -> HttpResponse:
    return atomic(request)


@pytest.mark.parametrize(
    ("view", "error", "kept"),
    [(atomic, JournalError, []), (not_atomic, Rollback, [record()])],
)
def test_with_atomic_requests_a_record_is_refused_or_outlives_the_request(
    view: View, error: type[Exception], kept: list[JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = types.ModuleType("urls")
    vars(urls)["urlpatterns"] = [path("", view)]
    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", True)
    with override_settings(ROOT_URLCONF=urls), pytest.raises(error):
        Client().get("/")
    assert DjangoJournal().select() == kept


def test_a_test_case_can_use_it_and_is_rolled_back() -> None:
    class Test(TestCase):
        def test(self) -> None:
            assert DjangoJournal().insert(record()) is True
            assert DjangoJournal().insert(record()) is False
            assert DjangoJournal().replace(record().changed(1001.0, state="sending")) is True
            with transaction.atomic(), pytest.raises(JournalError):
                DjangoJournal().insert(record("other"))

    result = unittest.TestSuite([Test("test")]).run(unittest.TestResult())
    assert (result.errors, result.failures) == ([], [])
    assert DjangoJournal().select() == []


def test_two_threads_that_submit_one_label_pay_once() -> None:
    options: JobOptions = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}

    def submit(client: DecartClient) -> str:
        return client.queue.submit(options, label="order-1").job_id

    with (
        serving(answering(lambda request, number: ACCEPTED)) as server,
        DecartClient("dct_x", base_url=server.url, journal=DjangoJournal()) as one,
        DecartClient("dct_x", base_url=server.url, journal=DjangoJournal()) as other,
    ):
        assert at_once([partial(submit, one), partial(submit, other)]) == ["j1", "j1"]
    assert len(server.requests) == 1
    assert [(found.state, found.job_id) for found in DjangoJournal().select()] == [("accepted", "j1")]


def test_the_async_client_uses_it_in_threads() -> None:
    async def main(url: str) -> str:
        async with DecartClient("dct_x", base_url=url, journal=DjangoJournal()) as client:
            job = await client.queue.submit(
                {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, label="order-1"
            )
            return job.job_id

    with serving(answering(lambda request, number: ACCEPTED)) as server:
        assert asyncio.run(main(server.url)) == "j1"
    assert [(found.state, found.job_id) for found in DjangoJournal().select()] == [("accepted", "j1")]


def test_on_an_event_loop_it_says_that_it_blocks() -> None:
    async def main() -> None:
        DjangoJournal().insert(record())

    database.close()
    with pytest.raises(JournalError, match="You cannot call this from an async context"):
        asyncio.run(main())


def test_a_thread_whose_connection_it_opened_is_left_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bool] = []

    def work() -> None:
        DjangoJournal().insert(record(str(len(left))))
        left.append(database.connection is not None)
        database.close()

    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    for persistent in (0, 60):
        connections.settings["default"]["CONN_MAX_AGE"] = persistent
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert left == [False, True]


def test_a_persistent_connection_ends_with_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
    used: list[BaseDatabaseWrapper] = []

    def work() -> None:
        journal = DjangoJournal()
        for label in ("a", "b", "c"):
            journal.insert(record(label))
            used.append(connections["default"])
            assert database.connection is not None
            if label == "a":
                database.close()  # the next use opens it once more

    thread = threading.Thread(target=work)
    gc.disable()
    try:
        thread.start()
        thread.join()
        assert {id(each) for each in used} == {id(used[0])}
        assert [each.connection for each in used] == [None] * 3
    finally:
        gc.enable()


def test_a_connection_that_was_lost_is_opened_again() -> None:
    DjangoJournal().insert(record())
    with failing(OperationalError("server closed the connection"), disconnected=True) as statements:
        assert DjangoJournal().latest("order-1") == record()
    assert len(statements) == 1


def test_an_error_of_the_database_is_reported_in_a_sentence_and_not_repeated() -> None:
    with (
        failing(OperationalError("database or disk is full"), disconnected=False) as statements,
        pytest.raises(JournalError) as caught,
    ):
        DjangoJournal().insert(record())
    assert caught.value.message == "The journal in the database 'default' cannot be used: database or disk is full"
    assert statements == []
    assert DjangoJournal().insert(record()) is True


def test_a_record_that_the_database_does_not_take_is_an_error_and_no_duplicate() -> None:
    with pytest.raises(JournalError, match="CHECK constraint failed"):
        DjangoJournal().insert(record(generation=-1))
    assert DjangoJournal().select() == []


def test_the_admin_shows_records_and_changes_none() -> None:
    User.objects.create_superuser("root")
    admin, journal, page = visitor("root"), DjangoJournal(), "/admin/decart_jobs/job/"
    journal.insert(record("order-1", state="unknown"))
    journal.insert(record("order-2", **FULL))
    assert admin.get(page).content.decode().count('class="field-__str__"') == 2
    for question in (f"?q={FULL['job_id']}", "?q=order-2", f"?state={FULL['state']}"):
        found = admin.get(page + question).content.decode()
        assert found.count('class="field-__str__"') == 1 and FULL["job_id"] in found
    job = Job.objects.get(label="order-2")
    shown = admin.get(f"{page}{job.pk}/change/").content.decode()
    assert FULL["job_id"] in shown and 'type="submit"' not in shown.partition('id="job_form"')[2]
    assert admin.post(f"{page}{job.pk}/change/", {"state": "refused"}).status_code == 403
    assert admin.get(f"{page}add/").status_code == admin.get(f"{page}{job.pk}/delete/").status_code == 403
    assert journal.latest("order-2") == record("order-2", **FULL)


def test_a_row_is_named_after_its_label_and_generation() -> None:
    DjangoJournal().insert(record())
    DjangoJournal().insert(record(generation=2))
    assert {str(job) for job in Job.objects.all()} == {"order-1", "order-1 (2)"}


def test_it_is_named_after_its_database() -> None:
    assert repr(DjangoJournal(using="jobs")) == "DjangoJournal(using='jobs')"

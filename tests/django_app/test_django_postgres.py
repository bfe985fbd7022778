"""The journal of a Django site on PostgreSQL: `decart.integrations.django`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from support.postgres import PostgreSQL, server

from decart.integrations.django.journal import DjangoJournal
from decart.integrations.django.models import Job
from decart.journal.conformance import JournalRules
from decart.journal.errors import JournalError
from decart.journal.samples import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """Add a database to the site's."""
    with server() as running:
        connections.settings["postgres"] = connections.settings["default"] | {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "test",
            "HOST": "127.0.0.1",
            "PORT": running.port,
            "OPTIONS": {},
        }
        call_command("migrate", "decart_jobs", database="postgres", verbosity=0)
        yield running
        connections["postgres"].close()
        del connections.settings["postgres"]


@pytest.fixture(autouse=True)
def no_records(postgres: PostgreSQL) -> Iterator[None]:
    yield
    Job.objects.using("postgres").all().delete()


class TestDjangoJournal(JournalRules):
    def make(self) -> DjangoJournal:
        return DjangoJournal(using="postgres")

    def reopen(self, journal: Any) -> DjangoJournal:
        connections["postgres"].close()
        return DjangoJournal(using="postgres")


def test_a_transaction_goes_on_after_the_journal_has_refused_to_write_in_it() -> None:
    journal = DjangoJournal(using="postgres")
    with transaction.atomic("postgres"):
        with pytest.raises(JournalError, match="cannot write inside a transaction"):
            journal.insert(record())
        assert journal.select() == []


def test_on_a_connection_of_its_own_it_is_independent_of_the_transactions_of_the_site() -> None:
    connections.settings["journal"] = connections.settings["postgres"]
    journal = DjangoJournal(using="journal")
    with pytest.raises(ZeroDivisionError), transaction.atomic("postgres"):
        Job.objects.using("postgres").count()
        assert journal.insert(record()) is True
        raise ZeroDivisionError
    assert journal.select() == [record()]
    connections["journal"].close()
    del connections.settings["journal"]


def test_a_restarted_server_is_found_again_and_a_stopped_one_is_an_error(postgres: PostgreSQL) -> None:
    journal, stored = DjangoJournal(using="postgres"), record()
    connections["postgres"].ensure_connection()
    assert journal.insert(stored) is True
    for state in ("sending", "unknown"):
        postgres.restart()
        stored = stored.changed(1001.0, state=state)
        assert journal.replace(stored) is True
    postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(JournalError, match="The journal in the database 'postgres' cannot be used: "):
                journal.latest("order-1")
    finally:
        postgres.start()
    assert journal.latest("order-1") == stored

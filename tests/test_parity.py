"""Both clients, over every transport, have the same outcome, with the same calls and the same waits."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, status
from support.parity import WAYS, Seen, play
from support.scenarios import SCENARIOS
from support.speed import at_any_speed

from decart import (
    AsyncDecartClient,
    AsyncFilesClient,
    AsyncModelsClient,
    AsyncQueueClient,
    AsyncTokensClient,
    DecartClient,
    FilesClient,
    ModelsClient,
    QueueClient,
    Timeout,
    TokensClient,
)
from decart.transports.base import HttpRequest, HttpResponse


@at_any_speed
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_way_comes_to_the_same_end_with_the_same_calls_and_waits(name: str, way: str, scale: float) -> None:
    scenario, timeout = SCENARIOS[name], Timeout(read=0.5 * scale)
    assert play(scenario, way, timeout) == Seen(scenario.end, scenario.calls, scenario.waits, scenario.statuses)


def verbs(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
    """Return the public methods of a class and their parameters."""
    return {
        name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
        for name, method in inspect.getmembers(kind, callable)
        if not name.startswith("_")
    }


def test_the_methods_of_both_sides_and_their_parameters_are_the_same() -> None:
    assert verbs(QueueClient) == verbs(AsyncQueueClient)
    assert verbs(ModelsClient) == verbs(AsyncModelsClient)
    assert set(verbs(QueueClient)) >= {"submit", "status", "result", "poll", "submit_and_poll"}


def test_the_methods_and_arguments_of_the_two_clients_are_the_same() -> None:
    assert verbs(DecartClient) == verbs(AsyncDecartClient)
    one, other = (inspect.signature(kind).parameters.values() for kind in (DecartClient, AsyncDecartClient))
    assert [(p.name, p.kind, p.default) for p in one] == [(p.name, p.kind, p.default) for p in other]


@pytest.mark.parametrize("kinds", [(TokensClient, AsyncTokensClient), (FilesClient, AsyncFilesClient)])
def test_tokens_and_files_have_the_same_methods_and_types_on_both_sides(kinds: tuple[type, type]) -> None:
    one, other = kinds
    assert verbs(one) == verbs(other)
    for name in verbs(one):
        assert inspect.get_annotations(getattr(one, name)) == inspect.get_annotations(getattr(other, name))


def test_the_methods_accept_and_return_the_same_types() -> None:
    for name in verbs(QueueClient):
        one, other = (inspect.get_annotations(getattr(kind, name)) for kind in (QueueClient, AsyncQueueClient))
        one["cancel"] = other["cancel"] = None  # a threading.Event, or any Event
        other["return"] = other["return"].removeprefix("Async")
        assert one == other, name


def test_the_scenarios_cover_every_verb() -> None:
    assert {s.play for s in SCENARIOS.values()} >= set(verbs(QueueClient)) - {
        "poll_once",
        "pool",
    }  # they have their own tests


class NotingThreads(FakeTransport):
    """A sync transport that records the threads in which it sends."""

    asend: Any = None

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.threads: list[str] = []

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.threads.append(threading.current_thread().name)
        return super().send(request, timeout=timeout)


def test_threads_are_beneath_a_sync_transport() -> None:
    transport = NotingThreads(status("pending"))
    client = AsyncDecartClient(KEY, transport=transport)
    assert asyncio.run(client.queue.status("j1")).status == "pending"
    assert [name.startswith("decart_") for name in transport.threads] == [True]

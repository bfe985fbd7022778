"""A pool whose service asks it to slow down, or is not there: what is sent, and when."""

from __future__ import annotations

from typing import Any

import pytest
from support.pools import both_doors, content, door_of, emulator_of, lake

from decart import EventHook, PollPolicy, QueueSubmitError, RetryPolicy
from decart.emulator import Fault


def refused(emulator: Any) -> list[float]:
    """Return when submits were refused."""
    return [request.at for request in emulator.requests.submits if request.status != 200]


def run(door: str, emulator: Any, jobs: int, client: dict[str, Any] | None = None, **limits: Any) -> list[Any]:
    with door_of(door, emulator, client, **limits) as pool, pool:
        return list(pool.map(map(lake, range(jobs)), return_exceptions=True))


@both_doors
@pytest.mark.parametrize("code", [429, 503])
def test_a_submit_that_is_refused_for_now_is_repeated_until_it_is_accepted(door: str, code: int) -> None:
    fault = Fault("status", code=code, on="submit", times=30, retry_after=20)
    with emulator_of(faults=fault) as emulator:
        results = run(door, emulator, 3)
        assert [result.data for result in results] == [content(number) for number in range(3)]
        assert len(refused(emulator)) == 30


@both_doors
def test_retry_after_of_a_submit_counts_for_all_submits(door: str) -> None:
    with emulator_of(faults=Fault("status", code=429, on="submit", retry_after=50)) as emulator:
        run(door, emulator, 5)
        assert [request.at for request in emulator.requests.submits][:2] == [0.0, 50.0]


@both_doors
def test_retry_after_of_a_status_check_counts_for_all_checks(door: str) -> None:
    with emulator_of(faults=Fault("status", code=429, on="status", retry_after=50)) as emulator:
        run(door, emulator, 5)
        checks = [request.at for request in emulator.requests if request.route == "status"]
        assert checks[0] < 1
        assert checks[1] >= checks[0] + 50


@both_doors
def test_after_a_refusal_half_as_many_jobs_are_in_flight(door: str) -> None:
    with emulator_of(faults=Fault("status", code=429, on="submit", after=8)) as emulator:
        assert len(run(door, emulator, 40)) == 40
        in_flight, window = 0, 20.0
        for request in emulator.requests:
            if request.route == "submit" and request.status == 429:
                window = max(1, (in_flight + 1) / 2)
            elif request.route == "submit":
                assert in_flight < window
                in_flight, window = in_flight + 1, window + 1 / window
            in_flight -= request.route == "content"
        assert len(refused(emulator)) == 1


@both_doors
def test_an_outage_does_not_multiply_the_traffic_and_loses_no_job(door: str) -> None:
    """20 jobs run while the status cannot be read for minutes: after the first round, about one repeat a second."""
    fault = Fault("status", code=500, on="status", times=100)
    with emulator_of(pending=100.0, faults=fault) as emulator:
        results = run(door, emulator, 20, {"poll": PollPolicy(jitter=0)})
        assert all(result.status == "completed" for result in results)
        failed = [request.at for request in emulator.requests if request.status == 500]
        assert len(failed) == 100
        assert max(failed) > 60


@both_doors
def test_a_wait_does_not_outlive_its_deadline_in_an_outage(door: str) -> None:
    fault = Fault("status", code=429, on="status", times="forever", retry_after=1000)
    with emulator_of(faults=fault) as emulator:
        results = run(door, emulator, 10, {"poll": PollPolicy(timeout=30)})
        assert all(result.timed_out and result.elapsed < 32 for result in results)


@both_doors
def test_a_submit_without_a_connection_fails_after_the_attempts_of_the_policy(door: str) -> None:
    seen: list[str] = []

    class Retries(EventHook):
        def retry(self, event: Any) -> None:
            seen.append(type(event.error).__name__)

    client = {"retry": RetryPolicy(jitter=0, attempts=3), "base_url": "https://nobody.invalid", "transport": None}
    with emulator_of() as emulator:
        client |= {"event_hooks": [Retries()], "transport": NoConnection()}
        error = run(door, emulator, 1, client)[0]
    assert isinstance(error, QueueSubmitError)
    assert seen == ["ConnectError"] * 2


class NoConnection:
    """A transport that never has a connection, on a clock that jumps."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float, cancel: Any = None) -> None:
        self._now += seconds

    def send(self, request: Any, *, timeout: Any) -> Any:
        from decart import ConnectError

        raise ConnectError("No connection.", may_have_been_sent=False)

    def close(self) -> None:
        pass


@both_doors
@pytest.mark.parametrize("on", ["submit", "status", "content"])
@pytest.mark.parametrize("fault", ["status:429", "status:503,retry_after=3", "drop-before"])
def test_one_fault_anywhere_loses_no_job_and_pays_none_twice(door: str, on: str, fault: str) -> None:
    with emulator_of(faults=f"{fault},on={on}") as emulator:
        ends = run(door, emulator, 4)
        unknown = fault == "drop-before" and on == "submit"
        assert sum(not isinstance(end, Exception) for end in ends) == 4 - unknown
        accepted = [request.job_id for request in emulator.requests.submits if request.status == 200]
        assert len(accepted) == 4 - unknown

"""``max_spend``: what a pool may cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pools import both_doors, door_of, emulator_of, lake

from decart import InvalidInputError, MemoryJournal, SpendLimitError, SubmitOutcomeUnknownError
from decart.emulator import Fault
from decart.pool.spending import Spending

PRICES = {"lucy-pro-t2v": 0.1}


def ends(door: str, emulator: Any, jobs: int, client: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    settings = {"prices": PRICES} | (client or {})
    with door_of(door, emulator, settings, max_spend=0.3) as pool, pool:
        return list(pool.map(map(lake, range(jobs)), return_exceptions=True, **options))


@both_doors
def test_no_job_is_submitted_that_would_exceed_the_limit(door: str) -> None:
    with emulator_of() as emulator:
        found = ends(door, emulator, 5)
        assert [type(end) is SpendLimitError for end in found] == [False, False, False, True, True]
        assert len(emulator.requests.submits) == 3
    assert (found[-1].limit, found[-1].spent, found[-1].cost) == (0.3, 0.3, 0.1)
    assert str(found[-1]) == (
        "The job was not submitted: it costs 0.1, the pool has spent 0.3, and its max_spend is 0.3."
    )


@both_doors
def test_a_submit_whose_outcome_is_unknown_counts_and_one_that_was_refused_does_not(door: str) -> None:
    with emulator_of(faults=Fault("drop-after", on="submit")) as emulator:
        found = ends(door, emulator, 4)
        kinds = [type(end) for end in found if isinstance(end, Exception)]
        assert kinds == [SubmitOutcomeUnknownError, SpendLimitError]
    with emulator_of(faults=Fault("status", code=400, on="submit")) as emulator:
        found = ends(door, emulator, 1) + ends(door, emulator, 3)
        assert [isinstance(end, Exception) for end in found] == [True, False, False, False]


@both_doors
def test_a_submit_that_is_repeated_counts_once(door: str) -> None:
    with emulator_of(faults=Fault("status", code=429, on="submit", times=5)) as emulator:
        assert not [end for end in ends(door, emulator, 3) if isinstance(end, Exception)]


@both_doors
def test_a_job_that_its_label_has_paid_for_costs_nothing(door: str) -> None:
    journal = MemoryJournal()
    with emulator_of() as emulator:
        for _ in range(3):
            found = ends(door, emulator, 3, {"journal": journal}, resume=True)
            assert not [end for end in found if isinstance(end, Exception)]
        found = ends(door, emulator, 6, {"journal": journal}, resume=True)
        assert not [end for end in found if isinstance(end, Exception)]
        assert len(emulator.requests.submits) == 6


@both_doors
def test_a_model_without_a_price_is_not_submitted(door: str) -> None:
    with emulator_of() as emulator:
        (end,) = ends(door, emulator, 1, {"prices": {"lucy-2.5": 1}})
        assert isinstance(end, InvalidInputError)
        assert "no price for the model 'lucy-pro-t2v'" in str(end)
        (end,) = ends(door, emulator, 1, {"prices": lambda job: -1})
        assert "0 or more, not -1" in str(end)
        assert len(emulator.requests.submits) == 0


@both_doors
@pytest.mark.parametrize("limit", [-1, True, "much", float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(door: str, limit: Any) -> None:
    with (
        emulator_of() as emulator,
        pytest.raises(InvalidInputError, match="max_spend must be a number"),
        door_of(door, emulator, {"prices": PRICES}, max_spend=limit),
    ):
        pass


@given(st.lists(st.tuples(st.decimals("0", "2", places=2), st.booleans()), max_size=60))
def test_what_is_reserved_and_not_released_never_exceeds_the_limit(jobs: list[tuple[Decimal, bool]]) -> None:
    spending, spent = Spending(PRICES, 5.0), Decimal(0)
    for cost, refused in jobs:
        if spent + cost > 5:
            with pytest.raises(SpendLimitError):
                spending.reserve(cost)
            continue
        spending.reserve(cost)
        if refused:
            spending.release(cost)
        else:
            spent += cost

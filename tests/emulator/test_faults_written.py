"""The notations of faults, and which of several acts next."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decart import (
    InvalidInputError,
)
from decart.emulator import Fault
from decart.emulator.faults import KINDS, PARAMETERS, ROUTES, Faults, described, fault_of


def test_a_fault_that_was_used_up_is_removed_and_the_others_remain() -> None:
    faults = Faults(["status:500,times=2", "stall:1,on=content"])
    assert [fault.name for fault in faults.take("submit")] == ["status"]
    assert list(map(str, faults.left)) == ["status:500", "stall:1,on=content"]
    assert [fault.name for fault in faults.take("content")] == ["status", "stall"]
    assert faults.left == ()


def test_after_counts_the_requests_of_its_kind_whatever_happens_to_them() -> None:
    faults = Faults(["drop-before,on=status,after=2", "status:500,on=status"])
    acted = [[fault.name for fault in faults.take(route)] for route in ("status", "submit", "status", "status")]
    assert acted == [["status"], [], [], ["drop-before"]]


def test_a_dropped_connection_leaves_faults_of_bodies_to_the_next_request() -> None:
    faults = Faults(["drip,on=submit", "drop-midway,on=submit", "drop-after"])
    assert [fault.name for fault in faults.take("submit")] == ["drop-after"]
    assert [fault.name for fault in faults.take("submit")] == ["drip", "drop-midway"]


def test_two_equal_faults_act_twice() -> None:
    faults = Faults([Fault("drop-before")] * 2)
    assert len(faults.take("submit") + faults.take("submit")) == 2
    assert faults.left == ()


def test_a_fault_for_jobs_is_used_up_by_jobs() -> None:
    faults = Faults("job-fails,after=1,times=2")
    assert faults.take("submit") == ()
    assert [getattr(faults.take_for_job(), "name", None) for _ in range(4)] == [None, "job-fails", "job-fails", None]


def test_faults_can_be_cleared() -> None:
    faults = Faults(Fault("drop-before"))
    faults.clear()
    assert faults.take("submit") == ()


def test_none_of_several_faults_is_added_if_one_is_invalid() -> None:
    faults = Faults()
    with pytest.raises(InvalidInputError):
        faults.add("drop-before", "nonsense")
    assert faults.left == ()


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "on": st.sampled_from(ROUTES),
    "times": st.integers(1, 99) | st.just("forever"),
    "after": st.integers(0, 99),
    "code": st.integers(200, 599),
    "bytes": st.integers(1, 10**9),
    "to": st.sampled_from(["http://127.0.0.1:1", "https://elsewhere.invalid"]),
    **dict.fromkeys(("seconds", "retry_after", "retry_after_date"), st.integers(0, 10**6) | st.just(0.25)),
    **dict.fromkeys(
        ("detail", "field", "word", "reason"), st.text(st.sampled_from('a b,=":\\\u00fc'), min_size=1).filter(str.strip)
    ),
}


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    name = draw(st.sampled_from(sorted(KINDS)))
    keys = ["times", "after", *KINDS[name].takes] + (["on"] if KINDS[name].part != "job" else [])
    return Fault(name, **{key: draw(VALUES[key]) for key in draw(st.sets(st.sampled_from(keys)))})


@given(faults())
def test_the_three_notations_of_a_fault_are_equal(fault: Fault) -> None:
    assert fault_of(str(fault)) == fault_of(fault.as_json()) == fault_of(fault) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status", Fault("status", code=503)),
        (
            "status:429,on=submit,times=3,retry_after=1.5",
            Fault("status", code=429, on="submit", times=3, retry_after=1.5),
        ),
        (' job-fails:"no, thanks", times=forever', Fault("job-fails", reason="no, thanks", times="forever")),
        ("redirect:http://127.0.0.1:9", Fault("redirect", to="http://127.0.0.1:9")),
        ("drip:1,bytes=10,after=1", Fault("drip", seconds=1, bytes=10, after=1)),
    ],
)
def test_a_text_is_parsed_as_a_fault(text: str, fault: Fault) -> None:
    assert fault_of(text) == fault


def test_the_repr_of_a_fault_is_valid_input() -> None:
    assert repr(Fault("status", times=2)) == "Fault('status:503,times=2')"
    assert repr(Fault("job-fails", reason='say "no"')) == r"""Fault('job-fails:"say \\"no\\""')"""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("stats:503", "no fault named 'stats'; did you mean 'status'"),
        ("", "a fault needs a name"),
        ({"code": 503}, "a fault needs a name"),
        ({}, "a fault needs a name"),
        ("STATUS:503", "did you mean 'status'?"),
        ("job-fails:no, sorry", "a value with a comma needs quotation marks"),
        ("redirect:http://a/b", "to must be the address of an origin"),
        ("redirect:http://a?b", "to must be the address of an origin"),
        (7, "must be a Fault, a text or an object, not int"),
        ("status:999", "code must be an HTTP status, 200 to 599, not '999'"),
        ("status:many", "code must be an HTTP status"),
        ({"name": "status", "code": True}, "code must be an HTTP status"),
        ("status,code=500,code=501", "'code=501' is not of the form key=value, each key once"),
        ("status:500,code=501", "each key once"),
        ("status,submit", "'submit' is not of the form key=value"),
        ("status,colour=red", "takes no 'colour'; it takes on, times, after, code"),
        ({"name": "status", "colour": "red"}, "takes no 'colour'"),
        ({"name": "status", 7: "red"}, "takes no '7'"),
        ("drop-before:7", "it takes no value after a colon"),
        ("drop-before,on=monday", "on must be one of submit, status"),
        ("drop-before,times=0", "times must be a whole number, 1 or more, or 'forever'"),
        ("drop-before,after=-1", "after must be a whole number"),
        ("drip:1,bytes=0", "bytes must be 1 or more"),
        ("drop-midway:1.5", "bytes must be a whole number"),
        ("stall:long", "seconds must be a number of seconds"),
        ("redirect:elsewhere", "to must be the address of an origin"),
        ({"name": "redirect", "to": "http://a\r\nb"}, "to must be the address of an origin"),
        ({"name": "redirect", "to": 7}, "to must be the address of an origin"),
        ("redirect:http://[", "to must be the address of an origin"),
        ("redirect:http://127.0.0.1:99999", "to must be the address of an origin"),
        ({"name": "job-fails", "reason": "a\nb"}, "reason must be some text"),
        ('job-fails:"no', "cannot be read (No closing quotation)"),
        ("job-fails,on=submit", "leave on= out"),
    ],
)
def test_an_invalid_fault_is_refused_in_one_sentence(given: Any, why: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Faults([given])
    assert why in caught.value.message
    assert "\n" not in caught.value.message


def test_a_parameter_that_a_fault_does_not_take_is_refused_in_code() -> None:
    with pytest.raises(InvalidInputError, match="it takes no seconds; it takes on, times, after, code"):
        Fault("status", seconds=5)


def test_every_parameter_of_the_table_is_an_attribute_of_a_fault() -> None:
    fields = {field.name for field in attrs.fields(Fault)}
    assert {key for kind in KINDS.values() for key in kind.takes} == set(PARAMETERS)
    assert set(PARAMETERS) < fields


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_help_has_a_line_for_each_name(name: str) -> None:
    assert f"\n  {name}" in f"\n{described()}"
    assert KINDS[name].does in described()


@pytest.mark.parametrize("seconds", [0.00001, 1234567.0, 10**9])
def test_a_number_is_written_without_an_exponent(seconds: float) -> None:
    fault = Fault("stall", seconds=seconds)
    assert "e" not in str(fault).partition(":")[2]
    assert Faults([str(fault)]).left == (fault,)


def test_spaces_around_a_key_are_ignored() -> None:
    assert Faults(["status:500, on =submit"]).left == (Fault("status", code=500, on="submit"),)

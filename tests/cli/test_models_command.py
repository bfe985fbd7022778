"""``decart models``: the catalogue as a table and as JSON, without a key and without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from decart import models
from decart.cli.main import main
from decart.cli.modelslist import inputs_of

CATALOGUE = {name: model for name in models.names() if (model := models.known(name))}
CURRENT = {name for name, model in CATALOGUE.items() if not model.retired}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert main(["models", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def names_in(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines()[1:]]


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(printed(capsys, "--json", *arguments)[0])


def test_the_table_has_the_models_that_the_service_runs_and_a_note_counts_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, note = printed(capsys)
    assert set(names_in(table)) == CURRENT
    assert note == f"Retired, and listed by --all: {len(CATALOGUE) - len(CURRENT)} more.\n"
    assert table.splitlines()[0].split() == ["MODEL", "TASK", "RESOLUTIONS", "STATUS", "INPUTS"]
    (restyle,) = (line for line in table.splitlines() if line.startswith("lucy-restyle-v2v "))
    assert "  alias of lucy-restyle-2  data*, prompt|reference_image*, enhance_prompt" in restyle


def test_all_adds_the_retired_models_at_the_end_with_the_month(capsys: pytest.CaptureFixture[str]) -> None:
    table, note = printed(capsys, "--all")
    names = names_in(table)
    assert set(names) == set(CATALOGUE)
    assert set(names[: len(CURRENT)]) == CURRENT
    assert note == ""
    assert "  retired March 2026  " in next(line for line in table.splitlines() if line.startswith("lucy-pro-t2v "))


def test_a_task_filters_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(names_in(printed(capsys, "--task", "image-to-image")[0])) == {
        "lucy-image-2", "lucy-image-latest", "lucy-pro-i2i",
    }  # fmt: skip
    table, note = printed(capsys, "--task", "motion")
    assert names_in(table) == []
    assert "listed by --all: 2 more" in note


def test_json_is_an_array_with_all_facts(capsys: pytest.CaptureFixture[str]) -> None:
    found = {model["name"]: model for model in document(capsys, "--all")}
    assert set(found) == set(CATALOGUE)
    restyle = found["lucy-restyle-2"]
    assert (restyle["task"], restyle["makes"], restyle["retired"]) == ("video-restyle", "video", None)
    assert restyle["inputs"]["required"] == ["data"]
    assert restyle["inputs"]["one_of"] == ["prompt", "reference_image"]
    assert found["lucy-2-v2v"]["alias_of"] == "lucy-2"


def test_a_name_prints_all_facts_about_the_model_in_options_of_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, _ = printed(capsys, "lucy-restyle-2")
    assert text.splitlines()[:2] == ["lucy-restyle-2", "  task:        video-restyle"]
    for line in ("limits:      1800 s, 100 MB", "--input FILE            required", "--seed                  optional"):
        assert line in text
    assert text.count("exactly one of those that say so") == 2
    assert "lucy-2 was retired in April 2026. Models for video-edit: " in printed(capsys, "lucy-2")[0]
    assert document(capsys, "lucy-robot-720p")["width"] is None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("lucy-restile-2",), "Did you mean 'lucy-restyle-2'"),
        (("lucy-2.5", "--all"), "leave them or the NAME out"),
        (("lucy-2.5", "--task", "motion"), "leave them or the NAME out"),
    ],
)
def test_an_unknown_name_and_a_name_with_a_filter_are_refused(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = printed(capsys, *arguments, code=2)
    assert (out, why in err) == ("", True)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_input_of_a_model_is_listed_once(name: str) -> None:
    model = CATALOGUE[name]
    names = [given.name for given in inputs_of(model)]
    assert len(names) == len(set(names))
    assert not set(names) & model.lacks
    assert "model" not in names
    assert names[-2:] == ["seed", "resolution"]

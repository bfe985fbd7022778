"""`scripts/models_table.py`: the tables in the docs are what the script makes of the catalogue."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from support.documents import ROOT

from decart import ModelDefinition, models
from decart.emulator import VirtualEmulator
from decart.options import input_class

BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")
CATALOGUE = [model for name in models.names() if (model := models.known(name))]
OF_THE_PAGE = ["lucy-pro-t2v", "lucy-pro-i2v", "lucy-dev-i2v", "lucy-pro-v2v", "lucy-fast-v2v"]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(root / "scripts" / "models_table.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script with two pages whose tables are empty."""
    (tmp_path / "decart").symlink_to(ROOT / "decart")
    for folder in ("scripts", "docs"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts" / "models_table.py", tmp_path / "scripts")
    for page in ("README.md", "docs/models.md"):
        (tmp_path / page).write_text(f"# Before\n\n{BEGIN}\n{END}\n\n# After\n", "utf-8")
    return tmp_path


def section(task: str) -> str:
    return PAGE.partition(f"\n### {task}\n")[2].partition("\n### ")[0]


def names_in(table: str) -> list[str]:
    """Return the names in the first column of all tables in a text."""
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def inputs_of(model: ModelDefinition) -> set[str]:
    return {field.name for field in attrs.fields(input_class(model))} - {"model"}


def test_the_tables_are_up_to_date() -> None:
    ended = run(ROOT, "--check")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert BEGIN in PAGE


def test_a_page_that_is_not_up_to_date_fails_the_check_and_stays(copy: Path) -> None:
    before = (copy / "README.md").read_text("utf-8")
    ended = run(copy, "--check")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == "Run scripts/models_table.py: README.md, docs/models.md would change.\n"
    assert (copy / "README.md").read_text("utf-8") == before


def test_the_script_changes_only_what_is_between_the_comments(copy: Path) -> None:
    assert run(copy).returncode == run(copy, "--check").returncode == 0
    for name in ("README.md", "docs/models.md"):
        page = (copy / name).read_text("utf-8")
        assert page.startswith(f"# Before\n\n{BEGIN}\n\n| model |")
        assert page.endswith(f"\n\n{END}\n\n# After\n")


def test_a_page_without_comments_is_left_alone(copy: Path) -> None:
    (copy / "README.md").write_text("# Nothing to fill in\n", "utf-8")
    assert run(copy).returncode == 0
    assert (copy / "README.md").read_text("utf-8") == "# Nothing to fill in\n"


def test_a_comment_without_its_partner_is_an_error(copy: Path) -> None:
    (copy / "README.md").write_text(f"{BEGIN}\n", "utf-8")
    assert run(copy, "--check").stderr == f"README.md has {BEGIN} without {END}, or the reverse.\n"


def test_the_overview_has_each_current_model_with_its_inputs_and_each_retired_name(copy: Path) -> None:
    run(copy)
    overview = (copy / "README.md").read_text("utf-8")
    table, _, retired = overview.partition("\n\nRetired by the service")
    rows = {name: row for row in table.splitlines() for name in names_in(row)}
    assert set(rows) == {model.name for model in CATALOGUE if not model.retired}
    for name, row in rows.items():
        model = models.known(name)
        assert model is not None
        _, _, task, inputs, resolutions, _ = (cell.strip() for cell in row.split("|"))
        assert (task, resolutions) == (model.task, ", ".join(model.resolutions))
        assert set(re.findall(r"`(\w+)`", inputs)) == inputs_of(model) - model.lacks
    assert set(re.findall(r"`([^`]+)`", retired)) == {model.name for model in CATALOGUE if model.retired}


@pytest.mark.parametrize("task", models.TASKS)
def test_the_section_of_a_task_has_its_models_and_explains_its_inputs(task: models.Task) -> None:
    found = {model.name: model for model in CATALOGUE if model.task == task}
    kind = input_class(next(iter(found.values())))
    listed = names_in(section(task))
    assert sorted(listed) == sorted([*found, *inputs_of(next(iter(found.values())))])
    for field in attrs.fields(kind):
        row = re.search(rf"^\| `{field.name}` \| (.*) \| .+ \|$", section(task), re.MULTILINE)
        assert (row is None) == (field.name == "model")
        assert row is None or ("required" in row[1]) == (field.default is attrs.NOTHING)
        assert row is None or ("file" in row[1]) == bool(field.metadata.get("file"))
    for model in found.values():
        row = re.search(rf"^\| `{re.escape(model.name)}` \|.*\| (.*) \|$", section(task), re.MULTILINE)
        assert row is not None
        assert row[1].partition(";")[0] == (f"retired since {model.retired}" if model.retired else "current")


@pytest.mark.parametrize("name", OF_THE_PAGE)
def test_a_job_of_a_model_of_the_documented_page_warns_of_nothing(name: str) -> None:
    options = {"model": models.video(name), "prompt": "A serene lake"}  # every warning here is an error
    if name != "lucy-pro-t2v":
        options["data"] = b"any bytes"
    with VirtualEmulator() as emulator, emulator.client() as client:
        assert client.queue.submit(options).status == "pending"  # type: ignore[arg-type]

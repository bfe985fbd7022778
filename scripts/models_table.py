"""Fill in the tables of models in README.md and docs/models.md, from the catalogue and the input classes.

Run: python scripts/models_table.py [--check]

``--check`` changes nothing, and fails if a page is not up to date. A page has its tables between two comments,
``<!-- models: begin -->`` and ``<!-- models: end -->``; a page without them is left alone. This needs attrs only.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # an installed package may be another version

from decart import ModelDefinition, models  # noqa: E402
from decart.cli.modelslist import NEEDS, catalogue, inputs_of  # noqa: E402
from decart.inputs import JobInput  # noqa: E402
from decart.options import input_class  # noqa: E402

BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
CATALOGUE = catalogue()
TASKS = sorted(models.TASKS, key=lambda task: (not models.current(task), task.endswith("-to-image")))


def main() -> int:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a page is not up to date")
    check = parser.parse_args().check
    outdated = []
    for name, tables in PAGES.items():
        page = (ROOT / name).read_text("utf-8")
        if page.count(BEGIN) != page.count(END):
            raise SystemExit(f"{name} has {BEGIN} without {END}, or the reverse.")
        filled = fill(page, tables())
        if filled != page:
            outdated.append(name)
            if not check:
                (ROOT / name).write_text(filled, "utf-8")
    if check and outdated:
        print(f"Run scripts/models_table.py: {', '.join(outdated)} would change.")
    return int(check and bool(outdated))


def fill(page: str, tables: str) -> str:
    """Return a page with these tables between its comments."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n\n{tables}\n\n{END}", page, flags=re.DOTALL)


def overview() -> str:
    """Return one row for the current models that have the same task, inputs and resolutions, and the retired names."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for model in by_task(CATALOGUE):
        if not model.retired:
            groups.setdefault((model.task, inputs(model), ", ".join(model.resolutions)), []).append(model.name)
    rows = [(code(names), *facts) for facts, names in groups.items()]
    retired = code(model.name for model in by_task(CATALOGUE) if model.retired)
    heading = ("model", "task", "inputs (**required**)", "resolutions")
    return f"{table(heading, rows)}\n\nRetired by the service, and still in the catalogue: {retired}."


def by_task(catalogue: Iterable[ModelDefinition]) -> list[ModelDefinition]:
    """Sort models: tasks that have a current model first, videos before images, and current names before others."""
    return sorted(catalogue, key=lambda m: (TASKS.index(m.task), bool(m.retired), bool(m.alias_of)))


def inputs(model: ModelDefinition) -> str:
    """Return the inputs of a model, the required ones in bold."""
    given = {need: [f"`{each.name}`" for each in inputs_of(model) if each.need == need] for need in NEEDS}
    required = [f"**{name}**" for name in given["required"]]
    either = " or ".join(f"**{name}**" for name in given["one of"])
    return ", ".join([*required, *filter(None, [either]), *given["optional"]])


def fields(kind: type[JobInput]) -> list[attrs.Attribute[object]]:
    """Return the inputs of a class: its own, and then those that every task has."""
    common = {field.name for field in attrs.fields(JobInput)}
    own = [field for field in attrs.fields(kind) if field.name not in common]
    return own + [field for field in attrs.fields(JobInput) if field.name != "model"]


def sections() -> str:
    """Return the overview, and a section for each task: its inputs and its models."""
    return "\n\n".join([overview(), *map(section, TASKS)])


def section(task: str) -> str:
    """Return the inputs of a task, explained as in its input class, and the facts about each of its models."""
    found = by_task(model for model in CATALOGUE if model.task == task)
    kind = input_class(found[0])
    words = explanations(kind)
    explained = [(f"`{field.name}`", demand(field, kind), words[field.name]) for field in fields(kind)]
    summary = text((kind.__doc__ or "").partition("\n\n")[0])
    options = kind.__name__.removesuffix("Input") + "Options"
    facts = {
        "model": [f"`{model.name}`" for model in found],
        "resolutions": [", ".join(model.resolutions) for model in found],
        "size at 720p": [f"{model.width} x {model.height}" if model.width else "" for model in found],
        "frames per second": ["" if task.endswith("-to-image") else str(model.fps or "") for model in found],
        "longest video": [duration(model.max_seconds) for model in found],
        "largest video": [f"{model.max_upload_mb} MB" if model.max_upload_mb else "" for model in found],
        "does not take": [code(sorted(model.lacks)) for model in found],
        "status": [status(model) for model in found],
    }
    known = {title: column for title, column in facts.items() if any(column)}
    paragraphs = [
        f"### {task}",
        f"{summary} Class `{kind.__name__}`, or a dict, `{options}`.",
        table(("input", "", "meaning"), explained),
        table(tuple(known), zip(*known.values(), strict=True)),
    ]
    if any(model.retired for model in found):
        others = code(models.current(found[0].task))
        paragraphs.append(f"Instead of a retired one, use {others}." if others else f"No current model does {task}.")
    return "\n\n".join(paragraphs)


def explanations(kind: type[JobInput]) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say about each attribute."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        attributes = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
        for name, words in re.findall(r"^    (\w+): (.*(?:\n     .*)*)", attributes, re.MULTILINE):
            found[name] = text(words)
    return found


def demand(field: attrs.Attribute[object], kind: type[JobInput]) -> str:
    """Return whether an input is a file, and whether it is required."""
    need = "required" if field.default is attrs.NOTHING else "one of the two" if field.name in kind.one_of else ""
    return ", ".join(filter(None, ["file" if field.metadata.get("file") else "", need]))


def status(model: ModelDefinition) -> str:
    """Return whether a model is current, and of which model its name is a deprecated alias."""
    now = f"retired since {model.retired}" if model.retired else "current"
    return f"{now}; deprecated name of `{model.alias_of}`" if model.alias_of else now


def duration(seconds: int | None) -> str:
    """Return a number of seconds, or of minutes."""
    if seconds is None:
        return ""
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"


def table(heading: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def code(names: Iterable[str]) -> str:
    """Return names in code style."""
    return ", ".join(f"`{name}`" for name in names)


def text(docstring: str) -> str:
    """Return a part of a docstring as one line of Markdown."""
    return " ".join(docstring.replace("``", "`").split())


PAGES: dict[str, Callable[[], str]] = {"README.md": overview, "docs/models.md": sections}

if __name__ == "__main__":
    raise SystemExit(main())

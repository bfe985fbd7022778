"""The command ``models``: the catalogue as a table, and all facts about one model. It needs no key and no network."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any, Literal

import attrs

from .. import models
from ..errors import InvalidInputError
from ..inputs import JobInput
from ..models import TASKS, ModelDefinition
from ..options import input_class
from .commands import Commands, new_command
from .exits import Exit
from .output import Output
from .wording import option

Need = Literal["required", "one of", "optional"]
NEEDS: tuple[Need, ...] = ("required", "one of", "optional")

DETAILS = """\
By default, these are the models that the service runs, from the catalogue of this version; --all adds those that were
retired. An input with * is required, and of "a|b*", exactly one. The option of data is --input; `decart models NAME`
has the options of a model. A name such as lucy-latest is resolved by the service, so its meaning changes. It works
without a key and without a network."""


@attrs.frozen
class ModelInput:
    """An input of a model.

    Attributes:
        name: Its name in Python and in a list of jobs.
        need: Whether it is required; of those that are "one of", exactly one is.
        is_file: Whether it is a file.
    """

    name: str
    need: Need
    is_file: bool


def inputs_of(model: ModelDefinition) -> list[ModelInput]:
    """Return the inputs of a model: the required ones first, and those that every task has last.

    Example:
        >>> [given.name for given in inputs_of(models.video("lucy-restyle-2")) if given.need == "one of"]
        ['prompt', 'reference_image']
    """
    kind = input_class(model)
    common = [field.name for field in attrs.fields(JobInput)]
    names = [field.name for field in attrs.fields(kind) if field.name not in common] + common
    fields = {field.name: field for field in attrs.fields(kind)}
    found = []
    for name in names:
        if name == "model" or name in model.lacks:
            continue
        need: Need = "required" if fields[name].default is attrs.NOTHING else "optional"
        found.append(
            ModelInput(name, "one of" if name in kind.one_of else need, bool(fields[name].metadata.get("file")))
        )
    return sorted(found, key=lambda given: NEEDS.index(given.need))


def catalogue() -> list[ModelDefinition]:
    """Return all models that this version knows: those that the service runs first, and deprecated names last."""
    found = [model for name in models.names() if (model := models.known(name))]
    return sorted(found, key=lambda model: (bool(model.retired), TASKS.index(model.task), bool(model.alias_of)))


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "models", show_models, "List the models, or the facts about one", DETAILS)
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model to describe")
    parser.add_argument("--task", choices=TASKS, help="list the models of this task only")
    parser.add_argument("--all", action="store_true", help="list retired models, too, after the others")


def show_models(arguments: Namespace, output: Output) -> int:
    """Print the models, or the facts about one."""
    if arguments.name is not None:
        if arguments.task or arguments.all:
            raise InvalidInputError("--task and --all are for lists of models: leave them or the NAME out.")
        model = models.known(arguments.name) or models.video(arguments.name)  # which explains what is wrong
        output.result(_document(model), _described(model))
        return Exit.DONE
    found = [model for model in catalogue() if arguments.task in (None, model.task)]
    listed = [model for model in found if arguments.all or not model.retired]
    rows = [(model.name, model.task, ", ".join(model.resolutions), status(model), _in_short(model)) for model in listed]
    output.result(
        [_document(model) for model in listed], _table([("MODEL", "TASK", "RESOLUTIONS", "STATUS", "INPUTS"), *rows])
    )
    if len(listed) < len(found):
        output.note(f"Retired, and listed by --all: {len(found) - len(listed)} more.")
    return Exit.DONE


def status(model: ModelDefinition) -> str:
    """Return since when a model has been retired, and of which model its name is a deprecated alias."""
    parts = [
        f"retired {model.retired}" if model.retired else "",
        f"alias of {model.alias_of}" if model.alias_of else "",
    ]
    return ", ".join(filter(None, parts)) or "current"


def _in_short(model: ModelDefinition) -> str:
    """Return the inputs of a model in one line."""
    given = {need: [each.name for each in inputs_of(model) if each.need == need] for need in NEEDS}
    either = ["|".join(given["one of"]) + "*"] if given["one of"] else []
    return ", ".join([*(f"{name}*" for name in given["required"]), *either, *given["optional"]])


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _document(model: ModelDefinition) -> dict[str, Any]:
    """Return the facts about a model as JSON has them."""
    facts = attrs.asdict(model, filter=attrs.filters.exclude("lacks"))
    inputs = {need.replace(" ", "_"): [each.name for each in inputs_of(model) if each.need == need] for need in NEEDS}
    return {**facts, "makes": models.makes(model), "inputs": inputs}


def _described(model: ModelDefinition) -> str:
    """Return the facts about a model as people read them, in which inputs are options."""
    size = f"{model.width} x {model.height} at 720p" if model.width else ""
    limits = {"s": model.max_seconds, "MB": model.max_upload_mb}
    facts = {
        "task": model.task,
        "status": status(model),
        "endpoint": model.endpoint,
        "resolutions": ", ".join(model.resolutions),
        "size": ", ".join(filter(None, [size, f"{model.fps} frames per second" if model.fps else ""])),
        "limits": ", ".join(f"{limit} {unit}" for unit, limit in limits.items() if limit),
    }
    lines = [model.name, *(f"  {name + ':':13}{fact}" for name, fact in facts.items() if fact), "  inputs:"]
    for given in inputs_of(model):
        what = f"{option(given.name)} FILE" if given.is_file else option(given.name)
        lines.append(f"    {what:24}{given.need if given.need != 'one of' else 'exactly one of those that say so'}")
    return "\n".join([*lines, *([models.retirement(model)] if model.retired else [])])

"""docs/reference: every public name is there once, and nothing else."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from importlib import import_module

from support.documents import ROOT

import decart

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
ENTRIES = [
    entry
    for page in PAGES
    for entry in re.findall(
        r"^\.\. auto(?:class|data|exception|function):: ([\w.]+)$", page.read_text("utf-8"), re.MULTILINE
    )
]

MODULES = (
    "decart",
    "decart.models",
    "decart.events",
    "decart.transports",
    "decart.journal",
    "decart.journal.conformance",
    "decart.journal.reports",
    "decart.emulator",
    "decart.emulator.requestlog",
    "decart.integrations.celery",
    "decart.integrations.django.journal",
    "decart.integrations.django.storage",
    "decart.integrations.otel",
    "decart.integrations.pytest_plugin",
    "decart.integrations.sql",
)
"""The modules that programs import from."""

NOT_FOR_PROGRAMS = {
    "decart.models",  # the module, whose functions have entries
    "decart.events.SafeLog",
    "decart.journal.conformance.at_once",
    "decart.journal.reports.Records",  # a list, which notebooks show
}

ALSO = {"decart.AiohttpTransport"}
"""What needs an extra, and so is not in ``__all__``."""


def public_names(module: str) -> list[str]:
    """Return the public names of a module: its ``__all__``, or the classes and functions that it defines."""
    source = ROOT / f"{module.replace('.', '/')}.py"
    if not source.is_file():
        return [f"{module}.{name}" for name in import_module(module).__all__]
    tree = ast.parse(source.read_text("utf-8"))  # not imported: some need an extra, or a Django site
    definitions = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return [f"{module}.{node.name}" for node in definitions if not node.name.startswith("_")]


def home(name: str) -> str:
    """Return the name by which a class or function is the same wherever it was imported from."""
    module, _, attribute = name.rpartition(".")
    if (ROOT / f"{module.replace('.', '/')}.py").is_file():
        return name
    value = getattr(import_module(module), attribute)
    is_defined = inspect.isclass(value) or inspect.isfunction(value)
    return f"{value.__module__}.{value.__qualname__}" if is_defined else name


def test_every_public_name_is_in_the_reference_once_and_nothing_else_is() -> None:
    public = {home(name) for module in MODULES for name in public_names(module)} | {home(name) for name in ALSO}
    assert len(public) > 150
    assert Counter(map(home, ENTRIES)) == Counter(public - NOT_FOR_PROGRAMS)


def test_every_page_of_the_reference_is_in_its_table_and_its_contents() -> None:
    index = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    pages = [page.stem for page in PAGES if page.stem != "index"]
    assert sorted(re.findall(r"^\| \[.*?\]\((.*?)\.md\)", index, re.MULTILINE)) == pages
    assert sorted(re.findall(r"^([a-z-]+)$", index, re.MULTILINE)) == pages


def test_a_value_is_documented_as_a_value_and_a_class_as_a_class() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    for kind, name in re.findall(r"^\.\. auto(class|data|exception):: (decart\.\w+)$", text, re.MULTILINE):
        value = getattr(decart, name.partition(".")[2])
        is_error = inspect.isclass(value) and issubclass(value, Exception)
        assert kind == ("exception" if is_error else "class" if inspect.isclass(value) else "data"), name

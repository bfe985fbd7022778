"""The commands in the READMEs of the example apps install what the apps import and run."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.documents import ROOT

APPS = ["flask_app", "django_app"]


def readme(app: str) -> str:
    return (ROOT / "examples" / app / "README.md").read_text("utf-8")


def installed_by(command: str) -> set[str]:
    """Return the distributions that ``pip install`` brings, with those that they require."""
    found: set[str] = set()
    arguments = [word for word in shlex.split(command) if not word.startswith("-")]
    wanted = ["decart-queue" if word.startswith(".") else word for word in arguments]
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += [] if name in ("decart-queue", "gunicorn") else requires(name) or []
    return found


def imported_by(folder: Path) -> set[str]:
    """Return the names of the third-party modules that an app imports."""
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    own = {path.stem for path in folder.iterdir()}
    return {name.partition(".")[0] for name in names} - own - set(sys.stdlib_module_names)


@pytest.mark.parametrize("app", APPS)
def test_each_command_installs_what_the_app_imports(app: str) -> None:
    homes = packages_distributions()
    needed = {canonicalize_name(homes[name][0]) for name in imported_by(ROOT / "examples" / app) - {"decart"}}
    commands = re.findall(r"pip install ([^&\n]+)", readme(app))
    assert len(commands) == 2
    for command in commands:
        assert needed | {"decart-queue"} <= installed_by(command)


@pytest.mark.parametrize("app", APPS)
def test_the_server_of_the_deployment_is_installed_first(app: str) -> None:
    text = readme(app)
    assert "gunicorn" in installed_by(re.findall(r"pip install ([^&\n]+)", text[: text.index("\ngunicorn ")])[-1])

"""Tests use what is public: no private module, function or attribute of the package.

The sources are read with `ast`, which knows no types. So an attribute with an underscore counts as the package's unless
it is one of ``self`` or ``cls``, of a module of another package, or defined by the file itself or by a helper that the
file imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs
import pytest

TESTS = Path(__file__).parent
NO_TESTS = {"real_clients"}  # it uses the service's own client
BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}
PROTOCOLS = {"_repr_mimebundle_"}  # names that other programs call


@attrs.frozen
class Found:
    """A private name in use."""

    file: str
    what: str


EXCEPTIONS = {
    Found(
        "test_progress_bar.py", "._instances"
    ): "tqdm's, which shows whether a bar was left open; there is no public way",
    Found("transports/test_odd_sessions.py", "._content"): "requests', which programs set in responses of their own",
}

PENDING: set[str] = {"test_notebook.py"}
"""Files that still use private names. None may be added, and one that has become clean should leave the list."""


def is_private(name: str) -> bool:
    dunder = name.startswith("__") and name.endswith("__")
    return name.startswith("_") and not dunder and name not in PROTOCOLS and name != "_"


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == "decart"


def definitions(tree: ast.AST) -> Iterator[str]:
    """Return the names that a file defines: functions, classes, variables and attributes of ``self``."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr


def is_self(node: ast.expr) -> bool:
    """Tell whether an expression is ``self``, ``cls`` or ``super()``."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "super")


def imports(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield each import as the name that it binds, its module, and the imported name, if any."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name, ""
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, node.module, alias.name


@cache
def defined_in(path: Path) -> frozenset[str]:
    return frozenset(definitions(ast.parse(path.read_text("utf-8"))))


def private_names(source: str) -> set[str]:
    """Return the private names of the package that a program uses."""
    tree = ast.parse(source)
    found, others, own = set(), set(), set(definitions(tree))
    for bound, module, name in imports(tree):
        path = f"{module}.{name}" if name else module
        if is_ours(module):
            found |= {f"import {path}"} if any(map(is_private, path.split("."))) else set()
        else:
            others.add(bound)
            helpers = [TESTS / f"{part.replace('.', '/')}.py" for part in (module, path)]
            own |= {name for helper in helpers if helper.is_file() for name in defined_in(helper)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            root = node.value
            if not is_self(root) and not (isinstance(root, ast.Name) and root.id in others):
                found.add(f".{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            values = [value.value for value in node.args if isinstance(value, ast.Constant)] if name in BY_NAME else []
            found |= {f".{value}" for value in values if isinstance(value, str) and is_private(value)} - {
                f".{name}" for name in own
            }
    return found


FILES = [path for path in sorted(TESTS.rglob("*.py")) if path.relative_to(TESTS).parts[0] not in NO_TESTS]


def test_tests_use_no_private_names_of_the_package() -> None:
    found = {
        Found(file, what)
        for path in FILES
        if (file := path.relative_to(TESTS).as_posix()) not in PENDING
        for what in private_names(path.read_text("utf-8"))
    }
    assert found == set(EXCEPTIONS), "a new one needs a reason, and one that is gone must leave the list"


def test_there_are_at_most_five_exceptions_and_each_has_a_reason() -> None:
    assert len(EXCEPTIONS) <= 5
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("from decart._core import Core", "import decart._core.Core"),
        ("import decart._core", "import decart._core"),
        ("from decart.emulator.server import _is_gone", "import decart.emulator.server._is_gone"),
        ("def test_it(client): client._core", "._core"),
        ("client.queue._core.transport", "._core"),
        ("DecartClient(KEY)._core", "._core"),
        ("def test_it(clients): clients[0]._core", "._core"),
        ("getattr(client, '_core')", "._core"),
        ("monkeypatch.setattr(decart.client, '_core', None)", "._core"),
    ],
)
def test_a_private_name_is_found(program: str, what: str) -> None:
    assert what in private_names(program)


@pytest.mark.parametrize(
    "program",
    [
        "from decart import __version__",
        "import os\nos._exit(0)",
        "class Fake:\n    def f(self): return self._core",
        "class Fake:\n    def _pieces(self): ...\nFake()._pieces()",
        "from support.served_video import ServedVideo\nShelf()._pieces(b'', 1)",
        "result._repr_mimebundle_()",
    ],
)
def test_public_names_and_those_of_the_tests_are_not_reported(program: str) -> None:
    assert private_names(program) == set()

"""The package uses what HTTP libraries document: no private names, and no subclasses of their machinery.

The sources are read with `ast`. Types are not known there, so in every module that imports one of the libraries, a name
with an underscore may be used only of ``self``, ``cls`` and local variables that hold an object of the package's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import decart

ROOT = Path(decart.__file__).parent
LIBRARIES = ("requests", "urllib3", "http.client", "aiohttp", "tenacity", "http.server", "socketserver", "werkzeug")

# not documented, or documented as not for callers
UNDOCUMENTED = {
    "pool", "pools", "pool_classes_by_scheme", "key_fn_by_scheme", "connection_pool_kw", "connection_from_context",
    "connection_from_pool_key", "QueueCls", "ConnectionCls", "ResponseCls", "num_connections", "num_requests",
    "proxy_manager", "proxy_manager_for", "poolmanager", "init_poolmanager", "cert_verify", "request_url",
    "will_close", "chunk_left", "length_remaining", "auto_open", "response_class", "fp", "set_raw", "set_exception",
    "feed_data", "feed_eof", "unread_data", "iter_state", "prepare_for_next_attempt",
}  # fmt: skip
UNDOCUMENTED_MODULES = {
    "requests.packages", "requests.compat", "aiohttp.client_proto", "aiohttp.client_reqrep", "aiohttp.connector",
    "aiohttp.helpers", "aiohttp.http_parser", "aiohttp.http_writer", "aiohttp.streams", "urllib3.util.connection",
    "urllib3.http2",
}  # fmt: skip
MEANT_TO_BE_EXTENDED = {"socketserver.ThreadingTCPServer"}  # whose methods are documented as what a subclass overrides
MACHINERY = re.compile("Pool|Connection|Connector|Response|Server|Session|Adapter|Manager|Protocol")
BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"}


@attrs.frozen
class Found:
    """A private or undocumented name in use, or a subclass."""

    file: str
    what: str


EXCEPTIONS = {
    Found("transports/urllib3.py", ".pool"): (
        "an interrupt inside the lock of urllib3's LifoQueue would leave it held for good, and every later call hanging"
    ),
    Found("transports/aiohttp.py", "._closed"): (
        "a forked child must neither close its parent's sessions nor complain that nobody did"
    ),
    Found("transports/aiohttp.py", "._retry_connection"): (
        "aiohttp would repeat a GET by itself, and a transport makes one attempt; there is no public setting"
    ),
    Found("transports/aiohttp.py", ".set_exception"): (
        "aiohttp holds back what arrived before a failure, which a resumed download need not fetch again"
    ),
}


class Module:
    """The names that a module imports from the libraries, and those it uses.

    Attributes:
        found: What it may not use.
    """

    def __init__(self, source: str) -> None:
        self._tree = ast.parse(source)
        self._imported: dict[str, str] = {}
        self._own = {node.name for node in ast.walk(self._tree) if isinstance(node, ast.ClassDef)} | {"cls"}
        self.found: set[str] = set()
        self._read_imports()
        if self._imported:
            self._read_scope(self._tree, trusted=set(), defined=None)

    def _read_imports(self) -> None:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(alias.asname or name, alias.name, bound=name)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                for alias in node.names:
                    path = f"{node.module}.{alias.name}"
                    self._bind(alias.asname or alias.name, path, bound=path)

    def _bind(self, name: str, path: str, bound: str) -> None:
        if not any(f"{path}.".startswith(f"{library}.") for library in LIBRARIES):
            return
        self._imported[name] = bound
        private = any(is_private(part) for part in path.split("."))
        if private or any(f"{path}.".startswith(f"{module}.") for module in UNDOCUMENTED_MODULES):
            self.found.add(f"import {path}")

    def _read_scope(self, scope: ast.AST, trusted: set[str], defined: set[str] | None) -> None:
        """Visit the contents of a module, class or function.

        Args:
            scope: The syntax tree of that.
            trusted: Variables that hold objects of the package's own.
            defined: Inside a subclass of a library's class, the private names that it defines itself.
        """
        for node in ast.iter_child_nodes(scope):
            if isinstance(node, ast.ClassDef):
                theirs = [path for base in node.bases if (path := self._path(base))]
                machinery = {path for path in theirs if MACHINERY.search(path.split(".")[-1])} - MEANT_TO_BE_EXTENDED
                self.found |= {f"class {node.name}({path})" for path in machinery}
                self._read_scope(node, trusted, set(definitions(node)) if theirs else None)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                self._read_scope(node, trusted | set(self._own_objects(node)), defined)
            else:
                self._check(node, trusted, defined)
                self._read_scope(node, trusted, defined)

    def _own_objects(self, function: ast.AST) -> Iterator[str]:
        """Return the variables of a function that hold one of our objects, by their annotation or value."""
        for node in ast.walk(function):
            if isinstance(node, ast.arg) and self._names_own_class(node.annotation):
                yield node.arg
            elif isinstance(node, ast.Assign):
                made = isinstance(node.value, ast.Call) and self._names_own_class(node.value.func)
                yield from (target.id for target in node.targets if made and isinstance(target, ast.Name))

    def _names_own_class(self, node: ast.expr | None) -> bool:
        """Return whether an annotation or a called object, also as in ``cls.__new__(cls)``, is one of our classes."""
        if isinstance(node, ast.Attribute) and node.attr == "__new__":
            node = node.value
        return isinstance(node, ast.Name) and node.id in self._own

    def _check(self, node: ast.AST, trusted: set[str], defined: set[str] | None) -> None:
        if isinstance(node, ast.Attribute):
            if node.attr in UNDOCUMENTED or (is_private(node.attr) and not is_own(node, trusted, defined)):
                self.found.add(f".{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            values = [value.value for value in node.args if isinstance(value, ast.Constant)] if name in BY_NAME else []
            names = [value for value in values if isinstance(value, str)]
            self.found |= {f".{name}" for name in names if is_private(name) or name in UNDOCUMENTED}

    def _path(self, node: ast.expr) -> str | None:
        """Return the dotted path that an expression names, if it belongs to one of the libraries."""
        if isinstance(node, ast.Subscript):
            return self._path(node.value)
        if isinstance(node, ast.Attribute):
            start = self._path(node.value)
            return start and f"{start}.{node.attr}"
        return self._imported.get(node.id) if isinstance(node, ast.Name) else None


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_own(node: ast.Attribute, trusted: set[str], defined: set[str] | None) -> bool:
    """Return whether an attribute with an underscore belongs to one of our classes."""
    if not isinstance(node.value, ast.Name):
        return False
    if node.value.id in ("self", "cls"):
        return defined is None or node.attr in defined
    return node.value.id in trusted


def definitions(kind: ast.ClassDef) -> Iterator[str]:
    """Return the names that a class defines: methods, class variables, attributes of ``self``."""
    for node in ast.walk(kind):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_the_package_uses_no_private_or_undocumented_names_of_http_libraries() -> None:
    found = {
        Found(path.relative_to(ROOT).as_posix(), what)
        for path in ROOT.rglob("*.py")
        for what in Module(path.read_text("utf-8")).found
    }
    assert found == set(EXCEPTIONS), "a new one needs a reason, and one that is gone must leave the list"
    assert len(EXCEPTIONS) <= 4


def test_there_are_at_most_four_exceptions_and_each_has_a_reason() -> None:
    assert len(EXCEPTIONS) <= 4
    assert all(EXCEPTIONS.values())


IMPORTS = "import aiohttp, http.client, http.server, requests, socketserver, urllib3\n"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("def f(pool): return pool.pool", ".pool"),
        ("def f(pool): pool.pool = None", ".pool"),
        ("def f(pool): pool.QueueCls = None", ".QueueCls"),
        ("def f(manager): manager.pool_classes_by_scheme = {}", ".pool_classes_by_scheme"),
        ("def f(pool): return pool._get_conn()", "._get_conn"),
        ("def f(session): session._retry_connection = False", "._retry_connection"),
        ("def f(response): response.content.set_exception(None)", ".set_exception"),
        ("def f(response): return response._fp.fp", ".fp"),
        ("def f(response): return response.raw._fp", "._fp"),
        ("class C:\n    def f(self): return self.session.connector._conns", "._conns"),
        ("class C:\n    _conns = 1\n    def f(self, connector): return connector._conns", "._conns"),
        ("class C:\n    async def f(self): return [c._conns async for c in self]", "._conns"),
        ("f = lambda pool: pool._put_conn(None)", "._put_conn"),
        ("def f(pool): return getattr(pool, '_proxy', None)", "._proxy"),
        ("def f(pool): setattr(pool, 'pool', 1)", ".pool"),
        ("import operator\nf = operator.attrgetter('_conns')", "._conns"),
        ("class C(urllib3.HTTPConnectionPool): ...", "class C(urllib3.HTTPConnectionPool)"),
        ("class C(http.client.HTTPConnection): ...", "class C(http.client.HTTPConnection)"),
        ("class C(http.client.HTTPResponse): ...", "class C(http.client.HTTPResponse)"),
        ("class C(aiohttp.TCPConnector): ...", "class C(aiohttp.TCPConnector)"),
        ("class C(requests.Session): ...", "class C(requests.Session)"),
        ("from urllib3 import PoolManager as M\nclass C(M): ...", "class C(urllib3.PoolManager)"),
        ("def f():\n    class C(requests.adapters.HTTPAdapter): ...", "class C(requests.adapters.HTTPAdapter)"),
        ("class C(socketserver.TCPServer):\n    def f(self): self._connections.put(1)", "._connections"),
        ("class C(http.server.BaseHTTPRequestHandler):\n    def f(self): return super()._answer()", "._answer"),
        ("from urllib3._collections import HTTPHeaderDict", "import urllib3._collections.HTTPHeaderDict"),
        ("from http.client import _MAXLINE", "import http.client._MAXLINE"),
        ("import aiohttp.client_proto", "import aiohttp.client_proto"),
        ("from aiohttp import client_reqrep as r", "import aiohttp.client_reqrep"),
        ("urllib3.util._thing", "._thing"),
    ],
)
def test_one_that_is_added_is_found(code: str, what: str) -> None:
    assert what in Module(IMPORTS + code).found


@pytest.mark.parametrize(
    "code",
    [
        "class C:\n    def f(self): return self._pool",
        "class C:\n    @classmethod\n    def f(cls): return cls._pool",
        "class C:\n    @classmethod\n    def f(cls):\n        new = cls()\n        new._pool = 1\n        return new",
        "class C:\n    def f(self, other: C): return other._pool",
        "class C(http.server.BaseHTTPRequestHandler):\n    def _cut(self): ...\n    def f(self): self._cut()",
        "class C(ValueError): ...",
        "def f(response): return response.__class__",
        "def f(pool): return pool.urlopen('GET', '/')",
        "import queue\nclass C(queue.LifoQueue): ...",
    ],
)
def test_allowed_names_are_not_reported(code: str) -> None:
    assert not Module(IMPORTS + code).found


def test_a_module_without_these_libraries_may_use_any_name() -> None:
    assert not Module("import asyncio\ndef f(future): future.set_exception(future._loop)").found

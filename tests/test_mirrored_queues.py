"""The sync and the async queue are the same program but for the awaiting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import decart


def bodies(module: str) -> dict[str, list[str]]:
    """Return the statements of each method of a module's queue, docstrings left out."""
    tree = ast.parse((Path(decart.__file__).parent / f"{module}.py").read_text("utf-8"))
    queue = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("QueueClient"))
    return {
        node.name: [ast.unparse(statement) for statement in node.body[1 if ast.get_docstring(node) else 0 :]]
        for node in queue.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "__init__"
    }


@pytest.mark.parametrize("module", ["queue", "aio"])
def test_a_verb_is_of_a_few_lines(module: str) -> None:
    for name, statements in bodies(module).items():
        if not name.startswith("_"):
            assert sum(text.count("\n") + 1 for text in statements) <= 5, name


def test_the_two_queues_are_the_same_program_but_for_the_awaiting() -> None:
    """Private parts included: take `await` and `async` away, and the same statements are left."""
    awaited = {
        name: [text for text in map(_without_awaiting, statements) if text]
        for name, statements in bodies("aio").items()
    }
    assert awaited == {
        name: [text for text in map(_without_imports, statements) if text]
        for name, statements in bodies("queue").items()
    }


def _without_imports(text: str) -> str:
    return re.sub(r"(?m)^ *from [.\w]+ import [ ,\w]+\n?", "", text)


def _without_awaiting(text: str) -> str:
    text = _without_imports(text)
    text = re.sub(r"\basync |\bawait ", "", text)
    text = text.replace("_submit_call(self._core, ", "self._core.submit_call(")
    text = text.replace("adownload(", "download(").replace("AsyncVideoStream", "VideoStream")
    text = text.replace("_done(watch.callback(news))", "watch.callback(news)")
    return text.replace("AsyncRetrying", "Retrying").replace("asleep", "sleep").replace("awaited=True", "awaited=False")

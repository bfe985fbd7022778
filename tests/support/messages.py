"""The texts in the source of the package that a person can meet on a screen, and the phrases of the page about them.

Every text of some words is one, except where its place shows that it is not: in a docstring, in ``--help``, in a
pattern or statement of another language, or in what a command says when all is well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .documents import ROOT

PACKAGE = ROOT / "decart"
GENERATED = {"_sync"}
LISTS = {"_names.py", "wording.py", "parser.py", "notebook.py", "samples.py", "conformance.py"}
"""Modules with no message of their own: names, rewritten messages, ``--help``, and what tests of a journal need."""

HELP = {"help", "description", "epilog", "what"}
"""Keyword arguments that are shown by ``--help``, or that name a call in the log."""

OTHER_CALLS = {"new_command", "add_argument_group", "compile", "search", "fullmatch", "execute", "startswith", "cast"}
OTHER_LANGUAGES = re.compile(r"\s*(<|--…|SELECT|INSERT|UPDATE|DELETE|CREATE|multipart|; filename|generation DESC)|.*\n")
TEMPLATES = {"refuse": "… must be {}, not ….", "_check_type": "… must be {}, not …."}
"""Functions that make a message of a part of it."""


def messages(*, all_texts: bool = False) -> dict[str, str]:
    """Return the messages in the package, with a place where each is written; each variable part is ``…``.

    Args:
        all_texts: Whether to return those of the emulator, and parts of two words, too.
    """
    skipped = GENERATED if all_texts else GENERATED | {"emulator"}
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if not skipped & {*path.parts} and path.name not in LISTS]
    return {text: f"{path.relative_to(ROOT)}:{line}" for path in paths for line, text in _texts(path, all_texts)}


def _texts(path: Path, is_brief_too: bool) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in parents:
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            text = "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        words = len(re.findall(r"[A-Za-z]{2,}", text))
        is_brief = words < 2 or (words == 2 and not (text.endswith(".") or is_brief_too))
        if is_brief or not re.search(r"\S +\S", text) or OTHER_LANGUAGES.match(text):
            continue
        if (template := _template(node, parents)) is not None:
            yield node.lineno, plain(template.replace("{}", text))


def _template(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str | None:
    """Return what a text is a part of, by the place where it is; ``None`` if it is not a message."""
    if isinstance(parents[node], (ast.Expr, ast.JoinedStr)):
        return None
    while (parent := parents.get(node)) is not None:
        match parent:
            case ast.keyword(arg=str(name)) if name in HELP:
                return None
            case ast.Call(func=ast.Name(id="Check"), args=[_, ast.Constant(value="ok" | "skipped"), *_]):
                return None
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return None if name in OTHER_CALLS else TEMPLATES.get(name, "{}")
        node = parent
    return "{}"


def plain(text: str) -> str:
    """Return a text on one line, with ``…`` for each variable part, however the code writes it."""
    return " ".join(re.sub(r"\{\w*\}|%\.?\w+|…+", "…", text).split())


def phrases(page: str) -> dict[str, list[str]]:
    """Return, by the heading of each entry of the page, the phrases by which a reader finds it."""
    entries = re.split(r"^### ", (ROOT / page).read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = {}
    for entry in entries:
        heading, _, body = entry.partition("\n")
        also = re.findall(r"^Also: (.*?)\n\n", body, re.MULTILINE | re.DOTALL)
        found[heading] = [plain(each) for each in re.findall(r"`+ ?(.+?) ?`+", " ".join([heading, *also]), re.DOTALL)]
    return found


def is_in(phrase: str, message: str) -> bool:
    """Return whether a message has a phrase, each ``…`` of which stands for anything."""
    return _pattern(phrase).search(message) is not None


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, phrase.split("…"))))

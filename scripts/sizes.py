"""Print how large the package is: modules and lines by room, the longest module and the longest function.

Run: python scripts/sizes.py

A line of code is one that is not blank, a comment or part of a docstring. The length of a function leaves out its
docstring, as in ``tests/test_architecture.py``. The totals leave out ``decart/_sync``, which is generated.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent.parent / "decart"
ROOMS = ["core", "journal", "pool", "_async", "transports", "integrations", "cli", "emulator", "_sync"]
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Module(NamedTuple):
    """A module, with the lengths and names of its functions."""

    name: str
    room: str
    lines: int
    code: int
    functions: list[tuple[int, str]]


def read(path: Path) -> Module:
    """Measure a module."""
    source, name = path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix()
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for t in tokens if t.type not in LAYOUT for line in range(t.start[0], t.end[0] + 1)}
    lengths = []
    for node in ast.walk(ast.parse(source)):
        span = set(range(getattr(node, "lineno", 1), getattr(node, "end_lineno", 0) + 1))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            prose = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) is not None else 0
            lengths.append((len(span) - prose, f"{name}: {node.name}"))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code -= span
    return Module(name, name.partition("/")[0] if "/" in name else "core", len(source.splitlines()), len(code), lengths)


if __name__ == "__main__":
    modules = [read(path) for path in sorted(PACKAGE.rglob("*.py"))]
    ours = [module for module in modules if module.room not in ("emulator", "_sync")]
    rooms = {room: [module for module in modules if module.room == room] for room in ROOMS}
    print(f"{'room':<34}{'modules':>8}{'lines':>8}{'code':>8}")
    for room, inside in {**rooms, "by hand, without the emulator": ours}.items():
        print(f"{room:<34}{len(inside):>8}{sum(m.lines for m in inside):>8}{sum(m.code for m in inside):>8}")
    print("longest module: {1} ({0} lines)".format(*max((module.lines, module.name) for module in ours)))
    print("longest function: {1} ({0} lines)".format(*max(length for module in ours for length in module.functions)))

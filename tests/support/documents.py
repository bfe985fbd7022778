"""Run the programs in our documentation, unchanged."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


def programs(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run(program: str, names: dict[str, Any], page: str) -> None:
    """Run a program with these global names; like a notebook cell, it may await at the top level."""
    code = compile(textwrap.dedent(program), page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)

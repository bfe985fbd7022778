"""Run programs one after the other in one session, as a reader does who pastes them into a notebook or a shell.

Run: python session.py, with a JSON list of the programs on stdin. Each may await at the top level.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import linecache
import sys
from types import ModuleType


def run_in_order(programs: list[str]) -> None:
    """Run the programs in an empty ``__main__`` module."""
    sys.modules["__main__"] = session = ModuleType("__main__")
    with asyncio.Runner() as runner:
        for number, program in enumerate(programs, 1):
            name = f"program {number}"
            linecache.cache[name] = (len(program), None, program.splitlines(keepends=True), name)  # for tracebacks
            code = compile(program, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, vars(session)))
            else:
                exec(code, vars(session))


if __name__ == "__main__":
    run_in_order(json.load(sys.stdin))

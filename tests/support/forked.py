"""A program that runs other programs, each in a fork of this process, which has imported decart, so that it is quick.

For each line of JSON that it reads, it runs a program and prints a line with its exit code and its output. ::

    {"program": "/x/image.py", "arguments": ["--help"], "folder": "/", "variables": {}, "input": ""}
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from typing import Any


class Starter:
    """Starts programs as ``python`` does, in a process that has imported decart."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self, program: Path, *arguments: str, folder: Path, input: str = "", **variables: str
    ) -> CompletedProcess[str]:
        """Run a program to its end, with more environment variables and a text as its standard input."""
        order = {
            "input": input,
            "program": str(program),
            "arguments": arguments,
            "folder": str(folder),
            "variables": variables,
        }
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        code, printed, complaints = json.loads(self._process.stdout.readline())
        return CompletedProcess([str(program), *arguments], code, printed, complaints)


@contextmanager
def starter() -> Iterator[Starter]:
    """Run this program during the block."""
    command = [sys.executable, "-W", "error", "-m", "support.forked"]
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(Path(__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield Starter(process)
        assert process.stdin is not None
        process.stdin.close()


def interpret(program: str, arguments: list[str], folder: str, variables: dict[str, str]) -> int:
    """Run a program in this process as an interpreter does, and return its exit code."""
    os.chdir(folder)
    os.environ.update(variables)
    sys.argv = [program, *arguments]
    sys.path[0] = str(Path(program).parent)
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def run(input: str, **order: Any) -> tuple[int, str, str]:
    """Run a program in a child; return its exit code, and what it writes to stdout and stderr."""
    with TemporaryFile() as given, TemporaryFile() as printed, TemporaryFile() as complaints:
        given.write(input.encode())
        given.seek(0)
        child = os.fork()
        if not child:
            code = 1
            try:
                os.dup2(given.fileno(), 0)
                os.dup2(printed.fileno(), 1)
                os.dup2(complaints.fileno(), 2)
                code = interpret(**order)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (printed, complaints):
            file.seek(0)
            texts.append(file.read().decode())
    return code, texts[0], texts[1]


if __name__ == "__main__":
    from decart import DecartClient

    DecartClient("dct_test").close()  # it imports what a client needs
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)

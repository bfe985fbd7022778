"""Fill in docs/faults.md: the table of faults, and what curl prints for each of them.

Run: python scripts/faults_page.py [--check] [--examples]

The table needs attrs only. ``--examples`` runs the examples, too, with curl against an emulator, and needs the extra
``emulator``; otherwise they stay as they are. ``--check`` changes nothing, and fails if the page is not up to date.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # an installed package may be another version

from decart.emulator.faults import KINDS, fault_of  # noqa: E402
from decart.emulator.faults.table import defaults, usage  # noqa: E402

PAGE = ROOT / "docs" / "faults.md"
URL = "http://127.0.0.1:8787"
VIDEO = bytes(4000)
JOB_ID = "0123456789abcdef0123456789abcdef"

STATUS = 'curl -sSi $URL/v1/jobs/$JOB -H "$KEY"'
SUBMIT = 'curl -sSi $URL/v1/jobs/lucy-pro-t2v -H "$KEY" -F prompt="A serene lake"'
CONTENT = 'curl -sS -D - -o video.mp4 $URL/v1/jobs/$JOB/content -H "$KEY"'
NEW_JOB = f"JOB=$({SUBMIT.replace('-sSi', '-s')} | grep -o '[0-9a-f]\\{{32\\}}')"

EXAMPLES: dict[str, list[str]] = {  # a fault, and the commands that meet it
    "status:503,retry_after=7": [STATUS],
    "html": [STATUS],
    "redirect": [STATUS],
    "drop-before": [STATUS],
    "drop-after": [SUBMIT],
    "bad-json": [STATUS],
    "missing-field": [STATUS],
    "unknown-status": [STATUS],
    "stall:60": [f"{STATUS} --max-time 0.5"],
    "drip:60,bytes=1000": [f"{CONTENT} --max-time 0.5"],
    "drop-midway:1000": [CONTENT],
    "truncate:1000": [CONTENT],
    "cut-file:1000": [CONTENT],
    "job-fails:out of memory": [NEW_JOB, STATUS],
    "job-never-ends": [NEW_JOB, STATUS],
    "empty-result": [NEW_JOB, CONTENT],
}


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is not up to date")
    parser.add_argument("--examples", action="store_true", help="run the examples, too")
    arguments = parser.parse_args()
    page = PAGE.read_text("utf-8")
    filled = fill(page, "table", table())
    if arguments.examples:
        filled = fill(filled, "examples", examples())
    is_outdated = comparable(filled) != comparable(page)
    if is_outdated and not arguments.check:
        PAGE.write_text(filled, "utf-8")
    if is_outdated and arguments.check:
        print("Run scripts/faults_page.py --examples: docs/faults.md would change.")
    return int(is_outdated and arguments.check)


def fill(page: str, name: str, content: str) -> str:
    """Return the page with this content between the two comments of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"docs/faults.md needs {begin} and {end}, once each.")
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n\n{content}\n\n{end}", page, flags=re.DOTALL)


def comparable(page: str) -> str:
    """Return a page without the words of curl's errors, which differ between its versions."""
    return re.sub(r"^(curl: \(\d+\)).*", r"\1", page, flags=re.MULTILINE)


def table() -> str:
    """Return the table of faults."""
    rows = ["| fault | part | what it does | by default |", "| --- | --- | --- | --- |"]
    for name, kind in KINDS.items():
        usual = ", ".join(f"`{default}`" for default in defaults(name))
        rows.append(f"| [`{usage(name)}`](#{name}) | {kind.part} | {kind.does} | {usual} |")
    return "\n".join(rows)


def examples() -> str:
    """Return a section for each fault, with what its commands print now."""
    from decart.emulator import Emulator, EmulatorServer  # need the extra

    def render(order: object, target: Path) -> None:
        target.write_bytes(VIDEO)

    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(pending=0, processing=0, renderer=render, background=False) as emulator,
        EmulatorServer(emulator) as server,
    ):
        shell = Shell(server.url, folder)
        sections = []
        for fault, commands in EXAMPLES.items():
            shell.run(NEW_JOB)
            lines = [f'curl -sS $URL/_emulator/faults -H "$JSON" -d \'"{fault}"\'', *commands]
            printed = "\n".join(filter(None, map(shell.run, lines)))
            emulator.faults.clear()
            name = fault_of(fault).name
            does = KINDS[name].does
            sentence = does.capitalize() if KINDS[name].part == "job" else f"It {does}"
            script = "\n".join(lines)
            sections.append(f"### {name}\n\n{sentence}.\n\n```sh\n{script}\n```\n\n```\n{printed}\n```")
        return "\n\n".join(sections)


class Shell:
    """Runs commands of the page, and remembers the job of the last one."""

    def __init__(self, url: str, folder: str) -> None:
        self._url, self._folder = url, folder
        variables = {"URL": url, "KEY": "X-API-KEY: dct_local", "JSON": "Content-Type: application/json"}
        self._environment = {**os.environ, **variables}

    def run(self, command: str) -> str:
        """Run a command; return what it prints, without what differs from one run to the next."""
        is_assignment = command.startswith("JOB=")
        ended = subprocess.run(
            ["bash", "-c", f"{command}; echo $JOB" if is_assignment else command],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        printed = ended.stdout.decode().replace("\r", "").strip()
        if is_assignment:
            self._environment["JOB"] = printed
            return ""
        printed = re.sub("[0-9a-f]{16,32}", lambda found: JOB_ID[: len(found[0])], printed)  # complete or truncated
        printed = re.sub("^Date: .*", "Date: Fri, 27 Nov 2026 12:00:00 GMT", printed, flags=re.MULTILINE)
        printed = re.sub(r"after \d+ milliseconds", "after 500 milliseconds", printed)
        return printed.replace(self._url, URL)


if __name__ == "__main__":
    raise SystemExit(main())

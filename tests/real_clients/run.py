"""Play the public clients against the emulator: `python tests/real_clients/run.py`, or `tox -e clients`.

    tests/real_clients/run.py [--environments FOLDER] [--js-sdk PATH]

Each client gets an environment of its own, created from the public registries (in FOLDER, to reuse them the next time;
otherwise in a folder that is deleted). The emulator runs in this process, with the code of this checkout. Then the
JavaScript SDK's own end-to-end tests run (`end_to_end.py`), from a copy of its repository, or from GitHub. The program
prints a table, and its exit status is 1 if anything in it is wrong. Needs Node.js and npm.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import venv
from collections.abc import Iterator
from pathlib import Path

import attrs
import end_to_end

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import RenderError, RenderJob, render_small

HERE = Path(__file__).parent
PYTHON = {
    "Python, of the page": ["decart==0.0.11"],
    "Python, newest": ["decart[verify]"],
}
JAVASCRIPT = {"JavaScript, newest": ["@decartai/sdk@latest"]}
END_TO_END = ["@decartai/sdk@latest", "vitest@4"]
PATIENCE = 900.0  # seconds to install, or to play, one client


@attrs.frozen
class Report:
    """The report of a client.

    Attributes:
        client: Which client, and which version.
        checks: Operation, case, and what went wrong (None for nothing).
        left_out: What of its surface was not called.
    """

    client: str
    checks: list[tuple[str, str, str | None]]
    left_out: list[str]


def make_media(folder: Path) -> None:
    """Make what the clients send."""
    for task, name in (("text-to-video", "clip.mp4"), ("text-to-image", "picture.png")):
        render_small(RenderJob(task=task, model="mine", inputs={}), folder / name)


class Studio:
    """A renderer that is quick, and that fails a job whose inputs did not arrive as the clients had sent them."""

    def __init__(self, folder: Path) -> None:
        self._sent = [path.read_bytes() for path in folder.iterdir()]

    def __call__(self, job: RenderJob, target: Path) -> None:
        damaged = [name for name, path in job.inputs.items() if path.read_bytes() not in self._sent]
        if damaged:
            raise RenderError(f"{damaged[0]} is not what is in the folder")
        if job.prompt not in ("Gr\u00fc\u00dfe vom \u6e56", "") or job.seed != 7:
            raise RenderError(f"these are not the clients' words and seed: {job.prompt!r}, {job.seed}")
        render_small(job, target)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the media over HTTP, for inputs that are a URL; yield the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command, and return what it printed."""
    words = [str(word) for word in command]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # it may lead to ours
    ended = subprocess.run(words, cwd=cwd, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def python(folder: Path, packages: list[str]) -> tuple[list[str | Path], str]:
    """Make an environment of a public Python SDK; return the command that plays it, and the SDK's version."""
    venv.create(folder, with_pip=True)
    program = folder / "bin" / "python"
    run(program, "-m", "pip", "install", "--quiet", "--upgrade", *packages, cwd=folder)
    version = run(program, "-c", "from importlib.metadata import version; print(version('decart'))", cwd=folder)
    return [program, HERE / "python_client.py"], version.strip()


def javascript(folder: Path, packages: list[str]) -> tuple[list[str | Path], str]:
    """Make an environment of the public JavaScript SDK; return the command that plays it, and the SDK's version."""
    version = installed(folder, packages)
    program = folder / "client.mjs"  # beside its node_modules, where Node.js looks for them
    program.write_bytes((HERE / "javascript_client.mjs").read_bytes())
    return ["node", program], version


def installed(folder: Path, packages: list[str]) -> str:
    """Install packages of npm, the JavaScript SDK among them; return its version."""
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"private": true}')
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=folder)
    version: str = json.loads((folder / "node_modules/@decartai/sdk/package.json").read_text())["version"]
    return version


def play(client: str, command: list[str | Path], media: Path) -> Report:
    """Let one client exercise all its features against its own emulator."""
    emulator = Emulator(pending=0.3, processing=1.2, renderer=Studio(media))
    with emulator, EmulatorServer(emulator) as server, served(media) as address:
        *lines, last = map(json.loads, run(*command, server.url, media, address, cwd=media).splitlines())
    return Report(client, lines, last["left out"])


def report(reported: Report) -> bool:
    """Print a client's table; return whether all was well."""
    print(f"\n{reported.client}")
    for operation in dict.fromkeys(operation for operation, _, _ in reported.checks):
        cases = [(case, wrong) for name, case, wrong in reported.checks if name == operation]
        wrongs = [f"{case}: {wrong}" for case, wrong in cases if wrong]
        print(f"  {operation:24}{len(cases) - len(wrongs):4} of {len(cases):3} ok")
        for wrong in wrongs:
            print(f"      WRONG {wrong}")
    print(f"  not covered: {', '.join(reported.left_out) or 'nothing'}; and the realtime API, on purpose")
    return not any(wrong for _, _, wrong in reported.checks)


def own_tests(folder: Path, copy: str | None) -> bool:
    """Run the JavaScript SDK's own tests, unless they cannot be had; return whether all was well."""
    version = installed(folder, END_TO_END)
    try:
        end_to_end.prepare(folder, version, copy)
    except end_to_end.Unavailable as error:
        print(f"\nJavaScript SDK's own end-to-end tests: skipped, {error}")
        return True
    tests = end_to_end.play(folder)
    end_to_end.report(version, tests)
    return tests.passed


def main() -> int:
    """Make the environments, play the clients, print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", metavar="FOLDER", help="where the environments are kept")
    parser.add_argument("--js-sdk", metavar="PATH", help="a copy of the repository DecartAI/sdk")
    given = parser.parse_args()
    well = True
    with tempfile.TemporaryDirectory() as temporary:
        environments, media = Path(given.environments or temporary).resolve(), Path(temporary) / "media"
        media.mkdir()
        environments.mkdir(parents=True, exist_ok=True)
        make_media(media)
        for clients, make in ((PYTHON, python), (JAVASCRIPT, javascript)):
            for client, packages in clients.items():
                command, version = make(environments / client.replace(", ", "-").replace(" ", "-"), packages)
                well &= report(play(f"{client} ({version})", command, media))
        well &= own_tests(environments / "end-to-end", given.js_sdk)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

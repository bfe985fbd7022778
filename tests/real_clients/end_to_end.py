"""Run the JavaScript SDK's own end-to-end tests against the emulator, with the SDK that npm has.

The tests are those of the SDK's repository (``packages/sdk/tests/e2e.test.ts``), unchanged: in place of the SDK they
import a module of four lines that gives each client the address of the emulator. They are not copied into this
repository. They come from a copy of theirs, whose path is an argument or the variable ``DECART_JS_SDK``, or else from
GitHub; without either they are skipped. The SDK's tests of its realtime API need WebRTC, which no emulator has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small

sys.path.append(str(Path(__file__).parents[1]))

from support.published import Unavailable, published

__all__ = ["Unavailable", "play", "prepare", "report"]

REPOSITORY, VARIABLE = "DecartAI/sdk", "DECART_JS_SDK"
TESTS = "packages/sdk/tests"
FILES = ("e2e.test.ts", "fixtures/video.mp4", "fixtures/image.png")
PATIENCE = 900.0  # seconds for all tests
SHIM = """\
import * as sdk from "./node_modules/@decartai/sdk/dist/index.js";
export * from "./node_modules/@decartai/sdk/dist/index.js";
const { DECART_BASE_URL: baseUrl } = process.env;
export const createDecartClient = (options) => sdk.createDecartClient({ ...options, baseUrl });
"""
CONFIG = """\
import { fileURLToPath } from "node:url";
const shim = fileURLToPath(new URL("./shim.mjs", import.meta.url));
export default { resolve: { alias: [{ find: /^@decartai\\/sdk$/, replacement: shim }] } };
"""


@attrs.frozen
class Tests:
    """The outcome of each test, and how many jobs and images they submitted.

    Attributes:
        outcomes: What went wrong with each test; None for nothing.
        submitted: How many jobs and images the emulator accepted. A test makes one, but is tried again if it fails.
    """

    outcomes: dict[str, str | None]
    submitted: int

    @property
    def passed(self) -> bool:
        """Whether all passed, each at the first attempt."""
        return set(self.outcomes.values()) == {None} and self.submitted == len(self.outcomes)


def prepare(folder: Path, version: str, copy: str | None) -> None:
    """Write the tests and what they need beside the SDK, which is installed in the folder.

    Raises:
        Unavailable: The tests cannot be had.
    """
    for name in FILES:
        target = folder / "tests" / name
        data = published(REPOSITORY, f"{TESTS}/{name}", VARIABLE, ref=f"v{version}", copy=copy)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (folder / "shim.mjs").write_text(SHIM)
    (folder / "vitest.config.mjs").write_text(CONFIG)


def play(folder: Path) -> Tests:
    """Run the tests against an emulator that makes small files."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = ["npx", "--no-install", "vitest", "run", "--reporter=json", f"--outputFile={report}"]
    with Emulator(pending=0.1, processing=0.2, renderer=render_small) as emulator, EmulatorServer(emulator) as server:
        variables = os.environ | {"DECART_API_KEY": "dct_real_client", "DECART_BASE_URL": server.url}
        ended = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        submitted = [entry for entry in [*emulator.requests.submits, *emulator.requests.images] if entry.status == 200]
    if not report.exists():
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    results = [test for file in json.loads(report.read_text())["testResults"] for test in file["assertionResults"]]
    outcomes = {
        test["fullName"]: None
        if test["status"] == "passed"
        else " ".join(test["failureMessages"])[:500] or test["status"]
        for test in results
    }
    return Tests(outcomes, len(submitted))


def report(version: str, tests: Tests) -> None:
    """Print the outcome of each test."""
    print(f"\nJavaScript SDK's own end-to-end tests ({version})")
    for name, wrong in tests.outcomes.items():
        print(f"  {'ok   ' if wrong is None else 'WRONG'} {name}{'' if wrong is None else f': {wrong}'}")
    print(f"  {len(tests.outcomes)} tests submitted {tests.submitted} jobs and images")
    print("  not run: e2e-realtime.test.ts, whose WebRTC is no part of the emulator")

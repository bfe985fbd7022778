"""Check the emulator against the OpenAPI document: `tests/conformance/run.py [EXAMPLES]`, or `tox -e conformance`.

schemathesis makes requests of the document (`document.py`), right ones and wrong ones, and checks each answer of a
server against it: the status, the type, the schema; that right requests are taken and wrong ones refused; that nothing
goes without a key. The exit status is 1 if anything is wrong. What it prints says what was asked, and how often.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from document import document

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small

KEY = "dct_conformance"
SEED = "20261125"
LET_PASS = "allow_header_conformance"  # the name of a model may be the id of a job, so that it may be read, too
SETTINGS = f"""
[auth.openapi.ApiKey]
api_key = "{KEY}"

[phases.fuzzing]
generation.mode = "positive"  # what is wrong in JSON may be right in a form, where all is text; coverage knows that

[phases.stateful]
generation.mode = "positive"
"""


def main(examples: str = "25") -> int:
    """Start an emulator and run schemathesis against it; return the exit status."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(pending=0, processing=0, renderer=render_small, api_keys=[KEY]) as emulator,
        EmulatorServer(emulator) as server,
    ):
        path = Path(folder, "document.json")
        path.write_text(json.dumps(document()))
        settings = Path(folder, "schemathesis.toml")
        settings.write_text(SETTINGS)
        what = ["--checks", "all", "--exclude-checks", LET_PASS, "--max-examples", examples, "--seed", SEED]
        output = ["--continue-on-failure", "--no-color"]
        program = Path(sys.executable).with_name("schemathesis")
        command = [program, "--config-file", settings, "run", path, "--url", server.url, *what, *output]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

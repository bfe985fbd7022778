"""Check the emulator against the service's OpenAPI document: `tox -e conformance`.

    tests/conformance/run.py [EXAMPLES] [--postman FILE] [--openapi FILE] [--only each,postman]

- ``differences``: ours (`document.py`) is compared with the service's own, if that is at hand (`differences.py`).
- ``each``: each response of each operation is provoked once (`each_response.py`).
- ``postman``: the service's public Postman collection is replayed, if that is at hand (`postman.py`).
- ``schemathesis``: schemathesis makes requests of the document, valid and invalid ones, and checks each response: its
  status, type and schema; that valid requests are accepted and invalid ones refused; that nothing works without a key.

Every response is checked against the document, unless a fault was injected. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import differences
import each_response
import postman
from checker import Checker
from document import document
from wire import KEY

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small

sys.path.append(str(Path(__file__).parents[1]))

from support.published import Unavailable, published

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
OPENAPI = "openapi/decart-api-openapi-original.json"


def compare(given: argparse.Namespace) -> Iterator[str]:
    """Compare our document with the service's own; yield the differences that are not allowed."""
    theirs = json.loads(published(postman.REPOSITORY, OPENAPI, "OPENAPI_DOCUMENT", copy=given.openapi))
    print(*differences.summary(theirs, document()), sep="\n")
    yield from differences.compared(theirs, document())


def provoke(given: argparse.Namespace) -> Iterator[str]:
    """Provoke each response once; yield what is wrong."""
    checker = Checker()
    yield from each_response.check(checker)
    print(f"  {sum(checker.seen.values())} responses, of {len(list(checker.expected()))} that the document has")


def replay(given: argparse.Namespace) -> Iterator[str]:
    """Replay the Postman collection; yield what is wrong."""
    collection = json.loads(published(postman.REPOSITORY, postman.PATH, postman.VARIABLE, copy=given.postman))
    yield from postman.replay(collection, Checker())


def generate(given: argparse.Namespace) -> Iterator[str]:
    """Start an emulator and run schemathesis against it; yield what is wrong, after it has printed the details."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(pending=0, processing=0, renderer=render_small, api_keys=[KEY]) as emulator,
        EmulatorServer(emulator) as server,
    ):
        path = Path(folder, "document.json")
        path.write_text(json.dumps(document()))
        settings = Path(folder, "schemathesis.toml")
        settings.write_text(SETTINGS)
        what = ["--checks", "all", "--exclude-checks", LET_PASS, "--max-examples", given.examples, "--seed", SEED]
        output = ["--continue-on-failure", "--no-color"]
        program = Path(sys.executable).with_name("schemathesis")
        command = [program, "--config-file", settings, "run", path, "--url", server.url, *what, *output]
        sys.stdout.flush()
        if subprocess.run(command, cwd=folder, check=False).returncode:
            yield "see above"


CHECKS: dict[str, Callable[[argparse.Namespace], Iterator[str]]] = {
    "differences": compare,
    "each": provoke,
    "postman": replay,
    "schemathesis": generate,
}


def main() -> int:
    """Run the checks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="?", default="25", help="how many requests of each kind are generated")
    parser.add_argument("--postman", metavar="FILE", help=f"the collection {postman.PATH}, instead of a download")
    parser.add_argument("--openapi", metavar="FILE", help=f"the document {OPENAPI}, instead of a download")
    parser.add_argument("--only", default=",".join(CHECKS), help="the checks to run")
    given = parser.parse_args()
    well = True
    for name in given.only.split(","):
        print(f"\n{name}")
        try:
            for wrong in CHECKS[name](given):
                print(f"  WRONG {wrong}")
                well = False
        except Unavailable as error:
            print(f"  skipped: {error}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

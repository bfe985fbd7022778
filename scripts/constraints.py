"""Renew tests/newest.txt: the newest versions of everything that the tox environments install, for each Python.

Run: tox -e constraints

It needs uv. The environments that CI runs are constrained to these versions (`install_command` in tox.ini), so that a
release of another project cannot break an unrelated change. The README's test command is not, so that CI sees it.
"""

from __future__ import annotations

import os
import subprocess
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = "tests/newest.txt"


def requirements(root: Path = ROOT) -> list[str]:
    """Return what setup.cfg requires, with all extras, and what the environments of tox.ini need; and tox itself."""
    setup = ConfigParser()
    setup.read(root / "setup.cfg", "utf-8")
    tox = ConfigParser(interpolation=None)
    tox.read(root / "tox.ini", "utf-8")
    found = ["tox", *setup["options"]["install_requires"].splitlines()]
    for extra in setup["options.extras_require"].values():
        found += extra.splitlines()
    for environment in tox.values():
        found += [line for line in environment.get("deps", "").splitlines() if not line.startswith("-r ")]
    return sorted({line.strip() for line in found if line.strip()})


def main() -> None:
    """Write the file."""
    subprocess.run(
        ["uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--upgrade", "-", "-o", FILE],
        cwd=ROOT,
        input="\n".join(requirements()),
        text=True,
        env=os.environ | {"UV_CUSTOM_COMPILE_COMMAND": "tox -e constraints"},
        check=True,
    )


if __name__ == "__main__":
    main()

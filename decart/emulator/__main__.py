"""``python -m decart.emulator``: the same as ``decart emulator``; see `decart.cli.emulate`."""

from __future__ import annotations

import sys

from ..cli.main import main

if __name__ == "__main__":
    sys.exit(main(["emulator", *sys.argv[1:]]))

"""Build the wheel, install it without extras away from the sources, and check that it is complete.

Run by the tox environment "package", from the top of the checkout.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

PROGRAM = """
import sys
from importlib.metadata import distributions
import decart
assert decart.__file__.startswith(sys.prefix), decart.__file__
client = decart.DecartClient(api_key="dct_x", base_url="http://127.0.0.1:9")
try:
    client.queue.submit({"model": decart.models.video("lucy-pro-t2v"), "prompt": "x"})
except decart.QueueSubmitError as error:
    assert isinstance(error.cause, decart.ConnectError), error
brought = sorted({found.metadata["Name"].lower() for found in distributions()} - {"pip", "setuptools", "wheel"})
print(len(brought), "distributions:", *brought)
assert "decart-queue" in brought and "decart" not in brought, brought
assert len(brought) <= 9, brought  # decart-queue, the four that it needs, and what those need
"""


def run(*command: str | Path, expect: int = 0) -> str:
    """Run a command in another folder, and return its output."""
    with tempfile.TemporaryDirectory() as elsewhere:
        ended = subprocess.run(
            [str(word) for word in command], cwd=elsewhere, capture_output=True, text=True, check=False
        )
    if ended.returncode != expect:
        sys.exit(f"{command} ended with {ended.returncode}, not {expect}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


def main() -> None:
    """Build the wheel, check its contents, install it and use it."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "build", "--outdir", folder, here)
        (wheel,) = Path(folder).glob("*.whl")
        inside = set(zipfile.ZipFile(wheel).namelist())
        wanted = {str(path.relative_to(here)) for path in (here / "decart").rglob("*.py")} | {"decart/py.typed"}
        if wanted - inside:
            sys.exit(f"missing from the wheel: {sorted(wanted - inside)}")
        if not any(name.endswith("/LICENSE") for name in inside) or any(name.startswith("tests") for name in inside):
            sys.exit("the wheel must hold the licence, and no tests")
        python = Path(folder, "bare", "bin", "python")
        venv.create(Path(folder, "bare"), with_pip=True)
        run(python, "-m", "pip", "install", "--quiet", wheel)
        print(run(python, "-W", "error", "-c", PROGRAM), end="")
        print(run(python, "-m", "decart.emulator", expect=1), end="")
    print(f"{wheel.name}: 1 passed, 0 failed")


if __name__ == "__main__":
    main()

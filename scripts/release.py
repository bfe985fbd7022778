"""Build the sdist and the wheel, and check all that can be checked before they are published.

Run: tox -e release [-- --tag v0.1.0]

What is built is the last commit, into dist/, and a software bill of materials, sbom.json. With ``--tag``, the version,
the changelog and the tag must also agree. The environment holds the tools; see tox.ini.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path

import api_changes
from packaging.metadata import Metadata

ROOT = Path(__file__).parent.parent
DIST, SBOM, CHANGELOG = ROOT / "dist", ROOT / "sbom.json", ROOT / "CHANGELOG.md"
NAME = "decart-queue"
PYTHONS = ("3.11", "3.12", "3.13")
GENERATED = ("PKG-INFO", "decart_queue.egg-info/")

# two machines that build the same commit differ in more than the time
MACHINES = (
    {"TZ": "UTC", "PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8"},
    {"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "2", "LC_ALL": "C"},
)

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

# run from the unpacked sdist, on each Python; they use the emulator, all transports, the command line and the fixtures
TESTS = ["test_queue_submit.py", "test_queue_waits.py", "test_plugin.py", "cli/test_run_command.py"]
EXTRAS, TESTS_NEED = "async,cli,emulator", ["hypothesis", "numpy", "pytest", "pytest-xdist", "responses"]


def run(*command: str | Path, expect: int = 0, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command, and return its output; end if its exit code is another.

    The umask is always the same, since the modes of generated files are in the wheel.
    """
    words, environment = [str(word) for word in command], os.environ | variables
    ended = subprocess.run(words, cwd=cwd, env=environment, umask=0o022, capture_output=True, text=True, check=False)
    if ended.returncode != expect:
        sys.exit(f"{' '.join(words)} ended with {ended.returncode}, not {expect}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
    print(f"== {what}", flush=True)
    begun = time.monotonic()
    yield
    print(f"   {time.monotonic() - begun:.0f} s", flush=True)


def build(folder: Path, epoch: int, machine: dict[str, str]) -> Path:
    """Build the last commit's sdist, and the wheel from it, in a folder of its own; return where they are."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as sources:
        sources.extractall(folder / "sources", filter="data")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"]
    run(*command, cwd=folder / "sources", SOURCE_DATE_EPOCH=str(epoch), **machine)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    normalize(sdist, epoch)
    return folder / "dist"


def normalize(sdist: Path, epoch: int) -> None:
    """Write an sdist again without what differs between machines: setuptools keeps times and owners."""
    plain = io.BytesIO()
    with tarfile.open(sdist) as archive, tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as written:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.pax_headers = {}
            written.addfile(member, archive.extractfile(member))
    with sdist.open("wb") as file, GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as packed:
        packed.write(plain.getvalue())


def build_twice(folder: Path) -> tuple[Path, Path]:
    """Build on two such machines, compare, and keep the files in dist/."""
    epoch = int(run("git", "log", "-1", "--format=%ct"))
    first, second = (build(folder / f"machine{n}", epoch, machine) for n, machine in enumerate(MACHINES))
    names = sorted(path.name for path in first.iterdir())
    same, different, missing = filecmp.cmpfiles(first, second, names, shallow=False)
    if different or missing or len(same) != 2:
        kept = shutil.copytree(folder, tempfile.mkdtemp(), dirs_exist_ok=True)
        sys.exit(f"Two builds of the same commit differ in {different + missing}; compare them in {kept}.")
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.copytree(first, DIST)
    for path in sorted(DIST.iterdir()):
        print(f"   the same bytes twice: {path.name}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return next(DIST.glob("*.tar.gz")), next(DIST.glob("*.whl"))


def check_contents(sdist: Path, wheel: Path) -> None:
    """Compare what is in the files with what git tracks, and the metadata with setup.cfg."""
    tracked = set(run("git", "ls-tree", "-r", "--name-only", "HEAD").split("\n")) - {""}
    package = {name for name in tracked if name.startswith("decart/")}
    with tarfile.open(sdist) as archive:
        inside = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    differences("the sdist", inside, tracked, GENERATED)
    with zipfile.ZipFile(wheel) as archive:
        information = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
        differences("the wheel", set(archive.namelist()), package, (f"{information}/",))
        if f"{information}/licenses/LICENSE" not in archive.namelist():
            sys.exit("The wheel lacks the licence.")
        metadata = Metadata.from_email(archive.read(f"{information}/METADATA"))  # raises what is invalid
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    urls = dict(line.split(" = ") for line in setup["metadata"]["project_urls"].strip().splitlines())
    facts = {
        "name": (metadata.name, setup["metadata"]["name"]),
        "version": (str(metadata.version), version()),
        "Python": (str(metadata.requires_python), setup["options"]["python_requires"]),
        "extras": (set(metadata.provides_extra or ()), set(setup["options.extras_require"])),
        "URLs": ((metadata.project_urls or {}).items() >= urls.items(), True),
    }
    for what, (found, wanted) in facts.items():
        if found != wanted:
            sys.exit(f"The metadata of the wheel has the wrong {what}: {found}, not {wanted}.")


def differences(what: str, inside: set[str], wanted: set[str], generated: tuple[str, ...]) -> None:
    """End if something is missing, or there without being wanted."""
    missing, stray = wanted - inside, {name for name in inside - wanted if not name.startswith(generated)}
    if missing or stray:
        sys.exit(f"{what[0].upper()}{what[1:]} lacks {sorted(missing)}, and should not have {sorted(stray)}.")
    print(f"   {what} has the {len(wanted)} files that it should have")


def version() -> str:
    """Return the version that the package has."""
    source = (ROOT / "decart" / "_version.py").read_text("utf-8")
    return re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)[0]


def environment(folder: Path, python: str) -> Path | None:
    """Make a virtual environment of a Python, and return its interpreter; nothing if there is no such Python."""
    command = [sys.executable, "-m", "virtualenv", "-q", "-p", python, folder]
    ended = subprocess.run(command, capture_output=True, check=False)
    return folder / "bin" / "python" if ended.returncode == 0 else None


def install(python: Path, *what: str | Path) -> None:
    """Install packages in an environment, the ones that we need in the versions of tests/newest.txt."""
    run(python, "-I", "-m", "pip", "install", "-q", "-c", ROOT / "tests" / "newest.txt", *what, cwd=python.parent)


def check_wheel(python: Path, sdist: Path, wheel: Path, folder: Path) -> None:
    """Use the wheel without extras, away from the sources, and then run tests of the sdist with it."""
    install(python, wheel)
    print(run(python, "-W", "error", "-c", PROGRAM, cwd=folder), end="")
    run(python, "-m", "decart.emulator", expect=1, cwd=folder)  # says which extra it needs
    install(python, f"{wheel}[{EXTRAS}]", *TESTS_NEED)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (sources,) = folder.glob("decart_queue-*")
    shutil.rmtree(sources / "decart")
    print(run(python, "-m", "pytest", "-q", "-n", "2", *TESTS, cwd=sources / "tests").splitlines()[-1])


def bill_of_materials(folder: Path, wheel: Path) -> None:
    """Write what the wheel brings to sbom.json, in CycloneDX's format, and compare it with what is installed."""
    python = environment(folder / "bare", sys.executable)
    assert python
    install(python, wheel)
    # installed once more, from a folder, since pip would note where on this machine the file was
    run(python, "-m", "pip", "uninstall", "-q", "-y", NAME)
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--find-links", DIST, NAME)
    run(python, "-m", "pip", "uninstall", "-q", "-y", "setuptools", "pip")
    run("cyclonedx-py", "environment", "--output-reproducible", "--validate", "--mc-type=library", "-o", SBOM, python)
    parts = {part["name"]: part["version"] for part in json.loads(SBOM.read_text("utf-8"))["components"]}
    if parts.get(NAME) != version() or len(parts) > 9 or "pip" in parts or str(folder) in SBOM.read_text("utf-8"):
        sys.exit(f"The bill of materials is wrong: {parts}")
    print(f"   {SBOM.name} is valid, and lists {', '.join(sorted(parts))}")


def check_tag(tag: str) -> None:
    """End unless a tag is that of the last commit and of the version, and the changelog is ready for it."""
    if changed := run("git", "status", "--porcelain"):
        sys.exit(f"What is checked would not be what is built; commit or remove this first:\n{changed}")
    if run("git", "rev-list", "-1", tag, "--") != run("git", "rev-parse", "HEAD"):
        sys.exit(f"The tag {tag} is not that of the last commit.")
    if tag != f"v{version()}":
        sys.exit(f"The tag is {tag}, but the version in decart/_version.py is {version()}.")
    if not re.search(rf"^## {re.escape(version())} \(\d{{4}}-\d\d-\d\d\)$", CHANGELOG.read_text("utf-8"), re.MULTILINE):
        sys.exit(f'CHANGELOG.md has no heading "## {version()} (date)".')
    if left := sorted(path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"):
        sys.exit(f"Run towncrier build first: these entries are not in CHANGELOG.md yet: {', '.join(left)}.")


def main() -> None:
    """Do all of it, in order of what fails most often."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tag", default="", help="the tag that is to be published, such as v0.1.0")
    tag = parser.parse_args().tag
    if run("git", "status", "--porcelain"):
        print("There are changes that are not committed; they are not in what is built.")
    with step("the changelog, and the public API"):
        if tag:
            check_tag(tag)
        run("towncrier", "build", "--draft", "--version", version())
        api_changes.main(tag)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with step("two builds of the last commit"):
            sdist, wheel = build_twice(folder)
        with step("contents and metadata"):
            run("twine", "check", "--strict", sdist, wheel)
            check_contents(sdist, wheel)
        with step("a bill of materials"):
            bill_of_materials(folder, wheel)
        for each in PYTHONS:
            with step(f"the wheel on Python {each}, away from the sources"):
                if python := environment(folder / each / "environment", each):
                    check_wheel(python, sdist, wheel, folder / each)
                elif tag:
                    sys.exit(f"Python {each} is not on this machine.")
                else:
                    print("   not tested: it is not on this machine")
    print(f"{sdist.name} and {wheel.name} are in {DIST}: 1 passed, 0 failed")


if __name__ == "__main__":
    main()

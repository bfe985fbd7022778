"""What a release depends on: the comparison of the API, bounds of dependencies, pinned versions, audits, workflows."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
API = """
from ._core import Base, Client, Policy, helper

__all__ = ["Base", "Client", "Policy", "helper", "LIMIT"]
LIMIT = 3
"""
CORE = """
import attrs

@attrs.frozen(kw_only=True)
class Policy(ValueError):
    pause: float = attrs.field(default=0.5, converter=float)
    limit: int = 3

class Base:
    def close(self):
        pass

class Client(Base):
    def submit(self, options, label=None):
        pass

def helper(path):
    pass

def internal():
    pass
"""
CHANGELOG = "# Changes\n\n## 0.1.0 (2026-12-01)\n\n### Removed\n\n- `submit`, `helper`, `close` and `Client`.\n"


def script(name: str) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def requirements() -> list[Requirement]:
    """Return what setup.cfg requires, with all extras."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    lines = setup["options"]["install_requires"].splitlines()
    for extra in setup["options.extras_require"].values():
        lines += extra.splitlines()
    return [Requirement(line) for line in sorted(set(lines)) if line]


REQUIREMENTS = requirements()


class Repository:
    """A small package with one release, and the script that compares."""

    def __init__(self, root: Path) -> None:
        if shutil.which("git") is None:
            pytest.skip("no git")
        self.root = root
        self.write("decart/__init__.py", API)
        self.write("decart/_core.py", CORE)
        self.write("CHANGELOG.md", CHANGELOG)
        self.write("changes/README.md", "Client, submit, helper, close")
        (root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "api_changes.py", root / "scripts")
        self.git("init", "-q")

    def git(self, *words: str) -> None:
        environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(["git", *words], cwd=self.root, env=environment, check=True)

    def commit(self, tag: str = "") -> None:
        self.git("add", "-A")
        self.git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x")
        if tag:
            self.git("tag", tag)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_text(text, "utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text("utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def compare(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "scripts/api_changes.py"]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.commit("v0.1.0")
    return made


def test_without_a_release_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    made = Repository(tmp_path)
    made.commit()
    ended = made.compare()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("There is no release yet")


def test_additions_values_and_what_is_not_public_may_change(repository: Repository) -> None:
    repository.change("decart/_core.py", "label=None", "label=None, *, again=False")
    repository.change("decart/_core.py", "def internal():", "def other(argument):")
    repository.change("decart/_core.py", "converter=float", "converter=int")
    repository.change("decart/__init__.py", "LIMIT = 3", "LIMIT = 4")
    ended = repository.compare()
    assert (ended.returncode, ended.stderr) == (0, "")


BREAKS = {
    "a parameter that is gone": ("decart/_core.py", "options, label=None", "options", "submit"),
    "a parameter that is now required": ("decart/_core.py", "label=None", "label", "submit"),
    "another default": ("decart/_core.py", "label=None", "label=''", "submit"),
    "a method that is gone": ("decart/_core.py", "def submit", "def send", "submit"),
    "an inherited method that is gone": ("decart/_core.py", "def close", "def end", "close"),
    "a base class that is gone": ("decart/_core.py", "Client(Base):", "Client:", "Client"),
    "another base class": ("decart/_core.py", "Client(Base):", "Client(Policy):", "Client"),
    "a built-in base class that is gone": ("decart/_core.py", "Policy(ValueError):", "Policy(Base):", "Policy"),
    "another default of an attrs class": ("decart/_core.py", "default=0.5", "default=5", "pause"),
    "an argument of an attrs class that is now required": ("decart/_core.py", "limit: int = 3", "limit: int", "limit"),
    "a name that is no longer exported": ("decart/__init__.py", '"helper", ', "", "helper"),
    "a function that is no longer imported": ("decart/__init__.py", "Policy, helper\n", "Policy\n", "helper"),
}


@pytest.mark.parametrize(("file", "old", "new", "name"), BREAKS.values(), ids=BREAKS)
def test_a_break_needs_an_entry_that_names_it(repository: Repository, file: str, old: str, new: str, name: str) -> None:
    repository.change(file, old, new)
    repository.write("changes/+a.added.md", f"Added `{name}`.")
    repository.write("changes/+b.removed.md", f"Removed something that has to do with {name}.")
    ended = repository.compare()
    assert ended.returncode == 1
    assert re.search(rf"^decart\S*\b{name}\b.* since v0\.1\.0, and no entry .* contains `{name}`", ended.stderr, re.M)

    repository.write("changes/+b.changed.md", f"Something else about `{name}()`, and `close`.")
    assert repository.compare().returncode == 0


def test_a_public_module_that_is_gone_needs_an_entry(repository: Repository) -> None:
    repository.write("decart/models.py", "def current(task): pass\n")
    repository.commit("v0.2.0")
    (repository.root / "decart" / "models.py").unlink()
    assert "decart.models: public module was removed since v0.2.0" in repository.compare().stderr
    repository.write("changes/+models.removed.md", "Removed `decart.models`.")
    assert repository.compare().returncode == 0


def test_an_entry_that_is_in_the_changelog_already_counts(repository: Repository) -> None:
    repository.change("decart/_core.py", "def submit", "def send")
    section = "## 0.2.0 (2027-01-01)\n\n### Removed\n\n- `Client.submit` is `Client.send`.\n\n## 0.1.0"
    repository.change("CHANGELOG.md", "## 0.1.0", section)
    assert repository.compare().returncode == 0


def test_each_fragment_says_something_and_has_the_name_of_an_entry() -> None:
    name = re.compile(r"\+[\w-]+\.(added|changed|deprecated|removed|fixed|security)\.md")
    for path in (ROOT / "changes").iterdir():
        if path.name != "README.md":
            assert name.fullmatch(path.name), path.name
            assert path.read_text("utf-8").strip(), path.name


def test_the_modules_that_the_pages_import_from_or_refer_to_are_compared() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"), *(ROOT / "examples").glob("**/*.py")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    imported = set(re.findall(r"^\s*(?:from|import) (decart(?:\.\w+)*)\b", text, re.MULTILINE))
    reference = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    entries = re.findall(r"^\.\. auto\w+:: (decart[\w.]*)\.\w+$", reference, re.MULTILINE)
    assert len(imported) > 5
    assert len(entries) > 150
    assert (imported | set(entries)) - set(script("api_changes").PUBLIC) == set()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_each_dependency_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    pinned = [Requirement(line) for line in (ROOT / "tests/newest.txt").read_text().splitlines() if line[:1].isalnum()]
    found = [pin for pin in pinned if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    assert found, "run tox -e constraints"
    for pin in found:
        (version,) = pin.specifier
        assert version.operator == "=="
        assert requirement.specifier.contains(version.version), "run tox -e constraints"


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_each_dependency_has_a_lower_bound_and_no_other(requirement: Requirement) -> None:
    assert [bound.operator for bound in requirement.specifier] == [">="]


def test_the_lowest_versions_are_those_that_setup_cfg_allows() -> None:
    bounds = {canonicalize_name(each.name): next(iter(each.specifier)).version for each in REQUIREMENTS}
    for line in (ROOT / "tests/lowest.txt").read_text("utf-8").splitlines():
        if line[:1].isalnum():
            name, _, version = line.partition("==")
            assert Requirement(f"x=={bounds[canonicalize_name(name)]}").specifier.contains(version), line


READ: dict[str, object] = {"name": "a", "version": "1", "vulns": []}
KNOWN = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}


def test_an_audit_passes_only_if_every_package_was_looked_up() -> None:
    verdict = script("audit").verdict
    assert verdict("file", {"dependencies": [READ]}) == (0, ["file: none of its 1 packages has a known vulnerability."])
    code, (line,) = verdict("file", {"dependencies": [READ, {"name": "b", "skip_reason": "not found"}]})
    assert code == 2
    assert "could not be read for 1 of 2 packages" in line
    assert verdict("file", {"dependencies": []})[0] == 2


def test_an_audit_names_each_vulnerability_and_the_version_that_fixes_it() -> None:
    report = {"dependencies": [READ | {"vulns": [KNOWN]}, {"name": "b", "skip_reason": "not found"}]}
    assert script("audit").verdict("file", report) == (1, ["file: a 1 has PYSEC-1 (CVE-1), fixed in 2."])


@pytest.mark.parametrize(("name", "writes"), [("ci.yml", []), ("release.yml", ["id-token"])])
def test_workflows_use_actions_by_commit_and_may_write_nothing_else(name: str, writes: list[str]) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text("utf-8")
    actions = re.findall(r"uses: (.*)", text)
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)] == []
    assert "\npermissions: {}\n" in text
    assert re.findall(r"^ +([\w-]+): write", text, re.MULTILINE) == writes

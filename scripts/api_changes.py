"""Compare the public API with that of the last release: what could break users needs an entry in the changelog.

Run: python scripts/api_changes.py [TAG]

It needs griffelib and git. An entry is a fragment in changes/ of the kind "changed" or "removed", or a line under
"Changed" or "Removed" in the sections of CHANGELOG.md above that of the last release. It must contain the name of what
changed, as code. Values of constants may change. Annotations, and options of the command line, are not compared.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import attrs
import griffe

ROOT = Path(__file__).parent.parent
KINDS = ("changed", "removed")

Tree = griffe.Object | griffe.Alias

PUBLIC = (
    "decart",
    "decart.emulator",
    "decart.emulator.render",
    "decart.emulator.requestlog",
    "decart.errors",
    "decart.events",
    "decart.integrations.celery",
    "decart.integrations.django.journal",
    "decart.integrations.django.models",
    "decart.integrations.django.storage",
    "decart.integrations.otel",
    "decart.integrations.pytest_plugin",
    "decart.integrations.sql",
    "decart.journal",
    "decart.journal.conformance",
    "decart.journal.reports",
    "decart.models",
    "decart.transports",
)
"""The modules whose names users import. What the others contain may change, unless one of these exports it."""


@attrs.frozen
class Break:
    """A change that can break a program: where, what, and the name that an entry in the changelog must contain."""

    path: str
    what: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what[0].lower()}{self.what[1:]}"


def last_tag(root: Path, current: str = "") -> str | None:
    """Return the last release that this commit contains, other than the current one; none if there is none."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match=v[0-9]*", f"--exclude={current}"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if ended.returncode and "No names found" not in ended.stderr and "No tags can describe" not in ended.stderr:
        raise SystemExit(f"git cannot say which release is the last one: {ended.stderr.strip()}")
    return ended.stdout.strip() or None


def breaks(root: Path, tag: str, package: str = "decart", public: tuple[str, ...] = PUBLIC) -> Iterator[Break]:
    """Yield what of the public API of a release is no longer there, or is called in another way."""
    old = griffe.load_git(package, ref=tag, repo=root, resolve_aliases=True)
    new = griffe.load(package, search_paths=[root], allow_inspection=False, resolve_aliases=True)
    paths = set(public_paths(old, public))
    names = {path.rpartition(".")[2] for path in paths}
    for path, module in public_modules(old, public).items():
        after = public_modules(new, (path,)).get(path)
        if after is None:
            yield Break(path, "Public module was removed", path.rpartition(".")[2])
        else:
            for name in sorted(map(str, set(module.exports or ()) - set(after.exports or ()))):
                yield Break(f"{path}.{name}", "No longer exported", name)
            yield from class_breaks(path, module, after, names)
    for found in griffe.find_breaking_changes(old, new):
        parents = found.obj.path.split(".")
        if paths.isdisjoint(".".join(parents[:end]) for end in range(1, len(parents) + 1)):
            continue
        if found.kind in (griffe.BreakageKind.ATTRIBUTE_CHANGED_VALUE, griffe.BreakageKind.CLASS_REMOVED_BASE):
            continue
        parameter = f", parameter {found.old_value.name}" if isinstance(found.old_value, griffe.Parameter) else ""
        name = parents[-2] if parents[-1] == "__init__" else parents[-1]
        yield Break(found.obj.path, f"{found.kind.value}{parameter}", name)


def class_breaks(path: str, module: Tree, after: Tree, public: set[str]) -> Iterator[Break]:
    """Yield what griffe does not see of a module's classes: other base classes, and other defaults with attrs."""
    for name, old in module.members.items():
        new = after.members.get(name)
        if new is None or not old.is_public or not old.is_class or not new.is_class:
            continue
        for base in sorted(bases(old) - bases(new)):
            if base in public or hasattr(builtins, base):
                yield Break(f"{path}.{name}", f"Base class {base} was removed", name)
        if not any("attrs." in str(decorator.value) for decorator in old.decorators):
            continue
        for field, member in old.all_members.items():
            if member.is_public and member.is_attribute and field in new.all_members:
                before, now = default(member.value), default(new.all_members[field].value)
                if before != now and before is not None:
                    yield Break(f"{path}.{name}.{field}", f"The default {before} is now {now or 'required'}", field)


def bases(found: Tree) -> set[str]:
    """Return the names of all base classes of a class."""
    return {str(base).rpartition(".")[2] for each in (found, *found.mro()) for base in each.bases}


def default(value: object) -> str | None:
    """Return the default of an argument that attrs makes from an attribute's value; none if it is required."""
    if value is None:
        return None
    call = ast.parse(str(value), mode="eval").body
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "attrs.field":
        return ast.unparse(call)
    given = [ast.unparse(each.value) for each in call.keywords if each.arg in ("default", "factory")]
    return given[0] if given else None


def public_modules(package: Tree, public: tuple[str, ...]) -> dict[str, Tree]:
    """Return the public modules that there are: some may be newer than a release, or gone since."""
    found = {}
    for path in public:
        with suppress(KeyError):
            found[path] = package if path == package.path else package.get_member(path.removeprefix(f"{package.path}."))
    return found


def public_paths(package: Tree, public: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths of what public modules export: where it is imported from, and where it is defined."""
    for path, module in public_modules(package, public).items():
        for name, member in module.members.items():
            if member.is_public and not member.is_module:
                yield f"{path}.{name}"
                yield member.canonical_path


def entries(root: Path, tag: str) -> str:
    """Return all entries of the changelog since a release that may announce a break."""
    found = [path.read_text("utf-8") for kind in KINDS for path in sorted((root / "changes").glob(f"*.{kind}*.md"))]
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    unreleased = re.split(rf"^## {re.escape(tag.removeprefix('v'))}\b", changelog, maxsplit=1, flags=re.MULTILINE)[0]
    for section in re.split(r"^##+ ", unreleased, flags=re.MULTILINE)[1:]:
        if section.partition("\n")[0].strip().lower() in KINDS:
            found.append(section)
    return "\n".join(found)


def check(root: Path, tag: str, package: str = "decart", public: tuple[str, ...] = PUBLIC) -> list[str]:
    """Return a sentence for each break that no entry announces."""
    code = re.findall(r"`([^`]+)`", entries(root, tag))  # in a sentence, a name such as get is only a word
    announced = {name for each in code for name in re.findall(r"\w+", each)}
    return [
        f"{found} since {tag}, and no entry of the changelog of the kind changed or removed contains `{found.name}`: "
        f"describe it in changes/+{found.name}.removed.md, or undo it."
        for found in breaks(root, tag, package, public)
        if found.name not in announced
    ]


def main(current: str = "") -> None:
    """Compare with the last release, or with a tag, and print the result."""
    tag = sys.argv[1] if len(sys.argv) > 1 and not current else last_tag(ROOT, current)
    if tag is None:
        print("There is no release yet (no tag v...), so there is no public API to compare with.")
        return
    found = check(ROOT, tag)
    if found:
        raise SystemExit("\n".join(found))
    print(f"The public API has no break since {tag} that the changelog does not announce.")


if __name__ == "__main__":
    main()

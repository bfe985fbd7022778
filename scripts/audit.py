"""Audit tests/lowest.txt and tests/newest.txt for known vulnerabilities, with pip-audit.

Run: tox -e audit

The exit code is 0 if every package was looked up and has none, 1 if one has a vulnerability, and 2 if the data could
not be read. pip-audit itself passes over a package that it could not look up, which would look as if it had none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FILES = ["tests/lowest.txt", "tests/newest.txt"]


def audit(file: str) -> dict[str, Any]:
    """Return pip-audit's report about the pinned packages of a file, or one that says that it has none."""
    command = ["pip-audit", "--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", "-r", file]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not ended.stdout.strip():
        print(ended.stderr)
        return {"dependencies": []}
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def verdict(file: str, report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit code for a report, and what to print about it."""
    packages = report["dependencies"]
    unread = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{file}: {package['name']} {package['version']} has {known['id']} ({', '.join(known['aliases'])}), "
        f"fixed in {', '.join(known['fix_versions']) or 'no version'}."
        for package in packages
        for known in package.get("vulns", [])
    ]
    if lines:
        return 1, lines
    if unread or not packages:
        which = f"{len(unread)} of {len(packages)} packages" if packages else "any package"
        return 2, [f"{file}: the vulnerability data could not be read for {which}, so this says nothing about them."]
    return 0, [f"{file}: none of its {len(packages)} packages has a known vulnerability."]


def main() -> int:
    """Audit each file, and return the exit code."""
    verdicts = [verdict(file, audit(file)) for file in FILES]
    print("\n".join(line for _, lines in verdicts for line in lines))
    codes = {code for code, _ in verdicts}
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())

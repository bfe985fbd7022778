"""What a commit is checked for is what CI's `lint` checks, with the same versions."""

from __future__ import annotations

import configparser

import yaml
from support.documents import ROOT

HOOKS = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    for hook in repository["hooks"]
]
WHITE_SPACE = ["trailing-whitespace-fixer", "end-of-file-fixer"]

tox = configparser.ConfigParser(interpolation=None)
tox.read(ROOT / "tox.ini", "utf-8")
COMMANDS = tox["testenv:lint"]["commands"].split("\n")[1:]
PACKAGES = tox["testenv:lint"]["deps"].split("\n")[1:]


def test_the_hooks_are_the_commands_of_lint_and_then_repair_white_space() -> None:
    assert [hook["entry"] for hook in HOOKS] == COMMANDS + WHITE_SPACE


def test_the_hooks_have_the_versions_of_lint() -> None:
    installed = {package for hook in HOOKS for package in hook["additional_dependencies"]}
    assert {package for package in installed if not package.startswith("pre-commit-hooks==")} == set(PACKAGES)

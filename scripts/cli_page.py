"""Fill in the reference in docs/command-line.md: every command of ``decart`` with its options, from its parser.

Run: python scripts/cli_page.py [--check]

``--check`` changes nothing, and fails if the page is not up to date. The reference is between two comments,
``<!-- commands: begin -->`` and ``<!-- commands: end -->``. It is made from the parser's arguments and not from the
text of ``--help``, which differs between versions of Python. This needs attrs only.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # an installed package may be another version

from decart.cli.exits import MEANINGS, described  # noqa: E402
from decart.cli.parser import build_parser  # noqa: E402

PAGE = ROOT / "docs" / "command-line.md"
BEGIN, END = "<!-- commands: begin -->", "<!-- commands: end -->"

SHARED = {"output": "Options of the output", "service": "Options of the service"}
"""Groups of options that many commands have, which are explained once: their title, and that of their section."""

Group = argparse._ArgumentGroup  # argparse has no public list of the arguments of a parser


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the page is not up to date")
    check = parser.parse_args().check
    page = PAGE.read_text("utf-8")
    filled = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n\n{reference()}\n\n{END}", page, flags=re.DOTALL)
    if filled == page:
        return 0
    if check:
        print("Run scripts/cli_page.py: docs/command-line.md would change.")
        return 1
    PAGE.write_text(filled, "utf-8")
    return 0


def reference() -> str:
    """Return the list of commands, the exit codes, the options that commands share, and a section for each command."""
    commands = [*commands_of(build_parser())]
    parsers = [parser for parser, _ in commands]
    overview = [(f"[`{parser.prog}`](#{parser.prog.replace(' ', '-')})", summary) for parser, summary in commands]
    return "\n\n".join(
        [
            table(("command", "what it does"), overview),
            "## Exit codes",
            table(("code", "meaning"), ((f"{code:d}", meaning) for code, meaning in MEANINGS.items())),
            *shared_sections(parsers),
            "## Commands",
            *map(section, parsers),
        ]
    )


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Yield the commands of a parser and of its commands, each with its line in the list of commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                command = action.choices[choice.dest]
                yield command, choice.help or ""
                yield from commands_of(command)


def shared_sections(parsers: Iterable[argparse.ArgumentParser]) -> Iterator[str]:
    """Yield the groups of options that commands share, each with the options of all its commands."""
    found: dict[str, dict[str, str]] = {title: {} for title in SHARED}
    for parser in parsers:
        for group in groups_of(parser):
            if group.title in SHARED:
                found[group.title] |= dict(rows(group))
    for title, options in found.items():
        yield f"## {SHARED[title]}"
        yield table(("option", "meaning"), options.items())


def section(parser: argparse.ArgumentParser) -> str:
    """Return the description of a command and its options."""
    parser.format_help()  # the emulator's makes the list of faults when it is needed
    parts = [f"### {parser.prog}", f"```text\n{usage(parser)}\n```", *described_in_markdown(parser.description or "")]
    shared = []
    for group in groups_of(parser):
        if group.title in SHARED:
            names = ", ".join(f"`{action.option_strings[-1]}`" for action in group._group_actions)
            anchor = SHARED[group.title].lower().replace(" ", "-")
            shared.append(f"those of [the {group.title}](#{anchor}): {names}")
            continue
        if group.title not in ("positional arguments", "options"):
            title = f"{(group.title or '').capitalize()}."
            parts.append(" ".join(filter(None, [title, group.description])))
        parts.append(table(("argument" if group.title == "positional arguments" else "option", "meaning"), rows(group)))
    if shared:
        parts.append(f"And {'; '.join(shared)}.")
    epilog = (parser.epilog or "").replace(described(), "").strip("\n")
    return "\n\n".join([*parts, *([f"```text\n{epilog}\n```"] if epilog else [])])


def groups_of(parser: argparse.ArgumentParser) -> list[Group]:
    """Return the groups of a parser that have arguments; --help is left out."""
    return [group for group in parser._action_groups if any(True for _ in rows(group))]


def rows(group: Group) -> Iterator[tuple[str, str]]:
    """Yield each argument of a group, and its help."""
    for action in group._group_actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        names = ", ".join(action.option_strings)
        required = "**required:** " if action.required and action.option_strings else ""
        yield f"`{' '.join(filter(None, [names, value(action)]))}`", required + (action.help or "") % vars(action)


def value(action: argparse.Action) -> str:
    """Return the placeholder of an argument's value, if it takes one."""
    if action.nargs == 0:
        return ""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices is not None else None
    name = action.metavar or choices or action.dest.upper()
    several = {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}
    return several.get(str(action.nargs), str(name))


def usage(parser: argparse.ArgumentParser) -> str:
    """Return the arguments of a command that are required."""
    actions = [action for group in groups_of(parser) for action in group._group_actions]
    options = [action for action in actions if action.option_strings and action.required]
    required = [f"{action.option_strings[0]} {value(action)}" for action in options]
    positional = [value(action) for action in actions if not action.option_strings]
    if any(True for _ in commands_of(parser)):
        return f"{parser.prog} COMMAND ..."
    return " ".join([parser.prog, *positional, *required, "[OPTION]..."])


def described_in_markdown(description: str) -> Iterator[str]:
    """Yield the paragraphs of a description; indented lines are a block."""
    for paragraph in description.split("\n\n"):
        for is_block, lines in grouped(paragraph.splitlines()):
            yield f"```text\n{lines}\n```" if is_block else lines


def grouped(lines: list[str]) -> Iterator[tuple[bool, str]]:
    """Yield runs of lines that are indented, or are not."""
    run: list[str] = []
    for line in lines:
        if run and line.startswith(" ") != run[0].startswith(" "):
            yield run[0].startswith(" "), "\n".join(run)
            run = []
        run.append(line)
    yield run[0].startswith(" "), "\n".join(run)


def table(heading: tuple[str, ...], cells: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [heading, ["---"] * len(heading), *([cell.replace("|", "\\|") for cell in row] for row in cells)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())

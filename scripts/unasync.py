"""Generate the sync client, ``decart/_sync``, from the async one, ``decart/_async``, by replacing tokens.

Run: python scripts/unasync.py [--check]

``--check`` changes nothing, and fails if a generated file is not up to date. A rule that matches nothing is an error.
``backend.py`` and ``workers.py`` exist in both packages and are written by hand: they hold what cannot be
translated. The result is not formatted, so that this needs nothing but Python.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "decart"
SOURCE, TARGET = PACKAGE / "_async", PACKAGE / "_sync"
BY_HAND = {"__init__.py", "backend.py", "workers.py"}

RULES = [
    (r"^(\"\"\".*\n)", "# Generated from decart/_async by scripts/unasync.py. Do not edit.\n\\1"),
    (r"\basync (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAwaitable, Callable\b", "Callable"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\banext\(", "next("),
    (r"\.a(send|sleep|read|chunks|close)\b", r".\1"),
    (r"\bAsync([A-Z]\w+)", r"\1"),
    (r"\bAn async client\b", "A client"),
    (r"\n +With ``asyncio\.timeout``, .*\n", ""),
    (r", also one event loop after another\.", ". Threads may share it, and it survives ``fork``."),
]


def main() -> int:
    """Write or check the generated files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a generated file is not up to date")
    check = parser.parse_args().check
    used: Counter[str] = Counter()
    outdated = []
    for path in sorted(SOURCE.glob("*.py")):
        if path.name not in BY_HAND:
            generated, target = translate(path.read_text("utf-8"), used), TARGET / path.name
            compile(generated, target, "exec")  # raises a SyntaxError if it is not Python
            if not target.exists() or target.read_text("utf-8") != generated:
                outdated.append(target.name)
                if not check:
                    target.write_text(generated, "utf-8")
    unused = [pattern for pattern, _ in RULES if not used[pattern]]
    if unused:
        print(f"These rules match nothing: {unused}")
    if check and outdated:
        print(f"Run scripts/unasync.py: {', '.join(outdated)} would change.")
    return int(bool(unused or (check and outdated)))


def translate(source: str, used: Counter[str]) -> str:
    """Return the sync version of a module, and count the uses of each rule."""
    for pattern, replacement in RULES:
        source, count = re.subn(pattern, replacement, source, count=1 if pattern.startswith("^") else 0)
        used[pattern] += count
    return source


if __name__ == "__main__":
    raise SystemExit(main())

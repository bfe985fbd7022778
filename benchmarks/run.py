"""Measure decart beside its peers, in one run on one machine: one table and, if wanted, one picture.

    python benchmarks/run.py [--quick] [--only upload,status] [--rounds 5] [--markdown] [--png docs/benchmarks.png]

Needs: pip install -e '.[async]', and matplotlib for ``--png``. The service's own async SDK is a peer, too, if
``DECART_PUBLIC_SDK_PYTHON`` names the Python of an environment that has it. All of it takes a quarter of an hour.

Look at the ratios: they are medians of paired runs, while the figures beside them are as good as the machine is quiet.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from harness import Claim, Outcome, make_certificate, measure, service, warm_memory
from measures import MIB, NAMES, UNITS, chosen
from server import make_file

HEADINGS = ("what", "ours", "peer", "ratio", "target", "met")
QUICK = {"mib": 4, "calls": 20, "jobs": [3], "seconds": 0.2, "repeats": 1, "rounds": 1}
"""Enough to see that it works; the figures mean nothing."""


def names(text: str) -> list[str]:
    """Read the names of measures."""
    unknown = set(text.split(",")) - set(NAMES)
    if unknown:
        raise argparse.ArgumentTypeError(f"not among {', '.join(NAMES)}: {', '.join(sorted(unknown))}")
    return text.split(",")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=list(NAMES), help="which measures, of " + ",".join(NAMES))
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[], help="which peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512, help="size of an upload, a download and a result")
    parser.add_argument("--calls", type=int, default=2000, help="status calls that are counted")
    parser.add_argument("--jobs", type=int, nargs="+", default=[50, 200], help="how many jobs at once")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each of them takes")
    parser.add_argument("--repeats", type=int, default=7, help="processes in a round that are started for one figure")
    parser.add_argument("--quick", action="store_true", help="only see that everything works")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, help="write the figures of every run here")
    parser.add_argument("--png", type=Path, help="draw the medians here")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def number(value: float, figure: str) -> str:
    """Write a figure with its unit."""
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {UNITS.get(figure, '')}".strip()


def row(claim: Claim, outcome: Outcome) -> tuple[str, ...]:
    """Write one line of the table."""
    sign, limit = ("at most", claim.most) if claim.most is not None else ("at least", claim.least)
    target = f"{sign} {limit:g}" + ("" if claim.peer else f" {UNITS.get(claim.figure, '')}".rstrip())
    ours, peer = ("" if not name else _told(name, claim, outcome) for name in (claim.ours, claim.peer))
    if any(name and name not in outcome.runs for name in (claim.ours, claim.peer)):
        return (claim.what, ours, peer, "", target, "")
    if claim.peer:
        value = outcome.ratio(claim.ours, claim.peer, claim.figure)
        return (claim.what, ours, peer, f"{value:.2f}", target, "yes" if claim.met(value) else "no")
    met = claim.met(outcome.median(claim.ours, claim.figure))
    return (claim.what, ours, peer, "", target, "yes" if met else "no")


def _told(peer: str, claim: Claim, outcome: Outcome) -> str:
    if peer not in outcome.runs:
        why = "not available" if peer in outcome.missing else "failed" if peer in outcome.broken else "left out"
        return f"{peer}: {why}"
    return f"{peer}: {number(outcome.median(peer, claim.figure), claim.figure)}"


def table(rows: list[tuple[str, ...]], markdown: bool) -> Iterator[str]:
    """Lay the lines out, as text or as Markdown."""
    lines = [HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    if markdown:
        lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()


def measured(given: argparse.Namespace) -> list[Outcome]:
    """Measure everything that was asked for."""
    say = (lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr)) if sys.stderr.isatty() else lambda text: None
    with ExitStack() as until_the_end:
        folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory()))
        quick, slow = (until_the_end.enter_context(service(seconds)) for seconds in (0, given.seconds))
        certificate = make_certificate(folder)  # the service itself is reached over https
        secure = until_the_end.enter_context(service(certificate=certificate)) if certificate else None
        file = folder / "large.mp4"
        if "upload" in given.only:
            make_file(file, given.mib * MIB)
        outcomes = []
        for wanted in chosen(given, quick, slow, secure, file):
            if not given.quick:
                warm_memory(4 * given.mib * MIB)
            outcomes.append(measure(wanted, given.rounds, set(given.peers), say))
        say("")
    return outcomes


def main() -> None:
    """Measure, tell, and fail only if some answer was wrong."""
    given = arguments()
    outcomes = measured(given)
    if given.quick:
        print("Only to see that everything works: these figures mean nothing.\n")
    rows = [row(claim, outcome) for outcome in outcomes for claim in outcome.measure.claims]
    print(*table(rows, given.markdown), sep="\n")
    for outcome in outcomes:
        for peer, why in outcome.missing.items():
            print(f"\n{outcome.measure.title}: {peer} is not available: {why}", end="")
        for peer, why in outcome.broken.items():
            print(f"\n{outcome.measure.title}: {peer} failed: {why}", end="")
    print()
    if given.json:
        runs = {outcome.measure.title: outcome.runs for outcome in outcomes}
        given.json.write_text(json.dumps(runs, indent=1), "utf-8")
    if given.png:
        from plot import draw

        draw(outcomes, given.png, f"Medians of {given.rounds} rounds in one run, Python {platform.python_version()}")
    wrong = [outcome.measure.title for outcome in outcomes if not outcome.right]
    if wrong:
        sys.exit(f"Somebody failed, or gave a wrong answer: {', '.join(wrong)}")


if __name__ == "__main__":
    main()

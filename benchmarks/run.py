"""Compare decart with its peers, in one run on one machine: print a table and, on request, plot a picture.

    python benchmarks/run.py [--quick] [--only upload,status] [--rounds 5] [--markdown] [--png docs/benchmarks.png]

Needs: pip install -e '.[async]', and matplotlib for ``--png``. The service's own async SDK is also a peer if
``DECART_PUBLIC_SDK_PYTHON`` is the path of the Python in an environment that has it. A full run takes a quarter of an
hour.

The ratios are reliable: they are medians of paired runs. The absolute figures depend on how busy the machine is.
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
"""Enough to check that everything works; the figures are meaningless."""


def names(text: str) -> list[str]:
    """Parse a comma-separated list of measures."""
    unknown = set(text.split(",")) - set(NAMES)
    if unknown:
        raise argparse.ArgumentTypeError(f"not among {', '.join(NAMES)}: {', '.join(sorted(unknown))}")
    return text.split(",")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=list(NAMES), help="the measures to run, of " + ",".join(NAMES))
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[], help="the peers to run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512, help="size of the upload, download and result")
    parser.add_argument("--calls", type=int, default=2000, help="number of status calls to measure")
    parser.add_argument("--jobs", type=int, nargs="+", default=[50, 200], help="numbers of concurrent jobs")
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each concurrent job")
    parser.add_argument(
        "--repeats", type=int, default=7, help="processes to start per round for imports and first submits"
    )
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, help="file to write the figures of every run to")
    parser.add_argument("--png", type=Path, help="file to plot the medians to")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def number(value: float, figure: str) -> str:
    """Format a figure with its unit."""
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {UNITS.get(figure, '')}".strip()


def row(claim: Claim, outcome: Outcome) -> tuple[str, ...]:
    """Format one row of the table."""
    sign, limit = ("at most", claim.most) if claim.most is not None else ("at least", claim.least)
    target = f"{sign} {limit:g}" + ("" if claim.peer else f" {UNITS.get(claim.figure, '')}".rstrip())
    ours, peer = ("" if not name else _cell(name, claim, outcome) for name in (claim.ours, claim.peer))
    if any(name and name not in outcome.runs for name in (claim.ours, claim.peer)):
        return (claim.what, ours, peer, "", target, "")
    if claim.peer:
        value = outcome.ratio(claim.ours, claim.peer, claim.figure)
        return (claim.what, ours, peer, f"{value:.2f}", target, "yes" if claim.met(value) else "no")
    met = claim.met(outcome.median(claim.ours, claim.figure))
    return (claim.what, ours, peer, "", target, "yes" if met else "no")


def _cell(peer: str, claim: Claim, outcome: Outcome) -> str:
    if peer not in outcome.runs:
        why = "not available" if peer in outcome.missing else "failed" if peer in outcome.broken else "left out"
        return f"{peer}: {why}"
    return f"{peer}: {number(outcome.median(peer, claim.figure), claim.figure)}"


def table(rows: list[tuple[str, ...]], markdown: bool) -> Iterator[str]:
    """Yield the lines of a table whose first row has the headings, as text or as Markdown."""
    lines = rows.copy()
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if markdown:
        lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()


def report(text: str) -> None:
    """Say on a terminal what is going on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr)


def measured(given: argparse.Namespace) -> list[Outcome]:
    """Run the measures that the command line selects."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        quick, slow = (stack.enter_context(service(seconds)) for seconds in (0, given.seconds))
        certificate = make_certificate(folder)  # the real service is used over https
        secure = stack.enter_context(service(certificate=certificate)) if certificate else None
        file = folder / "large.mp4"
        if "upload" in given.only:
            make_file(file, given.mib * MIB)
        outcomes = []
        for wanted in chosen(given, quick, slow, secure, file):
            if not given.quick:
                warm_memory(4 * given.mib * MIB)
            outcomes.append(measure(wanted, given.rounds, set(given.peers), report))
        report("")
    return outcomes


def show(outcomes: list[Outcome], given: argparse.Namespace) -> None:
    """Print the table and the peers that did not run, and write the figures of every run to a file if asked."""
    if given.quick:
        print("A check that everything works: these figures are meaningless.\n")
    rows = [row(claim, outcome) for outcome in outcomes for claim in outcome.measure.claims]
    print(*table([HEADINGS, *rows], given.markdown), sep="\n")
    for outcome in outcomes:
        for peer, why in outcome.missing.items():
            print(f"\n{outcome.measure.title}: {peer} is not available: {why}", end="")
        for peer, why in outcome.broken.items():
            print(f"\n{outcome.measure.title}: {peer} failed: {why}", end="")
    print()
    if given.json:
        runs = {outcome.measure.title: outcome.runs for outcome in outcomes}
        given.json.write_text(json.dumps(runs, indent=1), "utf-8")


def exit_if_wrong(outcomes: list[Outcome]) -> None:
    """End the program with an error if a peer failed or returned a wrong result."""
    wrong = [outcome.measure.title for outcome in outcomes if not outcome.is_correct]
    if wrong:
        sys.exit(f"A peer failed or returned a wrong result: {', '.join(wrong)}")


def main() -> None:
    """Run the measures and print the table; fail only if a peer failed or returned a wrong result."""
    given = arguments()
    outcomes = measured(given)
    show(outcomes, given)
    if given.png:
        from plot import draw

        draw(outcomes, given.png, f"Medians of {given.rounds} rounds in one run, Python {platform.python_version()}")
    exit_if_wrong(outcomes)


if __name__ == "__main__":
    main()

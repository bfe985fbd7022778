"""The command ``batch``: its options, the checks before anything is spent, and ``--dry-run``."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import closing, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInputError
from .commands import Commands, new_command
from .exits import Exit
from .output import Output
from .preview import add_dry_run_option
from .resultsfile import RESULTS
from .service import add_service_options, add_wait_options

if TYPE_CHECKING:
    from ..pool.saving import FileOf
    from .joblist import Checked, JobList

DETAILS = """\
FILE is JSON lines, an object on each line with the inputs of a job, or CSV with a header of the same names. They are
the names in `decart models`: data is the video or image to start from, which other commands call --input. A prompt is
used as it is (@FILE is not read), and an empty cell of a CSV file stands for the default:

  {"model": "lucy-2.5", "prompt": "Make it winter", "data": "lake.mp4", "seed": 1}
  {"model": "lucy-pro-t2v", "prompt": "A stormy ocean", "label": "order-17", "output": "ocean.mp4"}

label is your name for a job, output the name of its video, and task the task of a model that is too new for this
version. Paths of files are relative to the list. All lines are checked before anything is spent.

The batch can be stopped at any time, and the same command continues it: the journal FOLDER.db knows what was paid for.
It is beside the folder, so that nothing is paid for twice if the folder is deleted. FOLDER/results.jsonl has a line for
each job; with --json, they are printed, too. If lines are added or removed, videos are renamed; one whose name another
job has now is moved to FOLDER/earlier. The status of a job is one of these:

  completed  its video is in the file "path"
  failed     the service could not make it; it stays so unless --retry-failed is given
  timed_out  it takes longer than --timeout; the next run waits for it again
  unknown    it may have been accepted and billed; decide with `decart jobs settle`
  error      it was not accepted, or its video could not be fetched; the next run tries again

The exit code is the first of these that applies: 130 or 143 (interrupted), 4 (the key was refused, which ends the
batch), 1 (the batch has ended early: --max-spend is reached, the account is out of credit, or the journal cannot be
written), 6 (an outcome is unknown), 5 (a job has the status failed or error), 3 (one has timed out), 0 (all have
completed)."""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "batch", run_batch, "Run a list of jobs, and save their videos to a folder", DETAILS)
    parser.add_argument("list", metavar="FILE", help="the list: .csv, or else JSON lines; - reads standard input")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the folder of the videos, which is created")
    parser.add_argument(
        "--name",
        default="{index:04}.mp4",
        metavar="NAME",
        help="the name of a video that has no output: it may have {index}, the number of the line, {label} and {model} "
        "(default: %(default)s)",
    )
    parser.add_argument("--max-in-flight", type=int, default=20, metavar="N", help="jobs at once (default: 20)")
    parser.add_argument("--retry-failed", action="store_true", help="submit failed jobs again, and pay again")
    _add_spending_options(parser)
    add_wait_options(parser)
    add_dry_run_option(parser)
    add_service_options(parser)


def _add_spending_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("spending, in any unit")
    group.add_argument(
        "--price", action="append", type=_price, default=[], metavar="MODEL=AMOUNT", help="what a job of a model costs"
    )
    group.add_argument(
        "--max-spend",
        type=_amount,
        metavar="AMOUNT",
        help="submit no job that makes the list cost more than this, over all runs with its journal (needs the --price "
        "of each model); of two batches with this option and one journal, the second waits until the first has ended",
    )


def _price(text: str) -> tuple[str, float]:
    model, _, amount = text.partition("=")
    return model, _amount(amount)


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not an amount, such as 0.5")
    return amount


def run_batch(arguments: Namespace, output: Output) -> int:
    """Check a list of jobs, and run them."""
    from .batchrun import BatchRun  # the pool and what it needs are for this command only
    from .earlier import check_earlier_runs
    from .joblist import open_list
    from .spendlimit import one_at_a_time

    with open_list(arguments.list) as jobs:
        file_of = _files(arguments)
        arguments.journal = arguments.journal or _journal_beside(arguments.out)
        reserved = [RESULTS, os.path.relpath(arguments.journal, arguments.out)]
        checked = jobs.check(file_of, reserved)
        prices = _prices(arguments, checked)
        if arguments.dry_run:
            _show_plan(jobs, checked, arguments, output)
            return Exit.DONE
        folder = Path(os.path.abspath(arguments.out))
        check_earlier_runs(folder, jobs, arguments)
        _create(folder, arguments.out)
        is_limited = arguments.max_spend is not None and not arguments.emulator
        with one_at_a_time(arguments.journal, output) if is_limited else nullcontext():
            return BatchRun(
                jobs=jobs,
                checked=checked,
                folder=folder,
                file_of=file_of,
                prices=prices,
                arguments=arguments,
                output=output,
            ).run()


def _files(arguments: Namespace) -> FileOf:
    """Return the function that names the videos.

    Raises:
        InvalidInputError: The template cannot be used.
    """
    from ..pool.saving import files_of

    try:
        file_of = files_of(arguments.name, many=True)
    except InvalidInputError:
        file_of = None
    if file_of is None or os.path.normpath(arguments.name).startswith((os.sep, os.pardir)):
        raise InvalidInputError(
            f"--name must be the name of a file with {{index}} or {{label}} in it, and {{model}} if you like, not "
            f"{arguments.name!r}."
        )
    return file_of


def _prices(arguments: Namespace, checked: Checked) -> dict[str, float]:
    prices = dict(arguments.price)
    missing = sorted(checked.models.keys() - prices.keys())
    if arguments.max_spend is not None and missing:
        raise InvalidInputError(f"--max-spend needs the price of each model: --price {missing[0]}=AMOUNT is missing.")
    return prices


def _journal_beside(folder: str) -> str:
    path = Path(os.path.abspath(folder))
    if not path.name:
        raise InvalidInputError(f"--out {folder} has no name for a journal beside it; name one with --journal.")
    return str(path.with_name(f"{path.name}.db"))


def _create(folder: Path, name: str) -> None:
    """Create the output folder.

    Raises:
        InvalidInputError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"--out {name}: {error.strerror}.") from None


def _show_plan(jobs: JobList, checked: Checked, arguments: Namespace, output: Output) -> None:
    """Print what a batch would do."""
    prices = {model: Decimal(repr(price)) for model, price in arguments.price}
    known, models = _known(jobs, arguments), checked.models
    costs = {model: prices[model] * count for model, count in models.items() if model in prices}
    total = sum(costs.values()) if costs.keys() == models.keys() else None
    document: dict[str, Any] = {
        "jobs": checked.jobs,
        "in_journal": known,
        "journal": arguments.journal,
        "models": {
            model: {"jobs": count, "cost": None if model not in costs else float(costs[model])}
            for model, count in models.items()
        },
        "files": checked.files,
        "bytes": checked.size,
        "cost": None if total is None else float(total),
    }
    lines = [f"jobs: {checked.jobs}, of which {known} are in the journal {arguments.journal}"]
    lines += [
        f"  {model}: {count}" + (f", cost {costs[model]}" if model in costs else "") for model, count in models.items()
    ]
    lines.append(f"files to upload: {checked.files}, {checked.size:,} bytes")
    lines.append("cost: " + ("unknown, see --price" if total is None else str(total)))
    output.result(document, "\n".join(lines))
    output.note("Nothing was sent.")


def _known(jobs: JobList, arguments: Namespace) -> int:
    """Return how many jobs of a list have been submitted before."""
    if arguments.emulator or not Path(arguments.journal).exists():
        return 0
    from ..journal import SQLiteJournal  # --help needs no database

    with closing(SQLiteJournal(arguments.journal)) as journal:
        records = (journal.latest(label) for _, label in jobs.labelled() if isinstance(label, str))
        return sum(each is not None and each.state not in ("intended", "refused") for each in records)

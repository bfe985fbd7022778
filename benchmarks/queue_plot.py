"""Plot what ``task_queues.py`` has measured: what a job takes of each part, and what a sweep over many jobs costs."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from harness import Figures, Outcome
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from plot import OURS, QUIET, TEXT

SHADES = ("#1f5f8b", "#4b97c9", "#8fc1e3", "#8a5a00", "#c98a1b", "#b9c0c7")


def draw(outcomes: list[Outcome], parts: dict[str, str], path: Path, note: str) -> None:
    """Plot the figures to a file.

    Args:
        outcomes: What came of the runs; one named ``idle`` has the sweeps with nothing due.
        parts: What a worker's CPU is used for: the name of each part, and its title.
        path: The file.
        note: What to write below the plot.
    """
    runs: list[tuple[str, Figures]] = [
        (f"{outcome.measure.title}, {way}", figures[0])
        for outcome in outcomes
        for way, figures in outcome.runs.items()
        if figures and "parts" in figures[0]
    ]
    idle = next(outcome for outcome in outcomes if outcome.measure.name == "idle")
    with mpl.rc_context({"font.size": 7.5, "text.color": TEXT, "font.family": "DejaVu Sans"}):
        figure = Figure((9.0, 3.4), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07))
        left, right = figure.subplots(1, 2, width_ratios=[2, 1])
        rows = [title for title, _ in runs]
        stack(left, rows, {title: [figures["parts"][name] for _, figures in runs] for name, title in parts.items()})
        left.set_title("CPU of the worker per job", fontsize=8.5, fontweight="bold", loc="left", pad=12)
        left.annotate("ms, less is better", (0, 1), (0, 2), "axes fraction", "offset points", fontsize=7, color=QUIET)
        jobs = [int(name.split()[0].replace(",", "")) for name in idle.runs]
        curves = (("ms", "time", OURS), ("worker", "its CPU", SHADES[1]), ("database", "PostgreSQL's CPU", SHADES[4]))
        for name, title, color in curves:
            values = [figures[0][name] or float("nan") for figures in idle.runs.values()]  # less than a tick
            right.loglog(jobs, values, "o-", color=color, label=title, markersize=3.5)
        right.set(xlabel="jobs in flight, none of them due", xticks=jobs, xticklabels=[f"{many:,}" for many in jobs])
        right.minorticks_off()
        right.set_yticks([1, 10, 100, 1000, 10000], ["1", "10", "100", "1,000", "10,000"])
        right.set_title("One sweep", fontsize=8.5, fontweight="bold", loc="left", pad=12)
        right.annotate("ms, less is better", (0, 1), (0, 2), "axes fraction", "offset points", fontsize=7, color=QUIET)
        right.spines[["top", "right"]].set_visible(False)
        right.legend(frameon=False, loc="upper left")
        figure.supxlabel(note, fontsize=7, color=QUIET, x=0.995, ha="right")
        figure.savefig(path, dpi=200, metadata={"Software": None})


def stack(axes: Axes, rows: list[str], parts: dict[str, list[float]]) -> None:
    """Plot a bar for each row, which consists of parts."""
    ends = [0.0] * len(rows)
    for color, (title, values) in zip(SHADES, parts.items(), strict=True):
        axes.barh(rows, values, left=ends, color=color, label=title, height=0.72)
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    for row, end in enumerate(ends):
        axes.annotate(f"{end:.1f}", (end, row), (3, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, max(ends) * 1.1)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, 0.0), ncols=3)

"""Plot the medians: a panel of bars for each figure, with decart next to its peers."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from harness import Outcome
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from measures import MORE_IS_BETTER, UNITS

COLUMNS = 3
WIDTH = 9.0  # inches; displayed at 100 pixels per inch in the README
OURS, OTHERS, TEXT, QUIET = "#1f5f8b", "#b9c0c7", "#30363d", "#6e7781"
HIDDEN = {"decart (open file)"}  # nearly the same figures as decart


def draw(outcomes: list[Outcome], path: Path, note: str) -> None:
    """Plot all measures to a file."""
    panels = [(outcome, figure) for outcome in outcomes for figure in outcome.measure.panels if outcome.runs]
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    rooms = [max(bars(outcome) for outcome, _ in row) for row in rows]
    with mpl.rc_context({"font.size": 7.5, "text.color": TEXT, "font.family": "DejaVu Sans"}):
        figure = Figure(
            (WIDTH, 0.3 + sum(0.19 * room + 0.62 for room in rooms)),
            layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07),
        )
        grid = figure.subplots(len(rows), COLUMNS, squeeze=False, height_ratios=[room + 0.6 for room in rooms])
        for axes, (place, panel) in zip(grid.flat, enumerate(panels), strict=False):
            fill(axes, *panel, rooms[place // COLUMNS])
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(note, fontsize=7, color=QUIET, x=0.995, ha="right")
        figure.savefig(path, dpi=200, metadata={"Software": None})


def bars(outcome: Outcome) -> int:
    """Return the number of bars in a panel."""
    return len(outcome.runs.keys() - HIDDEN)


def fill(axes: Axes, outcome: Outcome, figure: str, room: int) -> None:
    """Plot one panel with space for ``room`` bars, so that all bars in a row of panels have the same height."""
    peers = [peer for peer in outcome.runs if peer not in HIDDEN]
    values = [outcome.median(peer, figure) for peer in peers]
    drawn = axes.barh(peers, values, color=[OURS if "decart" in peer else OTHERS for peer in peers], height=0.72)
    axes.bar_label(drawn, [short(value) for value in values], padding=2, color=TEXT)
    better = "more" if figure in MORE_IS_BETTER else "less"
    axes.set_title(outcome.measure.panels[figure], fontsize=8.5, fontweight="bold", loc="left", pad=12, x=0)
    axes.annotate(
        f"{UNITS[figure]}, {better} is better", (0, 1), (0, 2), "axes fraction", "offset points",
        fontsize=7, color=QUIET, va="bottom",
    )  # fmt: skip
    axes.set_xlim(0, max(values) * 1.22 or 1)
    axes.set_ylim(room - 0.4, -0.6)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set(color=OTHERS, bounds=(-0.5, len(peers) - 0.5))
    axes.tick_params(axis="y", length=0, labelcolor=TEXT)


def short(value: float) -> str:
    """Format the value next to a bar."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"

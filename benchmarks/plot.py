"""Plot the medians of decart next to its peers: bars, or lines over the number of jobs, for each figure."""

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


LINES = {
    "lag": "Mean lag from completion to file",
    "cpu": "CPU",
    "memory": "Peak memory, above the import",
    "checks": "Status checks per job",
}
"""The figures that are plotted over the number of jobs, with their titles."""
OURS_SHADES = (OURS, "#4b97c9", "#8fc1e3")
OTHERS_SHADES = ("#8a5a00", "#c98a1b", "#8f8f8f", "#565656")


def draw_lines(outcomes: list[Outcome], path: Path, note: str) -> None:
    """Plot measures that differ in the number of jobs, with the targets as dashed lines, to a file.

    Args:
        outcomes: What came of them; the name of each measure is its number of jobs.
        path: The file.
        note: What to write below the plot.
    """
    peers = list(dict.fromkeys(peer for outcome in outcomes for peer in outcome.runs))
    shades = {True: iter(OURS_SHADES), False: iter(OTHERS_SHADES)}
    colors = {peer: next(shades["decart" in peer]) for peer in peers}
    limits = {claim.figure: claim.most for outcome in outcomes for claim in outcome.measure.claims if not claim.peer}
    with mpl.rc_context({"font.size": 7.5, "text.color": TEXT, "font.family": "DejaVu Sans"}):
        figure = Figure((WIDTH, 5.2), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.07))
        for axes, (name, title) in zip(figure.subplots(2, 2).flat, LINES.items(), strict=True):
            for peer in peers:
                points = [
                    (int(outcome.measure.name), outcome.median(peer, name))
                    for outcome in outcomes
                    if name in next(iter(outcome.runs.get(peer, [])), {})
                ]
                width = 2.4 if "decart" in peer else 1.3
                jobs, values = zip(*points, strict=True) if points else ((), ())
                axes.plot(jobs, values, "o-", color=colors[peer], label=peer, markersize=3.5, linewidth=width)
            unit = f"{UNITS[name]}, less is better" if name in UNITS else "less is better"
            finish(axes, title, unit, limits.get(name))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.supxlabel(note, fontsize=7, color=QUIET, x=0.995, ha="right")
        figure.savefig(path, dpi=200, metadata={"Software": None})


def finish(axes: Axes, title: str, unit: str, limit: float | None) -> None:
    """Give a panel of lines its title, its axes from 0 on, and its target if that is not far away."""
    top = axes.get_ylim()[1]
    if limit is not None and limit < 3 * top:
        axes.axhline(limit, color=QUIET, linestyle="--", linewidth=1)
        place = axes.get_yaxis_transform()
        axes.annotate("target: at most", (1, limit), (0, 2), place, "offset points", ha="right", color=QUIET)
        top = max(top, limit * 1.12)
    axes.set(xlim=(0, None), ylim=(0, top), xlabel="jobs at once")
    axes.set_title(title, fontsize=8.5, fontweight="bold", loc="left", pad=12, x=0)
    axes.annotate(unit, (0, 1), (0, 2), "axes fraction", "offset points", fontsize=7, color=QUIET, va="bottom")
    axes.spines[["top", "right"]].set_visible(False)


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

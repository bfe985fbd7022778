"""Make videos from pictures: a camera move, a movement along a trajectory, or a fade."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from PIL import Image, ImageDraw, ImageOps

from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.inputs import open_picture
from decart.emulator.render.job import RenderJob, words
from decart.emulator.render.writer import TICKS

ZOOM = 1.18
"""The zoom factor when the camera is closest."""

MOVE_WORDS = words(
    out="out away back wide reveal",
    left="left",
    right="right",
    up="up rise rising sky",
    down="down fall falling",
    closer="in zoom closer close toward forward",
)
"""The words that choose a camera move; without one, the hash of the job does."""

_ENDS = {
    "closer": ((0.5, 0.5, 1.0), (0.5, 0.45, ZOOM)),
    "out": ((0.5, 0.45, ZOOM), (0.5, 0.5, 1.0)),
    "left": ((1.0, 0.5, ZOOM), (0.0, 0.5, ZOOM)),
    "right": ((0.0, 0.5, ZOOM), (1.0, 0.5, ZOOM)),
    "up": ((0.5, 1.0, ZOOM), (0.5, 0.0, ZOOM)),
    "down": ((0.5, 0.0, ZOOM), (0.5, 1.0, ZOOM)),
}
"""The start and end of each move: x and y of the view, from 0 to 1, and the zoom factor."""


def add_camera(graph: Graph, job: RenderJob) -> Node:
    """Move the camera slowly over the picture ``data``."""
    fine = max(2, 700 // min(job.size))  # the filter moves the picture by whole pixels
    picture = ImageOps.fit(open_picture(job.input("data"), "data"), (job.width * fine, job.height * fine))
    named = job.matches(MOVE_WORDS)
    move = named[0] if named else job.random("move").choice(list(_ENDS))
    ease = f"(0.5-0.5*cos(PI*on/{max(1, job.frame_count - 1)}))"
    x, y, zoom = (f"({start}+{end - start}*{ease})" for start, end in zip(*_ENDS[move], strict=True))
    view = f"x='(iw-iw/zoom)*{x}':y='(ih-ih/zoom)*{y}':s={job.width}x{job.height}"
    return graph.chain(graph.still(picture), f"zoompan=z='{zoom}':{view}:d={job.frame_count}:fps={job.fps}")


def add_fade(graph: Graph, job: RenderJob) -> Node:
    """Fade from the picture ``start``, the first frame, to the picture ``end``, the last frame."""
    first, last = (ImageOps.fit(open_picture(job.input(name), name), job.size) for name in ("start", "end"))
    last.putalpha(255)
    fade = f"fade=in:0:{max(1, job.frame_count - 1)}:alpha=1"
    return graph.overlay(graph.still(first, job.fps), graph.chain(graph.still(last, job.fps), fade), 0, 0)


def add_motion(graph: Graph, job: RenderJob) -> Node:
    """Move the picture ``data`` along the trajectory.

    The point where the trajectory starts follows it; a thin line and a dot show the path. The picture is mirrored at
    its edges. It stands still before the first point and after the last one.
    """
    width, height = job.size
    picture = ImageOps.fit(open_picture(job.input("data"), "data"), job.size)
    if not job.trajectory:
        return graph.still(picture, job.fps)
    path = _path(job)
    x, y = (_expression([(frame, point[axis]) for frame, *point in path]) for axis in (0, 1))
    wide = graph.chain(
        graph.still(picture),
        f"pad=3*{width}:3*{height}:{width}:{height}",
        f"fillborders={width}:{width}:{height}:{height}:mirror",
        "loop=-1:1",
        f"setpts=N*{TICKS}/{job.fps}",
        f"crop={width}:{height}:x='{width}+{path[0][1]}-({x})':y='{height}+{path[0][2]}-({y})'",
    )
    line, dot = _draw_path(path, job.size)
    node = graph.overlay(wide, graph.still(line), 0, 0)
    return graph.overlay(node, graph.still(dot), f"{x}-w/2", f"{y}-h/2")


def _path(job: RenderJob) -> list[tuple[int, float, float]]:
    """Return the trajectory in pixels, as those points of a line that lie within the clip."""
    # If a frame is given twice, its last point counts.
    points = {frame: (min(1, max(0, x)) * job.width, min(1, max(0, y)) * job.height) for frame, x, y in job.trajectory}
    known = sorted(points)
    path = []
    for frame in sorted({0, job.frame_count - 1, *(frame for frame in known if 0 < frame < job.frame_count)}):
        after = bisect_left(known, frame)
        left, right = known[max(0, after - 1)], known[min(after, len(known) - 1)]
        part = (frame - left) / (right - left) if left < frame < right else float(frame >= right)
        place = (a + (b - a) * part for a, b in zip(points[left], points[right], strict=True))
        path.append((frame, *place))
    return path


def _expression(path: list[tuple[int, float]]) -> str:
    """Return an expression of ``n`` for a coordinate that changes evenly from one point to the next."""
    steps = (f"{b - a:+.3f}*clip((n-{m})/{n - m},0,1)" for (m, a), (n, b) in pairwise(path))
    return f"{path[0][1]:.3f}" + "".join(steps)


def _draw_path(path: list[tuple[int, float, float]], size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Draw the complete path, and the dot that moves along it, at double size for smooth edges."""
    thick = max(2, round(min(size) / 180))
    line = Image.new("RGBA", (size[0] * 2, size[1] * 2), (255, 255, 255, 0))
    ImageDraw.Draw(line).line([(x * 2, y * 2) for _, x, y in path], (255, 255, 255, 170), thick, "curve")
    dot = Image.new("RGBA", (thick * 8 + 4, thick * 8 + 4), (30, 30, 30, 0))
    ImageDraw.Draw(dot).ellipse((2, 2, thick * 8 + 2, thick * 8 + 2), (255, 196, 64), (30, 30, 30), thick * 2)
    return line.reduce(2), dot.reduce(2)

"""Make videos from pictures: a camera move, a movement along a trajectory, or a fade."""

from itertools import pairwise

from PIL import Image, ImageDraw, ImageOps

from decart.emulator.render.graph import TICKS, Graph, Node
from decart.emulator.render.inputs import open_picture
from decart.emulator.render.job import RenderJob, words

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
    "closer": ((0.5, 0.5, 1.0), (0.5, 0.45, 1.18)),
    "out": ((0.5, 0.45, 1.18), (0.5, 0.5, 1.0)),
    "left": ((1.0, 0.5, 1.18), (0.0, 0.5, 1.18)),
    "right": ((0.0, 0.5, 1.18), (1.0, 0.5, 1.18)),
    "up": ((0.5, 1.0, 1.18), (0.5, 0.0, 1.18)),
    "down": ((0.5, 0.0, 1.18), (0.5, 1.0, 1.18)),
}
"""The start and end of each move: x and y of the view, from 0 to 1, and the zoom factor."""


def _fit(job: RenderJob, name: str, scale: int = 1) -> Image.Image:
    """Open a picture, and scale and crop it to fill the frame."""
    return ImageOps.fit(open_picture(job.input(name), name), (job.width * scale, job.height * scale))


def add_camera(graph: Graph, job: RenderJob) -> Node:
    """Move the camera slowly over the picture ``data``."""
    # The filter moves a picture by whole pixels, so it gets an enlarged one.
    picture = graph.still(_fit(job, "data", max(2, 700 // min(job.size))))
    move = (job.matches(MOVE_WORDS) or [job.random("move").choice(list(_ENDS))])[0]
    ease = f"(0.5-0.5*cos(PI*on/{max(1, job.frame_count - 1)}))"
    x, y, zoom = (f"({start}+{end - start}*{ease})" for start, end in zip(*_ENDS[move], strict=True))
    view = f"z='{zoom}':x='(iw-iw/zoom)*{x}':y='(ih-ih/zoom)*{y}':s={job.width}x{job.height}"
    return graph.chain(picture, f"zoompan={view}:d={job.frame_count}:fps={job.fps}")


def add_fade(graph: Graph, job: RenderJob) -> Node:
    """Fade from the picture ``start``, the first frame, to the picture ``end``, the last frame."""
    first, last = _fit(job, "start"), _fit(job, "end")
    last.putalpha(255)
    fade = f"fade=in:0:{max(1, job.frame_count - 1)}:alpha=1"
    return graph.overlay(graph.still(first, job.fps), graph.chain(graph.still(last, job.fps), fade))


def add_motion(graph: Graph, job: RenderJob) -> Node:
    """Move the picture ``data`` along the trajectory.

    The point where the trajectory starts follows it; a thin line and a dot show the path. The picture is mirrored at
    its edges. It stands still before the first point and after the last one.
    """
    import numpy as np  # takes 50 ms, and the other tasks do without it

    (width, height), picture = job.size, _fit(job, "data")
    if not job.trajectory:
        return graph.still(picture, job.fps)
    known = {frame: (x, y) for frame, x, y in job.trajectory}  # if a frame is given twice, its last point counts
    last = job.frame_count - 1
    frames = sorted({0, last, *(frame for frame in known if 0 < frame < last)})
    frames = sorted({*frames[:: len(frames) // 256 + 1], last})  # an expression takes as long as it has points
    places = np.array([known[frame] for frame in sorted(known)]).clip(0, 1) * job.size
    path = [np.interp(frames, sorted(known), places[:, axis]).tolist() for axis in (0, 1)]
    x, y = (_expression(frames, line, f"t*{job.fps}") for line in path)
    node = graph.chain(
        graph.still(picture),
        f"pad=3*{width}:3*{height}:{width}:{height}",
        f"fillborders={width}:{width}:{height}:{height}:mirror",
        "loop=-1:1",
        f"setpts=N*{TICKS}/{job.fps}",
        f"crop={width}:{height}:x='{width}+{path[0][0]}-({x})':y='{height}+{path[1][0]}-({y})'",
    )
    line, dot = _draw_path(list(zip(*path, strict=True)), job.size)
    return graph.overlay(graph.overlay(node, graph.still(line)), graph.still(dot), f"{x}-w/2", f"{y}-h/2")


def _expression(frames: list[int], line: list[float], frame: str) -> str:
    """Return an expression for a coordinate that changes evenly from each point to the next one."""
    terms = [f"{line[0]:.3f}"]
    for (m, a), (n, b) in pairwise(zip(frames, line, strict=True)):
        terms.append(f"{b - a:.3f}*clip(({frame}-{m})/{n - m},0,1)")
    while len(terms) > 1:  # as a balanced tree, because libavfilter limits the depth of an expression
        terms = ["(" + "+".join(terms[at : at + 2]) + ")" for at in range(0, len(terms), 2)]
    return terms[0]


def _draw_path(path: list[tuple[float, float]], size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Draw the complete path, and the dot that moves along it, at double size for smooth edges."""
    thick = max(2, round(min(size) / 180))
    line = Image.new("RGBA", (size[0] * 2, size[1] * 2), (255, 255, 255, 0))
    ImageDraw.Draw(line).line([(x * 2, y * 2) for x, y in path], (255, 255, 255, 170), thick, "curve")
    dot = Image.new("RGBA", (thick * 6 + 4, thick * 6 + 4), (30, 30, 30, 0))
    ImageDraw.Draw(dot).ellipse((2, 2, thick * 6 + 2, thick * 6 + 2), (255, 196, 64), (30, 30, 30), thick)
    return line.reduce(2), dot.reduce(2)

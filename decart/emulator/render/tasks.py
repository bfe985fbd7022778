"""Render a job by the filter graph for its task."""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import groupby, islice
from pathlib import Path

import attrs
import av
import av.filter
from PIL import Image, ImageDraw, ImageOps

from decart.emulator.render.caption import overlay
from decart.emulator.render.graph import (
    TICKS,
    Graph,
    MissingFilterError,
    Node,
    Parts,
    made_ahead,
    save_png,
    to_frame,
    write_movie,
)
from decart.emulator.render.inputs import Clip, open_picture, read_sound
from decart.emulator.render.job import EDITS, PICTURE_TASKS, RenderJob, removed_on_error
from decart.emulator.render.scene import add_scene
from decart.emulator.render.styles import add_style

MOVES = {
    "out away back wide reveal": ((0.5, 0.45, 1.18), (0.5, 0.5, 1.0)),
    "left": ((1.0, 0.5, 1.18), (0.0, 0.5, 1.18)),
    "right": ((0.0, 0.5, 1.18), (1.0, 0.5, 1.18)),
    "up rise rising sky": ((0.5, 1.0, 1.18), (0.5, 0.0, 1.18)),
    "down fall falling": ((0.5, 0.0, 1.18), (0.5, 1.0, 1.18)),
    "in zoom closer close toward forward": ((0.5, 0.5, 1.0), (0.5, 0.45, 1.18)),
}
"""Words that choose a camera move, and its start and end: x and y of the view, from 0 to 1, and the zoom factor."""

_TURNS = ((), ("transpose=cclock",), ("hflip", "vflip"), ("transpose=clock",))
"""The filters that turn a frame to the left by 0 to 3 quarters."""


def draw(job: RenderJob, target: Path, filters: Collection[str] = frozenset(av.filter.filters_available)) -> None:
    """Render the placeholder for a job in the current process, without a time limit.

    Args:
        job: What to render. The same job always produces the same file.
        target: The file to write, which is removed if the job fails.
        filters: The filters of libavfilter to use. If one that the job needs is missing, the result is a plain picture.

    Raises:
        RenderError: The job cannot be rendered; the message says why.
    """
    job.check()
    with removed_on_error(target):
        extra = job.task in PICTURE_TASKS  # a pixel that is cut off again
        even = attrs.evolve(job, width=(job.width + extra) // 2 * 2, height=(job.height + extra) // 2 * 2)
        if job.task in EDITS:
            clip = Clip(job.input("data"))
            short, long = sorted(even.size)
            width, height = (short, long) if clip.is_portrait else (long, short)
            even = attrs.evolve(even, width=width, height=height)
            frames = made_ahead(_or_plain(even, _edit(even, clip, filters)))
            write_movie(target, job.layout, even.size, clip.rate, frames, read_sound(job.input("data"), clip.start))
            return
        frames = _or_plain(even, islice(_animate(even, filters), job.frame_count))
        if job.task in PICTURE_TASKS:
            picture = next(frames).to_image()  # type: ignore[no-untyped-call,unused-ignore]
            save_png(picture.crop((0, 0, *job.size)), target)
        else:
            write_movie(target, job.layout, even.size, Fraction(job.fps), made_ahead(frames))


def _animate(job: RenderJob, filters: Collection[str]) -> Iterator[av.VideoFrame]:
    """Yield the frames for text or pictures."""
    graph = Graph(filters)
    if job.task in ("text-to-video", "text-to-image"):
        node = add_scene(graph, job)
    elif job.task == "image-to-image":
        reference, parts = _reference(job)
        node = graph.stamp(add_style(graph, graph.still(_fit(job, "data")), job, reference), parts)
    else:
        add = {"image-to-video": _add_camera, "first-last-frame": _add_fade, "motion": _add_motion}[job.task]
        node = graph.stamp(add(graph, job), overlay(job.size, job.model))
    yield from graph.run(node)


def _edit(job: RenderJob, clip: Clip, filters: Collection[str]) -> Iterator[av.VideoFrame]:
    """Yield the frames of a video in another style."""
    reference, parts = _reference(job)
    for (width, height, turns), group in groupby(
        clip.frames(job.size), lambda pair: (pair[0].width, pair[0].height, pair[1])
    ):
        graph = Graph(filters)
        source = graph.source(width, height, "yuv420p")
        upright = graph.chain(source, *_TURNS[turns], f"crop={job.width}:{job.height}")
        node = graph.stamp(add_style(graph, upright, job, reference), parts)
        yield from graph.run(node, source, (frame for frame, _ in group))


def _or_plain(job: RenderJob, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield the frames, or those of a plain picture if a filter is missing."""
    try:
        yield next(frames)
    except MissingFilterError:
        picture = Image.new("RGB", job.size, (30, 34, 52))
        for part, corner in overlay(job.size, job.model, job.prompt):
            picture.paste(part, corner, part)
        for number in range(job.frame_count):
            yield to_frame(picture, "yuv420p", number * TICKS // job.fps)
    yield from frames


def _reference(job: RenderJob) -> tuple[Image.Image | None, Parts]:
    """Return the reference picture, and what is laid over an edited picture: the label, and a small copy of it."""
    parts = overlay(job.size, job.model)
    if "reference_image" not in job.inputs:
        return None, parts
    reference, unit = open_picture(job.input("reference_image"), "reference_image"), min(job.size)
    small = reference.copy()
    small.thumbnail((max(4, unit // 5), max(4, unit // 5)))
    card = ImageOps.expand(small, 2, "white").convert("RGBA")
    return reference, [*parts, (card, (unit // 25, job.height - card.height - unit // 25))]


def _fit(job: RenderJob, name: str, scale: int = 1) -> Image.Image:
    """Open a picture, and scale and crop it to fill the frame."""
    return ImageOps.fit(open_picture(job.input(name), name), (job.width * scale, job.height * scale))


def _add_camera(graph: Graph, job: RenderJob) -> Node:
    """Move the camera slowly over the picture ``data``."""
    # The filter moves a picture by whole pixels, so it gets an enlarged one.
    picture = graph.still(_fit(job, "data", max(2, 700 // min(job.size))))
    move = (job.matches({known: known for known in MOVES}) or [job.random("move").choice(list(MOVES))])[0]
    ease = f"(0.5-0.5*cos(PI*on/{max(1, job.frame_count - 1)}))"
    x, y, zoom = (f"({start}+{end - start}*{ease})" for start, end in zip(*MOVES[move], strict=True))
    view = f"z='{zoom}':x='(iw-iw/zoom)*{x}':y='(ih-ih/zoom)*{y}':s={job.width}x{job.height}"
    return graph.chain(picture, f"zoompan={view}:d={job.frame_count}:fps={job.fps}")


def _add_fade(graph: Graph, job: RenderJob) -> Node:
    """Fade from the picture ``start``, the first frame, to the picture ``end``, the last frame."""
    first, last = _fit(job, "start"), _fit(job, "end")
    last.putalpha(255)
    fade = f"fade=in:0:{max(1, job.frame_count - 1)}:alpha=1"
    return graph.overlay(graph.still(first, job.fps), graph.chain(graph.still(last, job.fps), fade))


def _add_motion(graph: Graph, job: RenderJob) -> Node:
    """Move the picture ``data`` along the trajectory, which is shown as a thin line.

    The point where the trajectory starts, marked with a dot, follows it. The picture is mirrored at its edges. It
    stands still before the first point and after the last one.
    """
    (width, height), picture = job.size, _fit(job, "data")
    if not job.trajectory:
        return graph.still(picture, job.fps)
    path, side = list(_follow(job)), max(8, min(job.size) // 50)
    (left, top), commands = path[0], []
    for number, (x, y) in enumerate(path):
        time = max(0, number - 0.5) / job.fps
        commands.append(f"{time:.5f} crop x {width + left - x:.1f},crop y {height + top - y:.1f}")
    dot = Image.new("RGBA", (side * 4, side * 4), (30, 30, 30, 0))
    ImageDraw.Draw(dot).ellipse((2, 2, side * 4 - 3, side * 4 - 3), (255, 196, 64), (30, 30, 30), side // 2)
    line = Image.new("RGBA", (width * 2, height * 2), (255, 255, 255, 0))
    points = [(x * 2, y * 2) for x, y in path]
    ImageDraw.Draw(line).line(points, (255, 255, 255, 170), max(2, side // 4), "curve")
    mirror = f"fillborders={width}:{width}:{height}:{height}:mirror"
    node = graph.chain(graph.still(picture), f"pad=3*{width}:3*{height}:{width}:{height}", mirror)
    node = graph.overlay(node, graph.still(dot.reduce(4)), f"{width + left}-w/2", f"{height + top}-h/2")
    node = graph.chain(node, "loop=-1:1", f"setpts=N*{TICKS}/{job.fps}", f"sendcmd=c='{';'.join(commands)}'")
    return graph.stamp(graph.add(f"crop={width}:{height}:exact=1", node), [(line.reduce(2), (0, 0))])


def _follow(job: RenderJob) -> Iterator[tuple[float, float]]:
    """Yield where the trajectory is in each frame, in pixels, moving evenly from each of its points to the next."""
    # If a frame is given twice, its last point counts.
    known = {frame: (min(1, max(0, x)), min(1, max(0, y))) for frame, x, y in job.trajectory}
    frames = sorted(known)
    for number in range(job.frame_count):
        after = min(bisect_left(frames, number), len(frames) - 1)
        before = max(0, after - 1) if number < frames[after] else after
        part = (number - frames[before]) / (frames[after] - frames[before]) if before < after else 0
        (x0, y0), (x1, y1) = known[frames[before]], known[frames[after]]
        yield (x0 + (x1 - x0) * part) * job.width, (y0 + (y1 - y0) * part) * job.height

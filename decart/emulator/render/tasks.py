"""Render a job by the filter graph for its task."""

from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from itertools import groupby, islice
from pathlib import Path

import attrs
import av
import av.filter
from PIL import Image, ImageOps

from decart.emulator.render.caption import overlay
from decart.emulator.render.graph import TICKS, Graph, MissingFilterError, Movie, Parts, save_png, to_frame, write_movie
from decart.emulator.render.inputs import Clip, open_picture, read_sound
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, removed_on_error
from decart.emulator.render.stills import add_camera, add_fade, add_motion
from decart.emulator.render.styles import add_style

_STILLS = {"image-to-video": add_camera, "first-last-frame": add_fade, "motion": add_motion}

_TURNS = ((), ("transpose=cclock",), ("hflip", "vflip"), ("transpose=clock",))
"""The filters that turn a frame to the left by 0 to 3 quarters."""


def draw(job: RenderJob, target: Path, filters: Collection[str] = frozenset(av.filter.filters_available)) -> None:
    """Render the placeholder for a job in the current process, without a time limit.

    Args:
        job: What to render. The same job always produces the same file.
        target: The file to write: MP4 for the video tasks, PNG for the picture tasks. It is removed if the job fails.
        filters: The filters of libavfilter to use. If one that the job needs is missing, the result is a plain picture.

    Raises:
        RenderError: The job cannot be rendered; the message says why.
    """
    job.check()
    with removed_on_error(target):
        if job.task in PICTURE_TASKS:
            _draw_picture(job, target, filters)
            return
        job = attrs.evolve(job, width=job.width // 2 * 2, height=job.height // 2 * 2)
        if job.task in _STILLS or job.task == "text-to-video":
            movie = Movie(job.size, Fraction(job.fps), _or_plain(job, _animate(job, filters)))
        else:
            clip = Clip(job.input("data"), "data")
            short, long = sorted(job.size)
            job = attrs.evolve(
                job, width=short if clip.is_portrait else long, height=long if clip.is_portrait else short
            )
            frames = _or_plain(job, _edit(job, clip, filters))
            movie = Movie(job.size, clip.rate, frames, read_sound(job.input("data"), clip.start))
        write_movie(movie, target, job.layout)


def _animate(job: RenderJob, filters: Collection[str]) -> Iterator[av.VideoFrame]:
    """Yield the frames of a video from text or pictures."""
    graph = Graph(filters, "444" if job.task == "motion" else "420")
    if job.task in _STILLS:
        node = graph.stamp(_STILLS[job.task](graph, job), overlay(job.size, job.model))
    else:
        from decart.emulator.render.scene import add_scene  # numpy, which other tasks do not need, takes 50 ms

        node = add_scene(graph, job)
    yield from islice(graph.run(node), job.frame_count)


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


def _reference(job: RenderJob) -> tuple[Image.Image | None, Parts]:
    """Return the reference picture, and what is laid over an edited picture: the label, and a small copy of it."""
    parts = overlay(job.size, job.model)
    if "reference_image" not in job.inputs:
        return None, parts
    reference, unit = open_picture(job.input("reference_image"), "reference_image"), min(job.size)
    side = max(4, round(unit * 0.22))
    small = reference.copy()
    small.thumbnail((side, side))
    card = ImageOps.expand(small, 2, "white").convert("RGBA")
    return reference, [*parts, (card, (round(unit * 0.04), job.height - card.height - round(unit * 0.04)))]


def _draw_picture(job: RenderJob, target: Path, filters: Collection[str]) -> None:
    """Write a PNG file."""
    even = attrs.evolve(job, width=job.width + job.width % 2, height=job.height + job.height % 2)
    frames = _restyle(job, filters) if "data" in job.inputs else _animate(even, filters)
    picture = next(_or_plain(job, frames)).to_image()  # type: ignore[no-untyped-call,unused-ignore]
    save_png(picture.crop((0, 0, *job.size)), target)


def _restyle(job: RenderJob, filters: Collection[str]) -> Iterator[av.VideoFrame]:
    """Yield the picture ``data`` in another style."""
    graph = Graph(filters, "444")
    reference, parts = _reference(job)
    picture = graph.still(ImageOps.fit(open_picture(job.input("data"), "data"), job.size))
    yield from graph.run(graph.stamp(add_style(graph, picture, job, reference), parts))


def _or_plain(job: RenderJob, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield the frames, or those of a plain picture if a filter is missing."""
    frames = iter(frames)
    try:
        yield next(frames)
    except MissingFilterError:
        picture = Image.new("RGB", job.size, (30, 34, 52))
        for part, corner in overlay(job.size, job.model, job.prompt):
            picture.paste(part, corner, part)
        for number in range(job.frame_count):
            yield to_frame(picture, "yuv420p", number * TICKS // job.fps)
    yield from frames

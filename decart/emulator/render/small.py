"""Render tiny results in milliseconds, for tests that need a valid file but not a nice picture."""

from fractions import Fraction
from pathlib import Path

from decart.emulator.render.cache import fingerprint
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, removed_on_error

SHORT_SIDE = 96  # pixels of the shorter side; the longer one keeps the requested aspect ratio
FPS = 4  # frames per second of a clip, which lasts one second


def render_small(job: RenderJob, target: Path) -> None:
    """Render a tiny placeholder for a job: a real MP4 or PNG file of a few kB that names the model.

    It takes about 50 milliseconds. Input files are read but not decoded, so a test may send any bytes as a picture or
    video. They determine the colours, so different inputs produce different results.

    Args:
        job: What to render. The same job always produces the same file.
        target: The file to write: one second of H.264 at four frames per second for the video tasks, PNG for the
            picture tasks. The shorter side has 96 pixels at most, whatever size was requested.

    Raises:
        RenderError: The job cannot be rendered; the message says why.

    Example:
        >>> Emulator(renderer=render_small)  # doctest: +SKIP
    """
    from PIL import Image, ImageDraw, ImageFont  # an emulator that renders elsewhere needs no codecs

    from decart.emulator.render.graph import TICKS, save_png, to_frame, write_movie

    job.check()
    scale = min(1.0, SHORT_SIDE / min(job.size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in job.size)
    random = job.random(f"small|{fingerprint(job)}")
    picture = Image.new("RGB", (width, height), tuple(random.randint(30, 180) for _ in range(3)))
    draw, frames = ImageDraw.Draw(picture), []
    draw.multiline_text((4, 4), f"{job.model}\n{job.task}\nplaceholder", "white", ImageFont.load_default(11))
    for number in range(FPS):  # a bar grows
        draw.rectangle((0, height - 6, width * (number + 1) // FPS, height), "white")
        frames.append(to_frame(picture, "yuv420p", number * TICKS // FPS))
    with removed_on_error(target):
        if job.task in PICTURE_TASKS:
            save_png(picture, target)
        else:
            write_movie(target, job.layout, (width, height), Fraction(FPS), frames)

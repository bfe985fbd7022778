"""Draw text, once per job: the prompt as a caption, and the corner label."""

import textwrap
from contextlib import suppress
from operator import itemgetter

from PIL import Image, ImageDraw, ImageFont

from decart.emulator.render.graph import Parts

LABEL = "decart emulator - placeholder"
"""The label on every frame, which says that no model made it. It is ASCII, so that it looks the same everywhere."""

WIDEST = "lucy-restyle-v2v"
"""A name as wide as any usual one: the label has room for it, so that an edited video's label covers the one before."""

SYSTEM_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf"),
    *("Hiragino Sans GB.ttc", "msgothic.ttc", "msyh.ttc", "malgun.ttf", "arial.ttf"),
)
"""The fonts to try, in this order, for text that Pillow's own font lacks glyphs for."""

MAX_CAPTION = 2_000  # characters, of which a frame shows a few hundred

_PLAIN = str.maketrans(dict(zip("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--", strict=True)) | {"\u2026": "..."})


def overlay(size: tuple[int, int], model: str, caption: str = "") -> Parts:
    """Draw the corner label, and the caption if there is one, for frames of a size."""
    points = max(8, round(min(size) * 0.021))
    text, pad = f"{LABEL}  |  {model}" if model else LABEL, max(2, points // 3)
    font = _choose_font(text, points)
    # It covers the label of a video which is edited again, but not the picture of a tiny one.
    longest = max(font.getlength(text), font.getlength(f"{LABEL}  |  {WIDEST}"))
    width, fill = min(size[0], round(longest) + 4 * pad), (8, 10, 18, 255 if min(size) >= 240 else 90)
    label = Image.new("RGBA", (width + pad, 2 * points + 2 * pad), (0, 0, 0, 0))
    ImageDraw.Draw(label).rounded_rectangle((0, pad, width - 1, label.height - 1), 2 * pad, fill)
    ImageDraw.Draw(label).text((width / 2, label.height / 2 + pad / 2), text, (194, 195, 197, 255), font, "mm")
    parts, plain = [(label, (size[0] - label.width, 0))], " ".join(caption[:MAX_CAPTION].translate(_PLAIN).split())
    if plain:
        box = _draw_caption(size, plain)
        parts.append((box, ((size[0] - box.width) // 2, size[1] - box.height - round(min(size) * 0.045))))
    return parts


def _draw_caption(size: tuple[int, int], caption: str) -> Image.Image:
    """Draw a caption in a dark rounded box: in the largest font that it fits in, else truncated."""
    most, room, smallest = (3 if size[0] > size[1] else 6), size[0] * 0.86, max(8, round(min(size) * 0.03))
    points = max(9, round(min(size) * 0.046))
    while True:
        font = _choose_font(caption, points)
        letters = max(4, int(room * len(caption) / max(1, font.getlength(caption))))
        limit = most if points <= smallest else None
        lines = textwrap.wrap(caption, letters, max_lines=limit, placeholder="...")
        if points <= smallest or (len(lines) <= most and max(map(font.getlength, lines)) <= room):
            break
        points -= 1
    step, pad = round(points * 1.32), round(points * 0.75)
    # On a tiny frame the text is wider than the box, and clipped.
    width = min(size[0], round(max(map(font.getlength, lines))) + 2 * pad)
    box = Image.new("RGBA", (width, len(lines) * step + 2 * pad - step // 5))
    draw = ImageDraw.Draw(box)
    draw.rounded_rectangle((0, 0, box.width - 1, box.height - 1), pad, (8, 10, 18, 150))
    for number, line in enumerate(lines):
        draw.text(((box.width - font.getlength(line)) / 2, pad + number * step), line, "white", font)
    return box


def _choose_font(text: str, points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the first installed font that has glyphs for a text, or for as much of it as any other one.

    Pillow's own font comes first, so that plain English looks the same on every machine.
    """
    found: list[tuple[int, ImageFont.FreeTypeFont | ImageFont.ImageFont]] = []
    for name in ("", *SYSTEM_FONTS):
        with suppress(OSError):  # not installed
            font = ImageFont.truetype(name, points) if name else ImageFont.load_default(points)
            boxes = [bytes(font.getmask(letter)) for letter in ("\U0010fffd", *sorted(set(text) - {" "}))]  # type: ignore[call-overload,unused-ignore]
            found.append((boxes.count(boxes[0]), font))
            if found[-1][0] == 1:
                break
    return min(found, key=itemgetter(0))[1]

"""Draw text, once per job: the prompt as a caption, and the corner label."""

import textwrap
import unicodedata
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFont

from decart.emulator.render.graph import Parts

LABEL = "decart emulator - placeholder"
"""The label on every frame, which says that no model made it. It is ASCII, so that it looks the same everywhere."""

SYSTEM_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf"),
    *("Hiragino Sans GB.ttc", "msgothic.ttc", "msyh.ttc", "malgun.ttf", "arial.ttf"),
)
"""The fonts to try, in this order, for text that Pillow's own font lacks glyphs for."""

_PLAIN = str.maketrans(dict(zip("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--", strict=True)) | {"\u2026": "..."})

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def overlay(size: tuple[int, int], model: str, caption: str = "") -> Parts:
    """Draw the corner label, and the caption if there is one.

    Args:
        size: The width and height of the frames.
        model: The model to name in the label.
        caption: The caption, which is truncated if it does not fit.
    """
    label, plain = _label(size, model), " ".join(caption.translate(_PLAIN).split())
    parts = [(label, (size[0] - label.width, 0))]
    if plain:
        box = _caption_box(size, plain)
        parts.append((box, ((size[0] - box.width) // 2, size[1] - box.height - round(min(size) * 0.045))))
    return parts


def _label(size: tuple[int, int], model: str) -> Image.Image:
    """Draw the corner label: it covers that of a video which is edited again, but not the picture of a tiny one."""
    points = max(8, round(min(size) * 0.021))
    text, font = _choose_font(f"{LABEL}  |  {model}" if model else LABEL, points)
    pad = max(2, points // 3)
    width = min(size[0], round(font.getlength(text)) + 4 * pad)
    picture = Image.new("RGBA", (width + pad, 2 * points + 2 * pad), (0, 0, 0, 0))
    fill = (8, 10, 18, 235 if min(size) >= 240 else 90)
    ImageDraw.Draw(picture).rounded_rectangle((0, pad, width - 1, picture.height - 1), 2 * pad, fill)
    ImageDraw.Draw(picture).text((2 * pad, picture.height / 2 + pad / 2), text, (255, 255, 255, 190), font, "lm")
    return picture


def _caption_box(size: tuple[int, int], caption: str) -> Image.Image:
    """Draw a caption in a dark rounded box: in the largest font that it fits in, else truncated."""
    most, room, smallest = (3 if size[0] > size[1] else 6), size[0] * 0.86, max(8, round(min(size) * 0.03))
    points = max(9, round(min(size) * 0.046))
    while True:
        text, font = _choose_font(caption, points)
        letters = max(4, int(room * len(text) / max(1, font.getlength(text))))
        lines = textwrap.wrap(text, letters, max_lines=None if points > smallest else most, placeholder="...") or [""]
        if points <= smallest or (len(lines) <= most and max(map(font.getlength, lines)) <= room):
            break
        points -= 1
    step, pad = round(points * 1.32), round(points * 0.75)
    width = round(max(map(font.getlength, lines))) + 2 * pad
    # On a tiny frame the text is wider than the box, and clipped.
    box = Image.new("RGBA", (min(width, size[0]), len(lines) * step + 2 * pad - step // 5))
    draw = ImageDraw.Draw(box)
    draw.rounded_rectangle((0, 0, box.width - 1, box.height - 1), pad, (8, 10, 18, 150))
    for number, line in enumerate(lines):
        draw.text(((box.width - font.getlength(line)) / 2, pad + number * step), line, "white", font)
    return box


def _choose_font(text: str, points: int) -> tuple[str, Font]:
    """Return the text, and a font that has glyphs for it.

    Pillow's own font comes first, so that plain English looks the same on every machine. If no font has all the glyphs,
    accents are dropped. If most would still be missing, a note replaces the text, rather than a row of empty boxes.
    """
    for font in _fonts(points):
        if not _missing_glyphs(text, font):
            return text, font
    own, bare = ImageFont.load_default(points), unicodedata.normalize("NFKD", text)
    missing = _missing_glyphs(bare, own)
    plain = "".join(letter for letter in bare if letter not in missing)
    if sum(map(str.isalnum, plain)) * 2 >= sum(map(str.isalnum, text)):
        return plain, own
    return f"[prompt of {len(text)} characters in a script that no installed font supports]", own


def _fonts(points: int) -> Iterator[Font]:
    """Load the fonts that are installed, one when it is needed."""
    yield ImageFont.load_default(points)
    for name in SYSTEM_FONTS:
        try:
            yield ImageFont.truetype(name, points)
        except OSError:
            continue


def _missing_glyphs(text: str, font: Font) -> set[str]:
    """Return the characters of a text that a font has no glyph for."""
    boxes = {letter: bytes(font.getmask(letter)) for letter in {"\U0010fffd", *text} - {" "}}  # type: ignore[call-overload,unused-ignore]
    return {letter for letter in set(text) & set(boxes) if boxes[letter] == boxes["\U0010fffd"]}

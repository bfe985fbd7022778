"""Styles for pictures and videos, chosen by the words of a prompt."""

from __future__ import annotations

import colorsys

import attrs
from PIL import Image, ImageOps, ImageStat

from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob, words

STYLE_WORDS = words(
    sketch="sketch pencil drawing draw charcoal ink outline",
    pixel="pixel pixelated pixelart 8bit minecraft lego voxel retro",
    anime="anime cartoon comic manga ghibli animated pixar toon",
    paint="paint painting watercolor watercolour oil impressionist gogh",
    noir="noir monochrome grayscale greyscale bw black detective",
    sepia="sepia vintage old antique western historic film",
    neon="neon cyberpunk futuristic synthwave vaporwave glow robot",
    night="night dark midnight moonlight horror",
    cold="cold winter ice icy snow snowy blue frozen underwater",
    warm="warm sunset golden autumn summer orange desert fire",
    negative="negative invert inverted xray",
)

_YUV = ((16, 0.1826, 0.6142, 0.062), (128, -0.1006, -0.3386, 0.4392), (128, 0.4392, -0.3989, -0.0403))
"""BT.709: for Y, U and V, the value of black, and the weights of red, green and blue."""


@attrs.frozen(kw_only=True)
class Style:
    """A series of filters.

    Attributes:
        filters: The filters.
        lines: Filters for a copy of the picture, which is then blended in.
        blend: The filter that blends the two.
        after: Filters for the blended picture.
        vignette: Whether the corners are darkened at the end.
    """

    filters: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    blend: str = ""
    after: tuple[str, ...] = ()
    vignette: bool = False


def add_style(graph: Graph, node: Node, job: RenderJob, reference: Image.Image | None = None) -> Node:
    """Add the filters for a job.

    They depend on the first known word of the prompt, otherwise on the colours of the reference picture, and without
    one on the hash of the job.
    """
    known = job.matches(STYLE_WORDS)
    style = _styles(job.size)[known[0]] if known else _duotone(job, reference)
    if style.blend:
        first, second = graph.split(node)
        both = graph.chain(first, *style.filters), graph.chain(second, *style.lines)
        return graph.chain(graph.add(style.blend, *both), *style.after)
    node = graph.chain(node, *style.filters)
    if style.vignette:
        corners = Image.new("RGB", job.size)
        corners.putalpha(Image.radial_gradient("L").resize(job.size).point(lambda level: max(0, level - 70) * 0.8))
        node = graph.overlay(node, graph.still(corners), 0, 0)
    return node


def _styles(size: tuple[int, int]) -> dict[str, Style]:
    """Return the named styles for frames of this size."""
    unit, edges = min(size), "sobel=planes=1:scale=3"
    block = f"pixelize=w={max(2, unit // 72)}:h={max(2, unit // 72)}"
    small, full = (":".join(str(side // part or 1) for side in size) for part in (max(1, unit // 110), 1))
    # In a small copy each patch of one colour becomes a brush stroke.
    strokes = f"scale={small}", "erosion", "dilation", "unsharp=la=2", "hue=s=1.5", f"scale={full}"
    bright = "lutyuv=y='16+219/(1+exp((118-val)/26))':u=128:v=128"
    return {
        "sketch": Style(  # a pencil would draw what is darker than its surroundings
            filters=("lutyuv=u=128:v=128",),
            lines=(f"avgblur={max(2, unit // 90)}:planes=1",),
            blend="blend=c0_mode=divide",
            after=("lutyuv=y='30+pow(min(val/250,1),4)*205':u=124:v=130",),
        ),
        "pixel": Style(filters=(block, "hue=s=1.5", "lutyuv=y='trunc(val/28)*28+8'")),
        "anime": Style(
            filters=("hue=s=1.6", "lutyuv=y='trunc(val/30)*30+16'"),
            lines=(edges, "lutyuv=y=255-val"),
            blend="blend=c0_mode=multiply",
        ),
        "paint": Style(filters=strokes),
        "noir": Style(filters=(bright,), vignette=True),
        "sepia": Style(filters=(_gradient((36, 22, 12), (164, 120, 78), (255, 240, 208)),), vignette=True),
        "neon": Style(
            lines=(edges,),
            blend="blend=c0_mode=addition",
            after=(_gradient((8, 4, 30), (150, 30, 150), (100, 250, 245)),),
        ),
        "night": Style(filters=("lutyuv=y='16+(val-16)*0.5':u='val*0.8+40':v='val*0.8+18'",)),
        "cold": Style(filters=("lutyuv=u=val+16:v=val-16",)),
        "warm": Style(filters=("lutyuv=u=val-18:v=val+16",)),
        "negative": Style(filters=("negate",)),
    }


def _duotone(job: RenderJob, reference: Image.Image | None) -> Style:
    """Return a style that flattens the picture, and tints it in colours of the reference picture or of the job's hash."""
    if reference:
        centre = ImageOps.fit(reference, (24, 24)).crop((6, 6, 18, 18))
        colours = (12, 12, 20), tuple(ImageStat.Stat(centre).median), (255, 252, 246)
    else:
        hue = job.random("style").random()
        pair = colorsys.hsv_to_rgb(hue, 0.75, 0.24), colorsys.hsv_to_rgb(hue + 0.43, 0.59, 0.92)
        colours = *(tuple(round(part * 255) for part in colour) for colour in pair), (255, 250, 240)
    return Style(filters=("lutyuv=y='trunc(val/24)*24+12'", _gradient(*colours, opacity=0.62)))


def _gradient(dark: tuple[int, ...], middle: tuple[int, ...], light: tuple[int, ...], opacity: float = 1) -> str:
    """Return a filter that maps brightness to a gradient of three colours."""
    options = []
    for number, (black, *weights) in enumerate(_YUV):
        a, b, c = (black + sum(w * v for w, v in zip(weights, colour, strict=True)) for colour in (dark, middle, light))
        curve = f"if(lt(val,126),{a:.1f}+{b - a:.1f}*(val-16)/110,{b:.1f}+{c - b:.1f}*(val-126)/109)"
        options.append(f"c{number}='clip({curve},16,240)'")
    return f"pseudocolor={':'.join(options)}:opacity={opacity}"

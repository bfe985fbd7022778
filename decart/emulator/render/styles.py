"""Styles for pictures and videos, chosen by the words of a prompt."""

import colorsys

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


def add_style(graph: Graph, node: Node, job: RenderJob, reference: Image.Image | None = None) -> Node:
    """Add the filters for a job.

    They depend on the first known word of the prompt, otherwise on the colours of the reference picture, and without
    one on the hash of the job.
    """
    name = (job.matches(STYLE_WORDS) or [""])[0]
    first, *more = _styles(job.size).get(name) or (_duotone(job, reference),)
    if more:
        one, two = graph.split(node)
        two, (blend, *after) = graph.chain(two, *more[0].split()), more[1].split()
        node = graph.chain(graph.add(blend, graph.chain(one, *first.split()), two), *after)
    else:
        node = graph.chain(node, *first.split())
    if name in ("noir", "sepia"):  # with dark corners
        corners = Image.new("RGB", job.size)
        corners.putalpha(
            Image.radial_gradient("L").resize(job.size).point([max(0, level - 70) * 4 // 5 for level in range(256)])
        )
        node = graph.overlay(node, graph.still(corners))
    return node


def _styles(size: tuple[int, int]) -> dict[str, tuple[str, ...]]:
    """Return the filters of each style, separated by spaces.

    If there are three strings, the second is for a copy of the picture, and the third one starts with the filter that
    blends the two.
    """
    unit, edges = min(size), "sobel=planes=1:scale=3 lutyuv=y='clip((val-40)*1.3,0,255)'"
    block, small = max(2, unit // 72), max(1, unit // 110)
    brush = f"scale={size[0] // small}:{size[1] // small} erosion dilation unsharp=la=2"
    return {
        # A pencil would draw what is darker than its surroundings.
        "sketch": (
            "lutyuv=u=128:v=128",
            f"avgblur={max(2, unit // 90)}:planes=1",
            "blend=c0_mode=divide lutyuv=y='30+pow(min(val/250,1),4)*205':u=124:v=130",
        ),
        "pixel": (f"pixelize=w={block}:h={block} hue=s=1.5 lutyuv=y='trunc(val/28)*28+8'",),
        "anime": ("hue=s=1.6 lutyuv=y='trunc(val/30)*30+16'", f"{edges} lutyuv=y=255-val", "blend=c0_mode=multiply"),
        # In a small copy each patch of one colour becomes a brush stroke.
        "paint": (f"{brush} hue=s=1.5 scale={size[0]}:{size[1]}",),
        "noir": ("lutyuv=y='16+219/(1+exp((118-val)/26))':u=128:v=128",),
        "sepia": (_gradient((36, 22, 12), (164, 120, 78), (255, 240, 208)),),
        "neon": ("", edges, f"blend=c0_mode=addition {_gradient((8, 4, 30), (150, 30, 150), (100, 250, 245))}"),
        "night": ("lutyuv=y='16+(val-16)*0.5':u='val*0.8+40':v='val*0.8+18'",),
        "cold": ("lutyuv=u=val+16:v=val-16",),
        "warm": ("lutyuv=u=val-26:v=val+18",),
        "negative": ("negate",),
    }


def _duotone(job: RenderJob, reference: Image.Image | None) -> str:
    """Return a filter that tints a picture in colours of the reference picture or of the job's hash."""
    if reference:
        centre = ImageOps.fit(reference, (24, 24)).crop((6, 6, 18, 18))
        return _gradient((12, 12, 20), tuple(ImageStat.Stat(centre).median), (255, 252, 246), 0.62)
    hue = job.random("style").random()
    pair = colorsys.hsv_to_rgb(hue, 0.75, 0.24), colorsys.hsv_to_rgb(hue + 0.43, 0.59, 0.92)
    dark, light = (tuple(round(part * 255) for part in colour) for colour in pair)
    return _gradient(dark, light, (255, 250, 240), 0.62)


def _gradient(dark: tuple[int, ...], middle: tuple[int, ...], light: tuple[int, ...], opacity: float = 1) -> str:
    """Return a filter that maps brightness to a gradient of three colours."""
    options = []
    for number, (black, *weights) in enumerate(_YUV):
        a, b, c = (black + sum(w * v for w, v in zip(weights, colour, strict=True)) for colour in (dark, middle, light))
        curve = f"if(lt(val,126),{a:.1f}+{b - a:.1f}*(val-16)/110,{b:.1f}+{c - b:.1f}*(val-126)/109)"
        options.append(f"c{number}='clip({curve},16,240)'")
    return f"pseudocolor={':'.join(options)}:opacity={opacity}"

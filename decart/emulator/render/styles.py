"""Styles for pictures and videos, chosen by the words of a prompt."""

import math

from PIL import Image, ImageOps, ImageStat

from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob

STYLES = {
    # A pencil would draw what is darker than its surroundings.
    "sketch pencil drawing draw charcoal ink outline": (
        "lutyuv=u=128:v=128",
        "avgblur={blur}:planes=1",
        "blend=c0_mode=divide lutyuv=y='30+pow(min(val/250,1),4)*205':u=124:v=130",
    ),
    "pixel pixelated pixelart 8bit minecraft lego voxel retro": (
        "pixelize=w={block}:h={block} hue=s=1.5 lutyuv=y='trunc(val/28)*28+8'",
    ),
    "anime cartoon comic manga ghibli animated pixar toon": (
        "hue=s=1.6 lutyuv=y='trunc(val/30)*30+16'",
        "sobel=planes=1:scale=3 lutyuv=y='255-clip((val-40)*1.3,0,255)'",
        "blend=c0_mode=multiply",
    ),
    # In a small copy each patch of one colour becomes a brush stroke.
    "paint painting watercolor watercolour oil impressionist gogh": (
        "scale=iw/{stroke}:-2 erosion dilation unsharp=la=2 hue=s=1.5 scale={size}",
    ),
    "noir monochrome grayscale greyscale bw black detective": (
        "vignette lutyuv=y='16+219/(1+exp((118-val)/26))':u=128:v=128",
    ),
    "sepia vintage old antique western historic film": ("vignette lutyuv=y=val*0.9+18:u=112:v=140",),
    "neon cyberpunk futuristic synthwave vaporwave glow robot": (
        "copy",
        "sobel=planes=1:scale=3 lutyuv=y='clip((val-40)*1.3,0,255)'",
        "blend=c0_mode=addition pseudocolor=preset=plasma",
    ),
    "night dark midnight moonlight horror": ("lutyuv=y='16+(val-16)*0.5':u='val*0.8+40':v='val*0.8+18'",),
    "cold winter ice icy snow snowy blue frozen underwater": ("lutyuv=u=val+16:v=val-16",),
    "warm sunset golden autumn summer orange desert fire": ("lutyuv=u=val-26:v=val+18",),
    "negative invert inverted xray": ("negate",),
}
"""Words that choose a style, and its filters, separated by spaces.

If there are three strings, the second is for a copy of the picture, and the third one starts with the filter that
blends the two.
"""


def add_style(graph: Graph, node: Node, job: RenderJob, reference: Image.Image | None = None) -> Node:
    """Add the filters for the first known word of the prompt, or a tint."""
    unit, known = min(job.size), job.matches({known: known for known in STYLES})
    sizes = {"blur": max(2, unit // 90), "block": max(2, unit // 72), "stroke": max(1, unit // 110)}
    style = STYLES[known[0]] if known else (_tint(job, reference),)
    first, *more = (part.format(size=f"{job.width}:{job.height}", **sizes).split() for part in style)
    if not more:
        return graph.chain(node, *first)
    one, two = graph.split(node)
    copy, (blend, *after) = more
    return graph.chain(graph.add(blend, graph.chain(one, *first), graph.chain(two, *copy)), *after)


def _tint(job: RenderJob, reference: Image.Image | None) -> str:
    """Return a filter that tints a picture in the colour of the reference picture or of the job's hash."""
    if reference:
        centre = ImageOps.fit(reference, (24, 24)).crop((6, 6, 18, 18))
        _, blue, red = ImageStat.Stat(centre.convert("YCbCr")).mean
    else:
        hue = job.random("style").random() * math.tau
        blue, red = 128 + 40 * math.cos(hue), 128 + 40 * math.sin(hue)
    return f"lutyuv=y=gammaval(0.85):u=val*0.35+{blue * 0.65:.1f}:v=val*0.35+{red * 0.65:.1f}"

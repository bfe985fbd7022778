"""Styles for pictures and videos, chosen by the words of a prompt."""

import math

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


def add_style(graph: Graph, node: Node, job: RenderJob, reference: Image.Image | None = None) -> Node:
    """Add the filters for a job.

    They depend on the first known word of the prompt, otherwise on the colour of the reference picture, and without
    one on the hash of the job.
    """
    name = (job.matches(STYLE_WORDS) or [""])[0]
    first, *more = _styles(job.size).get(name) or (_tint(job, reference),)
    if not more:
        return graph.chain(node, *first.split())
    one, two = graph.split(node)
    blend, *after = more[1].split()
    both = graph.add(blend, graph.chain(one, *first.split()), graph.chain(two, *more[0].split()))
    return graph.chain(both, *after)


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
        "noir": ("vignette lutyuv=y='16+219/(1+exp((118-val)/26))':u=128:v=128",),
        "sepia": ("vignette lutyuv=y=val*0.9+18:u=112:v=140",),
        "neon": ("", edges, "blend=c0_mode=addition pseudocolor=preset=plasma"),
        "night": ("lutyuv=y='16+(val-16)*0.5':u='val*0.8+40':v='val*0.8+18'",),
        "cold": ("lutyuv=u=val+16:v=val-16",),
        "warm": ("lutyuv=u=val-26:v=val+18",),
        "negative": ("negate",),
    }


def _tint(job: RenderJob, reference: Image.Image | None) -> str:
    """Return a filter that tints a picture in the colour of the reference picture or of the job's hash."""
    if reference:
        centre = ImageOps.fit(reference, (24, 24)).crop((6, 6, 18, 18))
        _, blue, red = ImageStat.Stat(centre.convert("YCbCr")).median
    else:
        hue = job.random("style").random() * math.tau
        blue, red = 128 + 40 * math.cos(hue), 128 + 40 * math.sin(hue)
    return f"lutyuv=y=gammaval(0.85):u=val*0.35+{blue * 0.65:.1f}:v=val*0.35+{red * 0.65:.1f}"

"""Draw the examples' input media: media/image.jpg, and media/input.mp4 (3 s, 25 fps, with a tone).

Run: python examples/make_media.py      It needs the extra "emulator" (PyAV, NumPy, Pillow).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

MEDIA = Path(__file__).parent / "media"
SIZE = (1280, 720)
FPS, SECONDS, RATE = 25, 3, 48_000


def picture(time: float) -> Image.Image:
    """Draw a hot-air balloon over hills, ``time`` running from 0 to 1."""
    width, height = SIZE
    share = np.linspace(0, 1, height)[:, None]
    sky = (1 - share) * np.array([86, 152, 218]) + share * np.array([252, 226, 188])
    image = Image.fromarray(np.repeat(sky[:, None, :], width, axis=1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((980, 90, 1100, 210), fill=(255, 246, 214))
    across = np.arange(0, width + 8, 8)
    for depth, color in enumerate([(126, 160, 148), (92, 134, 108), (58, 102, 72)]):
        hill = 450 + 80 * depth + 46 * np.sin(across / (190 - 30 * depth) + 2.1 * depth - 0.5 * time * depth)
        draw.polygon([(0, height), *zip(across.tolist(), hill.tolist(), strict=True), (width, height)], fill=color)
    x, y = 380 + 360 * time, 250 - 50 * np.sin(np.pi * time)
    draw.line((x - 42, y + 96, x - 18, y + 170), fill=(92, 64, 44), width=3)
    draw.line((x + 42, y + 96, x + 18, y + 170), fill=(92, 64, 44), width=3)
    draw.rectangle((x - 22, y + 168, x + 22, y + 204), fill=(132, 92, 58))
    for stripe, color in enumerate([(206, 62, 58), (244, 196, 84), (206, 62, 58), (244, 196, 84)]):
        reach = 108 - 30 * stripe
        draw.ellipse((x - reach, y - 118, x + reach, y + 118), fill=color)
    return image.filter(ImageFilter.SMOOTH)


def video(target: Path) -> None:
    """Write the balloon's flight, with a tone that rises."""
    frames = FPS * SECONDS
    with av.open(target, "w", options={"movflags": "+faststart"}) as file:
        pictures = file.add_stream("libx264", rate=FPS, options={"crf": "30", "preset": "slow"})
        pictures.width, pictures.height, pictures.pix_fmt = SIZE[0], SIZE[1], "yuv420p"
        sound = file.add_stream("aac", rate=RATE, layout="mono")
        for number in range(frames):
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.asarray(picture(number / frames)), format="rgb24")))
        times = np.arange(RATE * SECONDS) / RATE
        wave = 0.2 * np.sin(2 * np.pi * (220 * times + 20 * times**2))
        tone = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None, :], format="fltp", layout="mono")
        tone.sample_rate = RATE
        file.mux(sound.encode(tone))
        for stream in (pictures, sound):
            file.mux(stream.encode())


if __name__ == "__main__":
    argparse.ArgumentParser(description="Draw the input media of the examples.").parse_args()
    MEDIA.mkdir(exist_ok=True)
    picture(0.4).save(MEDIA / "image.jpg", quality=85)
    video(MEDIA / "input.mp4")
    for path in sorted(MEDIA.iterdir()):
        print(f"{path.name}: {path.stat().st_size:,} bytes")

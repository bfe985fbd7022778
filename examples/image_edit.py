"""Edit a picture, and save the result as a PNG.

Run: python examples/image_edit.py [--emulator]      It saves drawing.png in the current folder.
Cost: an image; with --emulator nothing, and the picture is a placeholder.
"""

import sys
from pathlib import Path

from _emulator import decart_client

from decart import ProcessingError, ProcessingOutcomeUnknownError, models

PICTURE = Path(__file__).parent / "media" / "image.jpg"

with decart_client() as client:
    try:
        image = client.process({
            "model": models.image("lucy-image-2"),
            "prompt": "A pencil drawing, with fine lines",
            "data": PICTURE,
        })
    except ProcessingError as error:
        sys.exit(f"No image, and nothing was billed: {error}")
    except ProcessingOutcomeUnknownError as error:  # not repeated automatically, because that may be billed again
        sys.exit(f"No image: {error}")

image.save("drawing.png")
print("Image saved to drawing.png")

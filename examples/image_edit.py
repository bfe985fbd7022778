"""Edit a picture, and save the result as a PNG.

Run: python examples/image_edit.py [--emulator]      It saves drawing.png in the current folder.
Cost: an image; with --emulator nothing, and the picture is a placeholder.
"""

from pathlib import Path

from _emulator import decart_client

from decart import ProcessingOutcomeUnknownError, models

PICTURE = Path(__file__).parent / "media" / "image.jpg"

with decart_client() as client:
    try:
        image = client.process({
            "model": models.image("lucy-image-2"),
            "prompt": "A pencil drawing, with fine lines",
            "data": PICTURE,
        })
    except ProcessingOutcomeUnknownError as error:  # never repeated by itself: the picture may have been billed
        raise SystemExit(f"Check your account first: {error}") from None

print(f"Image saved to {image.save('drawing.png')}")

"""Make a picture from text, straight into a file.

Run: python examples/image.py [--emulator]      It saves lake.png in the current folder.
Cost: an image; with --emulator nothing, and the picture is a placeholder.
The service retired its text-to-image model in March 2026, so it may refuse this; image_edit.py uses a current model.
"""

import sys

from _emulator import decart_client

from decart import ProcessingError, models

with decart_client() as client:
    try:
        saved = client.process(
            {
                "model": models.image("lucy-pro-t2i"),
                "prompt": "A serene lake at sunset with mountains in the background",
                "orientation": "portrait",
            },
            save_to="lake.png",
        )
    except ProcessingError as error:
        sys.exit(f"No image, and nothing was billed: {error}")

print(f"Image saved to {saved.path.name}")

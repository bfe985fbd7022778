"""Handle each kind of error: "Error Handling" of the Queue API documentation.

Run: python examples/error_handling.py [--emulator]      It saves sunset.mp4 in the current folder.
Cost: a five-second video; with --emulator nothing, and the video is a placeholder.
The documented model was retired in March 2026; restyle.py uses a current one.
"""

import sys

from _emulator import decart_client

from decart import (
    DecartSDKError,
    InvalidInputError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    SubmitOutcomeUnknownError,
    models,
)

try:
    with decart_client() as client:
        try:
            client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A beautiful sunset", "seed": -1})
        except InvalidInputError as error:
            print(f"Refused before anything was sent: {error.message}")

        result = client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A beautiful sunset",
        })
        result.raise_for_status()  # a failed job is returned; this line raises it instead
        print(f"Video saved to {result.save('sunset.mp4')}")
except SubmitOutcomeUnknownError as error:
    sys.exit(f"Failed to learn the outcome of the submit: {error.message}")
except QueueSubmitError as error:
    sys.exit(f"Failed to submit job: {error.message}")
except QueueStatusError as error:
    sys.exit(f"Failed to check status: {error.message} (job {error.job_id})")
except QueueResultError as error:
    sys.exit(f"Failed to get result: {error.message} (job {error.job_id})")
except DecartSDKError as error:
    sys.exit(f"SDK error: {error.message}")

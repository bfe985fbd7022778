"""Submit, poll and fetch in separate calls: "Manual Polling" of the Queue API documentation.

Run: python examples/manual_polling.py [--emulator]      It saves output.mp4 in the current folder.
Cost: a five-second video; with --emulator nothing, and the video is a placeholder.
The documented model was retired in March 2026; restyle.py uses a current one.
queue_cron.sh does so without a process that waits.
"""

import time

from _emulator import decart_client

from decart import models

with decart_client() as client:
    # Submit job
    job = client.queue.submit({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A serene lake at sunset",
    })

    print(f"Job submitted: {job.job_id}")

    # Manual polling loop
    while True:
        status = client.queue.status(job.job_id)
        print(f"Status: {status.status}")

        if status.status == "completed":
            client.queue.result(job.job_id).save("output.mp4")
            print("Video saved!")
            break
        elif status.status == "failed":
            print(f"Generation failed: {status.error}")
            break

        # Wait before next poll
        time.sleep(2)

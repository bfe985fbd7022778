"""The steps one by one, for a program with its own loop: the page's "Manual Polling". See also cron_step.py.

Run: python examples/manual_polling.py [--emulator]      It leaves output.mp4 in the current folder.
Costs: one five-second video; nothing with --emulator, whose pictures are placeholders.
"""

import time

from _box import decart_client

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

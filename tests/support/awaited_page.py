"""The programs of the API documentation page, unchanged."""

from __future__ import annotations

COMPLETE_EXAMPLE = """
import asyncio
from decart import DecartClient, models

async def generate_video():
    async with DecartClient(api_key="your-api-key") as client:
        print("Submitting video generation job...")

        result = await client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A futuristic cityscape with flying cars",
            "resolution": "720p",
            "on_status_change": lambda job: print(f"  Status: {job.status}"),
        })

        if result.status == "completed":
            with open("cityscape.mp4", "wb") as f:
                f.write(result.data)
            print("Video saved to cityscape.mp4")
        else:
            print(f"Generation failed: {result.error}")

asyncio.run(generate_video())
"""


SNIPPETS = {
    "submit, status and result": """
job = await client.queue.submit({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset with mountains in the background",
    "resolution": "720p",
})

print(f"Job ID: {job.job_id}")
print(f"Status: {job.status}")  # "pending"

status = await client.queue.status(job.job_id)

print(f"Status: {status.status}")  # "pending", "processing", "completed", or "failed"

if status.status == "completed":
    result = await client.queue.result(job.job_id)

    if result.status == "completed":
        with open("output.mp4", "wb") as f:
            f.write(result.data)
    else:
        print(f"Error: {result.error}")
""",
    "submit and poll": """
result = await client.queue.submit_and_poll({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset with mountains in the background",
    "resolution": "720p",
    "on_status_change": lambda job: print(f"Status: {job.status}"),
})

if result.status == "completed":
    with open("output.mp4", "wb") as f:
        f.write(result.data)
else:
    print(f"Generation failed: {result.error}")
""",
    "image animation": """
with open("image.jpg", "rb") as image_file:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-i2v"),
        "prompt": "Animate with gentle motion and wind",
        "data": image_file,
        "resolution": "720p",
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })
""",
    "video editing": """
with open("input.mp4", "rb") as video_file:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-v2v"),
        "prompt": "Convert to anime style with vibrant colors",
        "data": video_file,
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })
""",
    "manual polling": """
import asyncio

# Submit job
job = await client.queue.submit({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset",
})

print(f"Job submitted: {job.job_id}")

# Manual polling loop
while True:
    status = await client.queue.status(job.job_id)
    print(f"Status: {status.status}")

    if status.status == "completed":
        result = await client.queue.result(job.job_id)
        with open("output.mp4", "wb") as f:
            f.write(result.data)
        print("Video saved!")
        break
    elif status.status == "failed":
        print("Generation failed")
        break

    # Wait before next poll
    await asyncio.sleep(2)
""",
    "error handling": """
from decart import (
    DecartClient,
    QueueSubmitError,
    QueueStatusError,
    QueueResultError,
    DecartSDKError,
)

try:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A beautiful sunset",
    })
except QueueSubmitError as error:
    print(f"Failed to submit job: {error.message}")
except QueueStatusError as error:
    print(f"Failed to check status: {error.message}")
except QueueResultError as error:
    print(f"Failed to get result: {error.message}")
except DecartSDKError as error:
    print(f"SDK error: {error.message}")
""",
}

"""Queue videos with Celery: a worker submits each order once, checks it in short tasks, and saves its video.

Run: python examples/queue_celery.py [--emulator]
Broker and worker are in this process, to keep it one file; docs/celery.md shows them as you would run them.
It keeps its jobs in jobs.db, and saves order-1.mp4 and order-2.mp4, in the current folder.
Cost: two jobs, however often it runs; with --emulator nothing, and the videos are placeholders.
"""

import sys
from pathlib import Path
from queue import Queue
from threading import Thread

from _emulator import parser, service
from celery import Celery

from decart import DecartClient, DecartSDKError, JobStep, MemoryJournal, models
from decart.integrations.celery import video_tasks

VIDEO = Path(__file__).parent / "media" / "input.mp4"
ORDERS = {"order-1": "Anime style", "order-2": "A pencil sketch"}

app = Celery("shop", broker="memory://")
app.set_default()  # for the worker's thread
ended: Queue[JobStep] = Queue()  # an application would write to its database instead


def run(client: DecartClient) -> None:
    videos = video_tasks(app, client, save_to="{label}.mp4", on_done=ended.put)
    for label, style in ORDERS.items():
        videos.submit({"model": models.video("lucy-restyle-2"), "prompt": style, "data": VIDEO}, label=label)

    Thread(target=app.WorkController(pool="solo").start, daemon=True).start()
    for _ in ORDERS:
        step = ended.get()
        if step.record is not None:
            print(f"{step.record.label}: {step.record.state} {step.record.saved_to or step.error}")


if __name__ == "__main__":
    try:
        journal = MemoryJournal() if parser.parse_args().emulator else "jobs.db"  # the emulator forgets its jobs
        with service() as arguments, DecartClient(**arguments, journal=journal) as client:
            run(client)
    except DecartSDKError as error:
        sys.exit(f"SDK error: {error.message}")

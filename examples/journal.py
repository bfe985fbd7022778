"""Make the videos of a list of orders, each paid for once: run it again after a crash, and it finishes what it left.

Run: python examples/journal.py [--emulator]
It keeps its jobs in jobs.db, and saves order-1.mp4 and order-2.mp4, in the current folder.
Cost: two jobs, however often it runs; with --emulator nothing, and the videos are placeholders.
"""

import sys
from pathlib import Path

from _emulator import parser, service

from decart import DecartClient, DecartSDKError, MemoryJournal, QueueError, models

VIDEO = Path(__file__).parent / "media" / "input.mp4"
ORDERS = {"order-1": "Anime style", "order-2": "A pencil sketch"}  # yours come from a database or a file


def run(client: DecartClient) -> None:
    """Submit what was never submitted, then wait for what is not finished yet and save it."""
    for label, style in ORDERS.items():
        try:
            job = client.queue.submit(
                {"model": models.video("lucy-restyle-2"), "prompt": style, "data": VIDEO}, label=label
            )
            print(f"{label}: job {job.job_id} is {job.status}")
        except QueueError as error:  # refused, and not billed; or unknown, and for a person to decide
            print(f"{label}: {error.message}")

    for resumed in client.jobs.resume(save_to="{label}.mp4"):
        result = resumed.result
        if result is None:
            print(f"{resumed.record.label}: {resumed.error}")  # the next run tries again
        else:
            print(f"{resumed.record.label}: {result.error or f'saved to {result.path}'}")


def main() -> None:
    emulator = parser.parse_args().emulator
    journal = MemoryJournal() if emulator else "jobs.db"  # the emulator forgets its jobs when this process exits
    with service() as arguments, DecartClient(**arguments, journal=journal) as client:
        run(client)
        if emulator:
            run(client)  # as a second night would: both jobs are there, so nothing is submitted


if __name__ == "__main__":
    try:
        main()
    except DecartSDKError as error:
        sys.exit(f"SDK error: {error.message}")

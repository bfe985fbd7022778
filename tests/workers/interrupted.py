"""A program whose caller of a pool gets Ctrl-C at each moment at which it has just taken a lock in Python code.

Such a lock is never given back. It prints how many moments there are, or the first one after which the pool hangs::

    python -m workers.interrupted
"""

from __future__ import annotations

import sys
import threading
from itertools import count
from types import FrameType
from typing import Any

from support.pools import PATIENCE, emulator_of, lake


class Interrupting:
    """A profiler for the thread of the caller that raises KeyboardInterrupt once, when a lock has just been taken.

    Attributes:
        after: How many locks are taken before.
    """

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if (event, frame.f_code) == ("return", threading.Condition.__enter__.__code__):
            self.after -= 1
            if self.after == -1:
                raise KeyboardInterrupt


def make_videos(interrupting: Interrupting, submits: list[int]) -> None:
    with emulator_of() as emulator, emulator.client() as client:
        sys.setprofile(interrupting)
        try:
            with client.queue.pool(workers=4, max_in_flight=3) as pool:
                list(pool.map(map(lake, range(6)), order_outputs=False))
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        submits.append(len(emulator.requests.submits))


if __name__ == "__main__":
    for moment in count():
        interrupting, submits = Interrupting(moment), list[int]()
        caller = threading.Thread(target=make_videos, args=(interrupting, submits), daemon=True)
        caller.start()
        caller.join(PATIENCE)
        if not submits:
            sys.exit(f"it hangs after lock {moment}")
        if interrupting.after >= 0:
            break
    print(f"{moment} moments, {submits[0]} submits")

"""A pool that is interrupted while it waits, or whose transport cannot sleep any more."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest
from support.pools import PATIENCE, Held, both_doors, door_of, emulator_of, lake

from decart import ClientClosedError, PollPolicy, WaitCancelledError
from decart.emulator import EmulatorTransport

ENDLESS: dict[str, Any] = {"poll": PollPolicy(timeout=None)}


def test_ctrl_c_at_the_end_of_the_block_still_waits_for_a_submit_with_one_worker() -> None:
    """In some versions of Python, a thread whose ``join`` was interrupted is taken for one that has ended."""
    main, left = threading.get_ident(), threading.Event()
    with emulator_of(pending=1e9) as emulator:
        held = Held(emulator, lambda request: request.method == "POST")

        def interrupt() -> None:
            assert held.reached.wait(PATIENCE)
            left.wait(0.2)  # until the main thread waits
            signal.pthread_kill(main, signal.SIGINT)
            left.wait(0.3)  # it is not set while the pool waits
            held.release()

        thread = threading.Thread(target=interrupt)
        with emulator.client(transport=held, **ENDLESS) as client:
            with pytest.raises(KeyboardInterrupt) as caught, client.queue.pool(workers=1) as pool:
                future = pool.submit(lake())
                thread.start()
            was_done = future.done()
            left.set()
            thread.join()
        assert was_done
        job_id = emulator.requests.submits[0].job_id
    error = future.exception(PATIENCE)
    assert isinstance(error, WaitCancelledError)
    assert error.job_id == job_id
    assert str(job_id) in caught.value.__notes__[0]


@both_doors
@pytest.mark.parametrize("closed", [True, False])
def test_a_transport_that_cannot_sleep_ends_the_jobs(door: str, closed: bool, caplog: pytest.LogCaptureFixture) -> None:
    slept, go_on = threading.Event(), threading.Event()

    class Sleepless(EmulatorTransport):
        def sleep(self, seconds: float, cancel: Any = None) -> None:
            slept.set()
            assert go_on.wait(PATIENCE)
            raise OSError("no clock")

    with emulator_of(pending=1e9) as emulator:
        settings = ENDLESS | {"transport": Sleepless(emulator)}
        with door_of(door, emulator, settings, max_in_flight=1) as pool, pool:
            running, waiting = pool.submit(lake()), pool.submit(lake(1))
            assert slept.wait(PATIENCE)
            if closed:
                pool.close_client()
            go_on.set()
            error = running.exception()
            assert isinstance(error, ClientClosedError if closed else WaitCancelledError)
            assert error.job_id == emulator.requests.submits[0].job_id
            if closed:
                assert isinstance(waiting.exception(), ClientClosedError)
            else:
                pool.close()
                assert waiting.cancelled()
        assert len(emulator.requests.submits) == 1
    assert "a pool ends, because its transport cannot sleep" in caplog.text

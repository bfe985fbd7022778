"""A pool in a process that was forked inside its block."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest
from support.pools import PATIENCE, content, emulator_of, lake

from decart import ClientClosedError

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def test_a_forked_process_is_refused_and_leaves_the_block_at_once() -> None:
    with emulator_of() as emulator, emulator.client() as client:
        pool = client.queue.pool(workers=2)
        with pool:
            pool.submit(lake()).result(PATIENCE)
            child = os.fork()
            if child == 0:  # pragma: no cover - it is not measured
                signal.alarm(int(PATIENCE))  # ends it if it hangs
                found = 1
                with suppress(BaseException):
                    try:
                        pool.submit(lake(1))
                    except ClientClosedError as error:
                        found = 0 if "before the fork" in str(error) else 2
                    pool.close()
                    os._exit(found)
                os._exit(3)
            _, status = os.waitpid(child, 0)
            assert status == 0
            assert pool.submit(lake(2)).result(PATIENCE).data == content(2)

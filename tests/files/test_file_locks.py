"""Systems and file systems with locks other than ``flock``, or none: downloads into one target stay separate."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.programs import UNMEASURED
from support.served_video import VIDEO, ServedVideo, client_for, files

from decart import QueueResultError, RetryPolicy

fcntl = pytest.importorskip("fcntl")

NO_LOCKS = "sys.modules['fcntl'] = sys.modules['msvcrt'] = None"
WINDOWS = """
import fcntl, subprocess, types
def locking(descriptor, mode, size):
    assert (size, os.lseek(descriptor, 0, os.SEEK_CUR)) == (1, 2**30)
    if mode == 0:
        return fcntl.flock(descriptor, fcntl.LOCK_UN)
    assert mode == 2
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_UNLCK=0, LK_NBLCK=2)
sys.modules["fcntl"] = None
"""  # as on Windows, whose locks cover bytes from the file's position on, and end when the file is closed

PROGRAM = """
import os, sys
sys.path.insert(0, sys.argv[2])
{locks}
from pathlib import Path
from support.served_video import VIDEO, ServedVideo, client_for
from decart import QueueJobResult, QueueResultError, RetryPolicy

target, once = Path(sys.argv[1]), RetryPolicy(attempts=1)
def download(served):
    try:
        return client_for(served, retry=once)[0].queue.download("j1", target).read_bytes() == VIDEO
    except QueueResultError:
        return "failed"

turns = iter(range(100))
outcomes = []
def another():
    turn = next(turns)
    if turn in (1, 12):
        outcomes.append(download(ServedVideo(breaks=() if turn == 1 else (200,))))
outcomes.append(download(ServedVideo(on_piece=another)))
outcomes.append(download(ServedVideo(breaks=(400,), on_piece=another)))
again = ServedVideo()
outcomes.append(download(again))
QueueJobResult(job_id="j1", status="completed", data=VIDEO).save(target)
print(outcomes, again.asked, os.listdir(target.parent))
"""


@pytest.mark.parametrize(
    ("locks", "resumed"), [("", True), (WINDOWS, True), (NO_LOCKS, False)], ids=["flock", "msvcrt", "none"]
)
def test_two_downloads_into_one_target_stay_separate(locks: str, resumed: bool, tmp_path: Path) -> None:
    tests = os.path.dirname(os.path.dirname(__file__))
    program = textwrap.dedent(PROGRAM).format(locks=locks)
    command = [sys.executable, "-B", "-c", program, str(tmp_path / "lake.mp4"), tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=UNMEASURED)
    asked = [("bytes=400-", '"v1"')] if resumed else [(None, None)]
    expected = [[True, True, "failed", "failed", True], asked, ["lake.mp4"]]
    assert done.stdout == " ".join(map(str, expected)) + "\n", done.stderr


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_used_without_resuming(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300,)), retry=RetryPolicy(attempts=1))[0].queue.download("j1", target)
    assert files(tmp_path) == []
    served = ServedVideo()
    assert client_for(served)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert served.asked == [(None, None)]
    assert files(tmp_path) == ["lake.mp4"]


def test_a_child_forked_during_a_download_does_not_keep_the_lock(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    program = textwrap.dedent("""
        import os, sys, warnings
        sys.path.insert(0, sys.argv[2])
        from support.served_video import ServedVideo, client_for
        from decart import QueueResultError, RetryPolicy
        warnings.simplefilter("ignore", DeprecationWarning)
        child = []
        def fork():
            if not child:
                child.append(os.fork())
                if not child[0]:
                    sys.stdin.read()  # until the test ends
                    os._exit(0)
        client, _ = client_for(ServedVideo(breaks=(300,), on_piece=fork), retry=RetryPolicy(attempts=1))
        try:
            client.queue.download("j1", sys.argv[1])
        except QueueResultError:
            print("failed", flush=True)
        os._exit(0)
    """)
    tests = os.path.dirname(os.path.dirname(__file__))
    command = [sys.executable, "-B", "-c", program, str(target), tests]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=UNMEASURED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"failed\n"
        served = ServedVideo()
        assert client_for(served)[0].queue.download("j1", target).read_bytes() == VIDEO
        assert served.asked == [("bytes=300-", '"v1"')]

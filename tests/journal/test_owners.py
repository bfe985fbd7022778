"""Which calls and processes may still act on a record."""

from __future__ import annotations

import os
import platform
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import decart
from decart.journal.owners import LEASE, Claim, may_be_alive, this_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def alive(owner: str, age: float = 0.0) -> bool:
    return may_be_alive(owner, 1000.0, 1000.0 + age)


def test_a_claim_lives_as_long_as_its_call() -> None:
    claim, other = Claim(), Claim()
    assert claim.owner.startswith(f"{this_process()}/")
    assert claim.owner != other.owner
    assert alive(claim.owner, 1e9) and may_be_alive(claim.owner, 0.0)
    claim.ended = True
    assert not alive(claim.owner)
    owner = other.owner
    assert alive(owner)
    del other
    assert not alive(owner)


def test_nobody_is_not_alive_and_another_machine_is_for_a_while() -> None:
    assert not alive("")
    for owner in ("elsewhere/1/2/3", "x", "a/b/c/d/e", "/", "////"):
        assert alive(owner, LEASE - 1)
        assert not alive(owner, LEASE + 1)
        assert alive(owner, -1e6)  # the clocks differ


def run(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"from decart.journal.owners import this_process\n{program}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@linux
def test_another_process_is_alive_until_it_ends() -> None:
    with run("print(this_process(), flush=True)\ninput()") as process:
        assert process.stdin is not None and process.stdout is not None
        owner = process.stdout.readline().strip() + "/1"
        assert alive(owner, 1e9)
        machine, pid, started, number = owner.split("/")
        assert not alive(f"{machine}/{pid}/{int(started) + 1}/{number}", -1)  # its id was given to another process
        assert alive(f"{machine}/{pid}/unknown/{number}")
        assert not alive(f"{machine}/{pid}/unknown/{number}", LEASE + 1)
        assert alive(f"{machine}/x/{started}/{number}")
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{process.pid}").exists()  # nobody has asked for its exit status yet
        assert not alive(owner)
    assert not alive(owner)
    assert not alive(f"{machine}/{10**30}/{started}/1", LEASE + 1)


@linux
def test_a_child_has_an_owner_of_its_own() -> None:
    claim = Claim()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, f"{this_process()} {may_be_alive(claim.owner, 0.0)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    owner, parent_is_alive = os.read(read, 1000).decode().split()
    os.close(read)
    os.close(write)
    assert owner.split("/")[:2] == [this_process().split("/")[0], str(child)]
    assert parent_is_alive == "True"
    assert not alive(f"{owner}/1", -1)


@pytest.mark.parametrize("hidden", [False, True])
def test_where_the_system_says_less_a_process_is_alive_for_a_while(
    hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", fail)  # as on macOS, or where /proc hides the processes of others
    if hidden:
        monkeypatch.setattr(os, "kill", fail)
    owners = runpy.run_path(str(Path(decart.__path__[0], "journal", "owners.py")))
    machine, pid, started = owners["this_process"]().split("/")
    assert machine.startswith(f"{platform.node()}:")
    assert (pid, started) == (str(os.getpid()), "unknown")
    other = f"{machine}/{os.getppid()}/unknown/1"
    assert owners["may_be_alive"](other, 1000.0, 1000.0)
    assert not owners["may_be_alive"](other, 1000.0, 1000.0 + LEASE)
    if not hidden:
        assert not owners["may_be_alive"](f"{machine}/{2**22 + 1}/unknown/1", 1000.0, 1000.0)

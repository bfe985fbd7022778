"""`decart.transports.trust`: a bundle is read once for a pool, and ahead for the first client of a process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from decart.transports.trust import context, read_ahead


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path], tmp_path: Path) -> Path:
    """A bundle that the environment names."""
    path = tmp_path / "bundle.pem"
    shutil.copy(certificate[0], path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


def test_what_was_read_ahead_is_used_once_and_read_anew_after_that(named: Path) -> None:
    with read_ahead():
        pass
    assert "decart-trust" not in {thread.name for thread in threading.enumerate()}  # a fork would leave it behind
    named.unlink()
    assert len(context(str(named)).get_ca_certs()) == 1
    with pytest.raises(OSError, match=r"invalid path: .*bundle\.pem"):
        context(str(named))


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_ahead_is_told_of_when_it_is_used(named: Path, text: str | None) -> None:
    named.unlink()
    if text is not None:
        named.write_text(text)
    with read_ahead():
        pass
    with pytest.raises(OSError):
        context(str(named))


@pytest.mark.parametrize("transport", ["requests", "urllib3", "aiohttp"])
def test_the_first_client_of_a_process_reads_ahead_if_its_service_is_reached_over_tls(
    named: Path, transport: str
) -> None:
    program = f"""
import sys
from decart import DecartClient
DecartClient("dct_x", base_url=sys.argv[1], transport={transport!r})
from decart.transports import trust
print([*trust._ahead])
"""
    for url, read in (("https://service.invalid", [str(named)]), ("http://service.invalid", [])):
        ended = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
        assert ended.stdout == f"{read}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_a_client_is_made_when_there_may_be_no_more_threads(named: Path) -> None:
    program = """
import resource, threading
from decart import DecartClient
threading.stack_size(1 << 30)  # no thread has room for that in so much memory
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
print(DecartClient("dct_x", base_url="https://service.invalid"))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "DecartClient(base_url='https://service.invalid')\n"

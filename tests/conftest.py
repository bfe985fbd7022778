"""Isolate all tests from the environment: no key, address or proxy of the user, and no test that depends on speed.

It also has the fixtures that several of them use.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

for name in list(os.environ):
    if (
        name.startswith("DECART_")
        or name.lower().endswith("_proxy")
        or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    ):
        del os.environ[name]
os.environ["TERM"] = "xterm"  # on a dumb terminal, the command redraws no line

# Cache bytecode whatever the environment says: otherwise, each pytest-xdist worker rewrites the assertions of all
# tests, and each of hundreds of child processes compiles the package.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell ignores Ctrl-C for what it runs in the background, and tests of interrupts would wait for it forever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A forked child leaves its parent's objects alone: to collect one of libav's, it would wait forever for a thread that
# only the parent has.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=gc.freeze)

# A machine that is busy, or drawing its first text, is slow; that says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist, there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """Have ``-n auto`` use four processes more than there are cores: half of the time, a test waits for something."""
    return (os.cpu_count() or 1) + 4


SLOWEST = """
command_interrupts celery_tasks_faults crashes recipes batch workers timeouts samples notebook django_browser
killed_downloads interrupted flask_browser examples run_command pool_crashes plugin_beside_others release
faults_of_tokens_and_files flask_status_and_video unframed_results interrupted_submits interrupts aio_page
command_messages memory sweeps proxies open_streams server aio_loops batch_earlier browser sql pool_threads
hostile_media sqlite_processes steps_at_once celery_kills benchmarks django_background
""".split()  # noqa: SIM905
"""The test files that take more than about ten seconds each, the longest first; without ``test_``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--heavy", action="store_true", help="also run the tests that take the most time of all")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the slowest files first, so that no pytest-xdist worker starts one when the others are about to finish."""
    places = {f"test_{name}": place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for item in items:
        if item.get_closest_marker("heavy") and not config.getoption("--heavy"):
            item.add_marker(pytest.mark.skip(reason="tox -e heavy runs it"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Turn off the garbage collector meanwhile, and exempt the collected tests from it: some tests run it often."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and service.invalid, signed by itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
        + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:service.invalid"]
        + ["-addext", "keyUsage=digitalSignature,keyCertSign", "-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True,
        capture_output=True,
    )
    return paths


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context

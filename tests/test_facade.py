"""`import decart`: what it offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import decart


def test_all_is_sorted_without_repeats_and_importable() -> None:
    assert decart.__all__ == sorted(set(decart.__all__))
    for name in decart.__all__:
        assert getattr(decart, name) is not None


def test_the_names_of_the_documented_page_are_there() -> None:
    page = {"DecartClient", "models", "JobSubmitResponse", "JobStatusResponse", "QueueJobResult", "DecartSDKError"}
    page |= {"QueueSubmitError", "QueueStatusError", "QueueResultError"}
    assert page <= set(decart.__all__)


def test_every_error_of_the_tree_is_offered() -> None:
    tree = {
        name
        for name, value in vars(decart.errors).items()
        if isinstance(value, type) and issubclass(value, decart.DecartSDKError)
    }
    assert tree <= set(decart.__all__)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'decart' has no attribute 'Nonsense'"):
        decart.Nonsense  # noqa: B018


def test_the_logger_is_silent_unless_the_program_sets_logging_up() -> None:
    script = "import logging, decart; logging.getLogger('decart').error('loud')"
    assert _python(script) == ""


HEAVY = [
    "requests",
    "urllib3",
    "socket",
    "http.client",
    "concurrent.futures",
    "tenacity",
    "asyncio",
    "av",
    "numpy",
    "PIL",
    "werkzeug",
    "cheroot",
]


def test_importing_is_light_no_heavy_package_no_thread_no_socket() -> None:
    script = (
        "import sys, threading\n"
        "modules, threads = set(sys.modules), threading.active_count()\n"
        "import decart\n"
        f"print(sorted(set({HEAVY!r}) & (set(sys.modules) - modules)), threading.active_count() - threads)"
    )
    assert _python(script) == "[] 0"


def test_requests_transport_is_loaded_when_it_is_asked_for() -> None:
    script = (
        "import sys, decart\n"
        "before = 'requests' in sys.modules\n"
        "print(before, decart.RequestsTransport.__module__, 'requests' in sys.modules)"
    )
    assert _python(script) == "False decart.transports.requests True"


def _python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return (done.stdout + done.stderr).strip()

"""`import decart`: the names that it provides, and its cost."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

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


def test_the_services_own_sdk_in_the_same_folder_is_reported_by_the_import(tmp_path: Path) -> None:
    (tmp_path / "_user_agent.py").touch()
    spec = spec_from_file_location("decart", decart.__file__, submodule_search_locations=[str(tmp_path)])
    assert spec is not None and spec.loader is not None
    with pytest.raises(ImportError) as caught:
        spec.loader.exec_module(module_from_spec(spec))
    assert str(caught.value) == (
        "Another package called decart (the service's own SDK) is installed into the same folder, "
        f"{tmp_path}, and the two overwrite each other's files. Uninstall both, then install this one: "
        "pip uninstall decart decart-queue; pip install decart-queue"
    )


def test_the_logger_is_silent_unless_the_program_sets_logging_up() -> None:
    script = "import logging, decart; logging.getLogger('decart').error('loud')"
    assert _python(script) == ""


HEAVY = [
    "asyncio",
    "concurrent.futures",
    "difflib",
    "email",
    "http.client",
    "inspect",
    "socket",
    "sqlite3",
    "ssl",
    "tempfile",
]
"""Of the standard library: what takes long to load."""


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program loads: ours, other packages, and heavy ones of the standard library."""
    script = f"""
import sys, threading
before = set(sys.modules)
{program}
new = set(sys.modules) - before
print(*(name for name in new if name.split(".")[0] not in sys.stdlib_module_names or name in {HEAVY!r}))
assert threading.active_count() == 1
"""
    return set(_python(script).split())


def test_importing_the_package_loads_the_errors_and_nothing_else() -> None:
    assert loaded_by("import decart") == {"decart", "decart._version", "decart.errors"}


LIBRARIES = {"attr", "attrs", "tenacity", "tornado", "colorama"}
"""What a client needs before its first request; tenacity loads tornado where that is installed, and that colorama."""


def test_a_client_class_loads_no_http_library() -> None:
    names = loaded_by("from decart import DecartClient, models; DecartClient; models.video('lucy-pro-t2v')")
    assert {name.split(".")[0] for name in names - set(HEAVY)} - {"decart"} <= LIBRARIES
    assert "http.client" not in names
    late = "emulator transports.requests transports.urllib3 transports.aiohttp integrations.progress_bar"
    assert not {f"decart.{name}" for name in late.split()} & names


def test_a_submit_over_another_transport_loads_no_http_library() -> None:
    program = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
from support import fakes
fakes.client_of(fakes.FakeTransport(fakes.accepted())).queue.submit(fakes.LAKE)
"""
    names = loaded_by(program)
    assert "decart.client" in names
    assert not {"requests", "urllib3", "aiohttp", "http.client"} & names


def test_a_client_without_a_journal_loads_none() -> None:
    names = loaded_by("import decart; decart.DecartClient('dct_test').close()")
    assert "decart.client" in names
    assert not {name for name in names if name.startswith(("decart.journal", "sqlite3", "decart._sync.recorder"))}
    with_journal = loaded_by("import decart; decart.DecartClient('dct_test', journal=decart.MemoryJournal()).close()")
    assert "decart._sync.recorder" in with_journal
    assert not {"sqlite3", "decart.journal.sqlite"} & with_journal


def test_every_name_is_listed_and_looked_up_once() -> None:
    assert set(decart.__all__) <= set(dir(decart))
    assert decart.DecartClient is vars(decart)["DecartClient"]


def test_requests_transport_is_imported_on_demand() -> None:
    script = (
        "import sys, decart\n"
        "before = 'requests' in sys.modules\n"
        "print(before, decart.RequestsTransport.__module__, 'requests' in sys.modules)"
    )
    assert _python(script) == "False decart.transports.requests True"


def _python(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return (done.stdout + done.stderr).strip()

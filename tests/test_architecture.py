"""The structure of the package, read from its source: allowed imports, and the maximum size of modules."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import decart

ROOT = Path(decart.__file__).parent

CLIENT = """
backend workers engine transfers noting recorder waits operations pooljob poolreporter steps taken pool finished queue
images lookups tokens files resuming settling stepping sweeping records jobs client
""".split()  # noqa: SIM905
"""The modules of `decart._async` and of `decart._sync`, which is generated from it."""

# a module may import what stands in a line above its own, or to its left
ORDER = """
_version _names errors extras events
journal.errors journal.records journal.owners journal.forks journal.rows journal.memory
journal.connections journal.schema journal.sqlite journal.samples journal.conformance journal
transports.timing transports.base transports.body transports.failures transports.routes
models inputs targets workfile partfile
integrations.notebook integrations.pillow results
file_sources uploads file_inputs jobs progress options integrations.progress_bar
policies pace keys config
redaction responses content protocol reporter polling downloads outcomes arguments
images lookups tokens claims integrations.signed_tokens files
journal.fingerprints journal.labels journal.failures journal.entries journal.prices journal.files journal.reports
journal.jobstep
pool pool.options pool.throttle pool.schedule pool.spending pool.saving pool.tally
transports.urllib3 transports.requests transports.threaded transports.aiohttp transports
_async _sync
client
integrations.otel integrations.sql integrations.messages integrations.celery
integrations.django.apps integrations.django.models integrations.django.admin integrations.django.journal
integrations.django.storage
integrations.django.migrations.0001_initial integrations.django.migrations integrations.django
decart
emulator
integrations.pytest_plugin integrations
cli.wording cli.signals cli.service cli.output cli.exits cli.commands cli.inputs cli.preview cli.target cli.progress
cli.image cli.video cli.listlines cli.resultsfile cli.joblist cli.earlier cli.earliervideos cli.otherkeys cli.spendlimit
cli.batchrun cli.batch cli.unfinished cli.journal cli.modelslist cli.token cli.verify cli.checks cli.reachability
cli.doctor cli.emulate cli.completion cli.parser cli.main cli
__main__
""".split()  # noqa: SIM905

for side in ("_async", "_sync"):  # the packages themselves import nothing
    ORDER[ORDER.index(side) : ORDER.index(side)] = [f"{side}.{name}" for name in CLIENT]

EMULATOR = """
clock limits messages catalogue access files forms
render.job render
layouts checks faults.table faults.fault faults.acting faults scenario
logged requestlog work service routes control app remembered virtual chunked server
__init__ __main__
""".split()  # noqa: SIM905 - the same, inside the emulator; how its pictures are drawn is a matter of their own

ONLY_IN = {
    "requests": {"transports.requests", "transports.routes"},
    "urllib3": {"transports.urllib3", "transports.requests", "transports.routes"},
    "tenacity": {"_async.engine", "_sync.engine"},
    "asyncio": {"_async.backend", "_async.workers", "results", "progress"}
    | {f"transports.{name}" for name in ("timing", "body", "threaded", "aiohttp")},
    "aiohttp": {"transports.aiohttp"},
    "PIL": {"images", "integrations.pillow"},
    "tqdm": {"integrations.progress_bar"},
    "jwt": {"integrations.signed_tokens"},
    "opentelemetry": {"integrations.otel"},
    "django": {
        f"integrations.django.{name}"
        for name in ("apps", "models", "admin", "journal", "storage", "migrations.0001_initial")
    },
    "sqlite3": {"journal.connections", "journal.schema", "journal.sqlite", "cli.spendlimit"},
    "celery": {"integrations.celery"},
    "shtab": {"cli.completion"},
    "sqlalchemy": {"integrations.sql"},
    "pytest": {"integrations.pytest_plugin"},
}
LIMIT = 300
EXTRAS = {"av", "numpy", "pydantic", "werkzeug", "flask", "responses"}

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
SOURCES["decart"] = SOURCES.pop("__init__")
CORE = sorted(name for name in SOURCES if name.split(".")[0] != "emulator")


def imports_of(name: str) -> Iterator[str]:
    """Yield every module that is imported anywhere in a module, as an absolute name."""
    path = SOURCES[name]
    package = "decart" if name == "decart" else f"decart.{name}"
    if path.name != "__init__.py":
        package = package.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            inner = [f"{base}.{alias.name}" for alias in node.names]
            modules = [full for full in inner if full.removeprefix("decart.") in SOURCES]
            yield from modules or [base]


def rank(name: str) -> int:
    """Return the position of a module in the order; modules of the emulator have that of the emulator."""
    return ORDER.index(name if name in ORDER else name.split(".")[0])


def test_the_order_names_every_module() -> None:
    assert set(CORE) | {"emulator"} == set(ORDER)


def test_a_module_imports_only_what_comes_before_it() -> None:
    for name in CORE:
        for imported in imports_of(name):
            if imported.split(".")[0] == "decart":
                assert rank(imported.removeprefix("decart.")) < rank(name), f"{name} imports {imported}"


def place(name: str) -> int:
    """Return the place of a module of the emulator in the order; a drawing module has that of all of them."""
    if name.startswith("render.") and name not in EMULATOR:
        return EMULATOR.index("render")
    return EMULATOR.index(name)


def test_a_module_of_the_emulator_imports_only_what_comes_before_it() -> None:
    for name in set(SOURCES) - set(CORE):
        own = name.removeprefix("emulator").removeprefix(".") or "__init__"
        for imported in imports_of(name):
            if imported.startswith("decart.emulator"):
                other = imported.removeprefix("decart.emulator").removeprefix(".") or "__init__"
                together = own.startswith("render") and other.startswith("render")
                assert together or place(other) < place(own), f"{name} imports {imported}"


def test_the_core_imports_no_extra_and_each_library_in_its_place() -> None:
    for name in CORE:
        tops = {imported.split(".")[0] for imported in imports_of(name)}
        assert not tops & EXTRAS, name
        for library, places in ONLY_IN.items():
            assert library not in tops or name in places, f"{name} imports {library}"


def test_the_reader_of_imports_sees_what_it_should() -> None:
    assert "requests" in imports_of("transports.requests")
    assert "decart.transports.timing" in imports_of("transports.base")
    assert "decart.protocol" in imports_of("_async.queue")
    assert "decart.models" in imports_of("decart")
    assert "tenacity" in imports_of("_async.engine")


def test_each_exception_is_needed() -> None:
    for library, places in ONLY_IN.items():
        for name in places:
            assert library in {imported.split(".")[0] for imported in imports_of(name)}, f"{name}: {library}"


def test_the_sync_side_has_the_modules_of_the_async_side() -> None:
    assert {name for name in SOURCES if name.startswith("_sync")} == {
        name.replace("_async", "_sync") for name in SOURCES if name.startswith("_async")
    }


def test_neither_side_of_the_client_imports_the_other() -> None:
    for name in SOURCES:
        side, _, module = name.partition(".")
        other = {"_async": "decart._sync", "_sync": "decart._async"}.get(side)
        assert other is None or not [imported for imported in imports_of(name) if imported.startswith(other)], module


def test_a_module_that_is_written_by_hand_is_short() -> None:
    assert [name for name in SOURCES if not name.startswith("_sync.") and lines_of(name) > LIMIT] == []


def lines_of(name: str) -> int:
    return len(SOURCES[name].read_text("utf-8").splitlines())


def test_a_function_is_short_and_takes_few_positional_arguments() -> None:
    for name, source in SOURCES.items():
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert length(node) <= 45, f"{name}.{node.name} has {length(node)} lines"
                positional = [a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
                assert len(positional) <= 6 or name == "errors", f"{name}.{node.name} takes {len(positional)}"


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    first = node.body[0]
    docstring = first if ast.get_docstring(node) is not None else None
    return (
        (node.end_lineno or 0)
        - node.lineno
        + 1
        - ((docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0)
    )

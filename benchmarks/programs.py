"""Measure whole processes: the import, the first submit, and the size of an installation."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path

from harness import HERE, Figures, ProgramError, fresh, python_of
from peers import FORM, KEY, PROMPT, PUBLIC, NotAvailableError

ROOT = HERE.parent
LACKING = ("ModuleNotFoundError", "decart.errors.InvalidInputError: transport", "decart.errors.MissingExtraError")
"""The prefixes of the last line of stderr if a peer is not available."""

IMPORTS = {
    "decart": "import decart",
    "requests": "import requests",
    "urllib3": "import urllib3",
    "aiohttp": "import aiohttp",
    "http.client": "import http.client",
    PUBLIC: "import decart",
}

# The shortest program for each library; URL is that of the server, and it prints the ID of the job.
FIRST_SUBMITS = {
    "decart": f"""
from decart import DecartClient, models
client = DecartClient({KEY!r}, base_url=URL)
print(client.queue.submit({{"model": models.video("lucy-pro-t2v"), "prompt": {PROMPT!r}}}).job_id)
""",
    "decart + urllib3": f"""
from decart import DecartClient, models
client = DecartClient({KEY!r}, base_url=URL, transport="urllib3")
print(client.queue.submit({{"model": models.video("lucy-pro-t2v"), "prompt": {PROMPT!r}}}).job_id)
""",
    "requests": f"""
import requests
response = requests.post(URL + {FORM!r}, headers={{"X-API-KEY": {KEY!r}}}, files={{"prompt": (None, {PROMPT!r})}})
print(response.json()["job_id"])
""",
    "urllib3": f"""
import urllib3
response = urllib3.request("POST", URL + {FORM!r}, headers={{"X-API-KEY": {KEY!r}}}, fields={{"prompt": {PROMPT!r}}})
print(response.json()["job_id"])
""",
    "aiohttp": f"""
import asyncio, aiohttp
async def main():
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("prompt", {PROMPT!r})
    async with aiohttp.ClientSession(headers={{"X-API-KEY": {KEY!r}}}) as session:
        async with session.post(URL + {FORM!r}, data=form) as response:
            print((await response.json())["job_id"])
asyncio.run(main())
""",
    PUBLIC: f"""
import asyncio
from decart import DecartClient
from decart.models import ModelDefinition
async def main():
    model = ModelDefinition(name="lucy-pro-t2v", url_path={FORM!r}, fps=25, width=1280, height=704)
    async with DecartClient(api_key={KEY!r}, base_url=URL) as client:
        print((await client.queue.submit({{"model": model, "prompt": {PROMPT!r}}})).job_id)
asyncio.run(main())
""",
}

INSTALLED = """
import json, os
from importlib.metadata import distributions
found = {one.metadata["Name"].lower(): one for one in distributions()}
for tool in ("pip", "setuptools", "wheel"):
    found.pop(tool, None)
paths = {str(file.locate()) for one in found.values() for file in one.files or ()}
print(json.dumps([len(found), sum(os.path.getsize(path) for path in paths if os.path.exists(path))]))
"""


def timed(peer: str, program: str, trusted: Path | None = None) -> tuple[float, str]:
    """Run a program in a fresh Python, and return the seconds it took and its output.

    Raises:
        NotAvailableError: A library that it needs is not installed.
    """
    where = Path(tempfile.gettempdir()) if peer == PUBLIC else ROOT  # ``-c`` imports from the working directory
    began = time.perf_counter()
    try:
        printed = fresh(python_of(peer), "-c", program, cwd=where, trusted=trusted)
    except ProgramError as error:
        last = str(error).strip().rpartition("\n")[2]
        if last.startswith(LACKING) and "No module named 'decart" not in last:
            raise NotAvailableError(last) from None
        raise
    return time.perf_counter() - began, printed


def importing(peer: str, repeats: int) -> Figures:
    """Measure an import, minus the start of Python, after an uncounted one that lets Python compile the files."""
    timed(peer, IMPORTS[peer])
    took = [timed(peer, IMPORTS[peer])[0] - timed(peer, "pass")[0] for _ in range(repeats)]
    return {"ms": statistics.median(took) * 1000, "correct": True}


def first_submit(peer: str, url: str, repeats: int, trusted: Path | None = None) -> Figures:
    """Measure a process that submits a job, from its start to its end."""
    program = f"URL = {url!r}\n{FIRST_SUBMITS[peer]}"
    took, printed = zip(*(timed(peer, program, trusted) for _ in range(repeats)), strict=True)
    return {"ms": statistics.median(took) * 1000, "correct": all(job_id.startswith("complete-") for job_id in printed)}


def installed(peer: str) -> Figures:
    """Measure an installation: the number of distributions, including decart itself, and MiB."""
    if peer == PUBLIC:
        return _counted(python_of(peer))
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(
            folder, "sources"
        )  # a copy, since pip builds in the source folder and would pick up an old build
        sources.mkdir()
        for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, sources)
        shutil.copytree(ROOT / "decart", sources / "decart", ignore=shutil.ignore_patterns("__pycache__"))
        venv.create(Path(folder, "bare"), with_pip=True)
        python = str(Path(folder, "bare", "bin", "python"))
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotAvailableError(f"skipped, pip could not install it: {done.stderr.strip()[-200:]}")
        return _counted(python)


def _counted(python: str) -> Figures:
    many, size = json.loads(fresh(python, "-c", INSTALLED))
    return {"distributions": many, "MiB": size / 1024**2, "correct": many > 0}

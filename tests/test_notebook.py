"""Notebooks: how jobs and results are displayed, the bar, an interrupted cell, and the example notebook."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from support.browser import browsing, needs_chromium
from support.documents import programs
from support.documents import run as run_here
from support.fakes import LAKE, MP4, FakeTransport, accepted, client_of, status, video
from support.studio import Studio

from decart import ImageResult, JobStatusResponse, JobSubmitResponse, QueueJobResult, SavedImage
from decart.emulator import Emulator, EmulatorServer
from decart.integrations import notebook

ROOT = Path(__file__).parent.parent
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
HOSTILE = "<script>alert(1)</script>\"'&"


def html_of(shown: Any) -> str:
    bundle: dict[str, str] = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown)
    return bundle["text/html"]


# ---------------------------------------------------------------- display


def test_a_job_shows_its_status_model_and_id() -> None:
    shown = html_of(JobSubmitResponse(job_id="j1", status="pending", model="lucy-pro-t2v"))
    assert re.sub("<[^>]*>", "", shown) == "pending · lucy-pro-t2v · job j1"


def test_a_status_shows_the_elapsed_time_and_a_failure_its_reason() -> None:
    failed = JobStatusResponse(job_id="j1", status="failed", error="too dark", model="lucy-2.6", elapsed=12.34)
    assert re.sub("<[^>]*>", "", html_of(failed)) == "failed · lucy-2.6 · 12.3 s · job j1too dark"


def test_unknown_facts_are_not_shown() -> None:
    assert re.sub("<[^>]*>", "", html_of(JobStatusResponse(job_id="j1", status="odd"))) == "odd · job j1"


def test_a_small_result_is_embedded() -> None:
    result = QueueJobResult(job_id="j1", status="completed", data=MP4, model="lucy-2.6", elapsed=30.0)
    shown = html_of(result)
    assert f'<video src="data:video/mp4;base64,{base64.b64encode(MP4).decode()}" controls' in shown
    assert "completed</b> · lucy-2.6 · 30.0 s" in shown


def test_a_picture_is_shown_as_one(tmp_path: Path) -> None:
    (tmp_path / "lake.png").write_bytes(PNG)
    encoded = base64.b64encode(PNG).decode()
    for result in (
        QueueJobResult(job_id="j1", status="completed", data=PNG),
        QueueJobResult(job_id="j1", status="completed", path=tmp_path / "lake.png"),
    ):
        assert f'<img src="data:image/png;base64,{encoded}"' in html_of(result)


@pytest.mark.parametrize("kind", ["image/png", "image/webp", "application/octet-stream"])
def test_an_image_is_shown_with_its_model_and_type(kind: str, tmp_path: Path) -> None:
    (tmp_path / "hat.png").write_bytes(PNG)
    encoded = base64.b64encode(PNG).decode()
    for image in (
        ImageResult(data=PNG, content_type=kind, model=HOSTILE),
        SavedImage(path=tmp_path / "hat.png", content_type=kind, model=HOSTILE),
    ):
        shown = html_of(image)
        assert f'<img src="data:{kind};base64,{encoded}"' in shown and f" · {kind}<" in shown
        assert "<script" not in shown


def test_a_large_image_is_not_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "INLINE_LIMIT", 10)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hat.png").write_bytes(PNG)
    in_memory = ImageResult(data=PNG, content_type="image/png", model="m")
    assert 'too large to embed: <code>result.save("image.png")</code>' in html_of(in_memory)
    saved = SavedImage(path=tmp_path / "hat.png", content_type="image/png", model="m")
    assert '<img src="hat.png"' in html_of(saved)


def test_a_large_result_in_memory_is_not_embedded() -> None:
    shown = html_of(QueueJobResult(job_id="j1", status="completed", data=bytes(50 * 1024 * 1024)))
    assert len(shown) < 1000
    assert "<video" not in shown
    assert '50.0 MiB, too large to embed: <code>result.save("video.mp4")</code>' in shown


def large(path: Path) -> QueueJobResult:
    with path.open("wb") as file:
        file.write(MP4)
        file.truncate(notebook.INLINE_LIMIT + 1)
    return QueueJobResult(job_id="j1", status="completed", path=path)


def test_a_large_result_is_played_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    shown = html_of(large(tmp_path / "videos" / 'a "lake" #1.mp4'))
    assert '<video src="videos/a%20%22lake%22%20%231.mp4" controls' in shown
    assert len(shown) < 1000


def test_a_large_file_outside_the_notebooks_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    shown = html_of(large(tmp_path / "lake.mp4"))
    assert "<video" not in shown
    assert f"8.0 MiB in <code>{tmp_path / 'lake.mp4'}</code>" in shown


def test_the_limit_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = QueueJobResult(job_id="j1", status="completed", data=MP4)
    monkeypatch.setattr(notebook, "INLINE_LIMIT", 10)
    assert "<video" not in html_of(result)


def test_a_result_without_a_video_or_with_a_deleted_file_has_no_player(tmp_path: Path) -> None:
    for result in (
        QueueJobResult(job_id="j1", status="failed", error="too dark"),
        QueueJobResult(job_id="j1", status="completed", path=tmp_path / "gone.mp4"),
    ):
        assert "<video" not in html_of(result)


def test_text_from_a_server_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for shown in (
        JobStatusResponse(job_id=HOSTILE, status=HOSTILE, error=HOSTILE, model=HOSTILE),
        large(tmp_path / HOSTILE.replace("/", "")),
    ):
        assert "<script" not in html_of(shown)


def test_the_result_of_a_wait_has_its_model_and_elapsed_time() -> None:
    client = client_of(
        FakeTransport(accepted(), status("processing"), status("completed"), video(), status("completed"))
    )
    result = client.queue.submit_and_poll(LAKE)
    assert result.model == "lucy-pro-t2v"
    assert result.elapsed is not None
    assert 0 < result.elapsed == client.queue.status(result).elapsed


def test_the_elapsed_time_of_a_finished_job_does_not_change() -> None:
    transport = FakeTransport(accepted(), status("completed"), status("completed"), video(), status("completed"))
    client = client_of(transport)
    job = client.queue.submit(LAKE)
    transport.sleep(30)
    assert client.queue.status(job.job_id).elapsed == 30
    transport.sleep(3600)
    assert client.queue.result(job.job_id).elapsed == 30
    assert client.queue.status(job.job_id).elapsed == 30


def test_nothing_is_made_up_about_a_job_of_another_client() -> None:
    client = client_of(FakeTransport(status("completed"), video()))
    result = client.queue.result("j1")
    assert (result.model, result.elapsed) == (None, None)


# ---------------------------------------------------------------- in a kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A real kernel for several tests, with a client of an emulator whose jobs never finish."""
    with Emulator(pending=0, processing=10_000, renderer=Studio()) as emulator, EmulatorServer(emulator) as server:
        manager, client = start_new_kernel(cwd=str(tmp_path_factory.mktemp("kernel")))
        try:
            run(
                client,
                f"from decart import DecartClient, models; client = DecartClient('dct_x', base_url={server.url!r})",
            )
            run(client, "job = client.queue.submit({'model': models.video('lucy-pro-t2v'), 'prompt': 'lake'})")
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def run(client: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """Run a cell, and return its output messages: the kernel may send the line end of a ``print`` in another one."""
    shown: list[dict[str, Any]] = []
    client.execute_interactive(code, timeout=60, output_hook=lambda message: shown.append(message))
    return [message for message in shown if message["msg_type"] not in ("status", "execute_input")]


def test_an_interrupted_cell_shows_how_to_resume_and_the_kernel_survives(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    manager, client = kernel
    cell = "client.queue.poll(job.job_id, on_status_change=lambda job: print(job.status, end='', flush=True))"
    client.execute(cell, stop_on_error=False)  # or else the kernel may abort the next cell as well
    shown = until(client, "stream")  # it waits for the job
    assert shown[-1]["content"]["text"] == "processing"
    manager.interrupt_kernel()
    *_, error = until(client, "error")
    assert client.get_shell_msg(timeout=60)["content"]["ename"] == "KeyboardInterrupt"
    job_id = run(client, "print(job.job_id, end='')")[0]["content"]["text"]
    advice = f"Job {job_id} continues. Wait for it with client.queue.poll('{job_id}')."
    assert advice in "\n".join(error["content"]["traceback"])
    checked = run(client, "print(client.queue.status(job.job_id).status, end='')")
    assert checked[0]["content"]["text"] == "processing"


def until(client: BlockingKernelClient, kind: str) -> list[dict[str, Any]]:
    """Return the output of a running cell, up to a message of this type."""
    shown: list[dict[str, Any]] = []
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] not in ("status", "execute_input"):
            shown.append(message)
            if message["msg_type"] == kind:
                return shown
    raise AssertionError(shown)


def test_a_bar_is_shown_in_a_notebook_although_stderr_is_not_a_terminal(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    _, client = kernel
    wait = "client.queue.poll(job.job_id, poll=PollPolicy(timeout=1), progress=True).timed_out"
    shown = run(client, f"from decart import PollPolicy\n{wait}")
    widgets = [message for message in shown if message["msg_type"] == "display_data"]
    text = "".join(message["content"]["text"] for message in shown if message["msg_type"] == "stream")
    assert widgets or "lucy-pro-t2v: processing" in text
    assert shown[-1]["content"]["data"]["text/plain"] == "True"


def test_an_interrupted_submit_and_poll_shows_once_how_to_resume(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    manager, client = kernel
    options = "{'model': models.video('lucy-pro-t2v'), 'prompt': 'lake'}"
    show = "on_status_change=lambda job: print(job.job_id, job.status, flush=True)"
    client.execute(f"client.queue.submit_and_poll({options}, {show})", stop_on_error=False)
    text = ""
    while "processing" not in text:
        text += until(client, "stream")[-1]["content"]["text"]
    manager.interrupt_kernel()
    *shown, error = until(client, "error")
    traceback = "\n".join(error["content"]["traceback"])
    assert traceback.count(f"Wait for it with client.queue.poll('{text.split()[0]}').") == 1
    assert shown == []


def executed_cells(*cells: str, **arguments: str) -> Any:
    """Run cells, which have a client of an emulator with these arguments, and return the notebook."""
    setup = "from decart import DecartClient, models; client = DecartClient('dct_x', base_url={!r}, **{!r})"
    with Emulator(pending=0, processing=0, renderer=Studio()) as emulator, EmulatorServer(emulator) as server:
        sources = [setup.format(server.url, arguments), *cells]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        NotebookClient(book, timeout=60).execute()
    return book


WITH_BAR = (
    "client.queue.submit_and_poll({'model': models.video('lucy-pro-t2v'), 'prompt': 'lake'}, progress=True).job_id"
)


def test_a_bar_is_finished_in_exported_html_although_the_widgets_are_not_stored() -> None:
    from nbconvert import HTMLExporter

    book = executed_cells(WITH_BAR)
    assert book.metadata.pop("widgets")["application/vnd.jupyter.widget-state+json"]["state"]
    exported = HTMLExporter().from_notebook_node(book)[0]
    assert "upload: 100%" in exported
    assert "lucy-pro-t2v: completed [" in exported
    assert "download: 100%" in exported
    assert not re.search(r"(upload|download): +\d?\d%|wait \[", exported)


def test_the_jobs_of_a_client_are_a_table(tmp_path: Path) -> None:
    book = executed_cells(
        "order = {'model': models.video('lucy-pro-t2v'), 'prompt': 'lake'}",
        f"client.queue.submit_and_poll(order, label='order-1', save_to={str(tmp_path / 'lake.mp4')!r})",
        "client.queue.submit(order, label='order-2')",
        "client.jobs",
        "client.jobs.pending()",
        journal=str(tmp_path / "jobs.db"),
    )
    every, pending = map(output_of, book.cells[-2:])
    facts = re.sub("(<[^>]*>)+", " ", every)
    assert re.search(r"order-1 delivered lucy-pro-t2v \w{32} .* UTC /.*/lake\.mp4 .*order-2 accepted", facts)
    assert ("order-1" in pending, "order-2" in pending) == (False, True)


def test_a_bar_without_ipywidgets_is_text() -> None:
    book = executed_cells("import sys; sys.modules['ipywidgets'] = None", WITH_BAR)
    text = "".join(output["text"] for output in book.cells[-1].outputs if output.output_type == "stream")
    assert "lucy-pro-t2v: completed [" in text


# ---------------------------------------------------------------- the docs page and the example


def test_the_cells_of_the_docs_page_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.mp4").write_bytes(b"video")
    emulator = Emulator(pending=0, processing=0, renderer=Studio())
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_API_KEY", "dct_local")
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        names: dict[str, Any] = {}
        for cell in programs("docs/in-a-notebook.md"):
            run_here(cell, names, "docs/in-a-notebook.md")
        names["client"].close()
    assert [name.suffix for name in tmp_path.glob("noir.*")] == [".mp4"]
    assert (tmp_path / "anime.mp4").read_bytes() == b"video of Anime style"
    assert [result.data for result in names["results"]] == [b"video of Film noir", b"video of A pencil sketch"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The example notebook, run from top to bottom without an API key."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "examples" / "media", folder / "media")
    example = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    NotebookClient(example, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    assert (folder / "anime.mp4").stat().st_size > 10_000
    return example


def output_of(cell: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_the_example_notebook_runs_and_displays_its_jobs_and_two_players(executed: Any) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    shown = [output_of(cell) for cell in cells]
    assert "pending" in shown[1]
    assert [text.count("<video") for text in shown] == [0, 0, 0, 1, 1, 0, 0, 0]
    assert "<td>lantern</td><td>delivered</td><td>lucy-2.6</td>" in shown[5]
    assert "lucy-restyle-2" in shown[7]
    assert len(nbformat.writes(executed)) < 20 * 1024 * 1024


def test_the_example_notebook_is_kept_without_outputs() -> None:
    example = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    nbformat.validate(example)
    assert not [cell for cell in example.cells if cell.get("outputs") or cell.get("execution_count")]


@needs_chromium
def test_the_players_of_the_example_play_in_a_browser(executed: Any, tmp_path: Path) -> None:
    from nbconvert import HTMLExporter

    (tmp_path / "notebook.html").write_text(HTMLExporter().from_notebook_node(executed)[0], "utf-8")
    with browsing() as page:
        page.goto((tmp_path / "notebook.html").as_uri(), wait_until="domcontentloaded")
        page.wait_for_function("[...document.querySelectorAll('video')].every(video => video.readyState >= 2)")
        videos = page.evaluate(
            "[...document.querySelectorAll('video')].map(v => [v.duration, v.videoWidth, v.videoHeight])"
        )
        page.screenshot(path=str(tmp_path / "notebook.png"), full_page=True)
    assert [(round(seconds), width, height) for seconds, width, height in videos] == [(3, 1280, 704), (3, 1280, 720)]

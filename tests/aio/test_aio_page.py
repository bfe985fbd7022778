"""The documented page, unchanged, with `await`."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.awaited_page import COMPLETE_EXAMPLE, SNIPPETS

from decart import (
    AiohttpTransport,
    DecartClient,
    models,
)


def test_the_complete_example_of_the_page_runs_as_printed(emulator: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(COMPLETE_EXAMPLE, "page", "exec"), {})
    assert capsys.readouterr().out == (
        "Submitting video generation job...\n"
        "  Status: pending\n"
        "  Status: processing\n"
        "  Status: completed\n"
        "Video saved to cityscape.mp4\n"
    )
    assert Path("cityscape.mp4").read_bytes() == b"video of A futuristic cityscape with flying cars"


@pytest.mark.filterwarnings("ignore:The model name 'lucy-pro-v2v' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("transport", [None, AiohttpTransport])
@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_of_the_page_runs_as_printed(
    name: str, transport: Any, emulator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SNIPPETS[name].replace("sleep(2)", "sleep(0.1)")
    code = compile(text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def page() -> dict[str, Any]:
        async with DecartClient(api_key="your-api-key", transport=transport and transport()) as client:
            names: dict[str, Any] = {"client": client, "models": models}
            await eval(code, names)
            return names

    names = asyncio.run(page())
    if "result" in names:
        assert names["result"].data.startswith(b"video of ")
    if "open(" in text and "_file" not in text and "result" in names:
        assert Path("output.mp4").read_bytes() == names["result"].data
    assert "rror" not in capsys.readouterr().out

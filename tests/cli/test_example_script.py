"""The shell script among the examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import COMMAND, served
from support.documents import ROOT
from workers.running import PATIENCE, small_environment


@pytest.mark.skipif(len(COMMAND) > 1 or os.name == "nt", reason="the command is not installed, or there is no sh")
@pytest.mark.parametrize(
    ("faults", "code", "says"),
    [([], 0, "All videos are in the folder videos."), (["job-fails"], 5, "videos/results.jsonl says why.")],
    ids=["all is well", "a job fails"],
)
def test_the_script_makes_the_videos_of_its_list(faults: list[str], code: int, says: str, tmp_path: Path) -> None:
    with served(*faults) as (_, environment):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["sh", ROOT / "examples" / "render_list.sh"],
            cwd=tmp_path,
            env=small_environment(**environment) | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout.splitlines()[-1].endswith(says)) == (code, True), done.stderr
    assert len([*tmp_path.glob("videos/*.mp4")]) == 2 - len(faults)

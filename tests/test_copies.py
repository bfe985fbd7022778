"""Every public value can be copied and pickled; the API key can only be copied."""

from __future__ import annotations

import copy
import pathlib
import pickle
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

import decart
from decart import DecartSDKError, models
from decart.config import Secret, settings

FILE = b"a file"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
POINT = decart.MotionTrajectoryInput(frame=0, x=0.5, y=0.5)
VALUES: list[Any] = [
    models.video("lucy-2.5"),
    decart.TextToVideoInput(model=models.video("lucy-pro-t2v"), prompt="A lake", seed=5),
    decart.TextToImageInput(model=models.image("lucy-pro-t2i"), prompt="A lake"),
    decart.ImageToVideoInput(model=models.video("lucy-pro-i2v"), prompt="Wind", data=FILE),
    decart.VideoToVideoInput(model=models.video("lucy-clip"), prompt="Anime", data=pathlib.Path("input.mp4")),
    decart.FirstLastFrameInput(model=models.video("lucy-pro-flf2v"), prompt="x", start=FILE, end=FILE),
    decart.ImageToMotionVideoInput(model=models.video("lucy-motion"), data=FILE, trajectory=[POINT, POINT]),
    decart.VideoRestyleInput(model=models.video("lucy-restyle-2"), prompt="Oil", data=FILE),
    decart.VideoEditInput(model=models.video("lucy-2.5"), data=FILE),
    decart.ImageToImageInput(model=models.image("lucy-image-2"), prompt="Oil", data=FILE),
    POINT,
    decart.JobSubmitResponse(job_id="j1", status="pending", model="lucy-2.5"),
    decart.JobStatusResponse(job_id="j1", status="processing", elapsed=2.5),
    decart.QueueJobResult(job_id="j1", status="completed", data=FILE),
    decart.CompletedJob(job_id="j1", data=FILE, elapsed=30.0),
    decart.SavedJob(job_id="j1", path=pathlib.Path("lake.mp4")),
    decart.FailedJob(job_id="j1", error="No.", timed_out=True),
    decart.ImageResult(data=FILE, content_type="image/png", model="lucy-image-2"),
    decart.SavedImage(path=pathlib.Path("hat.png"), content_type="image/png", model="lucy-image-2"),
    decart.Provenance(detected=True, confidence=1.0, data={"detected": True}),
    decart.PollStep(job=None, wait=0.5, state={"job_id": "j1"}),
    decart.Progress(direction="upload", done=1, total=2),
    decart.PoolProgress(done=1, failed=0, running=1, waiting=0, total=2, bytes_received=5),
    decart.Timeout(connect=1, read=2),
    decart.RetryPolicy(attempts=2),
    decart.PollPolicy(timeout=None),
    decart.FileReference(
        id="file_1", filename="a.png", mime_type="image/png", size_bytes=1, created_at=NOW, expires_at=None
    ),
    decart.JobRecord(
        label="a", model="m", origin="o", account="a", owner="o", created_at=1.0, updated_at=1.5, cost=0.5
    ),
    decart.JobStep(record=None, wait=30.0, token="1.0..1"),
    decart.ClientTokenClaims.of({"sub": "user_1", "exp": 1_800_000_000}),
    decart.VerifiedClientToken.of({"sub": "user_1", "exp": 1_800_000_000}),
]
KEY = "dct_0123456789abcdef"


def test_every_public_value_class_is_tested() -> None:
    public = {name: getattr(decart, name) for name in decart.__all__}
    values = {name for name, kind in public.items() if attrs.has(kind) and kind.__eq__ is not object.__eq__}
    secret = {"CreateTokenResponse"}  # tests/test_token_create.py: it can be copied, and is never pickled
    assert values - {"JobInput"} - secret == {type(value).__name__ for value in VALUES}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_copy_or_an_unpickled_value_is_equal(value: Any) -> None:
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(again) is type(value) and again == value
        assert repr(again) == repr(value)


@pytest.mark.parametrize("name", [name for name in decart.__all__ if name.endswith("Error")])
def test_every_public_error_can_be_copied(name: str) -> None:
    kind: type[DecartSDKError] = getattr(decart, name)
    error = kind("m", **({"status_code": 500} if issubclass(kind, decart.APIError) else {}))
    assert copy.copy(error) == copy.deepcopy(error) == pickle.loads(pickle.dumps(error)) == error


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_the_settings_keeps_the_key_secret(copied: Any) -> None:
    again = copied(settings(KEY, None, 5, None))
    assert (again.api_key, type(again.api_key)) == (KEY, Secret)
    assert type(copied(Secret(KEY))) is Secret
    assert KEY not in repr(again) + repr(copied({"key": Secret(KEY)}))
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(again)

"""The form that is sent: its length is exact, and nothing that is put into it can break it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import parse_form_data

from decart._multipart import MultipartBody
from decart.files import CHUNK, Upload, upload

whole_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def parsed(body: MultipartBody) -> tuple[dict[str, str], dict[str, tuple[str | None, str, bytes]]]:
    """Read a form the way a web framework does."""
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": body.content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(b"".join(body)),
    }
    _, form, files = parse_form_data(environ)
    with_content = {name: (file.filename, file.content_type or "", file.read()) for name, file in files.items()}
    for file in files.values():
        file.close()
    return form.to_dict(), with_content


def named(filename: str, data: bytes = b"x") -> Upload:
    return upload("data", FileStorage(io.BytesIO(data), filename=filename, content_type="video/mp4"))


@given(st.dictionaries(st.sampled_from(["prompt", "seed", "resolution"]), whole_texts), st.binary(min_size=1))
def test_what_is_put_in_comes_out_and_the_length_is_exact(texts: dict[str, str], data: bytes) -> None:
    body = MultipartBody({**texts, "data": upload("data", data)})
    assert len(body) == sum(map(len, body))
    assert parsed(body) == (texts, {"data": ("data", "application/octet-stream", data)})


@given(st.text(min_size=1, max_size=50))
def test_no_file_name_can_break_the_framing(filename: str) -> None:
    body = MultipartBody({"data": named(filename), "prompt": "safe"})
    assert len(body) == sum(map(len, body))
    form, files = parsed(body)
    assert (form, list(files), files["data"][1:]) == ({"prompt": "safe"}, ["data"], ("video/mp4", b"x"))


@pytest.mark.parametrize(
    ("filename", "written"),
    [
        ('say "hi".mp4', b'filename="say %22hi%22.mp4"'),
        ("a\r\nX-Evil: 1\r\n\r\n.mp4", b'filename="a%0D%0AX-Evil: 1%0D%0A%0D%0A.mp4"'),
        ("nul\x00.mp4", b'filename="nul%00.mp4"'),
        ("Gr\u00fc\u00dfe \u6e56.mp4", 'filename="Gr\u00fc\u00dfe \u6e56.mp4"'.encode()),
        ("half \ud800.mp4", b'filename="half ?.mp4"'),
    ],
)
def test_a_file_name_is_written_as_browsers_write_it(filename: str, written: bytes) -> None:
    assert written in b"".join(MultipartBody({"data": named(filename)}))


def test_a_form_without_a_file_is_multipart_too() -> None:
    body = MultipartBody({"prompt": "a lake"})
    assert body.content_type.startswith("multipart/form-data; boundary=")
    assert parsed(body) == ({"prompt": "a lake"}, {})


def test_a_repeat_sends_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"clip" * CHUNK)
    body = MultipartBody({"prompt": "x", "data": upload("data", tmp_path / "clip.mp4")})
    assert b"".join(body) == b"".join(body)


def test_a_file_is_handed_over_in_pieces() -> None:
    assert max(map(len, MultipartBody({"data": upload("data", b"x" * (3 * CHUNK))}))) == CHUNK


def test_two_forms_never_share_a_boundary() -> None:
    assert MultipartBody({}).content_type != MultipartBody({}).content_type

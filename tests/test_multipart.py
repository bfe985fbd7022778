"""`decart.uploads`: a body of known length that no file name can break."""

from __future__ import annotations

import io
import pathlib
import re
from collections.abc import Mapping
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data

from decart import InvalidInputError
from decart.uploads import OCTET_STREAM, MultipartBody, Upload, upload

NAMES = st.sampled_from(["prompt", "seed", "resolution", "trajectory", "data", "start", "end", "reference_image"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
FILES = st.builds(lambda data, name, kind: file_of(data, name, kind), st.binary(min_size=1), st.text(), st.none())
PARTS = st.dictionaries(NAMES, TEXTS | FILES)

Parsed = tuple[dict[str, str], dict[str, tuple[str | None, str | None, bytes]]]


def file_of(data: bytes, name: str | None = None, kind: str | None = None) -> Upload:
    file = io.BytesIO(data)
    file.name, file.content_type = name, kind  # type: ignore[attr-defined]
    return upload("data", file)


def parsed(body: MultipartBody) -> Parsed:
    """Read the body as a server does."""
    data = b"".join(body)
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": body.content_type,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
    }
    _, form, files = parse_form_data(environ, silent=False)
    assert all(len(form.getlist(name)) == 1 for name in form)
    assert all(len(files.getlist(name)) == 1 for name in files)
    contents = {}
    for name, file in files.items():
        with file.stream:
            contents[name] = (file.filename, file.content_type, file.read())
    return dict(form), contents


def quoted(name: str) -> str:
    """Return a name as a server receives it: percent-encoded, with '?' for half a character."""
    safe = "".join(f"%{ord(ch):02X}" if ch in '"\\\x7f' or ch < " " else ch for ch in name)
    return safe.encode("utf-8", "replace").decode().replace("%22", '"')  # which werkzeug takes back


@given(PARTS)
def test_the_length_is_exact_and_every_pass_gives_the_same_bytes(parts: Mapping[str, str | Upload]) -> None:
    body = MultipartBody(parts)
    data = b"".join(body)
    assert len(body) == len(data)
    assert b"".join(body) == data


@given(PARTS.filter(bool))
def test_a_server_receives_exactly_the_given_fields(parts: Mapping[str, str | Upload]) -> None:
    form, files = parsed(MultipartBody(parts))
    assert form == {name: part for name, part in parts.items() if isinstance(part, str)}
    assert {name: data for name, (_, _, data) in files.items()} == {
        name: b"".join(part.chunks()) for name, part in parts.items() if isinstance(part, Upload)
    }


def short(name: str) -> str:
    return ascii(name)[:40]


HOSTILE = [
    *('a"b.png', 'a"; name="prompt', "a'b.png", "a\\b.png", 'a\\"b.png', "a%22b.png", "a;b=c.png"),
    *("a\r\nb.png", "a\nb.png", "a\rb.png", 'x"\r\n\r\nevil\r\n--', "a\r\nContent-Type: text/html\r\n\r\nb"),
    *("a\x00b.png", "a\x7fb.png", "a\tb.png", "a\x1bb.png", "a\x85b.png", "a\u2028b.png"),
    *("湖.png", "café.png", "🌅.png", "\u202egnp.a", "\ud800.png", "a\udcffb.png", "é\ud83c"),
    *("--boundary--", "..", "...", " ", " a ", "a" * 5000, "=?utf-8?q?a?="),
]


@pytest.mark.parametrize("name", HOSTILE, ids=short)
def test_no_file_name_breaks_the_framing(name: str) -> None:
    part = Upload(field="data", filename=name, content_type="image/png", source=file_of(b"abc").source)
    form, files = parsed(MultipartBody({"prompt": "A lake", "data": part, "seed": "5"}))
    assert form == {"prompt": "A lake", "seed": "5"}
    assert list(files) == ["data"]
    assert files["data"] == (quoted(name), "image/png", b"abc")


@given(st.text(min_size=1))
def test_no_file_name_changes_fields_or_contents(name: str) -> None:
    part = Upload(field="data", filename=name, content_type="image/png", source=file_of(b"abc").source)
    body = MultipartBody({"prompt": "A lake", "data": part, "seed": "5"})
    form, files = parsed(body)
    assert (form, files["data"][2]) == ({"prompt": "A lake", "seed": "5"}, b"abc")
    assert len(body) == len(b"".join(body))


@pytest.mark.parametrize("name", HOSTILE, ids=short)
def test_a_name_is_one_line_in_the_header(name: str) -> None:
    part = Upload(field="data", filename=name, content_type="image/png", source=file_of(b"abc").source)
    head = next(iter(MultipartBody({"data": part})))
    assert head.count(b"\r\n") == 4 and head.count(b"\n") == 4 and head.count(b"\r") == 4
    assert head.count(b'"') == 4
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\\]", head)


@pytest.mark.parametrize("name", ['a"b.png', "a\r\nb.png", "a\\b.png", "湖 1.png"])
def test_a_server_that_decodes_percents_gets_the_original_name(name: str) -> None:
    part = Upload(field="data", filename=name, content_type="image/png", source=file_of(b"abc").source)
    _, files = parsed(MultipartBody({"data": part}))
    assert unquote(files["data"][0] or "") == name


def test_a_name_and_a_type_arrive_unchanged() -> None:
    _, files = parsed(MultipartBody({"data": file_of(b"abc", "lake one.png"), "end": file_of(b"d", "x", "image/webp")}))
    assert files == {"data": ("lake one.png", "image/png", b"abc"), "end": ("x", "image/webp", b"d")}


def test_a_file_without_a_name_is_named_after_its_field() -> None:
    _, files = parsed(MultipartBody({"data": upload("data", b"abc")}))
    assert files == {"data": ("data", OCTET_STREAM, b"abc")}


@pytest.mark.parametrize("kind", ["image/png\r\nX-Evil: 1", "image/png\r\n\r\n;evil", "a/b\n", "a/b; \x00"])
def test_no_declared_type_breaks_the_framing(kind: str) -> None:
    form, files = parsed(MultipartBody({"data": file_of(b"abc", "a.png", kind), "seed": "5"}))
    assert (form, files) == ({"seed": "5"}, {"data": ("a.png", "image/png", b"abc")})


TEXT = ["", "A lake", "湖\r\n--\r\n", "--", "\r\n", "\x00", 'name="data"', '[{"frame":0,"x":0.5,"y":1}]', "true"]


@pytest.mark.parametrize("text", TEXT)
def test_a_text_arrives_unchanged(text: str) -> None:
    assert parsed(MultipartBody({"prompt": text, "seed": "5"})) == ({"prompt": text, "seed": "5"}, {})


def test_a_text_field_has_no_headers_but_its_name() -> None:
    body = MultipartBody({"prompt": "A lake"})
    boundary = body.content_type.partition("boundary=")[2]
    expected = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nA lake\r\n--{boundary}--\r\n'.encode()
    )
    assert b"".join(body) == expected


def test_the_order_is_that_of_the_fields() -> None:
    data = b"".join(MultipartBody({"seed": "5", "data": file_of(b"abc"), "prompt": "x"}))
    assert re.findall(rb'; name="(\w+)"', data) == [b"seed", b"data", b"prompt"]


def test_a_boundary_is_new_each_time_and_needs_no_quotes() -> None:
    kinds = {MultipartBody({}).content_type for _ in range(20)}
    assert len(kinds) == 20
    assert all(re.fullmatch(r"multipart/form-data; boundary=[0-9a-f]{32}", kind) for kind in kinds)


def test_content_that_looks_like_framing_is_only_content() -> None:
    """The texts and files of one body contain the framing of another."""
    other = b"".join(MultipartBody({"data": file_of(b"evil"), "prompt": "evil"}))
    body = MultipartBody({"prompt": other.decode(), "data": file_of(other, other.decode())})
    form, files = parsed(body)
    assert form == {"prompt": other.decode()}
    assert files["data"][2] == other


def test_a_large_file_is_never_completely_in_memory(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(3 * 1024 * 1024 * 1024)  # a file of holes takes no room
    body = MultipartBody({"data": upload("data", tmp_path / "large.mp4"), "prompt": "x"})
    assert len(body) > 3 * 1024 * 1024 * 1024
    pieces = iter(body)
    assert max(len(next(pieces)) for _ in range(20)) <= 1024 * 1024


def test_nothing_is_read_before_it_is_sent(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    body = MultipartBody({"data": upload("data", path)})
    path.write_bytes(b"xyz")
    assert b"xyz" in b"".join(body)


def test_a_file_that_became_shorter_ends_the_body_with_an_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    body = MultipartBody({"data": upload("data", path)})
    path.write_bytes(b"a")
    with pytest.raises(InvalidInputError, match="^data: the file became shorter"):
        list(body)


def test_a_body_reports_each_chunk_that_was_taken_and_all_texts_are_one_chunk() -> None:
    reported: list[tuple[int, int]] = []
    body = MultipartBody({"prompt": "A lake", "seed": "5"}, lambda done, total: reported.append((done, total)))
    chunks = iter(body)
    assert len(next(chunks)) == len(body)
    assert reported == [(0, len(body))]
    assert list(chunks) == []
    assert reported == [(0, len(body)), (len(body), len(body))]

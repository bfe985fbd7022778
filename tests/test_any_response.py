"""Whatever a server responds, `decart.protocol` returns a value or raises an error of ours, and never shows the key."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.fakes import KEY, OWN_MODEL

from decart import DecartSDKError, Timeout
from decart.config import Settings, settings
from decart.protocol import parse_status, parse_submit
from decart.responses import BufferedResponse

SET: Settings = settings(KEY, "https://api.test/base", Timeout(), None)
JSON = {"content-type": "application/json"}
PARSERS: list[Callable[[BufferedResponse], object]] = [
    lambda response: parse_submit(response, settings=SET, model=OWN_MODEL),
    lambda response: parse_status(response, SET, "j1"),
]
every_parser = pytest.mark.parametrize("parse", PARSERS, ids=["submit", "status"])

HEADER_NAMES = ["content-type", "content-length", "content-encoding", "location", "retry-after", "date", "x-request-id"]
HEADER_VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "text/html",
            "video/mp4",
            "application/json",
            "9" * 5000,
            "٣",
            f"text/{KEY}",
            f"https://{KEY}.test/",
            "http://[",
            KEY,
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from([KEY, "failed"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["loc", "msg", "message", "error", "detail"]), inner, max_size=4),
    ),
    max_leaves=9,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(["status", "error", "message", "detail", "error_message", "code"]), VALUES, max_size=5
    ).map(lambda body: json.dumps(body).encode()),
)


@every_parser
@hypothesis_settings(deadline=None)
@given(
    status=st.one_of(st.just(200), st.sampled_from([204, 301, 404, 422, 503]), st.integers(100, 599)),
    headers=st.dictionaries(st.sampled_from(HEADER_NAMES), HEADER_VALUES, max_size=4),
    body=BODIES,
)
def test_any_response_gives_a_value_or_an_error_of_ours_and_never_the_key(
    parse: Callable[[BufferedResponse], object], status: int, headers: dict[str, str], body: bytes
) -> None:
    try:
        value = parse(BufferedResponse(status=status, headers=headers, body=body))
    except DecartSDKError as error:
        for shown in (str(error), repr(error), repr(error.args), repr(vars(error))):
            assert KEY not in shown
            assert KEY.lower() not in shown  # a header's value may have been put in lower case on its way
        assert pickle.loads(pickle.dumps(error)) == error
        assert len(error.message) < 2000
        assert error.message.isprintable() or "\n" not in error.message
    else:
        assert KEY not in repr(value)


@every_parser
@pytest.mark.parametrize("depth", [400, 700, 950, 9000])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "shape",
    [
        '{"status":"failed","error":%s}',
        '{"status":"x","job_id":%s}',
        '{"detail":[{"loc":%s,"msg":"m"}]}',
        '{"detail":[{"loc":[%s],"msg":"m"}]}',
    ],
)
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_deeply_nested_json_is_a_response_like_any_other(
    parse: Callable[[BufferedResponse], object], depth: int, status: int, shape: str, pair: str
) -> None:
    opening = pair[0] + ('"msg":' if pair == "{}" else "")
    body = (shape % (opening * depth + "1" + pair[1] * depth)).encode()
    try:
        parse(BufferedResponse(status=status, headers=JSON, body=body))
    except DecartSDKError as error:
        assert len(error.message) < 2000

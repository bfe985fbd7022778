"""A base URL with a path: if nothing is found below it, the path may be wrong, and the model may well be running."""

from __future__ import annotations

import pytest
from support.fakes import KEY

from decart import APIError, ModelRetiredError, NotFoundError, Timeout, models
from decart.config import settings
from decart.protocol import parse_submit
from decart.responses import BufferedResponse, api_error

BELOW = settings(KEY, "https://api.test/v1", Timeout(), None)
DOUBT = "The base URL https://api.test/v1 has the path /v1, which may be wrong. "


@pytest.mark.parametrize("status", [404, 405])
def test_the_path_is_doubted_if_nothing_is_found_there(status: int) -> None:
    error = api_error(BufferedResponse(status=status, headers={}), BELOW)
    assert error.message.startswith(DOUBT)
    assert error.message.endswith(f"the model name and the base URL. (HTTP {status})")


@pytest.mark.parametrize("status", [400, 401, 410, 422, 500])
def test_the_path_is_not_doubted_if_the_server_found_something(status: int) -> None:
    assert "base URL" not in api_error(BufferedResponse(status=status, headers={}), BELOW).message


@pytest.mark.parametrize(
    ("status", "kind", "doubt"),
    [
        (404, NotFoundError, f"{DOUBT}If it is right: "),
        (405, APIError, f"{DOUBT}If it is right: "),
        (410, ModelRetiredError, ""),
    ],
)
def test_only_410_surely_means_that_a_model_was_retired(status: int, kind: type[APIError], doubt: str) -> None:
    model = models.video("lucy-motion")
    with pytest.raises(APIError) as caught:
        parse_submit(BufferedResponse(status=status, headers={}, body=b"Not Found"), settings=BELOW, model=model)
    assert type(caught.value) is kind
    assert caught.value.message == f"{doubt}{models.retirement(model)} (HTTP {status}: Not Found)"

"""`decart.config`: a key that is never shown, and the addresses to which it may be sent."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest

from decart import (
    DecartSDKError,
    InvalidAPIKeyError,
    InvalidBaseURLError,
    InvalidInputError,
    Timeout,
    __version__,
)
from decart.config import DEFAULT_BASE_URL, Secret, Settings, settings

KEY = "dct_Kq7vT2xN9pLw4ZsY"
URL = "https://api.test"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DECART_API_KEY", "DECART_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def made(
    api_key: Any = KEY, base_url: Any = URL, timeout: Any = 60.0, integration: Any = None, allow_http: bool = False
) -> Settings:
    return settings(api_key, base_url, timeout, integration, allow_http=allow_http)


@pytest.mark.parametrize("given", [KEY, f"  {KEY}\t", f"{KEY}\r\n", "k", "!~"])
def test_blanks_around_a_key_are_stripped(given: str) -> None:
    assert made(given).api_key == given.strip()


def test_the_key_comes_from_the_environment_when_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", f" {KEY}\n")
    assert made(None).api_key == KEY


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", "from-the-environment")
    monkeypatch.setenv("DECART_BASE_URL", "https://environment.test")
    assert (made().api_key, made().base_url) == (KEY, URL)
    with pytest.raises(InvalidAPIKeyError):
        made("")
    with pytest.raises(InvalidBaseURLError):
        made(base_url="")


def test_a_missing_key_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidAPIKeyError, match=r"is missing: pass api_key=\.\.\. or set .* DECART_API_KEY\.$"):
        made(None)


SOURCES = {"argument": "the argument api_key", "environment": "the environment variable DECART_API_KEY"}


@pytest.mark.parametrize("value", ["", " ", "\n\t"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_blank_key_is_refused_with_where_it_came_from(
    value: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "environment":
        monkeypatch.setenv("DECART_API_KEY", value)
    with pytest.raises(InvalidAPIKeyError, match=rf"^The API key is missing: {SOURCES[source]} is blank\.$"):
        made(value if source == "argument" else None)


@pytest.mark.parametrize("source", SOURCES)
def test_a_malformed_key_is_refused_with_where_it_came_from(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", f"{KEY} {KEY}")
    with pytest.raises(InvalidAPIKeyError, match=rf"^The API key from {SOURCES[source]} must be ") as caught:
        made(f"{KEY}\n{KEY}" if source == "argument" else None)
    assert KEY not in caught.value.message


@pytest.mark.parametrize("source", SOURCES)
def test_the_settings_say_where_the_key_came_from(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", KEY)
    assert made(KEY if source == "argument" else None).key_source == SOURCES[source]


@pytest.mark.parametrize(
    "key",
    [f"{KEY}\n{KEY}", f"{KEY}\rX-Evil: 1", f"{KEY} {KEY}", f"{KEY}\x00", f"{KEY}\x7f", f"{KEY}é", f"{KEY}\ud800"]
    + [f"{KEY}\u2028x", f"“{KEY}”", KEY.encode(), [KEY], {"key": KEY}, 12345],
)
def test_an_invalid_key_is_refused_without_repeating_it(key: Any) -> None:
    with pytest.raises(InvalidAPIKeyError, match="visible ASCII characters") as caught:
        made(key)
    shown = f"{caught.value}{caught.value!r}{caught.value.args}{caught.value.__context__}"
    assert KEY not in shown and "12345" not in shown


@pytest.mark.parametrize("show", [repr, ascii, "{!r}".format, lambda key: repr([key])])
def test_a_key_does_not_show_itself(show: Any) -> None:
    assert show(Secret(KEY)).strip("[]") == "'***'"


def test_a_key_is_itself_on_the_wire() -> None:
    key = Secret(KEY)
    assert (f"{key}", key.encode(), str(key)) == (KEY, KEY.encode(), KEY)
    assert made().headers["X-API-KEY"] == KEY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("holder", [Secret(KEY), made(), made().headers, [Secret(KEY)]], ids=lambda x: type(x).__name__)
def test_a_key_is_never_pickled(holder: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="make a client in each process") as caught:
        pickle.dumps(holder, protocol)
    assert KEY not in str(caught.value)


def test_a_deep_copy_of_the_headers_keeps_the_key_secret() -> None:
    copied = copy.deepcopy(made().headers)
    assert copy.copy(made().api_key) == KEY
    assert copied == made().headers
    assert KEY not in repr(copied)


def test_settings_show_everything_but_the_key() -> None:
    assert KEY not in repr(made()) and KEY not in str(made()) and KEY not in repr(made().headers)
    assert "base_url='https://api.test'" in repr(made())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        made().base_url = "https://other.test"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.test", "https://api.test"),
        ("https://api.test/", "https://api.test"),
        ("https://api.test///", "https://api.test"),
        (" https://api.test/ \n", "https://api.test"),
        ("https://api.test/decart", "https://api.test/decart"),
        ("https://api.test/decart/v9/", "https://api.test/decart/v9"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://[::1]:8787/", "http://[::1]:8787"),
        ("HTTPS://API.test", "HTTPS://API.test"),
        ("http://localhost:65535", "http://localhost:65535"),
    ],
)
@pytest.mark.parametrize("source", ["argument", "environment"])
def test_a_trailing_slash_changes_nothing_and_a_path_is_kept(
    given: str, kept: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECART_BASE_URL", given if source == "environment" else "https://other.test")
    assert made(base_url=given if source == "argument" else None).base_url == kept


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_an_address_it_is_that_of_the_service(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("DECART_BASE_URL", value)
    assert made(base_url=None).base_url == DEFAULT_BASE_URL == "https://api.decart.ai"


BAD_URLS: list[Any] = [
    *("", "   ", "/", "api.test", "//api.test", "api.test:80", "localhost:8787"),
    *("ftp://api.test", "wss://api.test", "file:///video.mp4", "javascript:alert(1)"),
    *("https://", "https:///v1", "https://:443", "http:api.test"),
    *("https://api.test:port", "https://api.test:99999", "https://api.test:0", "https://api.test:-1", "https://[::1"),
    *("https://user:secret@api.test", "https://user@api.test", "https://@api.test", "https://api.test@evil.test"),
    *("https://api.test?x=1", "https://api.test/?x", "https://api.test?", "https://api.test/#top", "https://api.test#"),
    *("https://api .test", "https://api.test/a b", "https://api.test/a\nb"),
    *("https://api.test\\@evil.test", "https:\\\\a"),
    *("https://bücher.test", "https://api.test/\x00", "https://\ud800.test"),
    *(b"https://api.test", 5, ["https://api.test"], True),
]


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
def test_an_address_that_is_not_an_http_origin_is_refused(url: Any) -> None:
    with pytest.raises(InvalidBaseURLError, match=r"must look like https://api\.decart\.ai") as caught:
        made(base_url=url)
    caught.value.message.encode()  # it can be printed


@pytest.mark.parametrize("url", ["ftp://api.test", "api.test", "https://api.test?x", "https://api test"])
def test_an_address_of_the_environment_is_checked_in_the_same_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_BASE_URL", url)
    with pytest.raises(InvalidBaseURLError, match=re.escape(url)):
        made(base_url=None)


@pytest.mark.parametrize(
    "url",
    [
        *("https://user:hunter2@api.test", "http://hunter2@api.test/v1", "https://user:pa/hunter2@api.test"),
        *("user:hunter2@api.test", "https:/user:hunter2@api.test", "https://a:hunter2@b@api.test"),
        *("https:\\\\user:hunter2@api.test", "ftp://u:hunter2\n@api.test", b"https://user:hunter2@api.test"),
    ],
)
def test_a_password_in_an_address_is_not_repeated(url: Any) -> None:
    with pytest.raises(InvalidBaseURLError, match=re.escape("***@api.test")) as caught:
        made(base_url=url)
    assert "hunter2" not in str(caught.value)


def test_a_refused_address_is_shown_but_not_at_any_length() -> None:
    with pytest.raises(InvalidBaseURLError, match="ftp://api.test") as caught:
        made(base_url="ftp://api.test/" + "a" * 100_000)
    assert len(caught.value.message) < 400


def test_a_wrong_key_is_reported_before_a_wrong_address() -> None:
    with pytest.raises(InvalidAPIKeyError):
        made("", "nonsense")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.test", "https://api.test:443"),
        ("https://api.test:443/decart", "https://api.test:443"),
        ("http://api.test", "http://api.test:80"),
        ("http://API.test:8787/x", "http://api.test:8787"),
        ("HTTP://[::1]/", "http://::1:80"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert made(base_url=url, allow_http=True).origin == origin


def test_we_introduce_ourselves() -> None:
    assert made().headers == {
        "X-API-KEY": KEY,
        "User-Agent": f"decart-queue/{__version__} lang/py",
        "Accept": "*/*",
    }


@pytest.mark.parametrize("name", ["langchain/0.1.0", " my-app/1.0 ", "my-app/1.0 django/5.2", "@scope/app\n"])
def test_an_integration_is_added_at_the_end(name: str) -> None:
    assert made(integration=name).user_agent == f"decart-queue/{__version__} lang/py {name.strip()}"


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\r\nX-Evil: 1", "a\tb", "a  b", "café/1.0", "a\x00", "\ud800", b"a", 5]
)
def test_an_integration_that_no_header_could_hold_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="integration must be a short ASCII str") as caught:
        made(integration=name)
    caught.value.message.encode()


@pytest.mark.parametrize(("given", "kept"), [(5, Timeout(read=5)), (Timeout(connect=1), Timeout(connect=1))])
def test_a_timeout_is_a_number_of_seconds_or_a_timeout(given: Any, kept: Timeout) -> None:
    assert made(timeout=given).timeout == kept


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan"), float("inf")])
def test_any_other_timeout_is_refused(timeout: Any) -> None:
    with pytest.raises(DecartSDKError, match="timeout: read must be a number of seconds above 0"):
        made(timeout=timeout)


LOCAL = [
    "http://127.0.0.1:8787",
    "http://127.1.2.3",
    "http://[::1]:8787",
    "http://localhost:8787",
    "http://box.localhost",
    "http://10.1.2.3",
    "http://172.16.0.1:80",
    "http://192.168.1.2/decart",
    "http://169.254.1.1",
    "http://[fd00::1]",
    "http://emulator:8787",
]
PUBLIC = [
    "http://api.decart.ai",
    "HTTP://api.decart.ai",
    "http://api.decart.ai.",
    "http://8.8.8.8",
    "http://172.32.0.1",
    "http://[2606:4700::1]",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://printer.local",
]


@pytest.mark.parametrize("url", LOCAL)
def test_plain_http_is_accepted_within_this_machine_private_networks_and_for_single_names(url: str) -> None:
    assert made(base_url=url).base_url == url


@pytest.mark.parametrize("url", PUBLIC)
def test_plain_http_over_the_internet_is_refused_because_of_the_key(url: str) -> None:
    with pytest.raises(InvalidBaseURLError, match="would send the API key unencrypted; write https://"):
        made(base_url=url)
    assert made(base_url=url, allow_http=True).base_url == url.rstrip("/")


def test_the_environment_cannot_allow_an_unencrypted_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_BASE_URL", "http://api.decart.ai")
    with pytest.raises(InvalidBaseURLError, match="unencrypted"):
        made(base_url=None)


@pytest.mark.parametrize("key", [KEY, f" {KEY}", "ek_short", "eyJhbGciOiJFZERTQSJ9.e30.sig"])
def test_a_key_given_as_base_url_is_not_printed(key: str) -> None:
    with pytest.raises(InvalidBaseURLError, match="something that looks like an API key") as refused:
        made(base_url=key)
    assert key.strip() not in str(refused.value)

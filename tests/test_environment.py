"""`decart.transports.environment`: the same way to an origin as requests finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import requests.utils
from hypothesis import given
from hypothesis import strategies as st

from decart.transports.environment import find_way

HOSTS = ["service.invalid", "a.service.invalid", "127.0.0.1", "10.1.2.3", "localhost", "[::1]"]
EXCEPTIONS = [
    "service.invalid",
    ".service.invalid",
    "elsewhere.invalid",
    "service.invalid:8080",
    "127.0.0.1",
    "10.0.0.0/8",
    " 10.1.2.0/24 ",
    "10.1.2.3/32",
    "11.0.0.0/8",
    "10.0.0.0/0",
    "10.0.0.0/33",
    "10.0.0.0/x",
    "x/8",
    "10.1.2.3:8080",
    "::1",
    "localhost",
    "*",
    "",
]
PROXIES = ["http://p.invalid:1", "p.invalid:2", "socks5://p.invalid:3", ""]
NAMES = ["http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an environment that says nothing."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("CA_BUNDLE"):
            monkeypatch.delenv(name)


def of_requests(url: str) -> str | None:
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    return proxy and requests.utils.prepend_scheme_if_needed(proxy, "http")


def addresses() -> Iterator[str]:
    for host in HOSTS:
        yield f"http://{host}:8080"
        yield f"http://{host}"


@given(
    st.sampled_from(list(addresses())),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(PROXIES)),
    st.none() | st.lists(st.sampled_from(EXCEPTIONS), min_size=1, max_size=3),
    st.sampled_from(["no_proxy", "NO_PROXY"]),
)
def test_the_proxy_is_the_one_that_requests_would_use(
    url: str, proxies: dict[str, str], exceptions: list[str] | None, name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, proxy in proxies.items():
            patch.setenv(variable, proxy)
        if exceptions is not None:
            patch.setenv(name, ",".join(exceptions))
        assert find_way(url).proxy == (of_requests(url) or None)


@pytest.mark.parametrize(
    ("url", "exceptions", "direct"),
    [
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://10.1.2.3", "192.168.0.0/16,10.1.2.2/31", True),
        ("http://10.1.2.3", "10.1.2.4/31", False),
        ("http://a.service.invalid", "service.invalid", True),
        ("http://service.invalid:81", "service.invalid:80", False),
    ],
)
def test_an_exception_may_be_a_network_a_domain_or_a_port(
    monkeypatch: pytest.MonkeyPatch, url: str, exceptions: str, direct: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://p.invalid:1")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (find_way(url).proxy is None) is direct


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("proxy", [None, "https://p.invalid"])
def test_a_bundle_of_the_environment_is_used_where_there_is_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, proxy: str | None
) -> None:
    monkeypatch.setenv(name, "no-such-bundle.pem")
    assert find_way("http://service.invalid").tls is None
    url = "https://service.invalid" if proxy is None else "http://service.invalid"
    if proxy is not None:
        monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(OSError, match=r"no-such-bundle\.pem"):
        find_way(url)
    monkeypatch.setenv(name, str(tmp_path))
    found = find_way(url).tls
    assert found is not None
    assert found.check_hostname
    assert not found.get_ca_certs()


def test_certifi_vouches_for_certificates_unless_the_environment_names_others() -> None:
    found = find_way("https://service.invalid").tls
    assert found is not None
    assert len(found.get_ca_certs()) > 50

"""The route to an origin: the proxy that requests would use (never one for a loopback address), and the CA bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests.utils
from hypothesis import given
from hypothesis import strategies as st
from support.exchanges import exchange, get
from support.servers import answering, http, serving

from decart import ConfigurationError, RequestsTransport
from decart.transports.routes import find_route

HOSTS = ["service.invalid", "a.service.invalid", "10.1.2.3", "[fd00::1]", "localhost.invalid"]
LOOPBACK = ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "box.localhost", "[::1]"]
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

proxy_variables = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(PROXIES))


def urls(hosts: list[str]) -> st.SearchStrategy[str]:
    schemes, ports = st.sampled_from(["http", "https"]), st.sampled_from(["", ":8080"])
    return st.builds("{}://{}{}".format, schemes, st.sampled_from(hosts), ports)


def proxy_of_requests(url: str) -> str | None:
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    return requests.utils.prepend_scheme_if_needed(proxy, "http") if proxy else None


@given(
    urls(HOSTS),
    proxy_variables,
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
        assert find_route(url).proxy == proxy_of_requests(url)


@given(urls(LOOPBACK), proxy_variables)
def test_a_loopback_address_is_reached_directly(url: str, proxies: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable, proxy in proxies.items():
            patch.setenv(variable, proxy)
        assert find_route(url).proxy is None


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
def test_no_proxy_may_name_a_network_a_domain_or_a_port(
    monkeypatch: pytest.MonkeyPatch, url: str, exceptions: str, direct: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://p.invalid:1")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (find_route(url).proxy is None) is direct


@pytest.fixture(params=["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def variable(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


WITH_TLS = [("https://service.invalid", None), ("http://service.invalid", "https://p.invalid")]


@pytest.mark.parametrize(("url", "proxy"), WITH_TLS, ids=["https", "http through an https proxy"])
def test_a_missing_ca_bundle_is_an_error_where_there_is_tls(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str, proxy: str | None
) -> None:
    monkeypatch.setenv(variable, "no-such-bundle.pem")
    find_route("http://service.invalid")
    if proxy is not None:
        monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigurationError, match=r"no-such-bundle\.pem"):
        find_route(url)


@pytest.mark.parametrize("text", ["", "no certificate"], ids=["empty", "garbage"])
def test_a_ca_bundle_without_certificates_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path, text: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(text)
    monkeypatch.setenv(variable, str(bundle))
    with pytest.raises(ConfigurationError, match=rf"bundle\.pem .*{variable}"):
        find_route("https://service.invalid")


def test_a_ca_bundle_may_be_a_folder(monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    context = find_route("https://service.invalid").tls
    assert context.check_hostname
    assert not context.get_ca_certs()  # they are looked up in the folder when needed


def test_certifi_is_the_ca_bundle_unless_the_environment_names_another() -> None:
    assert len(find_route("https://service.invalid").tls.get_ca_certs()) > 50


def test_neither_settings_nor_proxy_are_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hush@p.invalid:1")
    route = find_route("http://service.invalid")
    assert route.proxy == "http://me:hush@p.invalid:1"
    assert "hush" not in repr(route)


def test_the_environment_is_read_once_per_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = RequestsTransport()
    with (
        serving(answering(lambda r, n: http(200, b"old"))) as old,
        serving(answering(lambda r, n: http(200, b"new"))) as new,
    ):
        monkeypatch.setenv("http_proxy", old.url)
        assert exchange(transport, get("http://a.invalid"))[2] == b"old"
        monkeypatch.setenv("http_proxy", new.url)
        assert exchange(transport, get("http://a.invalid"))[2] == b"old"
        assert exchange(transport, get("http://a.invalid:81"))[2] == b"new"
        transport.close()

"""``client.tokens.verify``: which tokens are accepted, and the reason for each refusal. ``decode`` checks nothing."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeTransport, client_of, make_response
from support.signing import PLATFORM, Signer, claims, key_set, part

from decart import (
    AsyncDecartClient,
    DecartClient,
    InvalidInputError,
    TokenDecodeError,
    TokenVerifyError,
    VerifiedClientToken,
)

SIGNER = Signer()
P256 = ec.SECP256R1()


def verify(token: Any, *published: Signer) -> VerifiedClientToken:
    """Verify a token with the keys that the service publishes."""
    return client_of(FakeTransport(key_set(*(published or (SIGNER,))))).tokens.verify(token)


def refusal(token: Any, *published: Signer) -> str:
    """Return why a token is refused."""
    with pytest.raises(TokenVerifyError) as caught:
        verify(token, *published)
    error = caught.value
    assert (error.__context__, error.cause) == (None, None)  # nothing of PyJWT leaks
    return error.reason


# ---------------------------------------------------------------- accepted


def test_what_a_valid_token_says_is_returned() -> None:
    token = verify(SIGNER.sign(exp=2_000_000_000, more="x"))
    assert (token.subject, token.organization_id) == ("user_1", "org_1")
    assert (token.api_key_id, token.api_key_name, token.service_tier) == ("key_1", "production", 2)
    assert (token.models, token.origins) == (("lucy-2.5",), ("https://example.com",))
    assert token.constraints == {"realtime": {"maxSessionDuration": 60}}
    assert token.expires_at == datetime.fromtimestamp(2_000_000_000, UTC)
    assert token.claims["more"] == "x"
    assert "more" not in repr(token)


def test_a_claim_that_is_not_required_may_be_absent_or_of_another_type() -> None:
    optional = ("organizationId", "parent_api_key_id", "jti", "api_key_name", "service_tier", "models", "constraints")
    token = verify(SIGNER.sign(**dict.fromkeys(optional), origins="https://example.com"))
    assert (token.organization_id, token.api_key_id, token.api_key_name, token.service_tier) == (None,) * 4
    assert (token.models, token.origins, token.constraints) == (None, None, None)


def test_the_id_of_the_key_may_be_in_jti_and_the_tier_in_priority() -> None:
    token = verify(SIGNER.sign(parent_api_key_id=None, service_tier=None, priority=True))
    assert (token.api_key_id, token.service_tier) == ("token_1", 3)


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({"service_tier": 0}, 0), ({"service_tier": "2"}, 2), ({"service_tier": 3}, 3), ({"service_tier": 4}, None),
        ({"service_tier": -1}, None), ({"service_tier": True}, None), ({"service_tier": "pro"}, None),
        ({"service_tier": [2]}, None), ({"service_tier": None}, None), ({"service_tier": 0, "priority": True}, 0),
        ({"service_tier": None, "priority": "yes"}, None),
    ],
)  # fmt: skip
def test_the_tier_is_read_as_the_service_reads_it(said: dict[str, Any], tier: int | None) -> None:
    token = SIGNER.sign(**said)
    assert verify(token).service_tier == client_of(FakeTransport()).tokens.decode(token).service_tier == tier


def at(moment: float, **changes: float) -> str:
    """Verify a token at a time of the transport's clock; return ``"accepted"``, or why it is refused."""
    client = client_of(FakeTransport(key_set(SIGNER), start=moment))
    try:
        client.tokens.verify(SIGNER.sign(**changes))
    except TokenVerifyError as error:
        return error.reason
    return "accepted"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 999_971},
        {"exp": 999_970.001},
        {"nbf": 1_000_030},
        {"iat": 1_000_030},
        {"nbf": 1_000_029.999},
        {"nbf": 5},
    ],
)
def test_clocks_may_differ_by_half_a_minute(changes: dict[str, float]) -> None:
    assert at(1_000_000, **{"exp": 2_000_000, **changes}) == "accepted"


def test_a_token_for_several_audiences_is_accepted() -> None:
    verify(SIGNER.sign(aud=["https://example.com", PLATFORM]))


def test_the_key_is_found_by_its_id_among_others() -> None:
    verify(SIGNER.sign(), Signer("key-0"), SIGNER, Signer("key-2"))


def test_a_published_key_may_lack_what_is_optional() -> None:
    key = {name: value for name, value in SIGNER.public().items() if name in ("kty", "crv", "x", "kid")}
    client = client_of(FakeTransport(make_response(200, {"keys": [key]})))
    assert client.tokens.verify(SIGNER.sign()).subject == "user_1"


def test_keys_of_other_kinds_are_ignored() -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    other = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    keys = [
        {**other, "kid": "key-1"}, {**SIGNER.public(), "kid": 5}, None, {}, SIGNER.public(use="enc", x="AAAA"),
        {"kid": "key-1", "kty": "OKP", "crv": "Ed25519", "x": "%"}, SIGNER.public(),
    ]  # fmt: skip
    client = client_of(FakeTransport(make_response(200, {"keys": keys})))
    assert client.tokens.verify(SIGNER.sign()).subject == "user_1"


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 999_970}, "expired"),
        ({"exp": 999_969.999}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1e12}, "expired"),
        ({"nbf": 1_000_030.001}, "not_yet_valid"),
        ({"nbf": 1_000_031}, "not_yet_valid"),
        ({"iat": 1_000_031}, "not_yet_valid"),
        ({"iat": 5, "nbf": 1_000_031}, "not_yet_valid"),
    ],
)
def test_a_token_beyond_the_leeway_is_refused(changes: dict[str, float], reason: str) -> None:
    assert at(1_000_000, **{"exp": 2_000_000, **changes}) == reason


def test_a_transport_without_a_clock_of_its_own_has_that_of_the_system() -> None:
    class NoTime(FakeTransport):
        def __getattribute__(self, name: str) -> Any:
            if name == "time":
                raise AttributeError(name)
            return super().__getattribute__(name)

    assert client_of(NoTime(key_set(SIGNER))).tokens.verify(SIGNER.sign(exp=4_000_000_000)).subject == "user_1"
    with pytest.raises(TokenVerifyError, match="has expired"):
        client_of(NoTime(key_set(SIGNER))).tokens.verify(SIGNER.sign())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://example.com"}, "audience"),
        ({"aud": [PLATFORM + "/"]}, "audience"),
        ({"iss": "https://example.com"}, "issuer"),
        ({"iss": PLATFORM + "."}, "issuer"),
        *[({name: None}, "incomplete") for name in ("exp", "sub", "iss", "aud")],
        ({"aud": []}, "incomplete"),
        ({"aud": {"x": PLATFORM}}, "audience"),
        ({"iss": [PLATFORM]}, "issuer"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": "2000000000"}, "malformed"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": float("nan")}, "malformed"),
        ({"exp": 10**400}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"exp": [1]}, "malformed"),
        *[({name: True}, "malformed") for name in ("exp", "nbf", "iat")],
        *[({name: "5"}, "malformed") for name in ("exp", "nbf", "iat")],
        *[({name: float("nan")}, "malformed") for name in ("nbf", "iat")],
        ({"sub": ["user_1"]}, "malformed"),
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_refused(changes: dict[str, Any], reason: str) -> None:
    changes = {**changes}
    payload = part(claims(**changes))
    head = part({"alg": "EdDSA", "typ": "JWT", "kid": "key-1"})
    signature = SIGNER.private.sign(f"{head}.{payload}".encode())
    assert refusal(f"{head}.{payload}.{part(signature)}") == reason


def test_a_token_that_is_signed_with_another_key_under_a_known_id_is_refused() -> None:
    assert refusal(Signer().sign()) == "signature"


def test_a_token_whose_payload_or_signature_was_changed_is_refused() -> None:
    head, _, signature = SIGNER.sign().split(".")
    assert refusal(f"{head}.{part(claims(sub='admin'))}.{signature}") == "signature"
    assert refusal(f"{head}.{part(claims())}.{part(bytes(64))}") == "signature"
    assert refusal(f"{head}.{part(claims())}.") == "signature"


def test_a_token_that_says_that_it_is_not_signed_is_refused() -> None:
    unsigned = f"{part({'alg': 'none', 'kid': 'key-1'})}.{part(claims())}."
    assert refusal(unsigned) == "algorithm"
    assert refusal(SIGNER.sign().rpartition(".")[0] + ".") == "signature"


@pytest.mark.parametrize("form", ["raw", "JWK"])
def test_a_token_that_is_signed_with_the_public_key_as_a_password_is_refused(form: str) -> None:
    secret = SIGNER.raw() if form == "raw" else SIGNER.public()["x"].encode()
    signed = f"{part({'alg': 'HS256', 'kid': 'key-1'})}.{part(claims())}"
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    assert refusal(f"{signed}.{part(signature)}") == "algorithm"


def test_a_token_of_another_algorithm_is_refused() -> None:
    for key, algorithm in ((rsa.generate_private_key(65537, 2048), "RS256"), (ec.generate_private_key(P256), "ES256")):
        assert refusal(jwt.encode(claims(), key, algorithm, {"kid": "key-1"})) == "algorithm"


def test_a_token_that_brings_its_own_key_is_refused() -> None:
    forger = Signer()
    own = {"jwk": forger.public(), "jku": "https://forger.test/keys", "x5u": "https://forger.test/cert"}
    assert refusal(forger.sign(own)) == "signature"


@pytest.mark.parametrize("critical", [["exp"], ["made-up"], ["b64"], [], "made-up", [1], None])
def test_a_token_with_a_critical_extension_that_is_not_understood_is_refused(critical: Any) -> None:
    head = {"alg": "EdDSA", "kid": "key-1", "crit": critical, "made-up": True}
    signed = f"{part(head)}.{part(claims())}"
    assert refusal(f"{signed}.{part(SIGNER.private.sign(signed.encode()))}") == "malformed"


def test_a_token_whose_payload_is_elsewhere_is_refused() -> None:
    head = {"alg": "EdDSA", "kid": "key-1", "crit": ["b64"], "b64": False}
    signed = f"{part(head)}.{part(claims())}"
    assert refusal(f"{signed}.{part(SIGNER.private.sign(signed.encode()))}") == "malformed"


def test_a_token_of_more_than_64_kib_is_refused_unread() -> None:
    long = SIGNER.sign(padding="x" * 70_000)
    client = client_of(FakeTransport())
    with pytest.raises(TokenVerifyError, match="longer than any of the service's") as caught:
        client.tokens.verify(long)
    assert caught.value.reason == "malformed"
    with pytest.raises(TokenDecodeError, match="longer than any of the service's"):
        client.tokens.decode(long)
    assert verify(SIGNER.sign(padding="x" * 30_000)).subject == "user_1"


@pytest.mark.parametrize("key_id", [None, "", "key-7"])
def test_a_token_with_an_unknown_key_id_or_none_is_refused(key_id: str | None) -> None:
    head = {"alg": "EdDSA"} if key_id is None else {"alg": "EdDSA", "kid": key_id}
    signed = f"{part(head)}.{part(claims())}"
    assert refusal(f"{signed}.{part(SIGNER.private.sign(signed.encode()))}") == "key"


def test_a_token_of_a_key_that_is_published_no_more_is_refused() -> None:
    assert refusal(SIGNER.sign(), Signer("key-2")) == "key"


@pytest.mark.parametrize(
    "garbage",
    [
        "", " ", "x", "a.b", "a.b.c.d", "a.b.c.d.e", "a.b.c", "..", "eyJ.eyJ.x", "é.è.ê", "\ud800", "\0",
        f"{part([])}.{part({})}.x",
        f"{part({'alg': 'EdDSA', 'kid': 7})}.{part({})}.x", part(b"[" * 45_000) + ".x.y", "ek_0123456789",
    ],
)  # fmt: skip
def test_garbage_is_refused_without_a_request(garbage: str) -> None:
    client = client_of(FakeTransport())
    with pytest.raises(TokenVerifyError) as caught:
        client.tokens.verify(garbage)
    assert caught.value.reason == "malformed"
    with pytest.raises(TokenDecodeError):
        client.tokens.decode(garbage)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
HEADS = st.fixed_dictionaries(
    {"alg": st.just("EdDSA"), "kid": st.just("key-1")}, optional={"crit": VALUES, "typ": VALUES}
)
NAMES = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "models", "constraints", "priority")


@given(head=HEADS, changes=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_a_signed_token_with_any_claims_is_accepted_or_refused(head: dict[str, Any], changes: dict[str, Any]) -> None:
    signed = f"{part(head)}.{part({**claims(), **changes})}"
    token = f"{signed}.{part(SIGNER.private.sign(signed.encode()))}"
    client = client_of(FakeTransport(key_set(SIGNER)))
    with suppress(TokenVerifyError):
        assert client.tokens.verify(token).claims["iss"] == PLATFORM
    with suppress(TokenDecodeError):
        client.tokens.decode(token)


@given(st.text() | st.lists(VALUES.map(part), min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused(text: str) -> None:
    client = client_of(FakeTransport(key_set(SIGNER)))
    with pytest.raises(TokenVerifyError):
        client.tokens.verify(text)
    with suppress(TokenDecodeError):
        client.tokens.decode(text)


def test_a_key_in_place_of_a_token_is_named_as_the_mistake_that_it_is() -> None:
    with pytest.raises(TokenVerifyError, match=r"the key of a client token \(ek_\.\.\.\)") as caught:
        verify("ek_secret")
    assert "ek_secret" not in caught.value.message


@pytest.mark.parametrize("value", [None, b"eyJ", 5])
def test_what_is_no_text_is_a_mistake_of_the_caller(value: Any) -> None:
    client = client_of(FakeTransport())
    for method in (client.tokens.verify, client.tokens.decode):
        with pytest.raises(InvalidInputError, match="token must be a str, not"):
            method(value)


def test_a_token_itself_is_never_part_of_an_error() -> None:
    for token in (Signer().sign(), SIGNER.sign(aud="x"), f"{part({'alg': 'none'})}.{part(claims())}.x"):
        with pytest.raises(TokenVerifyError) as caught:
            verify(token)
        assert token.split(".")[1] not in f"{caught.value} {vars(caught.value)}"


# ---------------------------------------------------------------- decode


def test_decode_reads_any_token_without_a_request_and_without_checking_it() -> None:
    client = DecartClient("dct_x", transport=FakeTransport())
    for token in (SIGNER.sign(exp=1000, aud="x"), Signer("other").sign(exp=1000), SIGNER.sign(exp=1000)[:-5] + "AAAAA"):
        said = client.tokens.decode(token)
        assert (said.subject, said.expires_at) == ("user_1", datetime.fromtimestamp(1000, UTC))
        assert not isinstance(said, VerifiedClientToken)


def test_decode_needs_no_extra() -> None:
    script = (
        "import sys; sys.modules['jwt'] = sys.modules['cryptography'] = None; import decart; "
        f"print(decart.DecartClient('dct_x').tokens.decode('{SIGNER.sign(sub='user_9')}').subject)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("user_9\n", "")


def test_decode_needs_no_await() -> None:
    client = AsyncDecartClient("dct_x", transport=FakeTransport())
    assert client.tokens.decode(SIGNER.sign()).subject == "user_1"


def test_decode_reads_text_of_any_language() -> None:
    token = SIGNER.sign(attribution={"note": "héllo ✓"})
    said = client_of(FakeTransport()).tokens.decode(token).claims
    assert said["attribution"] == {"note": "héllo ✓"}


def test_decode_takes_a_token_whose_time_cannot_be_one_for_none() -> None:
    head, _, signature = SIGNER.sign().split(".")
    client = client_of(FakeTransport())
    with pytest.raises(TokenDecodeError):
        client.tokens.decode(f"{head}.{part({'exp': 10**30})}.{signature}")
    assert client.tokens.decode(f"{head}.{part({'exp': True})}.{signature}").expires_at is None

"""ACME's messages: signed as RFC 7515 has it, read strictly, and whatever comes gives our error."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.acme import (
    MAX_ANSWER,
    AcmeError,
    AcmeKey,
    Authorization,
    Challenge,
    Directory,
    Identifier,
    Order,
    read_answer,
    read_problem,
    signed,
)

PRIVATE = ec.derive_private_key(7**90, ec.SECP256R1())
NUMBERS = PRIVATE.public_key().public_numbers()
KEY = AcmeKey(
    NUMBERS.x.to_bytes(32, "big"),
    NUMBERS.y.to_bytes(32, "big"),
    lambda data: PRIVATE.sign(data, ec.ECDSA(SHA256())),
)


def unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@given(
    st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.none() | st.text(max_size=20),
)
def test_a_request_is_signed(payload, account):
    body = json.loads(signed(KEY, "https://ca.example/new", "nonce-1", payload, account))
    header = json.loads(unpad(body["protected"]))
    assert (header["alg"], header["nonce"], header["url"]) == ("ES256", "nonce-1", "https://ca.example/new")
    assert header.get("kid") == account
    assert ("jwk" in header) == (account is None)
    assert (json.loads(unpad(body["payload"])) if body["payload"] else None) == payload
    raw = unpad(body["signature"])
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    PRIVATE.public_key().verify(der, f"{body['protected']}.{body['payload']}".encode(), ec.ECDSA(SHA256()))


def test_the_thumbprint_is_that_of_rfc_7638():
    """Computed beside by the letter of section 3: members in order, no white space."""
    import hashlib

    text = json.dumps(dict(sorted(KEY.jwk.items())), separators=(",", ":"))
    thumb = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert KEY.authorization("token") == f"token.{thumb}"


@given(st.binary(max_size=200), st.sampled_from([Directory, Order, Authorization]))
def test_garbage_gives_our_error(data, kind):
    with pytest.raises(AcmeError):
        read_answer(data, kind)
    assert read_problem(400, data).cause


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(["status", "authorizations", "finalize", "certificate", "error", "x"]), json_values
    )
)
def test_any_json_is_an_order_or_our_error(value):
    try:
        found = read_answer(json.dumps(value).encode(), Order)
    except AcmeError:
        return
    assert found.status == value["status"]


def test_a_large_answer_is_refused():
    with pytest.raises(AcmeError):
        read_answer(b" " * (MAX_ANSWER + 1), Order)


def test_only_a_proper_token_is_answered():
    token = "a" * 22
    ways = (Challenge("dns-01", "https://x", token=token), Challenge("http-01", "https://x", token=token))
    assert Authorization(Identifier("dns", "a.example"), "pending", ways).http() == ways[1]
    for bad in ("a" * 21, "a" * 20 + "/.", "../" * 8, ""):
        with pytest.raises(AcmeError):
            Authorization(
                Identifier("dns", "a.example"), "pending", (Challenge("http-01", "u", token=bad),)
            ).http()


def test_a_problem_is_said_in_its_words():
    error = read_problem(
        429, b'{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "Too many\\u202e certificates."}'
    )
    assert "rateLimited" in error.cause
    assert "Too many? certificates" in error.cause
    assert read_problem(400, b'{"type": "urn:ietf:params:acme:error:badNonce"}').code == "acme.bad-nonce"

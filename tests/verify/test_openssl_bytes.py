"""Signatures, certificates and time-stamps that openssl made."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.openssl_bytes import OpenSsl

from ecluse_verify.certificates import chain, load_pem
from ecluse_verify.cms import signed_data, signer_of
from ecluse_verify.mime import read_entity
from ecluse_verify.receipts import signed_entity
from ecluse_verify.stamps import read_token
from ecluse_verify.text import Bad

CONTENT = b"Content-Type: text/plain\r\n\r\nten crates\r\n" * 3


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    made = OpenSsl(tmp_path_factory.mktemp("openssl"))
    made.authority("root")
    made.certificate("rsa", "root", "rsa")
    made.certificate("ec", "root", "ec")
    made.certificate("stamper", "root", "ec", "stamps")
    made.certificate("other", "root", "ec")
    (made.folder / "content").write_bytes(CONTENT)
    return made


def _digest(data: bytes = CONTENT):
    return lambda name: hashlib.new(name, data).digest()


SIGN = ("cms", "-sign", "-in", "content", "-binary", "-outform", "DER", "-out", "signed")
WAYS = {
    "rsa": ("-signer", "rsa.pem", "-inkey", "rsa.key"),
    "rsa sha512": ("-signer", "rsa.pem", "-inkey", "rsa.key", "-md", "sha512"),
    "rsa sha1": ("-signer", "rsa.pem", "-inkey", "rsa.key", "-md", "sha1"),
    "pss": ("-signer", "rsa.pem", "-inkey", "rsa.key", "-keyopt", "rsa_padding_mode:pss"),
    "ecdsa": ("-signer", "ec.pem", "-inkey", "ec.key"),
    "by key id": ("-signer", "ec.pem", "-inkey", "ec.key", "-keyid"),
    "without attributes": ("-signer", "ec.pem", "-inkey", "ec.key", "-noattr"),
    "rsa without attributes": ("-signer", "rsa.pem", "-inkey", "rsa.key", "-noattr"),
    "two signers": ("-signer", "rsa.pem", "-inkey", "rsa.key", "-signer", "ec.pem", "-inkey", "ec.key"),
    "BER": ("-signer", "ec.pem", "-inkey", "ec.key", "-stream"),
    "cades": ("-signer", "ec.pem", "-inkey", "ec.key", "-cades"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("within", [False, True])
def test_signatures(openssl: OpenSsl, way: str, within: bool) -> None:
    openssl(*SIGN, *WAYS[way], *(["-nodetach"] if within else []))
    data = openssl.read("signed")
    cms = signed_data(data)
    assert cms.content == (CONTENT if within or way == "BER" else None)
    for signature in cms.signatures:
        certificate = signer_of(signature, cms.certificates)
        signature.check(certificate, _digest())
        with pytest.raises(Bad, match="cms"):
            signature.check(certificate, _digest(CONTENT + b"x"))
        other = load_pem(openssl.read("other.pem"))[0]
        with pytest.raises(Bad, match="cms"):
            signature.check(other, _digest())
        if signature.attributes is not None:
            assert signature.signing_time is not None
            assert abs((signature.signing_time - datetime.now(UTC)).total_seconds()) < 600


def test_no_octet_of_a_signature_can_change_without_showing(openssl: OpenSsl) -> None:
    openssl(*SIGN, *WAYS["ecdsa"])
    data = openssl.read("signed")
    known = load_pem(openssl.read("ec.pem"))
    signature = signed_data(data).signatures[0]
    unsigned = 0
    assert signature.attributes is not None
    start = data.index(signature.attributes.raw)
    for place in range(start, len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x11
        try:
            for each in signed_data(bytes(changed)).signatures:
                each.check(signer_of(each, known), _digest())
            unsigned += 1
        except Bad:
            continue
    assert unsigned <= 1, (
        "but for the tag of a null, which means nothing, everything from the attributes on is bound"
    )


def test_multipart_signed_and_opaque(openssl: OpenSsl) -> None:
    for options in ((), ("-nodetach",)):
        openssl("cms", "-sign", "-in", "content", "-binary", *options, *WAYS["ecdsa"], "-outform", "SMIME", "-crlfeol",
                "-out", "mail")  # fmt: skip
        found = signed_entity(read_entity(openssl.read("mail")))
        assert found is not None
        assert found.content == CONTENT
        for each in found.cms.signatures:
            each.check(signer_of(each, found.cms.certificates), found.digest)


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_time_stamps(openssl: OpenSsl, digest: str, token: bool) -> None:
    found = read_token(openssl.stamp("stamper", b"a head", digest, token=token))
    root = load_pem(openssl.read("root.pem"))
    value = hashlib.new(digest, b"a head").digest()
    certificate, trusted = found.check(value, [], root)
    assert trusted
    assert found.digest == digest
    assert certificate == load_pem(openssl.read("stamper.pem"))[0]
    assert found.check(value, [], [])[1] is False
    with pytest.raises(Bad, match=r"stamp\.imprint"):
        found.check(hashlib.new(digest, b"another").digest(), [], root)


def test_a_chain_ends_at_what_is_trusted(openssl: OpenSsl) -> None:
    root, leaf, other = (load_pem(openssl.read(f"{name}.pem"))[0] for name in ("root", "ec", "other"))
    now = datetime.now(UTC)
    assert chain(leaf, [], [root], now) == [leaf, root]
    assert chain(leaf, [root], [leaf], now) == [leaf]
    assert chain(leaf, [root], [other], now) is None
    assert chain(leaf, [], [root], datetime(2019, 1, 1, tzinfo=UTC)) is None
    assert isinstance(root, x509.Certificate)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5_000), st.binary(max_size=4))
def test_damaged_signatures_are_refused_in_our_way(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: bytes
) -> None:
    data = _sample(tmp_path_factory)
    at %= len(data)
    try:
        cms = signed_data(data[:at] + put + data[at + len(put) :])
        for each in cms.signatures:
            each.check(signer_of(each, cms.certificates), _digest())
    except Bad:
        pass
    assert data[0] == 0x30


_made: list[bytes] = []


def _sample(factory: pytest.TempPathFactory) -> bytes:
    if not _made:
        made = OpenSsl(factory.mktemp("sample"))
        made.authority("root")
        made.certificate("ec", "root")
        Path(made.folder / "content").write_bytes(CONTENT)
        made(*SIGN, *WAYS["BER"])
        _made.append(made.read("signed"))
    return _made[0]

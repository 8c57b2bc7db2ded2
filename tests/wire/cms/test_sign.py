"""Detached signatures: their attributes, every scheme, and what openssl makes of them."""

from __future__ import annotations

import hashlib
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests.support.cms_keys import NOW, Openssl, certificate, needs_openssl, private_key

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._schemes import SCHEMES
from ecluse.wire.cms.errors import AlgorithmForbidden, CertificateMismatch, UnsupportedAlgorithm
from ecluse.wire.cms.keys import signer_for
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.sign import digest_for, digests_needed, sign_detached

CONTENT = b"Content-Type: application/edi-x12\r\n\r\nISA*00*"
DIGESTS = {name: hashlib.new(name, CONTENT).digest() for name in ("sha256", "sha384", "sha512")}


def signer(kind: str, scheme: str | None = None):
    return signer_for(private_key(kind), certificate(kind), scheme)


def signed_data(*kinds: str, now: int = NOW, **options) -> asn1.Element:
    message = sign_detached(DIGESTS, [signer(kind) for kind in kinds], now=now, **options)
    outer = asn1.parse(message)
    assert outer.is_der_length()
    assert outer.children[0].as_oid() == oids.SIGNED_DATA
    return outer.children[1].children[0]


def attributes(info: asn1.Element) -> dict[str, asn1.Element]:
    return {a.children[0].as_oid(): a.children[1].children[0] for a in info.children[3].children}


def test_the_attributes_are_those_of_the_rfc():
    (info,) = signed_data("rsa").children[-1].children
    found = attributes(info)
    assert found[oids.CONTENT_TYPE].as_oid() == oids.DATA
    assert found[oids.MESSAGE_DIGEST].as_octets() == DIGESTS["sha256"]
    assert found[oids.SIGNING_TIME].content == b"260921141320Z"
    protected = found[oids.ALGORITHM_PROTECTION].children
    assert protected[0].raw == info.children[2].raw
    assert protected[1].content == info.children[4].content
    assert len(found) == 4


def test_what_a_partner_refuses_is_left_out():
    signed = signed_data("rsa", algorithm_protection=False, include_certificates=False)
    (info,) = signed.children[-1].children
    assert oids.ALGORITHM_PROTECTION not in attributes(info)
    assert len(signed.children) == 4


def test_the_certificate_goes_along():
    assert signed_data("p256").children[3].content == certificate("p256").public_bytes(Encoding.DER)


def test_capabilities_name_the_ciphers_read_here():
    (info,) = signed_data("rsa", capabilities=True).children[-1].children
    named = [one.children[0].as_oid() for one in attributes(info)[oids.SMIME_CAPABILITIES].children]
    assert named[0] == oids.AES256_GCM
    assert oids.DES_EDE3_CBC not in named


def test_a_content_type_of_its_own_changes_the_version():
    signed = signed_data("rsa", content_type="1.2.3.4")
    assert signed.children[0].as_int() == 3
    assert attributes(signed.children[-1].children[0])[oids.CONTENT_TYPE].as_oid() == "1.2.3.4"


def test_after_2049_the_signing_time_is_a_generalized_time():
    (info,) = signed_data("ed25519", now=2_600_000_000).children[-1].children
    signing_time = attributes(info)[oids.SIGNING_TIME]
    assert (signing_time.tag, signing_time.content) == (asn1.GENERALIZED_TIME, b"20520522141320Z")


@pytest.mark.parametrize(
    "kind, digest_oid",
    [
        ("ed25519", oids.SHA512),
        ("ml-dsa-44", oids.SHA256),
        ("ml-dsa-65", oids.SHA384),
        ("ml-dsa-87", oids.SHA512),
    ],
)
def test_pure_schemes_sign_the_attributes_themselves(kind, digest_oid):
    (info,) = signed_data(kind).children[-1].children
    assert info.children[2].children[0].as_oid() == digest_oid
    to_verify = b"\x31" + info.children[3].raw[1:]
    private_key(kind).public_key().verify(info.children[5].as_octets(), to_verify)
    assert info.children[4].children[0].as_oid() == certificate(kind).public_key_algorithm_oid.dotted_string
    assert len(info.children[4].children) == 1


def test_signers_with_several_digests_declare_each_once():
    signed = signed_data("rsa", "ed25519", "p256", "ml-dsa-87")
    declared = {one.children[0].as_oid() for one in signed.children[1].children}
    assert declared == {oids.SHA256, oids.SHA512}
    assert len(signed.children[1].children) == 2
    assert len(signed.children[-1].children) == 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_digest_is_weaker_than_wanted(scheme):
    strength = ["sha256", "sha384", "sha512"]
    for wanted in strength:
        assert strength.index(digest_for(scheme, wanted)) >= strength.index(wanted)
    for weak in ("sha1", "md5", "sha224", ""):
        with pytest.raises(AlgorithmForbidden):
            digest_for(scheme, weak)


def test_the_digests_to_make_are_known_beforehand():
    assert digests_needed([signer("rsa"), signer("ml-dsa-65"), signer("p256")]) == ("sha256", "sha384")


def test_a_signer_is_bound_to_its_key():
    with pytest.raises(CertificateMismatch):
        signer_for(private_key("rsa"), certificate("rsa-other"))
    with pytest.raises(CertificateMismatch):
        signer_for(private_key("p256"), certificate("rsa"))
    with pytest.raises(UnsupportedAlgorithm):
        signer_for(private_key("p256"), certificate("p256"), "rsa-pss")
    with pytest.raises(UnsupportedAlgorithm):
        signer_for(private_key("x25519"), certificate("x25519"))
    with pytest.raises(AlgorithmForbidden):
        signer_for(private_key("rsa-1024"), certificate("rsa-1024"))


def test_curves_that_are_not_read_do_not_sign():
    with pytest.raises(UnsupportedAlgorithm):
        signer_for(private_key("brainpool"), certificate("brainpool"))


@needs_openssl
def test_a_certificate_for_pss_alone_signs_with_pss(tmp_path):
    options = ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-noenc", "-subj", "/CN=Aster"]
    subprocess.run(
        ["openssl", "req", "-x509", *options, "-keyout", "key", "-out", "certificate"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    pss = x509.load_pem_x509_certificate((tmp_path / "certificate").read_bytes())
    key = load_pem_private_key((tmp_path / "key").read_bytes(), None)
    assert signer_for(key, pss).scheme == "rsa-pss"
    with pytest.raises(UnsupportedAlgorithm):
        signer_for(key, pss, "rsa-pkcs1")
    with pytest.raises(UnsupportedAlgorithm):
        for_certificate(pss)


def test_a_signer_does_not_show_its_key():
    assert repr(signer("rsa")).count("_sign") == 0


@needs_openssl
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    "kind, scheme",
    [("rsa", "rsa-pkcs1"), ("rsa", "rsa-pss"), ("p256", "ecdsa"), ("p384", "ecdsa"), ("p521", "ecdsa")],
)
def test_openssl_verifies_a_detached_signature(tmp_path, kind, scheme, digest):
    openssl = Openssl(tmp_path)
    message = sign_detached(DIGESTS, [signer(kind, scheme)], digest=digest, now=NOW, capabilities=True)
    openssl.write("message", message)
    openssl.write("content", CONTENT)
    arguments = ["-inform", "DER", "-in", "message", "-content", "content", "-CAfile", "authority.pem"]
    assert openssl.cms("-verify", *arguments, "-purpose", "any") == CONTENT


@needs_openssl
def test_openssl_verifies_several_signers_without_certificates(tmp_path):
    openssl = Openssl(tmp_path)
    openssl.write("content", CONTENT)
    for kind in ("rsa", "p256"):
        openssl.give(kind)
    both = (tmp_path / "rsa.pem").read_bytes() + (tmp_path / "p256.pem").read_bytes()
    openssl.write("both.pem", both)
    signers = [signer("rsa"), signer("p256"), signer("rsa", "rsa-pss")]
    message = sign_detached(DIGESTS, signers, now=NOW, include_certificates=False, algorithm_protection=False)
    openssl.write("message", message)
    arguments = ["-inform", "DER", "-in", "message", "-content", "content", "-certfile", "both.pem"]
    assert openssl.cms("-verify", *arguments, "-CAfile", "authority.pem", "-purpose", "any") == CONTENT

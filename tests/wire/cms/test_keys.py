"""Private keys: what openssl and the writers wrapped is unwrapped, and every failure looks alike."""

from __future__ import annotations

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.x509 import SubjectKeyIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.support.cms_keys import NOW, Openssl, certificate, needs_openssl, private_key

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._keywrap import HKDFS, algorithm, kem_other_info
from ecluse.wire.cms.errors import (
    AlgorithmForbidden,
    DecryptionFailed,
    Malformed,
    UnsupportedAlgorithm,
)
from ecluse.wire.cms.events import (
    AlgorithmIdentifier,
    Content,
    KeyNeeded,
    LayerEnded,
    Recipient,
    RecipientKind,
    Signers,
)
from ecluse.wire.cms.keys import matches, signer_for, unwrap
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.sign import sign_detached
from ecluse.wire.cms.verify import verify
from ecluse.wire.cms.writer import CIPHERS, CompressedWriter, EnvelopedWriter, Nested, SignedWriter

CONTENT = hashlib.shake_128(b"content").digest(200_000)
CEK = bytes(range(32))

WAYS = [
    ("rsa", "pkcs1"),
    ("rsa", "oaep-sha1"),
    ("rsa", "oaep-sha256"),
    ("p256", "pkcs1"),
    ("p384", "pkcs1"),
    ("p521", "pkcs1"),
    ("x25519", "pkcs1"),
    ("ml-kem-768", "pkcs1"),
    ("ml-kem-1024", "pkcs1"),
]


def enveloped(kind: str, padding: str = "pkcs1", cipher: str = "aes-256-cbc") -> bytes:
    stage = EnvelopedWriter(
        [for_certificate(certificate(kind), padding=padding)], cipher, entropy=lambda count: CEK[:count]
    )
    return stage.start() + stage.feed(CONTENT) + stage.finish()


def key_needed(message: bytes) -> KeyNeeded:
    (event,) = [event for event in Reader().feed(message) if isinstance(event, KeyNeeded)]
    return event


def opened(message: bytes, kind: str, allowed: frozenset[str] = frozenset()) -> bytes:
    """The content of an enveloped message: the first recipient that names our certificate is unwrapped."""
    reader = Reader()
    events = reader.feed(message)
    needed = next(event for event in events if isinstance(event, KeyNeeded))
    (mine,) = [
        one
        for one in needed.recipients
        if matches(one, certificate(kind)) or matches(one, certificate(kind, key_id=True))
    ]
    events = reader.supply_key(unwrap(mine, private_key(kind), allowed=allowed)) + reader.close()
    assert isinstance(events[-1], LayerEnded)
    return b"".join(event.data for event in events if isinstance(event, Content))


def inner(message: bytes) -> tuple[bytes, list]:
    """The content of a layer without a key, and all of its events."""
    reader = Reader()
    events = reader.feed(message) + reader.close()
    return b"".join(event.data for event in events if isinstance(event, Content)), events


# --- our own messages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("kind, padding", WAYS)
def test_what_is_wrapped_is_unwrapped(kind, padding, cipher):
    assert opened(enveloped(kind, padding, cipher), kind) == CONTENT


def test_each_of_several_recipients_finds_its_own():
    kinds = ["rsa", "p256", "x25519", "ml-kem-768", "rsa-other"]
    stage = EnvelopedWriter(
        [for_certificate(certificate(kind)) for kind in kinds], "aes-256-gcm", entropy=os.urandom
    )
    message = stage.start() + stage.feed(CONTENT) + stage.finish()
    for kind in kinds:
        assert opened(message, kind) == CONTENT


def test_layers_nest_in_any_order():
    signer = signer_for(private_key("p256"), certificate("p256"))

    def envelope():
        return EnvelopedWriter([for_certificate(certificate("rsa"))], "aes-128-gcm", entropy=os.urandom)

    def signature():
        return SignedWriter([signer], now=NOW)

    makers = {"e": envelope, "s": signature, "c": CompressedWriter}
    for order in ("es", "se", "esc", "ces", "sce", "cse", "ecse", "sesc"):
        stage = Nested(*(makers[letter]() for letter in order))
        message = stage.start() + stage.feed(CONTENT[:5]) + stage.feed(CONTENT[5:]) + stage.finish()
        for letter in reversed(order):
            if letter == "e":
                message = opened(message, "rsa")
                continue
            message, events = inner(message)
            if letter == "s":
                (end,) = [event for event in events if isinstance(event, Signers)]
                verify(end.signers[0], end.content_type, end.digests, certificate("p256"))
        assert message == CONTENT


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_another_content_type_is_kept(cipher):
    stage = EnvelopedWriter(
        [for_certificate(certificate("rsa"))],
        cipher,
        entropy=lambda count: CEK[:count],
        content_type="1.2.3.4",
    )
    reader = Reader()
    reader.feed(stage.start() + stage.feed(CONTENT) + stage.finish())
    *_, end = reader.supply_key(CEK) + reader.close()
    assert (end.content_type, end.content_size) == ("1.2.3.4", len(CONTENT))


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    "kind, scheme",
    [
        ("rsa", "rsa-pkcs1"),
        ("rsa", "rsa-pss"),
        ("p256", "ecdsa"),
        ("p521", "ecdsa"),
        ("ed25519", None),
        ("ml-dsa-44", None),
        ("ml-dsa-65", None),
        ("ml-dsa-87", None),
    ],
)
@pytest.mark.parametrize("detached", [True, False])
def test_what_is_signed_verifies(kind, scheme, digest, detached):
    signer = signer_for(private_key(kind), certificate(kind), scheme)
    digests = {name: hashlib.new(name, CONTENT).digest() for name in ("sha256", "sha384", "sha512")}
    if detached:
        message = sign_detached(digests, [signer], digest=digest, now=NOW)
    else:
        stage = SignedWriter([signer], digest=digest, now=NOW)
        message = stage.start() + stage.feed(CONTENT) + stage.finish()
    _, events = inner(message)
    (end,) = [event for event in events if isinstance(event, Signers)]
    assert end.detached is detached
    verified = verify(end.signers[0], end.content_type, end.digests or digests, certificate(kind))
    assert verified.signed_attributes


# --- openssl's messages -------------------------------------------------------------------------------------

RSA_OPTIONS = [
    [],
    ["-keyopt", "rsa_padding_mode:oaep"],
    *(
        ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{md}", "-keyopt", f"rsa_mgf1_md:{mgf}"]
        for md, mgf in [
            ("sha1", "sha1"),
            ("sha224", "sha224"),
            ("sha256", "sha256"),
            ("sha256", "sha1"),
            ("sha384", "sha384"),
            ("sha512", "sha512"),
            ("sha512", "sha256"),
        ]
    ),
    ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_label:6c6162656c"],
]


def encrypted(openssl: Openssl, kind: str, *options: str) -> bytes:
    openssl.give(kind, key_id="-keyid" in options)
    openssl.write("content", CONTENT)
    arguments = ["-encrypt", "-in", "content", "-outform", "DER", "-recip", f"{kind}.pem"]
    return openssl.cms(*arguments, *options)


@needs_openssl
@pytest.mark.parametrize("cipher", ["-aes128", "-aes-256-gcm"])
@pytest.mark.parametrize("options", RSA_OPTIONS, ids=lambda options: " ".join(options[1::2]) or "pkcs1")
def test_rsa_recipients_of_openssl(tmp_path, options, cipher):
    assert opened(encrypted(Openssl(tmp_path), "rsa", *options, cipher), "rsa") == CONTENT


@needs_openssl
@pytest.mark.parametrize("cofactor", ["0", "1"])
@pytest.mark.parametrize("md", ["sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
def test_elliptic_recipients_of_openssl(tmp_path, kind, md, cofactor):
    options = ["-keyopt", f"ecdh_kdf_md:{md}", "-keyopt", f"ecdh_cofactor_mode:{cofactor}", "-aes256"]
    assert opened(encrypted(Openssl(tmp_path), kind, *options), kind) == CONTENT


@needs_openssl
@pytest.mark.parametrize("wrap", ["-aes128-wrap", "-aes192-wrap", "-aes256-wrap"])
def test_key_wraps_of_openssl(tmp_path, wrap):
    options = ["-keyopt", "ecdh_kdf_md:sha256", wrap, "-aes192"]
    assert opened(encrypted(Openssl(tmp_path), "p256", *options), "p256") == CONTENT


@needs_openssl
@pytest.mark.parametrize("cofactor", ["0", "1"])
def test_derivation_with_sha1_is_done_by_name_only(tmp_path, cofactor):
    options = ["-keyopt", f"ecdh_cofactor_mode:{cofactor}", "-keyopt", "ecdh_kdf_md:sha1", "-aes256"]
    message = encrypted(Openssl(tmp_path), "p256", *options)
    with pytest.raises(AlgorithmForbidden):
        opened(message, "p256")
    assert opened(message, "p256", frozenset({"sha-1"})) == CONTENT


@needs_openssl
@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_recipients_named_by_key_identifier(tmp_path, kind):
    options = ["-keyopt", "ecdh_kdf_md:sha256"] if kind == "p256" else []
    message = encrypted(Openssl(tmp_path), kind, "-keyid", *options, "-aes256")
    (recipient,) = key_needed(message).recipients
    assert recipient.key_id == b"key id of " + kind.encode()
    assert opened(message, kind) == CONTENT
    assert not matches(recipient, certificate(kind))


def test_the_example_of_the_rfc_for_ml_kem():
    """RFC 9936 appendix C.1, from the shared secret on."""
    secret = bytes.fromhex("7DF12D412AE299A24FDE6D7C3BB8E3194C80AD3C733DCF2775E09FE8BEDB86D8")
    info = kem_other_info(algorithm(oids.AES128_WRAP), None, 16)
    assert info == bytes.fromhex("3010300B0609608648016503040105020110")
    kek = HKDFS[oids.HKDF_SHA256](secret, info, 16)
    assert kek == bytes.fromhex("CF453A3E2BAE0A78701B8206C185A008")
    wrapped = bytes.fromhex("C050E4392F9C14DD0AC2220203F317D701F94F9DD92778F5")
    assert aes_key_unwrap(kek, wrapped) == bytes.fromhex("C5153005588269A0A59F3C01943FDD56")


# --- whose it is --------------------------------------------------------------------------------------------


def test_matching():
    (recipient,) = key_needed(enveloped("rsa")).recipients
    assert matches(recipient, certificate("rsa"))
    assert not matches(recipient, certificate("rsa-other"))
    assert not matches(replace(recipient, serial=1), certificate("rsa"))
    assert not matches(replace(recipient, issuer=b"\x30\x00"), certificate("rsa"))
    assert not matches(replace(recipient, issuer=b"\x30\x05"), certificate("rsa"))
    assert not matches(replace(recipient, issuer=None, serial=None), certificate("rsa"))


def test_a_certificate_without_key_identifier_has_the_usual_one():
    (recipient,) = key_needed(enveloped("p256")).recipients
    bits = private_key("p256").public_key()

    usual = replace(
        recipient, issuer=None, serial=None, key_id=SubjectKeyIdentifier.from_public_key(bits).digest
    )
    assert matches(usual, certificate("p256"))
    assert not matches(usual, certificate("p256-other"))
    assert not matches(usual, certificate("p256", key_id=True))


def test_keys_that_cannot_encrypt_are_refused():
    for kind in ("ed25519", "ml-dsa-44", "brainpool"):
        with pytest.raises(UnsupportedAlgorithm):
            for_certificate(certificate(kind))
    with pytest.raises(AlgorithmForbidden):
        for_certificate(certificate("rsa-1024"))
    assert for_certificate(certificate("rsa-1024"), allowed=frozenset({"rsa-1024"})).version == 0


# --- failures -----------------------------------------------------------------------------------------------


def result(recipient: Recipient, kind: str):
    """What a whole decryption says in the end."""
    reader = Reader()
    reader.feed(enveloped("rsa", cipher="aes-256-gcm"))
    try:
        reader.supply_key(unwrap(recipient, private_key(kind)))
        reader.close()
    except EcluseError as error:
        return error.as_dict()
    return None


ONE_ERROR = DecryptionFailed().as_dict()
OTHER_KEY = {
    "rsa": "rsa-other",
    "p256": "p256-other",
    "p384": "p256",
    "p521": "rsa",
    "x25519": "x25519-other",
    "ml-kem-768": "ml-kem-768-other",
    "ml-kem-1024": "ml-kem-768",
}


@pytest.mark.parametrize("kind, padding", WAYS)
def test_a_wrong_key_gives_the_one_error(kind, padding):
    (recipient,) = key_needed(enveloped(kind, padding)).recipients
    for wrong in (OTHER_KEY[kind], "ed25519"):
        assert result(recipient, wrong) == ONE_ERROR


@pytest.mark.parametrize("kind, padding", WAYS)
def test_a_damaged_wrapped_key_gives_the_one_error(kind, padding):
    (recipient,) = key_needed(enveloped(kind, padding)).recipients
    assert unwrap(recipient, private_key(kind)) == CEK
    wrapped = recipient.encrypted_key
    for damaged in (
        wrapped[:-1] + bytes((wrapped[-1] ^ 1,)),
        wrapped[:-1],
        wrapped + b"\0",
        b"",
        b"\0" * len(wrapped),
        b"\xff" * len(wrapped),
    ):
        assert result(replace(recipient, encrypted_key=damaged), kind) == ONE_ERROR


def test_bad_pkcs1_padding_is_not_to_be_seen():
    (recipient,) = key_needed(enveloped("rsa")).recipients
    wrapped = recipient.encrypted_key
    for last in range(1, 30):
        damaged = replace(recipient, encrypted_key=wrapped[:-1] + bytes((wrapped[-1] ^ last,)))
        first, second = unwrap(damaged, private_key("rsa")), unwrap(damaged, private_key("rsa"))
        assert first == second != CEK


@pytest.mark.parametrize("kind", ["p256", "x25519"])
@pytest.mark.parametrize(
    "point", [b"", b"\0", b"\0\x04" + bytes(64), b"\0" + bytes(32), b"\x07\x04", b"\0\0"]
)
def test_a_bad_ephemeral_key_gives_the_one_error(kind, point):
    (recipient,) = key_needed(enveloped(kind)).recipients
    spki = asn1.sequence(asn1.sequence(asn1.oid(oids.X25519)), asn1.encode(asn1.BIT_STRING, point))
    for originator in (spki, asn1.sequence(), b"\x30", None):
        assert result(replace(recipient, originator=originator), kind) == ONE_ERROR


def test_a_bad_encapsulation_gives_the_one_error():
    (recipient,) = key_needed(enveloped("ml-kem-768")).recipients
    ciphertext = recipient.kem_ciphertext
    for change in (
        {"kem_ciphertext": ciphertext[:-1] + bytes((ciphertext[-1] ^ 1,))},
        {"kem_ciphertext": ciphertext[1:]},
        {"kem_ciphertext": None},
        {"kek_length": 16},
        {"ukm": b"other"},
        {"kdf": AlgorithmIdentifier(oids.HKDF_SHA512)},
    ):
        assert result(replace(recipient, **change), "ml-kem-768") == ONE_ERROR


@pytest.mark.parametrize("kind", ["p256", "x25519", "ml-kem-768"])
def test_unknown_wraps_and_derivations_are_named(kind):
    (recipient,) = key_needed(enveloped(kind)).recipients
    unknown = AlgorithmIdentifier("1.2.3.4")
    for change in ({"wrap": unknown}, {"wrap": None}, {"algorithm": unknown}):
        with pytest.raises(UnsupportedAlgorithm):
            unwrap(replace(recipient, **change), private_key(kind))
    with pytest.raises(UnsupportedAlgorithm):
        unwrap(replace(recipient, kind=RecipientKind.OTHER), private_key(kind))


parameters = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.builds(
        lambda tag, inner: asn1.sequence(asn1.explicit(tag, inner)),
        st.integers(0, 3),
        st.one_of(
            st.binary(max_size=20),
            st.just(asn1.sequence(asn1.oid(oids.MGF1))),
            st.just(asn1.sequence(asn1.oid(oids.MGF1), asn1.sequence())),
            st.just(asn1.sequence(asn1.oid(oids.P_SPECIFIED), asn1.octets(b""))),
            st.just(asn1.sequence(asn1.oid(oids.SHA3_256))),
        ),
    ),
)


@settings(max_examples=200, deadline=None)
@given(parameters=parameters)
def test_any_oaep_parameters_give_our_errors(parameters):
    recipient = Recipient(
        RecipientKind.KEY_TRANSPORT,
        None,
        None,
        None,
        AlgorithmIdentifier(oids.RSAES_OAEP, parameters),
        bytes(256),
    )
    with pytest.raises((DecryptionFailed, Malformed, UnsupportedAlgorithm)):
        unwrap(recipient, private_key("rsa"))


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(["rsa", "p256", "x25519", "ml-kem-768", "ed25519"]),
    how=st.sampled_from(list(RecipientKind)),
    algorithm=st.sampled_from(
        [oids.RSA_ENCRYPTION, oids.RSAES_OAEP, oids.DH_STD_SHA256_KDF, oids.ML_KEM_768]
    ),
    octets=st.binary(max_size=80),
)
def test_any_recipient_gives_our_errors(kind, how, algorithm, octets):
    recipient = Recipient(
        how,
        octets,
        0,
        None,
        AlgorithmIdentifier(algorithm, octets),
        octets,
        originator=octets,
        ukm=octets,
        kem_ciphertext=octets,
        kdf=AlgorithmIdentifier(oids.HKDF_SHA256),
        kek_length=len(octets),
        wrap=AlgorithmIdentifier(oids.AES256_WRAP, octets),
    )
    assert not matches(recipient, certificate("rsa"))
    with pytest.raises((DecryptionFailed, Malformed, UnsupportedAlgorithm)):
        unwrap(recipient, private_key(kind))

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from msgspec.structs import replace
from tests.support import cms
from tests.support.certs import Identity, make_identity

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import (
    AlgorithmForbidden,
    BadSignature,
    CertificateMismatch,
    CmsError,
    Malformed,
    UnsupportedAlgorithm,
)
from ecluse.wire.cms.events import AlgorithmIdentifier, SignerInfo, Signers
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import read_detached
from ecluse.wire.cms.verify import Verified, names_certificate, verify

TEXT = b"UNB+UNOC:3+BIRCH+ASTER'" * 5
SHA1 = frozenset({"sha-1"})


def read_signer(info: bytes) -> SignerInfo:
    signers = cms.event_of(cms.read(cms.signed(b"", [info], detached=True)), Signers)
    assert isinstance(signers, Signers)
    return signers.signers[0]


def signer_of(identity: Identity, **how: object) -> SignerInfo:
    return read_signer(cms.signer_info(identity, TEXT, **how))  # type: ignore[arg-type]


def check(
    signer: SignerInfo,
    identity: Identity,
    *,
    text: bytes = TEXT,
    content_type: str = oids.DATA,
    names: tuple[str, ...] = ("sha1", "sha256", "sha384", "sha512"),
    **how: object,
) -> Verified:
    digests = {name: hashlib.new(name, text).digest() for name in names}
    return verify(signer, content_type, digests, identity.certificate, **how)  # type: ignore[arg-type]


KEYS = [
    ("rsa", "rsa", "rsa-2048"),
    ("rsa-3072", "rsa", "rsa-3072"),
    ("ec-p256", "ecdsa", "ecdsa-256"),
    ("ec-p384", "ecdsa", "ecdsa-384"),
    ("ec-p521", "ecdsa", "ecdsa-521"),
    ("ed25519", "ed25519", "ed25519"),
    ("ml-dsa-44", "ml-dsa-44", "ml-dsa-44"),
    ("ml-dsa-65", "ml-dsa-65", "ml-dsa-65"),
    ("ml-dsa-87", "ml-dsa-87", "ml-dsa-87"),
]


@pytest.mark.parametrize("kind,scheme,words", KEYS)
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("with_attributes", [True, False])
def test_every_kind_of_key(kind: str, scheme: str, words: str, digest: str, with_attributes: bool) -> None:
    aster = make_identity("Aster", kind)
    signer = signer_of(aster, digest=digest, attributes="usual" if with_attributes else None)
    found = check(signer, aster, content=None if with_attributes or scheme in ("rsa", "ecdsa") else TEXT)
    time = "260102030405Z" if with_attributes else None
    assert found == Verified(digest, scheme, words, with_attributes, time)
    for change in (
        {"signature": signer.signature[:-1] + bytes((signer.signature[-1] ^ 1,))},
        {"signature": b""},
        {"signature": signer.signature + b"\0"},
    ):
        with pytest.raises(BadSignature):
            check(replace(signer, **change), aster, content=TEXT)
    with pytest.raises(BadSignature):
        check(signer, aster, text=TEXT + b"x", content=TEXT + b"x")


@pytest.mark.parametrize("kind", ["ed25519", "ml-dsa-65"])
def test_without_attributes_some_need_the_content(kind: str) -> None:
    aster = make_identity("Aster", kind)
    with pytest.raises(UnsupportedAlgorithm):
        check(signer_of(aster, attributes=None), aster)


def pss_parameters(digest: str, mask: str, salt: int, *, null: bool = True) -> bytes:
    extra = [asn1.null()] if null else []
    return asn1.sequence(
        asn1.explicit(0, cms.algorithm(cms.DIGEST_OIDS[digest], *extra)),
        asn1.explicit(1, cms.algorithm(oids.MGF1, cms.algorithm(cms.DIGEST_OIDS[mask], *extra))),
        asn1.explicit(2, asn1.integer(salt)),
    )


@pytest.mark.parametrize("mask", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("salt", [0, 20, 32])
@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("attributes", ["usual", None])
def test_pss_parameters_are_honoured(mask: str, salt: int, null: bool, attributes: str | None) -> None:
    aster = make_identity("Aster")
    pss = padding.PSS(padding.MGF1(cms.HASHES[mask]), salt)
    scheme = cms.algorithm(oids.RSASSA_PSS, pss_parameters("sha256", mask, salt, null=null))
    signer = signer_of(aster, scheme=scheme, pss=pss, attributes=attributes)
    assert check(signer, aster).scheme == "rsa-pss"
    other = AlgorithmIdentifier(oids.RSASSA_PSS, pss_parameters("sha256", mask, salt + 1))
    with pytest.raises(BadSignature):
        check(replace(signer, signature_algorithm=other), aster)


def test_pss_defaults_are_sha1_and_twenty_octets() -> None:
    aster = make_identity("Aster")
    pss = padding.PSS(padding.MGF1(hashes.SHA1()), 20)
    for parameters in ((), (asn1.sequence(),)):
        scheme = cms.algorithm(oids.RSASSA_PSS, *parameters)
        signer = signer_of(aster, digest="sha1", scheme=scheme, pss=pss)
        assert check(signer, aster, allowed=SHA1).scheme == "rsa-pss"
        with pytest.raises(AlgorithmForbidden):
            check(signer, aster)


@pytest.mark.parametrize(
    "parameters",
    [
        pss_parameters("sha512", "sha256", 32),
        asn1.null(),
        asn1.sequence(asn1.explicit(2, asn1.integer(-1))),
        asn1.sequence(asn1.explicit(9, asn1.sequence())),
        asn1.sequence(
            asn1.explicit(0, cms.algorithm(oids.SHA256)),
            asn1.explicit(1, cms.algorithm("1.2.3", asn1.null())),
        ),
        asn1.sequence(
            asn1.explicit(0, cms.algorithm(oids.SHA256)), asn1.explicit(1, cms.algorithm(oids.MGF1))
        ),
        asn1.sequence(asn1.explicit(0, cms.algorithm(oids.SHA256)), asn1.explicit(3, asn1.integer(2))),
        asn1.sequence(asn1.explicit(0, cms.algorithm(oids.SHA256)), asn1.explicit(2, asn1.integer(100_000))),
        asn1.sequence(asn1.explicit(0, cms.algorithm(oids.SHA256)), asn1.explicit(2, asn1.integer(500))),
    ],
)
def test_pss_parameters_that_make_no_sense(parameters: bytes) -> None:
    aster = make_identity("Aster")
    signer = signer_of(aster, scheme=cms.algorithm(oids.RSASSA_PSS, parameters))
    with pytest.raises(CmsError):
        check(signer, aster)


class TestWhoSigned:
    def test_by_key_identifier_with_and_without_the_extension(self) -> None:
        for stated in (True, False):
            aster = make_identity("Aster", key_identifier=stated)
            assert check(signer_of(aster, by_key_id=True), aster)

    def test_another_certificate(self) -> None:
        aster, birch = make_identity("Aster"), make_identity("Birch")
        for by_key_id in (True, False):
            with pytest.raises(CertificateMismatch):
                check(signer_of(aster, by_key_id=by_key_id), birch)

    def test_another_certificate_of_the_same_key(self) -> None:
        one, two = make_identity("Aster", serial=11), make_identity("Aster", serial=12)
        assert check(signer_of(one, by_key_id=True), two)
        with pytest.raises(CertificateMismatch):
            check(signer_of(one), two)

    def test_a_name_that_was_encoded_anew(self) -> None:
        aster = make_identity("Aster")
        name = aster.certificate.issuer.public_bytes()
        printable = name.replace(b"\x0c\x05Aster", b"\x13\x05ASTER")
        assert printable != name
        assert check(signer_of(aster, issuer=printable), aster)
        with pytest.raises(CertificateMismatch):
            check(signer_of(aster, issuer=name.replace(b"Aster", b"Bster")), aster)

    def test_a_name_that_is_none(self) -> None:
        aster = make_identity("Aster")
        with pytest.raises(Malformed):
            check(signer_of(aster, issuer=asn1.sequence(asn1.null())), aster)

    def test_nobody(self) -> None:
        aster = make_identity("Aster")
        nameless = replace(signer_of(aster), issuer=None, serial=None)
        assert not names_certificate(nameless, aster.certificate)

    def test_a_key_of_another_kind(self) -> None:
        aster = make_identity("Aster", "ec-p256")
        with pytest.raises(CertificateMismatch):
            check(signer_of(aster, scheme=cms.algorithm(oids.RSA_ENCRYPTION)), aster)

    def test_a_curve_nobody_uses(self) -> None:
        aster = make_identity("Aster", "ec-k256")
        with pytest.raises(UnsupportedAlgorithm):
            check(signer_of(aster), aster)


class TestAttributes:
    aster = make_identity("Aster")
    usual = cms.usual_attributes(TEXT, "sha256")

    def protection(self, digest: bytes, signature: bytes) -> bytes:
        value = asn1.sequence(digest, asn1.encode(0xA1, asn1.parse(signature).content))
        return cms.attribute(oids.ALGORITHM_PROTECTION, value)

    @pytest.mark.parametrize("missing", [0, 1])
    def test_required_ones(self, missing: int) -> None:
        kept = [entry for number, entry in enumerate(self.usual) if number != missing]
        with pytest.raises(BadSignature):
            check(signer_of(self.aster, attributes=kept), self.aster)

    def test_no_signing_time_is_fine(self) -> None:
        assert check(signer_of(self.aster, attributes=self.usual[:2]), self.aster).signing_time is None

    def test_another_content_type(self) -> None:
        other = cms.usual_attributes(TEXT, "sha256", oids.COMPRESSED_DATA)
        signer = signer_of(self.aster, attributes=other)
        assert check(signer, self.aster, content_type=oids.COMPRESSED_DATA)
        with pytest.raises(BadSignature):
            check(signer, self.aster)

    def test_content_other_than_data_needs_attributes(self) -> None:
        with pytest.raises(BadSignature):
            check(signer_of(self.aster, attributes=None), self.aster, content_type=oids.COMPRESSED_DATA)

    def test_what_the_reader_showed_is_read_again(self) -> None:
        """Only octets under the signature count."""
        signer = replace(
            signer_of(self.aster), message_digest=hashlib.sha256(b"other").digest(), content_type=None
        )
        assert check(signer, self.aster)
        with pytest.raises(BadSignature):
            check(signer, self.aster, text=b"other")

    def test_algorithm_protection(self) -> None:
        digest, scheme = cms.algorithm(oids.SHA256), cms.algorithm(oids.RSA_ENCRYPTION, asn1.null())
        bare, null = cms.algorithm(oids.RSA_ENCRYPTION), cms.algorithm(oids.SHA256, asn1.null())
        for good in ((digest, scheme), (digest, bare), (null, bare)):
            signer = signer_of(self.aster, attributes=[*self.usual, self.protection(*good)])
            assert check(signer, self.aster)
        for bad in ((cms.algorithm(oids.SHA1), scheme), (digest, cms.algorithm(oids.SHA256_WITH_RSA))):
            signer = signer_of(self.aster, attributes=[*self.usual, self.protection(*bad)])
            with pytest.raises(BadSignature):
                check(signer, self.aster)

    def test_order(self) -> None:
        backwards = sorted(self.usual, reverse=True)
        assert check(signer_of(self.aster, attributes=backwards, as_given=True), self.aster)

    def test_signed_in_the_order_in_which_they_were_sent(self) -> None:
        backwards = sorted(self.usual, reverse=True)
        octets = asn1.encode(asn1.SET, *backwards)
        signer = replace(
            signer_of(self.aster, attributes=backwards, as_given=True),
            signature=cms.raw_signature(self.aster, octets, "sha256"),
        )
        assert signer.signed_attributes == octets
        assert check(signer, self.aster)

    @pytest.mark.parametrize("wrap", [cms.indefinite, cms.long_form])
    def test_ber_attributes_were_signed_as_der(self, wrap: cms.Wrap) -> None:
        assert check(signer_of(self.aster, wrap=wrap), self.aster)

    def test_attributes_that_are_none(self) -> None:
        signer = replace(signer_of(self.aster), signed_attributes=b"\x31\x02\x05\x00")
        with pytest.raises(Malformed):
            check(signer, self.aster)


class TestAlgorithms:
    def test_sha1_needs_its_name(self) -> None:
        aster = make_identity("Aster")
        for scheme in (oids.RSA_ENCRYPTION, oids.SHA1_WITH_RSA):
            signer = signer_of(aster, digest="sha1", scheme=cms.algorithm(scheme, asn1.null()))
            assert check(signer, aster, allowed=SHA1).digest == "sha1"
            with pytest.raises(AlgorithmForbidden):
                check(signer, aster)

    def test_md5_has_no_name_that_helps(self) -> None:
        aster = make_identity("Aster")
        signer = signer_of(aster, digest_algorithm=cms.algorithm(oids.MD5, asn1.null()))
        with pytest.raises(AlgorithmForbidden):
            check(signer, aster, allowed=frozenset({"md5", "sha-1"}))

    def test_short_rsa_keys_need_their_name(self) -> None:
        aster = make_identity("Aster", "rsa-1024")
        assert check(signer_of(aster), aster, allowed=frozenset({"rsa-1024"})).key == "rsa-1024"
        with pytest.raises(AlgorithmForbidden):
            check(signer_of(aster), aster)

    def test_unknown_ones(self) -> None:
        aster = make_identity("Aster")
        for how in (
            {"scheme": cms.algorithm("1.2.3.4")},
            {"digest_algorithm": cms.algorithm("1.2.3.4")},
        ):
            with pytest.raises(UnsupportedAlgorithm):
                check(signer_of(aster, **how), aster)

    def test_two_hashes_in_one_signer(self) -> None:
        aster = make_identity("Aster")
        signer = signer_of(aster, scheme=cms.algorithm(oids.SHA512_WITH_RSA, asn1.null()))
        with pytest.raises(BadSignature):
            check(signer, aster)

    def test_a_digest_that_was_not_announced(self) -> None:
        aster = make_identity("Aster")
        with pytest.raises(BadSignature):
            check(signer_of(aster), aster, names=("sha512",))

    @pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
    def test_identifiers_that_name_both(self, name: str) -> None:
        aster = make_identity("Aster")
        scheme = cms.algorithm(getattr(oids, f"{name.upper()}_WITH_RSA"), asn1.null())
        assert check(signer_of(aster, digest=name, scheme=scheme), aster).digest == name


def test_a_certificate_stays_out_of_the_error() -> None:
    aster, birch = make_identity("Aster"), make_identity("Birch")
    with pytest.raises(CertificateMismatch) as caught:
        check(signer_of(aster), birch)
    assert caught.value.code == "cms.certificate-mismatch"
    assert isinstance(aster.certificate, x509.Certificate)


class TestDetachedAsAWhole:
    """What is read at once is what a reader gives; where there is any doubt, nothing is."""

    DATA = cms.signed(
        b"",
        [cms.signer_info(make_identity("Aster", "rsa"), TEXT)],
        detached=True,
        certificates=[make_identity("Aster", "rsa").certificate_der],
    )

    @staticmethod
    def by_reader(data: bytes) -> object:
        try:
            events = cms.read(data)
        except CmsError:
            return None
        return next((event for event in events if isinstance(event, Signers)), None)

    def test_it_is_what_a_reader_gives(self) -> None:
        found = read_detached(self.DATA, Limits())
        assert found is not None
        assert found == self.by_reader(self.DATA)

    @pytest.mark.parametrize("bit", [1, 0x20, 0x80, 0xFF])
    def test_damage_is_never_read_as_something_else(self, bit: int) -> None:
        for at in range(len(self.DATA)):
            damaged = self.DATA[:at] + bytes([self.DATA[at] ^ bit]) + self.DATA[at + 1 :]
            found = read_detached(damaged, Limits())
            assert found is None or found == self.by_reader(damaged)

    def test_too_many_signers_or_certificates_are_left_to_the_reader(self) -> None:
        assert read_detached(self.DATA, Limits(signers=0)) is None
        assert read_detached(self.DATA, Limits(certificates=0)) is None
        assert read_detached(self.DATA, Limits(header=100)) is None

    def test_content_and_garbage_are_left_to_the_reader(self) -> None:
        identity = make_identity("Aster", "rsa")
        assert read_detached(cms.signed(TEXT, [cms.signer_info(identity, TEXT)]), Limits()) is None
        for data in (b"", b"0", b"\x30\x80", self.DATA[:-1], self.DATA + b"\0", TEXT):
            assert read_detached(data, Limits()) is None

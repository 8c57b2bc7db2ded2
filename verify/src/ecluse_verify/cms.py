"""CMS SignedData: who signed which octets, and when they say they did (RFC 5652 s5, RFC 8551).

A signature here is over the signed attributes, which name the content by its digest; without attributes it is over the
content itself. The certificate comes from the message or from the pack; whether to believe it is another question
(:mod:`ecluse_verify.certificates`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse_verify.certificates import load_der
from ecluse_verify.der import OID, SEQUENCE, SET, Node, encode, parse
from ecluse_verify.text import Bad

__all__ = [
    "DIGESTS",
    "ESS",
    "WEAK",
    "Signature",
    "SignedData",
    "algorithm",
    "digest_name",
    "signed_data",
    "signer_of",
]

DIGESTS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
}
WEAK: Final = frozenset({"sha1"})
"""Read, as partners used it, and told: whoever wants can make two contents with one such digest."""
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old receipts
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_RSA_PSS: Final = "1.2.840.113549.1.1.10"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
ESS: Final = {"1.2.840.113549.1.9.16.2.12": "sha1", "1.2.840.113549.1.9.16.2.47": "sha256"}
"""signingCertificate (RFC 2634 s5.4) and signingCertificateV2 (RFC 5035 s3), and their digest by default."""
_SCHEMES: Final = {
    "1.2.840.113549.1.1.1": ("rsa", None),
    _RSA_PSS: ("rsa", None),
    "1.2.840.113549.1.1.5": ("rsa", "sha1"),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    "1.2.840.10045.4.1": ("ecdsa", "sha1"),
    "1.2.840.10045.4.3.2": ("ecdsa", "sha256"),
    "1.2.840.10045.4.3.3": ("ecdsa", "sha384"),
    "1.2.840.10045.4.3.4": ("ecdsa", "sha512"),
    "1.3.101.112": ("ed25519", None),
    "2.16.840.1.101.3.4.3.17": ("ml-dsa", None),
    "2.16.840.1.101.3.4.3.18": ("ml-dsa", None),
    "2.16.840.1.101.3.4.3.19": ("ml-dsa", None),
}
"""Signature algorithms, and the digest that they name (RFC 3370 s3.2, RFC 5754 s3, RFC 8419, RFC 9882)."""
_Whole = ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

Digest = Callable[[str], bytes]
"""Gives the digest of the content by its ``hashlib`` name."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One SignerInfo (RFC 5652 s5.3)."""

    serial: int | None
    issuer: bytes
    key_id: bytes
    digest: str
    scheme: str
    parameters: Node | None
    attributes: Node | None
    value: bytes
    content_type: str

    def attribute(self, oid: str) -> Node | None:
        """The one value of a signed attribute; ``None`` where it is not there. Raises :class:`Bad` for two."""
        found = [entry for entry in self.attributes or () if entry[0].oid() == oid]
        if len(found) > 1 or (found and len(found[0][1].parts) != 1):
            raise Bad("cms")
        return found[0][1][0] if found else None

    @property
    def signing_time(self) -> datetime | None:
        """When the signer says to have signed (RFC 5652 s11.3)."""
        value = self.attribute(_SIGNING_TIME)
        return value.time() if value is not None else None

    @property
    def signed_digest(self) -> tuple[str, bytes] | None:
        """The content's digest as it was signed: it binds even where the content itself is not there."""
        value = self.attribute(_MESSAGE_DIGEST)
        return (self.digest, value.octets()) if value is not None else None

    def is_by(self, certificate: x509.Certificate) -> bool:
        """Whether the signature names this certificate."""
        if self.serial is not None:
            same = certificate.serial_number == self.serial
            return same and parse(certificate.issuer.public_bytes()).der() == self.issuer
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return False
        return found.value.digest == self.key_id

    def check(self, certificate: x509.Certificate, digest_of: Digest | None) -> None:
        """Check the signature, and the digest of the content where that is there.

        Raises:
            Bad: It does not fit, or can't be checked.
        """
        self._check_ess(certificate)
        if self.attributes is None:
            if digest_of is None:
                raise Bad("cms.content")
            self._check_value(certificate, None, digest_of(self.digest))
            return
        named = self.attribute(_CONTENT_TYPE)
        signed = self.signed_digest
        if named is None or named.oid() != self.content_type or signed is None:
            raise Bad("cms")
        if digest_of is not None and digest_of(self.digest) != signed[1]:
            raise Bad("cms.digest")
        # Signed are the attributes in DER, under the tag of a set (s5.4): in order of the set, or as they came.
        parts = [part.der() for part in self.attributes]
        for order in (sorted(parts), parts):
            message = encode(SET, b"".join(order))
            try:
                self._check_value(certificate, message, hashlib.new(self.digest, message).digest())
                return
            except Bad:
                if order is parts:
                    raise

    def _check_ess(self, certificate: x509.Certificate) -> None:
        """Where the attributes name the signer's certificate by its digest, it is that one (RFC 5035 s5.4)."""
        for oid, usual in ESS.items():
            value = self.attribute(oid)
            if value is None:
                continue
            identifier = value[0][0]
            named = identifier[0].tag == SEQUENCE
            digest = digest_name(identifier[0]) if named else usual
            given = identifier[1 if named else 0].octets()
            if hashlib.new(digest, certificate.public_bytes(Encoding.DER)).digest() != given:
                raise Bad("cms.ess")

    def _check_value(self, certificate: x509.Certificate, message: bytes | None, digest: bytes) -> None:
        key, kind, ahead = (
            certificate.public_key(),
            _SCHEMES[self.scheme][0],
            utils.Prehashed(_HASHES[self.digest]),
        )
        try:
            if isinstance(key, rsa.RSAPublicKey) and kind == "rsa":
                scheme = self._pss() if self.scheme == _RSA_PSS else padding.PKCS1v15()
                key.verify(self.value, digest, scheme, ahead)
            elif isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
                key.verify(self.value, digest, ec.ECDSA(ahead))
            elif isinstance(key, _Whole) and kind in ("ed25519", "ml-dsa") and message is not None:
                key.verify(self.value, message)
            else:  # another key than the signature says, or one that signs no digest and no content to give it
                raise Bad("cms.algorithm")
        except InvalidSignature:
            raise Bad("cms.signature") from None
        except (ValueError, UnsupportedAlgorithm, TypeError):
            raise Bad("cms.algorithm") from None

    def _pss(self) -> padding.PSS:
        """RFC 4055 s3.1: the digest, the mask's digest and the length of the salt."""
        digest, mask, salt = "sha1", "sha1", 20
        for part in self.parameters or ():
            if part.tag == 0xA0:
                digest = digest_name(part[0])
            elif part.tag == 0xA1:
                mask = digest_name(part[0][1])
            elif part.tag == 0xA2:
                salt = part[0].integer()
        if digest != self.digest or not 0 <= salt <= 512:
            raise Bad("cms.algorithm")
        return padding.PSS(padding.MGF1(_HASHES[mask]), salt)


@dataclass(frozen=True, slots=True)
class SignedData:
    """A SignedData taken apart: its content where it is within, the certificates that came with it, its signatures."""

    content_type: str
    content: bytes | None
    certificates: tuple[x509.Certificate, ...]
    signatures: tuple[Signature, ...]


def signed_data(data: bytes | Node) -> SignedData:
    """Take a ContentInfo of SignedData apart. Raises :class:`Bad`."""
    outer = (parse(data) if isinstance(data, bytes) else data).expect(SEQUENCE)
    if outer[0].oid() != _SIGNED_DATA:
        raise Bad("cms")
    body = outer[1].expect(0xA0)[0].expect(SEQUENCE)
    inner = body[2].expect(SEQUENCE)
    content_type = inner[0].oid()
    content = inner[1].expect(0xA0)[0].octets() if len(inner.parts) > 1 else None
    # Other kinds of certificates are passed over.
    certificates = [load_der(part.raw) for part in body.find(0xA0) or () if part.tag == SEQUENCE]
    found = body.parts[-1].expect(SET)
    if not found.parts or len(body.parts) < 4 or len(found.parts) > 20:
        raise Bad("cms.unsigned")
    return SignedData(
        content_type, content, tuple(certificates), tuple(_signature(each, content_type) for each in found)
    )


def algorithm(node: Node) -> str:
    """The identifier of an AlgorithmIdentifier."""
    return node.expect(SEQUENCE)[0].expect(OID).oid()


def digest_name(node: Node) -> str:
    """The ``hashlib`` name of a digest's AlgorithmIdentifier. Raises :class:`Bad` where it is not one of ours."""
    name = DIGESTS.get(algorithm(node))
    if name is None:
        raise Bad("cms.algorithm")
    return name


def signer_of(signature: Signature, certificates: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate that a signature names. Raises :class:`Bad` where it is not among those."""
    found = next((each for each in certificates if signature.is_by(each)), None)
    if found is None:
        raise Bad("cms.certificate")
    return found


def _signature(node: Node, content_type: str) -> Signature:
    node.expect(SEQUENCE)
    signer = node[1]
    attributes = node[3] if node[3].tag == 0xA0 else None
    rest = 4 if attributes is not None else 3
    scheme = algorithm(node[rest])
    digest = digest_name(node[2])
    if scheme not in _SCHEMES or _SCHEMES[scheme][1] not in (None, digest):
        raise Bad("cms.algorithm")
    named = signer.tag == SEQUENCE
    return Signature(
        serial=signer[1].integer() if named else None,
        issuer=signer[0].der() if named else b"",
        key_id=b"" if named else signer.expect(0x80).octets(),
        digest=digest,
        scheme=scheme,
        parameters=node[rest].parts[1] if len(node[rest].parts) > 1 else None,
        attributes=attributes,
        value=node[rest + 1].octets(),
        content_type=content_type,
    )

"""What a partner was seen to use over AS2, once it has proven who it is: keys and algorithms by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ecluse.channels.as2.relation import Relation
from ecluse.wire.as2.events import Encrypted, Opened, Signed
from ecluse.wire.as2.headers import As2Request, ReceiptRequest
from ecluse.wire.as2.mdn_reader import ReadMdn
from ecluse.wire.cms import oids
from ecluse.wire.cms.algorithms import CIPHERS, DIGESTS, SIGNATURES
from ecluse.wire.cms.events import Recipient, RecipientKind, SignerInfo

__all__ = ["fingerprint", "message_roles", "receipt_roles"]

_NONE: Final = "none"
_WITHOUT_DIGEST: Final = frozenset({"ed25519", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87"})
_TRANSPORTS: Final = {oids.RSA_ENCRYPTION: "rsa-pkcs1", oids.RSAES_OAEP: "rsa-oaep"}
_KEMS: Final = {oids.ML_KEM_768: "ml-kem-768", oids.ML_KEM_1024: "ml-kem-1024"}


def message_roles(
    relation: Relation, request: As2Request, opened: Opened, recipients: Sequence[Recipient]
) -> dict[str, str | None]:
    """What an accepted message was protected with, by role; ``none`` where it was not.

    Args:
        relation: With whom.
        request: Its header.
        opened: What it was.
        recipients: Those that its outermost encryption names.
    """
    signed = opened.signed
    encrypted = next((found for found in opened.protections if isinstance(found, Encrypted)), None)
    cipher = CIPHERS.get(encrypted.algorithm.oid) if encrypted is not None else None
    roles: dict[str, str | None] = {
        **_signature(signed, "verify", "signature-algorithm"),
        "encryption-algorithm": cipher.name if cipher is not None else _NONE,
        "receipt-asked": _asked(request.receipt),
        "version": request.product,
    }
    ours = relation.named(recipients) if encrypted is not None else None
    if ours is not None:
        roles["decrypt"] = fingerprint(ours[0])
        roles["key-algorithm"] = _key_algorithm(ours[1])
    return roles


def receipt_roles(read: ReadMdn) -> dict[str, str | None]:
    """How a receipt is signed, by role; nothing of one whose signature is not believed."""
    if read.failure is not None:
        return {}
    return {
        **_signature(read.signed, "mdn-verify", "mdn-signature-algorithm"),
        "receipt": "signed" if read.signed is not None else "unsigned",
    }


def _signature(signed: Signed | None, key: str, algorithm: str) -> Mapping[str, str | None]:
    if signed is None:
        return {algorithm: _NONE}
    return {key: fingerprint(signed.certificate), algorithm: _scheme(signed.signer)}


def _scheme(signer: SignerInfo) -> str:
    scheme = SIGNATURES.get(signer.signature_algorithm.oid)
    digest = DIGESTS.get(signer.digest_algorithm.oid)
    name = scheme.name if scheme is not None else signer.signature_algorithm.oid
    return name if digest is None or name in _WITHOUT_DIGEST else f"{name}-{digest.name}"


def _key_algorithm(recipient: Recipient) -> str:
    oid = recipient.algorithm.oid
    if recipient.kind is RecipientKind.KEY_AGREEMENT:
        return "ecdh"
    return (_KEMS if recipient.kind is RecipientKind.KEM else _TRANSPORTS).get(oid, oid)


def _asked(receipt: ReceiptRequest | None) -> str:
    if receipt is None:
        return _NONE
    return "signed" if receipt.signed else "unsigned"


@lru_cache(maxsize=1024)
def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()

"""What nobody should send any more: content encrypted with Triple DES, in CMS as it was written in 2000.

The hub's own writer has no such cipher, and a rehearsal has to show that its reader refuses it.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ecluse.model.basics import Entropy
from ecluse.wire import asn1
from ecluse.wire.cms import oids

__all__ = ["triple_des"]

_DES_EDE3_CBC = "1.2.840.113549.3.7"
_BLOCK = 8


def triple_des(content: bytes, recipient: x509.Certificate, entropy: Entropy) -> bytes | None:
    """EnvelopedData (RFC 5652 s6.1) of ``content``; ``None`` where the recipient's key is not RSA."""
    key = recipient.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    secret, iv = entropy(24), entropy(_BLOCK)
    padder = PKCS7(_BLOCK * 8).padder()
    encryptor = Cipher(TripleDES(secret), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    issuer = asn1.sequence(recipient.issuer.public_bytes(), asn1.integer(recipient.serial_number))
    transport = asn1.sequence(
        asn1.integer(0),
        issuer,
        asn1.sequence(asn1.oid(oids.RSA_ENCRYPTION), asn1.null()),
        asn1.octets(key.encrypt(secret, padding.PKCS1v15())),
    )
    encrypted = asn1.sequence(
        asn1.oid(oids.DATA),
        asn1.sequence(asn1.oid(_DES_EDE3_CBC), asn1.octets(iv)),
        asn1.implicit(0, sealed),
    )
    enveloped = asn1.sequence(asn1.integer(0), asn1.set_of(transport), encrypted)
    return asn1.sequence(asn1.oid(oids.ENVELOPED_DATA), asn1.explicit(0, enveloped))

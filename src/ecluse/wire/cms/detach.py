"""An opaque signature, put down again without the content that it was around (RFC 5652 s5).

What was signed, and the signature, are the same octets; only what stands around them is built anew. Attributes that
nobody signed are left out.
"""

from __future__ import annotations

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.events import AlgorithmIdentifier, SignerInfo, Signers

__all__ = ["detached_again"]


def detached_again(found: Signers) -> bytes:
    """A ContentInfo with a detached SignedData that says of the content what the opaque one said, in DER."""
    algorithms = dict.fromkeys(_algorithm(signer.digest_algorithm) for signer in found.signers)
    named_by_key = any(signer.issuer is None for signer in found.signers)
    version = 3 if named_by_key or found.content_type != oids.DATA else 1  # RFC 5652 s5.1
    data = asn1.sequence(
        asn1.integer(version),
        asn1.set_of(*algorithms),
        asn1.sequence(asn1.oid(found.content_type)),
        asn1.implicit(0, b"".join(sorted(set(found.certificates))), constructed=True)
        if found.certificates
        else b"",
        asn1.set_of(*map(_signer, found.signers)),
    )
    return asn1.sequence(asn1.oid(oids.SIGNED_DATA), asn1.explicit(0, data))


def _algorithm(found: AlgorithmIdentifier) -> bytes:
    return asn1.sequence(asn1.oid(found.oid), found.parameters or b"")


def _signer(signer: SignerInfo) -> bytes:
    attributes = signer.signed_attributes
    if signer.issuer is not None and signer.serial is not None:
        version, name = 1, asn1.sequence(signer.issuer, asn1.integer(signer.serial))
    else:
        version, name = 3, asn1.implicit(0, signer.key_id or b"")
    return asn1.sequence(
        asn1.integer(version),
        name,
        _algorithm(signer.digest_algorithm),
        b"\xa0" + attributes[1:] if attributes is not None else b"",
        _algorithm(signer.signature_algorithm),
        asn1.octets(signer.signature),
    )

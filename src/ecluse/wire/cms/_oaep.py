"""Reading how an RSA key was used to wrap a key (RFC 8017 s7, RFC 4055 s4)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import Malformed, UnsupportedAlgorithm
from ecluse.wire.cms.events import AlgorithmIdentifier

__all__ = ["rsa_padding"]

_OAEP_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    oids.SHA1: hashes.SHA1(),  # noqa: S303 - OAEP needs no collision resistance
    oids.SHA224: hashes.SHA224(),
    oids.SHA256: hashes.SHA256(),
    oids.SHA384: hashes.SHA384(),
    oids.SHA512: hashes.SHA512(),
}


def rsa_padding(chosen: AlgorithmIdentifier) -> padding.AsymmetricPadding:
    """The padding that ``chosen``, the algorithm of a key-transport recipient, stands for.

    Raises:
        UnsupportedAlgorithm: It is another algorithm, or a hash or label that is not done here.
        Malformed: The parameters can't be read.
    """
    if chosen.oid == oids.RSA_ENCRYPTION:
        return padding.PKCS1v15()
    if chosen.oid != oids.RSAES_OAEP:
        raise UnsupportedAlgorithm(f"The key transport {chosen.oid} is not done here.")
    try:
        return _oaep(chosen.parameters)
    except (asn1.Asn1Error, IndexError):
        raise Malformed("The parameters of RSAES-OAEP can't be read.") from None


def _oaep(parameters: bytes | None) -> padding.OAEP:
    """RSAES-OAEP-params (RFC 4055 s4.1); what is absent has its default: SHA-1, MGF1 with SHA-1, no label."""
    main: hashes.HashAlgorithm = _OAEP_HASHES[oids.SHA1]
    mask = main
    label = None
    for given in asn1.parse(parameters).children if parameters is not None else ():
        value = given.children[0]
        if given.number == 0:
            main = _oaep_hash(value)
        elif given.number == 1:
            if value.children[0].as_oid() != oids.MGF1:
                raise UnsupportedAlgorithm("RSAES-OAEP is used with an unknown mask generation.")
            mask = _oaep_hash(value.children[1])
        elif given.number == 2:
            if value.children[0].as_oid() != oids.P_SPECIFIED:
                raise UnsupportedAlgorithm("RSAES-OAEP is used with an unknown source of labels.")
            label = value.children[1].as_octets() or None
    return padding.OAEP(padding.MGF1(mask), main, label)


def _oaep_hash(identifier: asn1.Element) -> hashes.HashAlgorithm:
    dotted = identifier.children[0].as_oid()
    if dotted not in _OAEP_HASHES:
        raise UnsupportedAlgorithm(f"RSAES-OAEP is used with the unknown hash {dotted}.")
    return _OAEP_HASHES[dotted]

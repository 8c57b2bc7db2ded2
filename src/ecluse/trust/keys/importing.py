"""Private keys from the files that other products export: PKCS#12 and PEM."""

from __future__ import annotations

import re
import warnings
from typing import get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from ecluse.trust.certificates import MAX_FILE, load_certificates, order_chain, to_pem
from ecluse.trust.errors import CertificateError
from ecluse.trust.floor import key_facts
from ecluse.trust.keys.costs import check_der_cost, check_pem_cost
from ecluse.trust.secrets import Secret
from ecluse.wire.cms.keys import PrivateKey

__all__ = ["Identity", "check_pair", "load_pem_identity", "load_pkcs12"]

_PRIVATE = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)

Identity = tuple[PrivateKey, tuple[x509.Certificate, ...]]
"""A private key, and its certificate followed by the issuers that are known."""


def load_pkcs12(data: bytes, password: Secret) -> Identity:
    """Read a PKCS#12 file (RFC 7292).

    Raises:
        CertificateError: ``trust.wrong-password`` (or the file is damaged: its integrity check can't tell),
            ``trust.bad-certificate``, ``trust.weak-key``.
    """
    _check_size(data)
    check_der_cost(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bundle = pkcs12.load_pkcs12(data, password.reveal() or None)
    except (ValueError, TypeError):
        raise CertificateError(
            "The PKCS#12 file does not open: the password is wrong, or the file is damaged.",
            code="trust.wrong-password",
            remedy="Give the password that the file was exported with.",
        ) from None
    except UnsupportedAlgorithm:
        raise CertificateError(
            "The PKCS#12 file is encrypted with an algorithm that is too old to be read.",
            remedy="Export it again with AES.",
        ) from None
    certificates = [bundle.cert, *bundle.additional_certs]
    found = [entry.certificate for entry in certificates if entry is not None]
    if bundle.key is None or not found:
        raise CertificateError(
            "The PKCS#12 file has no private key with its certificate.",
            remedy="Export it again with the private key.",
        )
    # Read again from PEM, so that the same checks run for every form.
    return check_pair(bundle.key, load_certificates(to_pem(found).encode()))


def load_pem_identity(data: bytes, password: Secret | None = None) -> Identity:
    """Read PEM that holds one private key and its certificate, in any order.

    Raises:
        CertificateError: ``trust.wrong-password``, ``trust.bad-certificate``, ``trust.weak-key``.
    """
    _check_size(data)
    check_pem_cost(data)
    match = _PRIVATE.search(data)
    if match is None:
        raise CertificateError("There is no private key in the PEM file.", remedy="Add it to the file.")
    try:
        key = load_pem_private_key(match.group(), password.reveal() if password is not None else None)
    except (ValueError, TypeError):
        raise CertificateError(
            "The private key does not open: the password is wrong or missing, or the key is damaged.",
            code="trust.wrong-password",
            remedy="Give the password of the key, and none where it has none.",
        ) from None
    except UnsupportedAlgorithm:
        raise CertificateError("The private key is of a kind that is not known.") from None
    return check_pair(key, load_certificates(_PRIVATE.sub(b"", data)))


def check_pair(key: object, chain: tuple[x509.Certificate, ...]) -> Identity:
    """Check that a private key may be held, and put its own certificate first in the chain.

    Raises:
        CertificateError: ``trust.bad-certificate`` (no certificate of this key), ``trust.weak-key``.
    """
    if not isinstance(key, get_args(PrivateKey)):
        raise CertificateError(
            "A private key of this kind can't be used.",
            code="trust.weak-key",
            remedy="Use RSA of 2048 bits or more, EC P-256 or better, Ed25519, ML-DSA or ML-KEM.",
        )
    private: PrivateKey = key  # one of them: checked above
    public = private.public_key()
    facts = key_facts(public)
    if facts.weakness:
        raise CertificateError(
            f"The private key is too weak: {facts.name}.",
            code="trust.weak-key",
            remedy="Make one with `ecluse cert generate`: RSA of 2048 bits or more, or EC P-256 or better.",
        )
    own = next((certificate for certificate in chain if _same_key(certificate, public)), None)
    if own is None:
        raise CertificateError(
            "None of the certificates belongs to the private key.", remedy="Give the key's own certificate."
        )
    return private, (own, *(certificate for certificate in order_chain(chain) if certificate != own))


def _same_key(certificate: x509.Certificate, public: object) -> bool:
    try:
        return bool(certificate.public_key() == public)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _check_size(data: bytes) -> None:
    if len(data) > MAX_FILE:
        raise CertificateError(f"A key file is larger than {MAX_FILE} octets.")

"""The way from the certificate that signed a time-stamp to a root that is trusted (RFC 5280 s6.1, RFC 3161 s2.3).

A small path validation of the project's own: names, signatures, dates, basic constraints, key usage and extended key
usage. What it does not process (name constraints, for one) is refused where it is critical.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ecluse.wire.cms.algorithms import DIGESTS_BY_NAME, RSA_BITS
from ecluse.wire.tsp.errors import BadTimeStamp, UntrustedAuthority

__all__ = ["MAX_DEPTH", "algorithms_of", "build_chain", "check_signer", "covers"]

MAX_DEPTH: Final = 8
"""Certificates from the signer to the root; authorities have two to four."""
_MAX_STEPS: Final = 100
"""Certificates that are tried, so that a heap of look-alikes costs nothing."""

_STRONG: Final = frozenset(
    name.replace("_", "-") for name, each in DIGESTS_BY_NAME.items() if each.legacy is None
)
_PROCESSED: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)


def check_signer(certificate: x509.Certificate) -> None:
    """Raise :class:`BadTimeStamp` unless a certificate is one for time-stamps and nothing else (RFC 3161 s2.3)."""
    extensions = _extensions(certificate)
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise BadTimeStamp("The signer's certificate does not say that it is one for time-stamps.") from None
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise BadTimeStamp("The signer's certificate is not, critically and alone, one for time-stamps.")
    try:
        bits = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (bits.digital_signature or bits.content_commitment):
        raise BadTimeStamp("The signer's certificate is not one for signatures.")


def covers(certificates: Iterable[x509.Certificate], at: datetime) -> bool:
    """Whether ``at`` is within the time of every one of them."""
    return all(each.not_valid_before_utc <= at <= each.not_valid_after_utc for each in certificates)


def algorithms_of(chain: Sequence[x509.Certificate]) -> tuple[str, ...]:
    """What the signatures within a chain rest on: hashes and keys, each once (``sha256``, ``rsa-4096``)."""
    found: dict[str, None] = {}
    for certificate, issuer in pairwise(chain):
        digest = certificate.signature_hash_algorithm
        if digest is not None:
            found[digest.name.replace("-", "_")] = None
        found[_key_name(issuer)] = None
    return tuple(found)


def _key_name(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    match key:
        case rsa.RSAPublicKey():
            return f"rsa-{key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ecdsa-{key.curve.key_size}"
        case ed25519.Ed25519PublicKey():
            return "ed25519"
        case mldsa.MLDSA44PublicKey():
            return "ml-dsa-44"
        case mldsa.MLDSA65PublicKey():
            return "ml-dsa-65"
        case mldsa.MLDSA87PublicKey():
            return "ml-dsa-87"
        case _:
            return "other"


def build_chain(
    signer: x509.Certificate,
    given: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """From the signer to one of the roots, both included, every one within its time at ``at``.

    Args:
        signer: Whose signature it is; :func:`check_signer` is called on it.
        given: Other certificates that came along; none of them is believed by itself.
        roots: What is trusted.
        at: The time for which it has to hold.

    Raises:
        BadTimeStamp: The signer's certificate is not for time-stamps.
        UntrustedAuthority: There is no such way.
    """
    check_signer(signer)
    if not covers((signer,), at):
        raise UntrustedAuthority(
            f"The signer's certificate is not one of {at:%Y-%m-%d}: it lasts from "
            f"{signer.not_valid_before_utc:%Y-%m-%d} to {signer.not_valid_after_utc:%Y-%m-%d}."
        )
    steps = [_MAX_STEPS]
    found = _search((signer,), tuple(given), tuple(roots), at, steps)
    if found is None:
        raise UntrustedAuthority(
            f"No trusted root vouches for {signer.subject.rfc4514_string()[:200]!a} at {at:%Y-%m-%d}."
        )
    return found


def _search(
    path: tuple[x509.Certificate, ...],
    given: tuple[x509.Certificate, ...],
    roots: tuple[x509.Certificate, ...],
    at: datetime,
    steps: list[int],
) -> tuple[x509.Certificate, ...] | None:
    if path[-1] in roots:
        return path
    if len(path) == MAX_DEPTH:
        return None
    for issuer in (*roots, *given):
        if steps[0] == 0:
            return None
        if issuer in path or not _could_issue(issuer, path, at):
            continue
        steps[0] -= 1
        if not _issued(issuer, path[-1]):
            continue
        found = _search((*path, issuer), given, roots, at, steps)
        if found is not None:
            return found
    return None


def _could_issue(issuer: x509.Certificate, path: tuple[x509.Certificate, ...], at: datetime) -> bool:
    """Whether ``issuer`` may have issued the last of ``path``, as far as its own fields say."""
    if issuer.subject != path[-1].issuer or not covers((issuer,), at):
        return False
    try:
        extensions = _extensions(issuer)
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, BadTimeStamp):
        return False
    below = sum(each.subject != each.issuer for each in path[1:])
    if not basic.ca or (basic.path_length is not None and below > basic.path_length):
        return False
    for extension in extensions:
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            return False
        if isinstance(extension.value, x509.ExtendedKeyUsage) and not (
            {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
            & set(extension.value)
        ):
            return False
    return True


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the signature on ``certificate`` is the issuer's, by a key and a hash above the floor."""
    try:
        digest = certificate.signature_hash_algorithm
        key = issuer.public_key()
        if digest is not None and digest.name not in _STRONG:
            return False
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm):
        raise BadTimeStamp("A certificate of the authority has extensions that can't be read.") from None
    for extension in extensions:
        if extension.critical and extension.oid not in _PROCESSED:
            raise BadTimeStamp(
                "A certificate of the authority has a critical extension that is not known "
                f"({extension.oid.dotted_string})."
            )
    return extensions

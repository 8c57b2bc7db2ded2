"""Checking the signers of a message against the partner's pinned certificates, and what to answer."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from cryptography import x509
from msgspec import Struct

from ecluse.wire.as2.disposition import (
    AUTHENTICATION_FAILED,
    INSUFFICIENT_SECURITY,
    INTEGRITY_CHECK_FAILED,
    Disposition,
)
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.cms import oids
from ecluse.wire.cms.algorithms import DIGESTS
from ecluse.wire.cms.errors import AlgorithmForbidden, CertificateMismatch, CmsError
from ecluse.wire.cms.events import SignerInfo, Signers
from ecluse.wire.cms.verify import verify

__all__ = ["Match", "check_signers"]

Digests = Mapping[str, bytes]


class Match(Struct, frozen=True):
    """A signer that a pinned certificate verified.

    Attributes:
        certificate: That certificate.
        signer: The signer.
        canonical: The content fits only with its line ends made CRLF.
    """

    certificate: x509.Certificate
    signer: SignerInfo
    canonical: bool


def check_signers(
    found: Signers,
    exact: Digests,
    canonical: Digests | None,
    certificates: tuple[x509.Certificate, ...],
    allowed: frozenset[str],
) -> tuple[Match, tuple[str, ...]]:
    """One signer with a pinned certificate must verify; with several signers the others may be strangers.

    The exact digests are tried first, then, once, those of the canonical form (RFC 8551 s3.1.1).

    Args:
        found: The end of the SignedData.
        exact: Digests of the content as it came.
        canonical: Digests of the content with its line ends made CRLF, where that is another form.
        certificates: The partner's, valid at this time.
        allowed: Old algorithms allowed by name.

    Returns:
        The match, and warnings.

    Raises:
        As2Failure: ``authentication-failed``, ``integrity-check-failed``, or, for a forbidden algorithm,
            ``insufficient-message-security``.
    """
    if not found.signers:
        raise As2Failure(
            "The signature has no signer.",
            disposition=AUTHENTICATION_FAILED,
            remedy="Ask the partner to sign with the certificate that was exchanged.",
            code="as2.no-signer",
        )
    if found.content_type != oids.DATA:
        raise As2Failure(
            f"The signature is over CMS content of another type than data ({found.content_type}).",
            disposition=AUTHENTICATION_FAILED,
            remedy="Ask the partner to sign MIME content as id-data (RFC 8551 s2.4).",
            code="as2.signed-type",
        )
    failure: As2Failure | None = None
    for form, digests in ((False, exact), (True, canonical)):
        if digests is None:
            continue
        for signer in found.signers:
            for certificate in certificates:
                try:
                    verify(signer, found.content_type, digests, certificate, allowed=allowed)
                except CertificateMismatch:
                    continue
                except CmsError as error:
                    failure = failure or _failure(error, signer, digests)
                    continue
                return Match(certificate, signer, form), _warnings(found, form)
    if failure is not None:
        raise failure
    raise As2Failure(
        "The signer's certificate is none of those pinned for the partner and valid today.",
        disposition=AUTHENTICATION_FAILED,
        remedy="Exchange the current signing certificate with the partner.",
        code="as2.unknown-certificate",
    )


def _warnings(found: Signers, canonical: bool) -> tuple[str, ...]:
    warnings = []
    if canonical:
        warnings.append("The signature fits the content only with its line ends made CRLF.")
    if len(found.signers) > 1:
        warnings.append(f"One of {len(found.signers)} signers was verified; the others were not needed.")
    return tuple(warnings)


def _failure(error: CmsError, signer: SignerInfo, digests: Digests) -> As2Failure:
    disposition: Disposition = AUTHENTICATION_FAILED
    if isinstance(error, AlgorithmForbidden):
        disposition = INSUFFICIENT_SECURITY
    elif _content_differs(signer, digests):
        disposition = INTEGRITY_CHECK_FAILED
    return As2Failure(error.cause, disposition=disposition, remedy=error.remedy)


def _content_differs(signer: SignerInfo, digests: Digests) -> bool:
    """Whether it is the content, not the signature, that is wrong."""
    known = DIGESTS.get(signer.digest_algorithm.oid)
    computed = digests.get(known.name) if known else None
    if computed is None or signer.message_digest is None:
        return False
    return not hmac.compare_digest(computed, signer.message_digest)

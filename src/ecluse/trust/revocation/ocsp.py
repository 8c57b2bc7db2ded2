"""OCSP (RFC 6960): a question about one certificate, and the answer proven."""

from __future__ import annotations

import warnings
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecluse.model.basics import Instant
from ecluse.trust.revocation.signatures import check_signature
from ecluse.trust.revocation.verdict import SKEW, BadAnswer, Verdict, fresh

__all__ = ["MAX_ANSWER", "NONCE", "make_question", "read_answer"]

MAX_ANSWER: Final = 1 << 16
"""Octets of an answer: several times one with a chain of large keys."""

NONCE: Final = 32
"""Octets of a nonce (RFC 9654 s2.1)."""

MAX_PARTS: Final = 64
"""Single responses and certificates that are looked at."""

_ERRORS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    OverflowError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)


def make_question(
    certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None = None
) -> bytes:
    """A request in DER.

    The certificate is named by SHA-1 digests of its issuer, as every responder knows it (RFC 5019 s2.1.1); nothing
    rests on their strength, as the answer is compared with the certificate itself.

    Raises:
        BadAnswer: The certificate can't be asked about.
    """
    try:
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)
    except _ERRORS:
        raise BadAnswer("No question can be made about the certificate.") from None


def read_answer(
    data: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    now: Instant,
    *,
    source: str,
    max_age: int,
    nonce: bytes | None = None,
) -> Verdict:
    """Read an answer and prove it.

    Args:
        data: DER.
        certificate: Which was asked about.
        issuer: Its issuer, which signs the answer or says who may (s4.2.2.2).
        now: The time.
        source: For the verdict.
        max_age: Microseconds that an answer without ``nextUpdate`` counts.
        nonce: What must come back.

    Raises:
        BadAnswer: It is no answer, about another certificate, not proven, over, or says that nothing is known.
    """
    if len(data) > MAX_ANSWER:
        raise BadAnswer(f"The answer has more than {MAX_ANSWER} octets.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(data, certificate, issuer, now, source, max_age, nonce)
    except _ERRORS:
        raise BadAnswer("This is no OCSP answer that could be read.") from None


def _read(
    data: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    now: Instant,
    source: str,
    max_age: int,
    nonce: bytes | None,
) -> Verdict:
    answer = ocsp.load_der_ocsp_response(data)
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise BadAnswer(f"The responder gives no answer: {answer.response_status.name.lower()}.")
    for extension in answer.extensions:
        if extension.critical and not isinstance(extension.value, x509.OCSPNonce):
            raise BadAnswer("The answer has a critical extension that is not known.")
    single = _about(answer, certificate, issuer)
    responder = _responder(answer, issuer, now)
    check_signature(
        responder.public_key(), answer.signature, answer.tbs_response_bytes, answer.signature_hash_algorithm
    )
    if nonce is not None and _nonce(answer) != nonce:
        raise BadAnswer("The answer does not bear the nonce that was sent: it may be an old one.")
    if _instant(answer.produced_at_utc) > now + SKEW:
        raise BadAnswer("The answer is from the future.")
    made, ends = _instant(single.this_update_utc), single.next_update_utc
    last = fresh(made, None if ends is None else _instant(ends), now, max_age)
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Verdict("good", now, made, last, source=source, method="ocsp")
        case ocsp.OCSPCertStatus.REVOKED:
            since = single.revocation_time_utc
            reason = single.revocation_reason.name if single.revocation_reason is not None else "unspecified"
            return Verdict(
                "revoked", now, made, last, None if since is None else _instant(since), reason, source, "ocsp"
            )
    raise BadAnswer("The responder does not know the certificate.")


def _about(
    answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> ocsp.OCSPSingleResponse:
    """The part that is about the certificate: serial number, and issuer by name and key (s4.1.1)."""
    for number, single in enumerate(answer.responses):
        if number == MAX_PARTS:
            break
        if single.serial_number != certificate.serial_number:
            continue
        wanted = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, single.hash_algorithm).build()
        if (single.issuer_name_hash, single.issuer_key_hash) == (
            wanted.issuer_name_hash,
            wanted.issuer_key_hash,
        ):
            return single
    raise BadAnswer("The answer is about another certificate.")


def _responder(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: Instant) -> x509.Certificate:
    """Who signed: the issuer itself, or one that it certified for just that (s4.2.2.2)."""
    if _is(answer, issuer):
        return issuer
    for delegate in answer.certificates[:MAX_PARTS]:
        if not _is(answer, delegate) or not _answers_for_others(delegate):
            continue
        if not _instant(delegate.not_valid_before_utc) <= now <= _instant(delegate.not_valid_after_utc):
            raise BadAnswer("The certificate of the responder is out of its time.")
        try:
            delegate.verify_directly_issued_by(issuer)
        except (*_ERRORS, InvalidSignature):
            continue
        return delegate
    raise BadAnswer("The answer is signed by somebody whom the authority did not charge with it.")


def _is(answer: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Whether the answer names a certificate as its responder's, by name or by the SHA-1 digest of its key."""
    if answer.responder_name is not None:
        return answer.responder_name == certificate.subject
    return (
        answer.responder_key_hash
        == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    )


def _answers_for_others(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _nonce(answer: ocsp.OCSPResponse) -> bytes | None:
    try:
        return answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None


def _instant(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * 1_000_000)

"""Certificates: read from any usual form, described, and chosen by use and time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from ecluse.model.basics import Instant
from ecluse.trust.errors import CertificateError
from ecluse.trust.floor import KeyFacts, Weakness, key_facts, signature_name, weaknesses
from ecluse.trust.plain import revealed

__all__ = [
    "MAX_CERTIFICATES",
    "MAX_FILE",
    "CertificateInfo",
    "CertificateSet",
    "Dated",
    "describe",
    "leaves",
    "load_certificates",
    "load_described",
    "order_chain",
    "to_pem",
]

MAX_FILE: Final = 1 << 20
"""Octets of a certificate file; a chain of ten ML-DSA-87 certificates takes a tenth."""

MAX_CERTIFICATES: Final = 32
"""Certificates in one file: several times the longest chain in use."""

MAX_NAME: Final = 1024
"""Characters of a subject or issuer: RFC 5280 appendix A.1 allows 64 to 128 for each part that matters."""

MAX_SERIAL: Final = 1 << 256
"""RFC 5280 s4.1.2.2 allows 20 octets, and not every authority kept to it."""

MAX_VERIFICATIONS: Final = 128
"""Signatures that are checked to put one file in order: a file of one authority needs one for each certificate."""

_ORDERLY_RSA: Final = 8192
_ORDERLY_EXPONENT: Final = 1 << 32
"""Keys whose signatures are checked to put a file in order. 32 certificates with keys of 16384 bits took 16 s."""

T = TypeVar("T")
E = TypeVar("E", bound=x509.ExtensionType)

# What malformed bytes make the parser of the ``cryptography`` package raise.
_PARSER_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, OverflowError)


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """A certificate in words.

    Attributes:
        subject: RFC 4514 text.
        issuer: RFC 4514 text.
        serial: Lower-case hex.
        fingerprint: SHA-256 of the DER, 64 lower-case hex digits.
        key: What its key is.
        signature: Digest or scheme of the signature on it.
        not_before: First instant.
        not_after: Last instant.
        self_signed: Subject and issuer are the same.
        can_sign: By key and key usage (RFC 5280 s4.2.1.3).
        can_encrypt: By key and key usage.
        authority: It says that it issues others (RFC 5280 s4.2.1.9).
        can_serve: A TLS client takes it from a server, by extended key usage (RFC 5280 s4.2.1.12).
        can_ask: A TLS server takes it from a client.
    """

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    key: KeyFacts
    signature: str
    not_before: Instant
    not_after: Instant
    self_signed: bool
    can_sign: bool
    can_encrypt: bool
    authority: bool = False
    can_serve: bool = True
    can_ask: bool = True

    @property
    def short(self) -> str:
        """The first 16 digits of the fingerprint."""
        return self.fingerprint[:16]

    @property
    def weaknesses(self) -> tuple[Weakness, ...]:
        """What of it is below the floor; empty where it is good."""
        return weaknesses(self.key, self.signature, self_signed=self.self_signed)


def load_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read PEM, DER or PKCS#7 (PEM or DER).

    Returns:
        At least one certificate, each once; a chain with the end entity first.

    Raises:
        CertificateError: ``trust.bad-certificate``; ``trust.private-key`` where a private key is among them.
    """
    return tuple(load_described(data))


def load_described(data: bytes) -> dict[x509.Certificate, CertificateInfo]:
    """The same certificates in the same order, each with what it is in words. Raises likewise."""
    if len(data) > MAX_FILE:
        raise CertificateError(f"A certificate file is larger than {MAX_FILE} octets.")
    if b"PRIVATE KEY-----" in data:
        raise CertificateError(
            "There is a private key in a certificate file.",
            code="trust.private-key",
            remedy="Take it out, treat it as known to others, and put private keys only into the keyring.",
        )
    if data.count(b"-----BEGIN") > MAX_CERTIFICATES:
        raise CertificateError(f"There are more than {MAX_CERTIFICATES} certificates in one file.")
    found: list[x509.Certificate] = []
    for loader in _loaders(data):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = list(loader(data))
        except _PARSER_ERRORS:
            continue
        break
    if not found:
        raise CertificateError("This is no certificate.")
    unique = list(dict.fromkeys(found))
    if len(unique) > MAX_CERTIFICATES:
        raise CertificateError(f"There are more than {MAX_CERTIFICATES} certificates in one file.")
    infos = {certificate: describe(certificate) for certificate in unique}
    return (
        {certificate: infos[certificate] for certificate in order_chain(unique)} if len(unique) > 1 else infos
    )


def _loaders(data: bytes) -> tuple[Callable[[bytes], list[x509.Certificate]], ...]:
    if b"-----BEGIN" in data:
        return (x509.load_pem_x509_certificates, pkcs7.load_pem_pkcs7_certificates)
    return (lambda der: [x509.load_der_x509_certificate(der)], pkcs7.load_der_pkcs7_certificates)


def to_pem(certificates: Iterable[x509.Certificate]) -> str:
    """The normal form in a configuration: PEM, one after another."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)


def describe(certificate: x509.Certificate) -> CertificateInfo:
    """Read what people and rules need to know of a certificate.

    Names are given as a person may see them: characters that would not be seen stand as their octets.

    Raises:
        CertificateError: ``trust.bad-certificate``: a part of it can't be read, or is not as RFC 5280 has it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts = key_facts(_part(certificate.public_key, "Its public key"))
        extensions = _extensions(certificate)
        usage = _extension(extensions, x509.KeyUsage)
        basic = _extension(extensions, x509.BasicConstraints)
        purposes = _extension(extensions, x509.ExtendedKeyUsage)
        authority = basic is not None and basic.ca
        if not authority and _extension(extensions, x509.NameConstraints) is not None:
            raise CertificateError(
                "It constrains the names of others, and says that it issues none (RFC 5280 s4.2.1.10).",
                remedy="Ask for a certificate that was made by the book.",
            )
        serial = _part(lambda: certificate.serial_number, "Its serial number")
        if not 0 <= serial < MAX_SERIAL:
            raise CertificateError(
                "Its serial number is negative, or far too long.",
                remedy="Ask for a certificate whose serial number is a positive one of at most 20 octets.",
            )
        encrypts = usage is None or usage.key_encipherment or usage.data_encipherment or usage.key_agreement
        subject, issuer = (_name(certificate, whose) for whose in ("subject", "issuer"))
        return CertificateInfo(
            subject=subject,
            issuer=issuer,
            serial=f"{serial:x}",
            fingerprint=certificate.fingerprint(SHA256()).hex(),
            key=facts,
            signature=_part(lambda: signature_name(certificate), "Its signature's algorithm"),
            not_before=_part(lambda: _instant(certificate.not_valid_before_utc), "Its begin"),
            not_after=_part(lambda: _instant(certificate.not_valid_after_utc), "Its end"),
            self_signed=certificate.subject == certificate.issuer,
            can_sign=facts.signs and (usage is None or usage.digital_signature or usage.content_commitment),
            can_encrypt=facts.encrypts and encrypts,
            authority=authority,
            can_serve=_allows(purposes, ExtendedKeyUsageOID.SERVER_AUTH),
            can_ask=_allows(purposes, ExtendedKeyUsageOID.CLIENT_AUTH),
        )


def _part(read: Callable[[], T], what: str) -> T:
    try:
        return read()
    except _PARSER_ERRORS as error:
        raise CertificateError(f"A part of the certificate can't be read. {what} is damaged.") from error


def _name(certificate: x509.Certificate, whose: str) -> str:
    name = _part(lambda: getattr(certificate, whose).rfc4514_string(), f"Its {whose}")
    text = revealed(str(name))
    if len(text) > MAX_NAME:
        raise CertificateError(
            f"Its {whose} is longer than {MAX_NAME} characters.",
            remedy="Ask for a certificate with a name that somebody can read.",
        )
    return text


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        extensions = certificate.extensions
    except x509.DuplicateExtension as error:
        # RFC 5280 s4.2; readers differ in which of the two they believe.
        raise CertificateError(
            f"The extension {error.oid.dotted_string} stands in it twice.",
            remedy="Ask for a certificate that was made by the book.",
        ) from None
    except _PARSER_ERRORS as error:
        raise CertificateError(
            "A part of the certificate can't be read. One of its extensions is damaged."
        ) from error
    for each in extensions:
        if each.critical and isinstance(each.value, x509.UnrecognizedExtension):
            # RFC 5280 s4.2: who does not know a critical extension must not use the certificate.
            raise CertificateError(
                f"It has a critical extension that is not known here: {each.oid.dotted_string}.",
                remedy="Ask for a certificate without it: it limits the use in a way that nobody here would heed.",
            )
    return extensions


def _extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    return next((each.value for each in extensions if isinstance(each.value, kind)), None)


def _allows(purposes: x509.ExtendedKeyUsage | None, wanted: x509.ObjectIdentifier) -> bool:
    return purposes is None or wanted in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes


def _instant(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * 1_000_000)


def order_chain(certificates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """End entities first, each followed by its issuers; the order is otherwise kept."""
    rest = list(certificates)
    issued = _Issued()
    ordered: list[x509.Certificate] = []
    for leaf in _leaves(rest, issued):
        current: x509.Certificate | None = leaf
        while current is not None and current not in ordered:
            ordered.append(current)
            held = current
            current = next((c for c in rest if c is not held and issued(held, c)), None)
    return (*ordered, *(c for c in rest if c not in ordered))


def leaves(certificates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Those that issued none of the others."""
    return _leaves(list(certificates), _Issued())


def _leaves(every: list[x509.Certificate], issued: _Issued) -> tuple[x509.Certificate, ...]:
    return tuple(c for c in every if not any(o is not c and issued(o, c) for o in every)) or tuple(every[:1])


class _Issued:
    """Which certificate of a file issued which: each pair is looked at once, and not for ever."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}
        self._left = MAX_VERIFICATIONS

    def __call__(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        pair = (id(certificate), id(issuer))
        if pair not in self._known:
            self._known[pair] = self._look(certificate, issuer)
        return self._known[pair]

    def _look(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        if certificate.issuer != issuer.subject:
            return False
        # Without a look at the signature the names are all there is.
        by_name = certificate.subject != certificate.issuer
        if not self._left or not _orderly(issuer):
            return by_name
        self._left -= 1
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            return False
        except _PARSER_ERRORS:
            return by_name
        return True


def _orderly(issuer: x509.Certificate) -> bool:
    """Whether a signature of its key is checked in a millisecond."""
    key = issuer.public_key()
    return not isinstance(key, rsa.RSAPublicKey) or (
        key.key_size <= _ORDERLY_RSA and key.public_numbers().e < _ORDERLY_EXPONENT
    )


@dataclass(frozen=True, slots=True)
class Dated:
    """A certificate with what it is for and when.

    Attributes:
        certificate: The certificate.
        info: The same in words.
        use: What it is for.
        start: Not used before, besides its own validity.
        end: Not used from here on, besides its own validity.
        chain: The certificates that came with it, itself first.
        entry: Number of the entry of the partner's file that names it.
        refused: Not used from here on, whatever else is said: its authority revoked it, or can't be asked.
        succeeds: SHA-256 of the certificates that it is to succeed.
    """

    certificate: x509.Certificate
    info: CertificateInfo
    use: frozenset[str]
    start: Instant | None = None
    end: Instant | None = None
    chain: tuple[x509.Certificate, ...] = ()
    entry: int = 0
    refused: Instant | None = None
    succeeds: frozenset[str] = frozenset()

    @property
    def issuers(self) -> tuple[str, ...]:
        """Fingerprints of the other certificates that came with it, the nearest issuer first."""
        return tuple(each.fingerprint(SHA256()).hex() for each in self.chain if each != self.certificate)

    def holds(self, now: Instant, *, expired_allowed: bool = False) -> bool:
        """Whether ``now`` is in the window: the configured one and the certificate's own."""
        if self.start is not None and now < self.start:
            return False
        if self.end is not None and now >= self.end:
            return False
        if self.refused is not None and now >= self.refused:
            return False
        # RFC 5280 s4.1.2.5: both ends are inclusive, and count whole seconds.
        return now >= self.info.not_before and (expired_allowed or now < self.info.not_after + 1_000_000)


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """Certificates of one party, chosen by use and time; overlapping windows make a rollover."""

    entries: tuple[Dated, ...] = ()

    def refusing(self, refused: Mapping[str, Instant]) -> CertificateSet:
        """The same without those that are refused, by fingerprint, themselves or as an issuer of theirs."""
        found = [
            (number, min(moments))
            for number, entry in enumerate(self.entries)
            if (
                moments := [
                    refused[print_]
                    for print_ in (entry.info.fingerprint, *entry.issuers)
                    if print_ in refused
                ]
            )
        ]
        if not found:
            return self
        entries = list(self.entries)
        for number, moment in found:
            entries[number] = replace(entries[number], refused=moment)
        return CertificateSet(tuple(entries))

    def at(self, use: str, now: Instant, exceptions: Collection[str] = ()) -> tuple[x509.Certificate, ...]:
        """Those for ``use`` whose window holds ``now``, newest first (by start of the window).

        All of them verify and decrypt; the first encrypts or signs. For ``mdn-verify`` and ``mdn-sign``,
        those for ``verify`` and ``sign`` do where none names it.
        """
        return tuple(entry.certificate for entry in self.entries_at(use, now, exceptions))

    def entries_at(self, use: str, now: Instant, exceptions: Collection[str] = ()) -> tuple[Dated, ...]:
        """The same with their windows and chains."""
        named = [entry for entry in self.entries if use in entry.use]
        if not named and use.startswith("mdn-"):
            named = [entry for entry in self.entries if use.removeprefix("mdn-") in entry.use]
        late = "expired-certificate" in exceptions
        held = [entry for entry in named if entry.holds(now, expired_allowed=late)]
        held.sort(key=lambda entry: max(entry.start or 0, entry.info.not_before), reverse=True)
        return tuple(held)

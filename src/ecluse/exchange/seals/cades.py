"""CAdES baseline seals (ETSI EN 319 122-1): around a document of any size, or beside it.

The signature names its certificate, so that no other certificate of the same key can be put in its place (RFC 5035).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.exchange.seals.facts import Indication, SealFacts, Verdict, name_of
from ecluse.exchange.seals.trust import Anchors, fingerprint, read_certificate, weigh
from ecluse.model.basics import Instant
from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error
from ecluse.wire.cms import oids
from ecluse.wire.cms.algorithms import DIGESTS
from ecluse.wire.cms.errors import AlgorithmForbidden, CertificateMismatch, CmsError
from ecluse.wire.cms.events import Content, SignerInfo, Signers
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.sign import Baseline, Signer, digests_needed, sign_detached
from ecluse.wire.cms.verify import names_certificate, verify
from ecluse.wire.cms.writer import SignedWriter
from ecluse.wire.tsp import read_token, verify_token
from ecluse.wire.tsp.errors import TspError

__all__ = ["MAX_SEAL", "Opened", "check_beside", "open_around", "seal_around", "seal_beside"]

MAX_SEAL: Final = 4 << 20
"""Octets of a seal that lies beside a document: sixteen signers with post-quantum chains take one tenth of it."""

Stamp = Callable[[bytes], bytes]
"""Gives an RFC 3161 token over a SHA-256 digest."""


def seal_around(
    chunks: Iterable[bytes],
    write: Callable[[bytes], object],
    signer: Signer,
    *,
    now: Instant,
    issuers: Sequence[x509.Certificate] = (),
    stamp: Stamp | None = None,
) -> None:
    """Write a document with its seal around it (``.p7m``), in flat memory.

    Args:
        chunks: The document.
        write: Takes the result.
        signer: Who seals.
        now: The time that the seal says.
        issuers: The issuers of its certificate, to go along.
        stamp: Makes its level B-T.
    """
    writer = SignedWriter((signer,), now=now // 1_000_000, baseline=_baseline(issuers, stamp))
    write(writer.start())
    for chunk in chunks:
        write(writer.feed(chunk))
    write(writer.finish())


def seal_beside(
    chunks: Iterable[bytes],
    signer: Signer,
    *,
    now: Instant,
    issuers: Sequence[x509.Certificate] = (),
    stamp: Stamp | None = None,
) -> bytes:
    """The seal of a document, to lie beside it (``.p7s``); arguments as of :func:`seal_around`."""
    hashes = {name: hashlib.new(name) for name in digests_needed((signer,))}
    for chunk in chunks:
        for each in hashes.values():
            each.update(chunk)
    digests = {name: each.digest() for name, each in hashes.items()}
    return sign_detached(digests, (signer,), now=now // 1_000_000, baseline=_baseline(issuers, stamp))


def _baseline(issuers: Sequence[x509.Certificate], stamp: Stamp | None) -> Baseline:
    over = (lambda signature: stamp(hashlib.sha256(signature).digest())) if stamp is not None else None
    return Baseline(tuple(issuers), over)


@dataclass(frozen=True, slots=True)
class Opened:
    """What came out of a seal around a document.

    Attributes:
        seals: A fact for each signer.
        size: Octets of the document.
    """

    seals: list[SealFacts]
    size: int


def open_around(
    chunks: Iterable[bytes], write: Callable[[bytes], object], anchors: Anchors, *, now: Instant, limit: int
) -> Opened:
    """Take a document out of the seal around it, and check the seal; what it comes to is known at the end only.

    Args:
        chunks: The ``.p7m``.
        write: Takes the document.
        anchors: Whom we believe.
        now: The time.
        limit: Octets of the document at most.

    Raises:
        CmsError: It is no such thing, or larger than allowed.
    """
    reader = Reader(Limits(content=limit))
    found: list[Signers] = []
    size = 0

    def take(events: Iterable[object]) -> None:
        nonlocal size
        for event in events:
            if isinstance(event, Content):
                size += len(event.data)
                write(event.data)
            elif isinstance(event, Signers):
                found.append(event)

    for chunk in chunks:
        take(reader.feed(chunk))
    take(reader.close())
    signers = found[0] if found else Signers((), (), oids.DATA, detached=True)
    return Opened(judge(signers, signers.digests, anchors, now), size)


def check_beside(seal: bytes, chunks: Iterable[bytes], anchors: Anchors, *, now: Instant) -> list[SealFacts]:
    """Check a seal that lies beside a document.

    Raises:
        CmsError: The seal is none.
    """
    reader = Reader()
    events = [*reader.feed(seal), *reader.close()]
    signers = next((each for each in events if isinstance(each, Signers)), None)
    hashes = {each.name: hashlib.new(each.name) for each in DIGESTS.values() if each.name in _COUNTED}
    for chunk in chunks:
        for counted in hashes.values():
            counted.update(chunk)
    if signers is None or not signers.detached:
        return [SealFacts("cms", _broken("format-failure", "It is no signature beside a document."))]
    return judge(signers, {name: each.digest() for name, each in hashes.items()}, anchors, now)


_COUNTED: Final = frozenset({"sha256", "sha384", "sha512"})
"""Digests that are taken of a document beside its seal; what is weaker is refused in any case."""


def judge(signers: Signers, digests: Mapping[str, bytes], anchors: Anchors, now: Instant) -> list[SealFacts]:
    """A fact for each signer of a CMS signature over content with these digests."""
    certificates = [found for each in signers.certificates if (found := read_certificate(each)) is not None]
    if not signers.signers:
        return [SealFacts("cms", _broken("format-failure", "Nobody signed it."))]
    return [
        _judge(each, signers.content_type, digests, certificates, anchors, now) for each in signers.signers
    ]


def _judge(
    signer: SignerInfo,
    content_type: str,
    digests: Mapping[str, bytes],
    certificates: Sequence[x509.Certificate],
    anchors: Anchors,
    now: Instant,
) -> SealFacts:
    known = [*certificates, *anchors.pinned]
    try:
        own = next((each for each in known if names_certificate(signer, each)), None)
    except CmsError as error:
        return SealFacts("cms", _broken("format-failure", error.cause))
    if own is None:
        return SealFacts(
            "cms", Verdict(Indication.INDETERMINATE, "no-signing-certificate-found", _NO_CERTIFICATE)
        )
    names, made = _named(signer, own), _signing_time(signer)
    facts = SealFacts(
        "cades" if names else "cms",
        _broken("sig-crypto-failure", "Not checked."),
        name_of(own.subject),
        fingerprint(own),
        name_of(own.issuer),
        made,
    )
    try:
        verified = verify(signer, content_type, digests, own)
    except AlgorithmForbidden as error:
        verdict = Verdict(Indication.INDETERMINATE, "crypto-constraints-failure", error.cause)
    except CertificateMismatch as error:
        verdict = _broken("sig-crypto-failure", error.cause)
    except CmsError as error:
        ground = "hash-failure" if "digest" in error.cause else "sig-crypto-failure"
        verdict = _broken(ground, error.cause)
    else:
        if names is False:
            verdict = _broken(
                "sig-crypto-failure", "The seal names another certificate than the one that came along."
            )
        else:
            stamped = _stamped(signer, anchors)
            facts = replace(facts, stamped=stamped)
            verdict = weigh(own, certificates, anchors, now=now, made=made, stamped=stamped)
        return replace(facts, verdict=verdict, algorithm=f"{verified.scheme} {verified.digest}")
    return replace(facts, verdict=verdict)


_NO_CERTIFICATE: Final = "The certificate that it was made with did not come along, and is not known here."


def _stamped(signer: SignerInfo, anchors: Anchors) -> Instant | None:
    """When the first authority that we believe saw the signature."""
    times = []
    for der in signer.time_stamps:
        with suppress(TspError):
            token = verify_token(read_token(der), anchors.authorities, data=signer.signature)
            times.append(Instant(int(token.time.timestamp()) * 1_000_000))
    return min(times, default=None)


def _broken(ground: str, sentence: str) -> Verdict:
    return Verdict(Indication.FAILED, ground, sentence)


def _signing_time(signer: SignerInfo) -> Instant | None:
    text = signer.signing_time or ""
    for form in ("%y%m%d%H%M%SZ", "%Y%m%d%H%M%SZ"):
        try:
            return Instant(int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * 1_000_000)
        except ValueError:
            continue
    return None


def _named(signer: SignerInfo, certificate: x509.Certificate) -> bool | None:
    """Whether the signing-certificate-v2 attribute names ``certificate``; ``None`` where there is no such attribute."""
    if signer.signed_attributes is None:
        return None
    try:
        for attribute in asn1.parse(signer.signed_attributes).children:
            kind, values = attribute.children
            if kind.as_oid() != oids.SIGNING_CERTIFICATE_V2:
                continue
            first = values.children[0].children[0].children[0]
            fields = list(first.children)
            name = "sha256"
            if fields[0].tag == asn1.SEQUENCE:
                known = DIGESTS.get(fields.pop(0).children[0].as_oid())
                if known is None:
                    return False
                name = known.name
            return fields[0].as_octets() == hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()
    except (Asn1Error, ValueError, IndexError):
        return False
    return None

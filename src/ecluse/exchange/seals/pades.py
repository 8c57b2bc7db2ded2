"""PAdES baseline seals (ETSI EN 319 142-1): in a PDF, as an update at its end that leaves what was there as it was.

A PDF is a graph of objects: it is worked on whole, up to :data:`~ecluse.exchange.seals.facts.MAX_PDF`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from cryptography import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from ecluse.errors import EcluseError
from ecluse.exchange.seals.cades import Stamp, judge
from ecluse.exchange.seals.errors import CanNotSeal, TooLargeToSeal
from ecluse.exchange.seals.facts import MAX_PDF, Indication, SealFacts, Verdict
from ecluse.exchange.seals.hand import PdfHand, PdfStamper
from ecluse.exchange.seals.trust import Anchors, moment
from ecluse.model.basics import Instant
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import Signers
from ecluse.wire.cms.reader import Reader
from ecluse.wire.cms.sign import Signer

__all__ = ["check_pdf", "seal_pdf"]

_DIGEST: Final = "sha256"


def seal_pdf(
    document: bytes,
    signer: Signer,
    *,
    now: Instant,
    issuers: Sequence[x509.Certificate] = (),
    stamp: Stamp | None = None,
    reason: str = "",
    location: str = "",
) -> bytes:
    """A PDF with one more seal.

    Args:
        document: The PDF.
        signer: Who seals.
        now: The time that the seal says.
        issuers: The issuers of its certificate.
        stamp: Makes its level B-T.
        reason: Why, for readers of the PDF.
        location: Where, likewise.

    Raises:
        CanNotSeal: It is no PDF, or an encrypted one.
        TooLargeToSeal: It is larger than is worked on.
        KeyUnfit: PDF readers don't know such a key.
    """
    _check_size(document)
    hand = PdfHand(signer, issuers)
    with _quiet():
        try:
            writer = IncrementalPdfFileWriter(io.BytesIO(document), strict=False)
            if writer.prev.encrypted:
                raise CanNotSeal("The PDF is encrypted.")
            return asyncio.run(_sign(writer, hand, now, stamp, reason, location))
        except EcluseError:
            raise
        except Exception as error:
            raise CanNotSeal(f"The PDF can't be worked on: {type(error).__name__}.") from error


async def _sign(
    writer: IncrementalPdfFileWriter,
    hand: PdfHand,
    now: Instant,
    stamp: Stamp | None,
    reason: str,
    location: str,
) -> bytes:
    taken = {name for name, *_ in enumerate_sig_fields(writer.prev)}
    name = next(name for number in range(1, len(taken) + 2) if (name := f"Seal{number}") not in taken)
    facts = PdfSignatureMetadata(
        field_name=name,
        md_algorithm=_DIGEST,
        subfilter=SigSeedSubFilter.PADES,
        reason=reason or None,
        location=location or None,
    )
    signing = PdfSigner(facts, hand, timestamper=PdfStamper(stamp) if stamp is not None else None)
    session = signing.init_signing_session(writer)
    session.system_time = moment(now)
    room = await session.estimate_signature_container_size(None)
    prepared = session.prepare_tbs_document(validation_info=None, bytes_reserved=room)
    digested, out = prepared.digest_tbs_document()
    done = await prepared.perform_signature(
        document_digest=digested.document_digest,
        pdf_cms_signed_attrs=PdfCMSSignedAttributes(signing_time=moment(now)),
    )
    await done.post_signature_processing(out)
    out.seek(0)
    return bytes(out.read())


def check_pdf(document: bytes, anchors: Anchors, *, now: Instant) -> list[SealFacts]:
    """The seals of a PDF, in order; none where it has none.

    Raises:
        CanNotSeal: It is no PDF that can be read.
        TooLargeToSeal: It is larger than is worked on.
    """
    _check_size(document)
    with _quiet():
        try:
            found = list(PdfFileReader(io.BytesIO(document), strict=False).embedded_regular_signatures)
        except Exception as error:
            raise CanNotSeal(f"The PDF can't be read: {type(error).__name__}.") from error
        return [facts for each in found for facts in _check(each, document, anchors, now)]


def _check(
    embedded: EmbeddedPdfSignature, document: bytes, anchors: Anchors, now: Instant
) -> list[SealFacts]:
    try:
        span = [int(number) for number in embedded.byte_range]
        embedded.compute_integrity_info()
        found = embedded.summarise_integrity_info()
        coverage, allowed = found["coverage"], found["docmdp_ok"]
        reported = embedded.self_reported_timestamp
    except Exception as error:  # noqa: BLE001 - a stranger's PDF does anything to the library that reads it
        return [_failed("format-failure", f"The seal in the PDF can't be read: {type(error).__name__}.")]
    if len(span) != 4 or span[0] != 0 or not 0 <= span[1] <= span[2] <= span[2] + span[3] <= len(document):
        return [_failed("format-failure", "The seal covers octets that the PDF has not.")]
    signed = (memoryview(document)[: span[1]], memoryview(document)[span[2] : span[2] + span[3]])
    reader = Reader()
    try:
        # The room that was kept for the seal is filled up with zeros, which a reader takes for the end.
        events = [*reader.feed(bytes(embedded.pkcs7_content)), *reader.close()]
    except CmsError as error:
        return [_failed("format-failure", error.cause)]
    signers = next((each for each in events if isinstance(each, Signers)), None)
    if signers is None or not signers.detached:
        return [_failed("format-failure", "The seal in the PDF is no signature beside its octets.")]
    digests = {}
    for name in ("sha256", "sha384", "sha512"):
        counted = hashlib.new(name)
        for piece in signed:
            counted.update(piece)
        digests[name] = counted.digest()
    made = Instant(int(reported.timestamp()) * 1_000_000) if reported is not None else None
    pades = str(embedded.sig_object.get("/SubFilter", "")) == "/ETSI.CAdES.detached"
    placed = (
        _placed(facts, pades, coverage, bool(allowed)) for facts in judge(signers, digests, anchors, now)
    )
    return [replace(facts, made=facts.made or made) for facts in placed]


def _placed(facts: SealFacts, pades: bool, coverage: SignatureCoverageLevel, allowed: bool) -> SealFacts:
    """What the place of a seal in the PDF adds to what the signature says."""
    form = "pades" if pades and facts.format == "cades" else "pdf"
    if coverage is SignatureCoverageLevel.ENTIRE_FILE:
        return replace(facts, format=form)
    if coverage is SignatureCoverageLevel.UNCLEAR or not allowed:
        verdict = Verdict(
            Indication.FAILED,
            "hash-failure",
            "The PDF was changed after it was sealed, beyond what the seal allows.",
        )
        return replace(facts, format=form, verdict=verdict, covers="part")
    # Further seals and filled-in forms come after it: what it covers is as it was.
    whole = coverage is SignatureCoverageLevel.ENTIRE_REVISION
    return replace(facts, format=form, covers="whole" if whole else "part")


def _failed(ground: str, sentence: str) -> SealFacts:
    return SealFacts("pdf", Verdict(Indication.FAILED, ground, sentence), covers="part")


def _check_size(document: bytes) -> None:
    if len(document) > MAX_PDF:
        raise TooLargeToSeal(f"The PDF has {len(document)} octets, and {MAX_PDF} are worked on.")
    if not document[:1024].lstrip().startswith(b"%PDF-"):
        raise CanNotSeal("The document is no PDF.")


@contextmanager
def _quiet() -> Iterator[None]:
    """PyHanko logs what it finds odd in a stranger's PDF, in the stranger's words."""
    logger = logging.getLogger("pyhanko")
    logger.setLevel(logging.CRITICAL + 1)
    yield

"""Each format: what is sealed passes, what was changed does not, and strangers' bytes give our errors."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.support.sealed import INVOICE, KINDS, NOW, believed, certificate, keyring, pdf, signer

from ecluse.errors import EcluseError
from ecluse.exchange.seals import cades, container, pades, xades
from ecluse.exchange.seals.errors import BadContainer, CanNotSeal, KeyUnfit, TooLargeToSeal
from ecluse.exchange.seals.facts import MAX_PDF, MAX_XML, Indication, whole
from ecluse.exchange.seals.inside import Inside
from ecluse.exchange.seals.trust import Anchors, fingerprint
from ecluse.model.basics import Instant
from ecluse.wire.archive.limits import Limits

ALL = (*KINDS, "ed25519", "ml-dsa-65")
HEADS = (b"", b"%PDF-1.4\n", b"<?xml version='1.0'?>", b"PK\x03\x04", b"0\x80")
LIMITS = Limits(1 << 30, 200, 100)


def around(document: bytes, kind: str) -> bytes:
    out: list[bytes] = []
    cades.seal_around([document], out.append, signer(kind), now=NOW)
    return b"".join(out)


def contained(documents: dict[str, bytes], kind: str = "ec-p256") -> bytes:
    inside = [
        Inside(name, "text/plain", len(data), lambda data=data: [data]) for name, data in documents.items()
    ]
    out: list[bytes] = []
    container.pack_container(inside, out.append, signer(kind), now=NOW)
    return b"".join(out)


def opened(data: bytes, anchors: Anchors, now: Instant = NOW) -> tuple[bytes, cades.Opened]:
    out: list[bytes] = []
    found = cades.open_around([data], out.append, anchors, now=now, limit=1 << 30)
    return b"".join(out), found


@pytest.mark.parametrize("kind", ALL)
def test_cades_around_gives_the_document_back(kind: str) -> None:
    document, found = opened(around(b"order 4711" * 9000, kind), believed(kind))
    assert document == b"order 4711" * 9000
    (facts,) = found.seals
    assert (facts.format, facts.verdict.ground, facts.covers) == ("cades", "pinned", "whole")
    assert facts.certificate == fingerprint(certificate(kind))
    assert facts.made == NOW


@pytest.mark.parametrize("kind", ALL)
def test_cades_beside_holds_for_that_document_alone(kind: str) -> None:
    seal = cades.seal_beside([b"or", b"der"], signer(kind), now=NOW)
    (good,) = cades.check_beside(seal, [b"order"], believed(kind), now=NOW)
    (bad,) = cades.check_beside(seal, [b"Order"], believed(kind), now=NOW)
    (strange,) = cades.check_beside(seal, [b"order"], Anchors(), now=NOW)
    assert good.verdict.passed
    assert (bad.verdict.indication, bad.verdict.ground) == (Indication.FAILED, "hash-failure")
    assert strange.verdict.ground == "no-certificate-chain-found"


def test_another_certificate_of_the_same_key_is_not_taken_for_the_one_that_is_named() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    held = keyring()._held("ec-p256")
    own = held.chain[0]
    builder = (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(own.issuer)
        .serial_number(own.serial_number)
        .public_key(held.private.public_key())
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc.replace(year=own.not_valid_after_utc.year - 1))
    )
    twin = builder.sign(held.private, hashes.SHA256())
    seal = cades.seal_beside([b"order"], signer("ec-p256"), now=NOW)
    from cryptography.hazmat.primitives.serialization import Encoding

    swapped = seal.replace(own.public_bytes(Encoding.DER), b"")
    assert swapped != seal
    digests = {"sha256": __import__("hashlib").sha256(b"order").digest()}
    from ecluse.wire.cms.events import Signers
    from ecluse.wire.cms.reader import Reader

    reader = Reader()
    found = next(each for each in (*reader.feed(seal), *reader.close()) if isinstance(each, Signers))
    changed = Signers(
        found.signers, (twin.public_bytes(Encoding.DER),), found.content_type, True, found.digests
    )
    (facts,) = cades.judge(changed, digests, Anchors((twin,)), NOW)
    assert facts.verdict.indication is Indication.FAILED


@pytest.mark.parametrize("kind", KINDS)
def test_pades(kind: str) -> None:
    sealed = pades.seal_pdf(pdf(), signer(kind), now=NOW, reason="Contract 4711", location="Lyon")
    assert sealed.startswith(pdf()), "an update at its end"
    (facts,) = pades.check_pdf(sealed, believed(kind), now=NOW)
    assert (facts.format, facts.verdict.ground, facts.covers, facts.made) == ("pades", "pinned", "whole", NOW)
    assert pades.check_pdf(pdf(), believed(kind), now=NOW) == []


def test_a_second_seal_leaves_the_first_one_whole() -> None:
    once = pades.seal_pdf(pdf(), signer("rsa-2048"), now=NOW)
    twice = pades.seal_pdf(once, signer("ec-p256"), now=NOW)
    anchors = Anchors((certificate("rsa-2048"), certificate("ec-p256")))
    found = pades.check_pdf(twice, anchors, now=NOW)
    assert [each.verdict.ground for each in found] == ["pinned", "pinned"]
    assert whole(found)


def test_a_pdf_that_was_changed_after_its_seal_fails() -> None:
    from io import BytesIO

    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    sealed = pades.seal_pdf(pdf(2), signer("ec-p256"), now=NOW)
    changed = bytearray(sealed)
    changed[30] ^= 1
    (facts,) = pades.check_pdf(bytes(changed), believed("ec-p256"), now=NOW)
    assert facts.verdict.indication is Indication.FAILED
    # Another page count, put behind the seal: the octets under the seal are as they were, the document is not.
    writer = IncrementalPdfFileWriter(BytesIO(sealed))
    pages = writer.root["/Pages"]
    pages["/Kids"] = generic.ArrayObject([pages["/Kids"].raw_get(0)])
    pages["/Count"] = generic.NumberObject(1)
    writer.update_container(pages)
    out = BytesIO()
    writer.write(out)
    (later,) = pades.check_pdf(out.getvalue(), believed("ec-p256"), now=NOW)
    assert later.verdict.indication is Indication.FAILED
    assert not whole([later])


@pytest.mark.parametrize("kind", KINDS)
def test_xades(kind: str) -> None:
    sealed = xades.seal_xml(INVOICE, signer(kind), now=NOW)
    (facts,) = xades.check_xml(sealed, believed(kind), now=NOW)
    assert (facts.format, facts.verdict.ground, facts.covers, facts.made) == ("xades", "pinned", "whole", NOW)
    (bad,) = xades.check_xml(sealed.replace(b">4711<", b">4712<"), believed(kind), now=NOW)
    assert (bad.verdict.indication, bad.verdict.ground) == (Indication.FAILED, "hash-failure")
    assert xades.check_xml(INVOICE, believed(kind), now=NOW) == []
    with pytest.raises(CanNotSeal, match="signed already"):
        xades.seal_xml(sealed, signer(kind), now=NOW)


def test_a_seal_over_a_piece_of_xml_is_not_one_over_all_of_it() -> None:
    """Signature wrapping: what was sealed stands somewhere in a document that says something else."""
    sealed = xades.seal_xml(INVOICE, signer("ec-p256"), now=NOW).split(b"?>", 1)[1]
    wrapped = b"<Envelope><Invoice>evil</Invoice>" + sealed + b"</Envelope>"
    found = xades.check_xml(wrapped, believed("ec-p256"), now=NOW)
    assert not whole(found)


def test_an_id_that_two_elements_have_names_none_of_them() -> None:
    """The library looks for Id before ID: what it finds first need not be the document."""
    sealed = etree.fromstring(
        xades.seal_xml(b"<Invoice Id='x'><ID>4711</ID></Invoice>", signer("ec-p256"), now=NOW)
    )
    (facts,) = xades.check_xml(etree.tostring(sealed), believed("ec-p256"), now=NOW)
    assert whole([facts])
    reference = next(sealed.iter("{http://www.w3.org/2000/09/xmldsig#}Reference"))
    reference.set("URI", "#x")
    assert xades._is_whole(reference, sealed)
    wrapped = etree.Element("Envelope", {"ID": "x"})
    wrapped.append(sealed)
    assert not xades._is_whole(reference, wrapped)
    sealed.set("Id", "y")
    sealed[0].set("{urn:any}id", "x")
    assert not xades._is_whole(reference, sealed)


def test_a_transform_that_makes_something_else_of_the_document() -> None:
    sealed = etree.fromstring(xades.seal_xml(INVOICE, signer("ec-p256"), now=NOW))
    reference = next(sealed.iter("{http://www.w3.org/2000/09/xmldsig#}Reference"))
    assert xades._is_whole(reference, sealed)
    next(reference.iter("{http://www.w3.org/2000/09/xmldsig#}Transform")).set(
        "Algorithm", "http://www.w3.org/2000/09/xmldsig#base64"
    )
    assert not xades._is_whole(reference, sealed)


@pytest.mark.parametrize(
    "document",
    [
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b"<a><b></a>",
        b"",
        b"%PDF-1.7 nothing else",
    ],
)
def test_xml_that_nothing_may_rest_on(document: bytes) -> None:
    with pytest.raises(CanNotSeal):
        xades.check_xml(document, Anchors(), now=NOW)
    with pytest.raises(CanNotSeal):
        xades.seal_xml(document, signer("ec-p256"), now=NOW)


def test_documents_that_are_too_large_to_be_worked_on_whole() -> None:
    with pytest.raises(TooLargeToSeal):
        pades.seal_pdf(b"%PDF-" + bytes(MAX_PDF), signer("ec-p256"), now=NOW)
    with pytest.raises(TooLargeToSeal):
        xades.seal_xml(bytes(MAX_XML + 1), signer("ec-p256"), now=NOW)


@pytest.mark.parametrize("kind", ["ed25519", "ml-dsa-65"])
def test_keys_that_pdf_and_xml_programs_do_not_know(kind: str) -> None:
    with pytest.raises(KeyUnfit):
        pades.seal_pdf(pdf(), signer(kind), now=NOW)
    with pytest.raises(KeyUnfit):
        xades.seal_xml(INVOICE, signer(kind), now=NOW)


def test_a_container() -> None:
    data = contained({"order.xml": INVOICE, "cöntract 1.pdf": pdf()})
    found = container.check_container([data], believed("ec-p256"), now=NOW, limits=LIMITS)
    assert [(each.file, each.verdict.ground) for each in found] == [
        ("order.xml", "pinned"),
        ("cöntract 1.pdf", "pinned"),
    ]
    assert whole(found)
    assert data[30:38] == b"mimetype"
    assert data[38:69] == b"application/vnd.etsi.asic-e+zip"


def test_a_container_whose_files_were_exchanged_or_added_to() -> None:
    import io
    import zipfile

    def changed(edit) -> list:
        source = zipfile.ZipFile(io.BytesIO(contained({"a.txt": b"one", "b.txt": b"two"})))
        files = {name: source.read(name) for name in source.namelist()}
        edit(files)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for name, content in files.items():
                target.writestr(name, content)
        return container.check_container([out.getvalue()], believed("ec-p256"), now=NOW, limits=LIMITS)

    failed = changed(lambda files: files.update({"a.txt": b"two", "b.txt": b"one"}))
    assert {each.verdict.ground for each in failed} == {"hash-failure"}
    assert not whole(changed(lambda files: files.update({"c.txt": b"three"})))
    assert not whole(changed(lambda files: files.pop("b.txt")))
    with pytest.raises(BadContainer):
        changed(lambda files: files.pop("META-INF/signature001.p7s"))
    with pytest.raises(BadContainer):
        changed(lambda files: files.pop("META-INF/ASiCManifest001.xml"))
    with pytest.raises(BadContainer):
        changed(lambda files: files.update(mimetype=b"application/zip"))


@functools.cache
def sealed_once() -> list[tuple[str, bytes]]:
    """One of each format, the same in every example: a signature is never the same twice."""
    return [
        ("cades", around(b"order 4711", "ec-p256")),
        ("xades", xades.seal_xml(INVOICE, signer("ec-p256"), now=NOW)),
        ("pades", pades.seal_pdf(pdf(), signer("ec-p256"), now=NOW)),
        ("asic", contained({"a.txt": b"one"})),
    ]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_changed_octets_never_pass_and_never_raise_what_is_not_ours(data) -> None:
    form, octets = data.draw(st.sampled_from(sealed_once()))
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(1, len(changed)))] if data.draw(st.booleans()) else changed)
    anchors = believed("ec-p256")
    try:
        if form == "cades":
            document, found = opened(cut, anchors)
            assert document == b"order 4711" or not whole(found.seals)
        elif form == "xades":
            xades.check_xml(cut, anchors, now=NOW)
        elif form == "pades":
            pades.check_pdf(cut, anchors, now=NOW)
        else:
            container.check_container([cut], anchors, now=NOW, limits=LIMITS)
    except EcluseError:
        pass


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"%PDF-1.4\n", b"<?xml version='1.0'?>", b"PK\x03\x04", b"0\x80"]),
)
def test_garbage_gives_our_errors(garbage: bytes, head: bytes) -> None:
    octets = head + garbage
    for check in (
        lambda: opened(octets, Anchors()),
        lambda: cades.check_beside(octets, [b""], Anchors(), now=NOW),
        lambda: xades.check_xml(octets, Anchors(), now=NOW),
        lambda: pades.check_pdf(octets, Anchors(), now=NOW),
        lambda: container.check_container([octets], Anchors(), now=NOW, limits=LIMITS),
    ):
        try:
            check()
        except EcluseError:
            continue

"""ASiC-E containers (ETSI EN 319 162-1): documents in one zip, with a seal over a manifest of their digests."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, unquote

from cryptography import x509
from lxml import etree

from ecluse.exchange.seals.cades import MAX_SEAL, Stamp, check_beside, seal_beside
from ecluse.exchange.seals.errors import BadContainer
from ecluse.exchange.seals.facts import Indication, SealFacts, Verdict
from ecluse.exchange.seals.inside import Inside
from ecluse.exchange.seals.trust import Anchors
from ecluse.model.basics import Instant
from ecluse.wire.archive.limits import Limits
from ecluse.wire.archive.zip import Entry, ZipReader, ZipWriter
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.sign import Signer

__all__ = ["MIME_TYPE", "check_container", "pack_container"]

MIME_TYPE: Final = "application/vnd.etsi.asic-e+zip"
MAX_MANIFEST: Final = 4 << 20
"""Octets: a thousand files with the longest names that are taken need one tenth of it."""

_ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_DIGESTS: Final = {
    _SHA256: "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_META: Final = "META-INF/"


def pack_container(
    documents: Sequence[Inside],
    write: Callable[[bytes], object],
    signer: Signer,
    *,
    now: Instant,
    issuers: Sequence[x509.Certificate] = (),
    stamp: Stamp | None = None,
) -> None:
    """Write a container, in flat memory.

    Args:
        documents: What goes in.
        write: Takes the zip.
        signer: Who seals.
        now: The time that the seal says.
        issuers: The issuers of its certificate.
        stamp: Makes its level B-T.
    """
    digests = []
    for document in documents:
        counted = hashlib.sha256()
        for chunk in document.chunks():
            counted.update(chunk)
        digests.append(counted.digest())
    manifest = _manifest(documents, digests)
    seal = seal_beside((manifest,), signer, now=now, issuers=issuers, stamp=stamp)
    packer = ZipWriter()
    write(packer.put_stored("mimetype", MIME_TYPE.encode()))
    for document in documents:
        write(packer.begin(document.name, document.size))
        for chunk in document.chunks():
            write(packer.feed(chunk))
        write(packer.end())
    for name, data in ((f"{_META}ASiCManifest001.xml", manifest), (f"{_META}signature001.p7s", seal)):
        write(packer.begin(name, len(data)))
        write(packer.feed(data))
        write(packer.end())
    write(packer.finish())


def _manifest(documents: Sequence[Inside], digests: Sequence[bytes]) -> bytes:
    """Annex A.4 of the standard."""
    root = etree.Element(f"{{{_ASIC}}}ASiCManifest", nsmap={"asic": _ASIC, "ds": _DS})
    etree.SubElement(
        root,
        f"{{{_ASIC}}}SigReference",
        URI=f"{_META}signature001.p7s",
        MimeType="application/x-pkcs7-signature",
    )
    for document, digest in zip(documents, digests, strict=True):
        reference = etree.SubElement(
            root, f"{{{_ASIC}}}DataObjectReference", URI=quote(document.name), MimeType=document.content_type
        )
        etree.SubElement(reference, f"{{{_DS}}}DigestMethod", Algorithm=_SHA256)
        etree.SubElement(reference, f"{{{_DS}}}DigestValue").text = base64.b64encode(digest).decode()
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


class _Seen:
    """What goes by while a container is read: digests of all, octets of what proves them."""

    def __init__(self) -> None:
        self.digests: dict[str, dict[str, bytes]] = {}
        self.kept: dict[str, bytes] = {}
        self.order: list[str] = []
        self._name = ""
        self._counting: Mapping[str, Any] = {}
        self._data = bytearray()

    def begin(self, name: str) -> None:
        if name in self.digests:
            raise BadContainer("Two files of the container have one name.")
        self._name = name
        self.order.append(name)
        self._counting = {digest: hashlib.new(digest) for digest in _DIGESTS.values()}
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        for each in self._counting.values():
            each.update(data)
        if self._name == "mimetype" or self._name.startswith(_META):
            self._data += data
            if len(self._data) > MAX_MANIFEST:
                raise BadContainer(f"{self._name} in the container is larger than {MAX_MANIFEST} octets.")

    def end(self) -> None:
        self.digests[self._name] = {name: each.digest() for name, each in self._counting.items()}
        if self._name == "mimetype" or self._name.startswith(_META):
            self.kept[self._name] = bytes(self._data)


def check_container(
    chunks: Iterable[bytes], anchors: Anchors, *, now: Instant, limits: Limits
) -> list[SealFacts]:
    """Check the seals of an ASiC-E container with CAdES: a fact for each seal and each document that it names.

    Args:
        chunks: The zip.
        anchors: Whom we believe.
        now: The time.
        limits: What an archive may cost.

    Raises:
        BadContainer: It is none, or lists what it has not.
        ArchiveRefused: It is no zip, or a hostile one.
    """
    seen = _Seen()
    reader = ZipReader(limits)

    def take(events: Iterator[Entry | bytes | None]) -> None:
        for event in events:
            if isinstance(event, Entry):
                seen.begin(event.name)
            elif event is None:
                seen.end()
            else:
                seen.feed(event)

    for chunk in chunks:
        take(reader.feed(chunk))
    take(reader.finish())
    if seen.kept.get("mimetype", b"").strip() != MIME_TYPE.encode():
        raise BadContainer("The zip is no ASiC-E container.")
    manifests = [
        name for name in seen.order if name.startswith(f"{_META}ASiCManifest") and name.endswith(".xml")
    ]
    if not manifests:
        raise BadContainer("The container has no manifest: its seals are of a kind that is not read.")
    facts = [each for name in manifests for each in _check(seen, name, anchors, now)]
    named = {each.file for each in facts}
    for name in seen.order:
        if name != "mimetype" and not name.startswith(_META) and name not in named:
            sentence = "No seal of the container is over this file."
            facts.append(
                SealFacts(
                    "cms", Verdict(Indication.FAILED, "hash-failure", sentence), covers="part", file=name
                )
            )
    return facts


def _check(seen: _Seen, name: str, anchors: Anchors, now: Instant) -> list[SealFacts]:
    manifest = seen.kept[name]
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(manifest, parser)
        reference = root.find(f"{{{_ASIC}}}SigReference")
        place = unquote(reference.get("URI", "")) if reference is not None else ""
        seal = seen.kept.get(place)
        listed = [_listed(each) for each in root.iterfind(f"{{{_ASIC}}}DataObjectReference")]
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadContainer(f"{name} in the container can't be read.") from error
    if seal is None or len(seal) > MAX_SEAL:
        raise BadContainer(f"{name} names a seal that the container has not.")
    try:
        seals = check_beside(seal, (manifest,), anchors, now=now)
    except CmsError as error:
        raise BadContainer(f"{place} in the container is no signature.") from error
    return [_placed(seen, each, *document) for each in seals for document in listed]


def _placed(seen: _Seen, facts: SealFacts, file: str, digest: str, value: bytes) -> SealFacts:
    facts = replace(facts, covers="named", file=file)
    found = seen.digests.get(file)
    if found is None or file.startswith(_META):
        sentence = "The seal names a file that the container has not."
        return replace(facts, verdict=Verdict(Indication.FAILED, "hash-failure", sentence))
    if found.get(digest) != value:
        sentence = "The file is not what was sealed."
        return replace(facts, verdict=Verdict(Indication.FAILED, "hash-failure", sentence))
    return facts


def _listed(reference: Any) -> tuple[str, str, bytes]:
    """Name, digest's name and digest of a file that a manifest lists."""
    method = reference.find(f"{{{_DS}}}DigestMethod")
    value = reference.find(f"{{{_DS}}}DigestValue")
    if method is None or value is None:
        raise ValueError("a reference has no digest")
    name = _DIGESTS.get(method.get("Algorithm", ""), "")
    return unquote(reference.get("URI", "")), name, base64.b64decode(value.text or "")

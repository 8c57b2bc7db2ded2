"""XAdES baseline seals (ETSI EN 319 132-1): in an XML document, as its last element.

Canonical form needs the whole document: it is worked on up to :data:`~ecluse.exchange.seals.facts.MAX_XML`. No document
type, no entity and nothing from outside is read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import InvalidDigest, InvalidSignature, SignXMLException
from signxml.util import namespaces, xades_tag
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades.xades import (
    XAdESDataObjectFormat,
    XAdESSignatureConfiguration,
    XAdESSigner,
    XAdESVerifier,
)

from ecluse.errors import EcluseError
from ecluse.exchange.seals.errors import CanNotSeal, TooLargeToSeal
from ecluse.exchange.seals.facts import MAX_XML, Indication, SealFacts, Verdict, name_of
from ecluse.exchange.seals.hand import XmlHand
from ecluse.exchange.seals.trust import Anchors, fingerprint, moment, read_certificate, weigh
from ecluse.model.basics import Instant
from ecluse.wire.cms.sign import Signer

__all__ = ["check_xml", "seal_xml"]

MAX_SEALS: Final = 16
_DS: Final = f"{{{namespaces.ds}}}"
_DIGESTS: Final = frozenset(
    {DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512, DigestAlgorithm.SHA3_256}
)
_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)

_TRANSFORMS: Final = frozenset(
    {SignatureConstructionMethod.enveloped.value, *(method.value for method in CanonicalizationMethod)}
)
"""What may be done to a document before it is digested and leaves it the same document."""


class _Sealer(XAdESSigner):
    """The library's signer with the hub's time."""

    def __init__(self, now: Instant, **how: Any) -> None:
        super().__init__(**how)
        self._now = now

    def add_signing_time(
        self, signed_signature_properties: Any, sig_root: Any, signing_settings: Any
    ) -> None:
        element = etree.SubElement(signed_signature_properties, xades_tag("SigningTime"))
        element.text = moment(self._now).strftime("%Y-%m-%dT%H:%M:%SZ")


def seal_xml(
    document: bytes, signer: Signer, *, now: Instant, issuers: Sequence[x509.Certificate] = ()
) -> bytes:
    """An XML document with its seal in it (enveloped).

    Args:
        document: The XML.
        signer: Who seals.
        now: The time that the seal says.
        issuers: The issuers of its certificate.

    Raises:
        CanNotSeal: It is no XML, or has a document type, or a signature already.
        TooLargeToSeal: It is larger than is worked on.
        KeyUnfit: XML programs don't know such a key.
    """
    hand = XmlHand(signer)
    root = _parse(document)
    if next(root.iter(f"{_DS}Signature"), None) is not None:
        raise CanNotSeal(
            "The XML is signed already, and a second seal within it would break the first.",
            remedy="Seal it as cades: that goes around the document.",
        )
    is_rsa = isinstance(signer.certificate.public_key(), rsa.RSAPublicKey)
    sealer = _Sealer(
        now,
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256 if is_rsa else SignatureMethod.ECDSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        data_object_format=XAdESDataObjectFormat(Description="", MimeType="application/xml"),
    )
    try:
        sealed = sealer.sign(
            root, key=cast(Any, hand), cert=[signer.certificate, *issuers], always_add_key_value=False
        )
    except EcluseError:
        raise
    except Exception as error:
        raise CanNotSeal(f"The XML can't be sealed: {type(error).__name__}.") from error
    return bytes(etree.tostring(sealed.getroottree(), xml_declaration=True, encoding="UTF-8"))


def check_xml(document: bytes, anchors: Anchors, *, now: Instant) -> list[SealFacts]:
    """The seals within an XML document; none where it has none.

    Raises:
        CanNotSeal: It is no XML, or has a document type.
        TooLargeToSeal: It is larger than is worked on.
    """
    root = _parse(document)
    found = list(root.iter(f"{_DS}Signature"))
    if len(found) > MAX_SEALS:
        return [_failed("format-failure", f"It has {len(found)} signatures, and {MAX_SEALS} are looked at.")]
    return [_check(document, root, element, anchors, now) for element in found]


def _check(document: bytes, root: Any, element: Any, anchors: Anchors, now: Instant) -> SealFacts:
    certificates = _certificates(element)
    qualified = element.find(f".//{xades_tag('QualifyingProperties')}") is not None
    if not certificates:
        return _open("no-signing-certificate-found", "The signature does not carry its certificate.")
    own = certificates[0]
    made = _signing_time(element) if qualified else None
    facts = SealFacts(
        "xades" if qualified else "xmldsig",
        _failed("sig-crypto-failure", "").verdict,
        name_of(own.subject),
        fingerprint(own),
        name_of(own.issuer),
        made,
        algorithm=_algorithm(element),
    )
    parent = element.getparent()
    if parent is None or element is not next(parent.iterchildren(f"{_DS}Signature")):
        return replace(facts, verdict=_BEHIND)
    path = root.getroottree().getelementpath(parent)
    references = element.findall(f"{_DS}SignedInfo/{_DS}Reference")
    how = (XAdESSignatureConfiguration if qualified else SignatureConfiguration)(
        location="./" if path == "." else f"./{path}/",
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        expect_references=len(references),
        verification_time=own.not_valid_before_utc,  # when it is too late is for `weigh` to say
    )
    verifier = XAdESVerifier() if qualified else XMLVerifier()
    try:
        verifier.verify(document, x509_cert=own, expect_config=how, parser=_parser())
    except InvalidDigest:
        verdict = Verdict(Indication.FAILED, "hash-failure", "The document is not what was sealed.")
    except InvalidSignature:
        verdict = Verdict(
            Indication.FAILED, "sig-crypto-failure", "The signature does not fit its certificate's key."
        )
    except (SignXMLException, ValueError) as error:
        verdict = _refusal(str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's XML does anything to the library that reads it
        verdict = _refusal(type(error).__name__)
    else:
        verdict = weigh(own, certificates, anchors, now=now, made=made)
    whole = any(_is_whole(reference, root) for reference in references)
    return replace(facts, verdict=verdict, covers="whole" if whole else "part")


_BEHIND: Final = Verdict(
    Indication.INDETERMINATE, "format-failure", "It stands behind another signature, and is not looked at."
)


def _refusal(why: str) -> Verdict:
    if "forbidden" in why:
        sentence = "It is made with an algorithm that is too weak, or that nobody uses."
        return Verdict(Indication.INDETERMINATE, "crypto-constraints-failure", sentence)
    return Verdict(Indication.FAILED, "format-failure", "The signature can't be checked as it stands.")


def _is_whole(reference: Any, root: Any) -> bool:
    """Whether a reference is to all of the document (the signature itself apart), and to nothing that it is made into.

    An id counts where one element alone has it, by whatever attribute of that name: the library takes the first that it
    finds, and another may be put in its way.
    """
    uri = reference.get("URI")
    if uri is None or any(
        each.get("Algorithm") not in _TRANSFORMS for each in reference.iter(f"{_DS}Transform")
    ):
        return False
    if uri == "":
        return True
    named = root.xpath("//*[@*[translate(local-name(), 'ID', 'id') = 'id'] = $id]", id=uri[1:])
    return uri.startswith("#") and bool(named == [root])


def _certificates(element: Any) -> list[x509.Certificate]:
    """Those that stand in the signature, the signer's first."""
    found = []
    for each in element.iterfind(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate"):
        with suppress(ValueError):
            certificate = read_certificate(base64.b64decode(each.text or ""))
            if certificate is not None:
                found.append(certificate)
    return found


def _signing_time(element: Any) -> Instant | None:
    found = element.find(f".//{xades_tag('SigningTime')}")
    try:
        when = datetime.fromisoformat((found.text or "").strip())
        return Instant(int(when.timestamp()) * 1_000_000)
    except (AttributeError, ValueError, OverflowError):
        return None


def _algorithm(element: Any) -> str:
    method = element.find(f"{_DS}SignedInfo/{_DS}SignatureMethod")
    return str(method.get("Algorithm", "")).rpartition("#")[2] if method is not None else ""


def _failed(ground: str, sentence: str) -> SealFacts:
    return SealFacts("xmldsig", Verdict(Indication.FAILED, ground, sentence), covers="part")


def _open(ground: str, sentence: str) -> SealFacts:
    return SealFacts("xmldsig", Verdict(Indication.INDETERMINATE, ground, sentence), covers="part")


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _parse(document: bytes) -> Any:
    if len(document) > MAX_XML:
        raise TooLargeToSeal(f"The XML has {len(document)} octets, and {MAX_XML} are worked on.")
    try:
        root = etree.fromstring(document, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CanNotSeal("The document is no well-formed XML.") from error
    if root.getroottree().docinfo.doctype:
        raise CanNotSeal("The XML has a document type, which no seal may rest on.")
    return root

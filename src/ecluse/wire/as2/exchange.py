"""Certificate exchange messages: the XML of draft-meadors-certificate-exchange-14 (EDIINT CEM), written and read.

A request offers certificates, each with what it is for; a response says of each whether it is taken. Both name a
certificate by issuer and serial number; the certificates of a request travel beside the XML, as certs-only PKCS#7. What
is done of the draft is this: requests and responses over AS2, with the usages below. Its ``ResponseURL`` is written and
read, and answers go to the partner's agreed address all the same: where certificates are accepted is not for a message
to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

from ecluse.errors import EcluseError, Fault
from ecluse.wire.xml import XmlError, XmlReader

__all__ = [
    "CERTIFICATES_TYPE",
    "EXCHANGE_TYPE",
    "MAX_EXCHANGE",
    "USAGES",
    "BadExchange",
    "ExchangeRequest",
    "ExchangeResponse",
    "TrustRequest",
    "TrustResponse",
    "Usage",
    "read_exchange",
    "write_request",
    "write_response",
]

EXCHANGE_TYPE: Final = "application/ediint-cert-exchange+xml"
"""Media type of the XML (section 3)."""
CERTIFICATES_TYPE: Final = "application/pkcs7-mime; smime-type=certs-only"
"""Media type of the certificates beside it (RFC 8551 s3.2.2)."""
MAX_EXCHANGE: Final = 1 << 18
"""Octets of the XML; a request with one certificate has about one thousand."""
MAX_TRUST: Final = 32
"""Certificates in one message: as many as one file of a configuration may hold."""
MAX_VALUE: Final = 2000
"""Characters of a value; the longest, a URL, has as many in a configuration."""

Usage = Literal["digitalSignature", "keyEncipherment", "tlsServer", "tlsClient"]
USAGES: Final[tuple[Usage, ...]] = ("digitalSignature", "keyEncipherment", "tlsServer", "tlsClient")

_NAMESPACE: Final = "urn:ietf:params:xml:ns:ediintcertificateexchange"
_XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_REQUEST: Final = "EDIINTCertificateExchangeRequest"
_RESPONSE: Final = "EDIINTCertificateExchangeResponse"


class BadExchange(EcluseError):
    """What should be a certificate exchange message is none, or says something that can't be."""

    code = "as2.bad-certificate-exchange"
    fault = Fault.PARTNER
    remedy = "Ask the partner for the certificate by another way, and add it with `ecluse rotate take`."


@dataclass(frozen=True, slots=True)
class TrustRequest:
    """One certificate that is offered.

    Attributes:
        usages: What it is for; those that are not known here are left out.
        issuer: Its issuer's name, as text.
        serial: Its serial number.
        content_id: Content-ID of the part that holds it, without brackets.
        respond_by: When an answer is wished for, as written; empty where that is not said.
        response_url: Where the answer is wished to go to.
    """

    usages: tuple[Usage, ...]
    issuer: str
    serial: int
    content_id: str
    respond_by: str = ""
    response_url: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeRequest:
    """Certificates that are offered.

    Attributes:
        request_id: Names the request; the answer carries it.
        name: The sender's AS2 id.
        originated: When it was made, as written.
        trust: The certificates.
    """

    request_id: str
    name: str
    originated: str
    trust: tuple[TrustRequest, ...]


@dataclass(frozen=True, slots=True)
class TrustResponse:
    """What becomes of a certificate that was offered.

    Attributes:
        issuer: Its issuer's name, as text.
        serial: Its serial number.
        accepted: Whether it is taken.
        reason: Why it is not.
    """

    issuer: str
    serial: int
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeResponse:
    """The answer to a request. Attributes as of :class:`ExchangeRequest`."""

    request_id: str
    name: str
    originated: str
    trust: tuple[TrustResponse, ...]


def write_request(request: ExchangeRequest) -> bytes:
    """The XML of a request."""
    return _document(_REQUEST, request, [_trust_request(each) for each in request.trust])


def write_response(response: ExchangeResponse) -> bytes:
    """The XML of a response."""
    return _document(_RESPONSE, response, [_trust_response(each) for each in response.trust])


def _document(root: str, message: ExchangeRequest | ExchangeResponse, bodies: Sequence[str]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<{root} xmlns="{_NAMESPACE}" xmlns:ds="{_XMLDSIG}" requestId={quoteattr(_clean(message.request_id))}>',
        "<TradingPartnerInfo>",
        f'<Name qualifier="AS2">{_text(message.name)}</Name>',
        f"<MessageOriginated>{_text(message.originated)}</MessageOriginated>",
        "</TradingPartnerInfo>",
        *bodies,
        f"</{root}>",
        "",
    ]
    return "\n".join(lines).encode()


def _trust_request(trust: TrustRequest) -> str:
    parts = [f"<CertUsage>{usage}</CertUsage>" for usage in trust.usages]
    if trust.respond_by:
        parts.append(f"<RespondByDate>{_text(trust.respond_by)}</RespondByDate>")
    return "\n".join(
        [
            "<TrustRequest>",
            *parts,
            f"<ResponseURL>{_text(trust.response_url)}</ResponseURL>",
            "<EndEntity>",
            f"<CertificateIdentifier>{_identifier(trust)}</CertificateIdentifier>",
            f"<CertificateContentID>{_text(trust.content_id)}</CertificateContentID>",
            "</EndEntity>",
            "</TrustRequest>",
        ]
    )


def _trust_response(trust: TrustResponse) -> str:
    reason = f"<ReasonForRejection>{_text(trust.reason)}</ReasonForRejection>" if trust.reason else ""
    return "\n".join(
        [
            "<TrustResponse>",
            f"<CertStatus>{'Accepted' if trust.accepted else 'Rejected'}</CertStatus>{reason}",
            f"<CertificateReference>{_identifier(trust)}</CertificateReference>",
            "</TrustResponse>",
        ]
    )


def _identifier(trust: TrustRequest | TrustResponse) -> str:
    return (
        f"<ds:X509IssuerName>{_text(trust.issuer)}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{trust.serial}</ds:X509SerialNumber>"
    )


def _text(value: str) -> str:
    return escape(_clean(value))


def _clean(value: str) -> str:
    """What XML can hold: printable, and on one line."""
    return "".join(each if each.isprintable() else " " for each in value)[:MAX_VALUE]


def read_exchange(data: bytes) -> ExchangeRequest | ExchangeResponse:
    """Read a request or a response.

    Raises:
        BadExchange: It is neither, or passes a limit.
    """
    if len(data) > MAX_EXCHANGE:
        raise BadExchange(f"A certificate exchange message is larger than {MAX_EXCHANGE} octets.")
    found = _Reading()
    try:
        reader = XmlReader(found.ended, found.started)
        reader.feed(data, last=True)
    except XmlError as error:
        raise BadExchange(error.cause) from None
    return found.result()


class _Reading:
    """Takes the elements as they end."""

    def __init__(self) -> None:
        self._root = ""
        self._id = ""
        self._values: dict[str, str] = {}
        self._entry: dict[str, str] = {}
        self._usages: list[Usage] = []
        self._requests: list[TrustRequest] = []
        self._responses: list[TrustResponse] = []

    def started(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        if len(path) == 1:
            self._root = path[0]
            self._id = attributes.get("requestId", "")

    def ended(self, path: tuple[str, ...], text: str) -> None:
        if len(text) > MAX_VALUE:
            raise BadExchange(
                f"A value of a certificate exchange message is longer than {MAX_VALUE} characters."
            )
        match path:
            case (_, "TradingPartnerInfo", name):
                self._values[name] = text
            case (_, "TrustRequest", "CertUsage"):
                self._usages += [usage for usage in USAGES if usage == text and usage not in self._usages]
            case (root, "TrustRequest") if root == _REQUEST:
                self._end_request()
            case (root, "TrustResponse") if root == _RESPONSE:
                self._end_response()
            case (_, "TrustRequest" | "TrustResponse", *_):
                self._entry.setdefault(path[-1], text)

    def _end_request(self) -> None:
        entry = self._entry
        self._requests.append(
            TrustRequest(
                tuple(self._usages),
                _needed(entry, "X509IssuerName"),
                _serial(entry),
                entry.get("CertificateContentID", "").strip("<>"),
                entry.get("RespondByDate", ""),
                entry.get("ResponseURL", ""),
            )
        )
        self._next(self._requests)

    def _end_response(self) -> None:
        entry = self._entry
        status = _needed(entry, "CertStatus")
        if status not in ("Accepted", "Rejected"):
            raise BadExchange("A response neither accepts a certificate nor rejects it.")
        self._responses.append(
            TrustResponse(
                _needed(entry, "X509IssuerName"),
                _serial(entry),
                status == "Accepted",
                entry.get("ReasonForRejection", ""),
            )
        )
        self._next(self._responses)

    def _next(self, entries: Sequence[object]) -> None:
        if len(entries) > MAX_TRUST:
            raise BadExchange(
                f"There are more than {MAX_TRUST} certificates in a certificate exchange message."
            )
        self._entry, self._usages = {}, []

    def result(self) -> ExchangeRequest | ExchangeResponse:
        if self._root not in (_REQUEST, _RESPONSE):
            raise BadExchange("This is no certificate exchange message.")
        if not self._id or len(self._id) > MAX_VALUE or not self._id.isprintable():
            raise BadExchange("A certificate exchange message has no usable requestId.")
        name, originated = _needed(self._values, "Name"), self._values.get("MessageOriginated", "")
        if self._root == _REQUEST and self._requests:
            return ExchangeRequest(self._id, name, originated, tuple(self._requests))
        if self._root == _RESPONSE and self._responses:
            return ExchangeResponse(self._id, name, originated, tuple(self._responses))
        raise BadExchange("A certificate exchange message is about no certificate.")


def _needed(values: dict[str, str], name: str) -> str:
    value = values.get(name, "")
    if not value or not value.isprintable():
        raise BadExchange(f"A certificate exchange message has no usable {name}.")
    return value


def _serial(values: dict[str, str]) -> int:
    text = _needed(values, "X509SerialNumber")
    # RFC 5280 s4.1.2.2: at most 20 octets; some products write more digits than they should.
    if not (text.isascii() and text.isdigit() and len(text) <= 60):
        raise BadExchange("A serial number is no number.")
    return int(text)

"""The HTTP header of an AS2 request, read into one frozen fact (RFC 4130 s6, s7.3; RFC 6017)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from ecluse.wire.as2.disposition import SENDER_EQUALS_RECEIVER, UNSUPPORTED_FORMAT, UNSUPPORTED_MIC
from ecluse.wire.as2.errors import As2Failure, As2RequestError
from ecluse.wire.as2.identity import parse_message_id, parse_name
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.mic import DEFAULT_DIGEST, digest_name
from ecluse.wire.smime.parameters import Value, parse_value

__all__ = ["As2Request", "ReceiptRequest", "parse_receipt_options", "parse_request"]

_MAX_VALUES = 16
"""Algorithms in one signed-receipt-micalg list that are looked at; there are four that can be done."""
_PROTOCOLS = frozenset({"pkcs7-signature", "x-pkcs7-signature"})
_MAY_HOLD_MDN = frozenset(
    {"multipart/report", "multipart/signed", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
_OPTION = re.compile(r"\s*([A-Za-z-]+)\s*=\s*(.*)\Z", re.DOTALL)


class ReceiptRequest(Struct, frozen=True):
    """What the sender wants back.

    Attributes:
        to: Disposition-Notification-To, as sent.
        url: Receipt-Delivery-Option, as sent: an asynchronous MDN goes there, once the partner's list of
            allowed hosts was asked. ``None``: the MDN is the answer to the request.
        signed: Whether a signed receipt was asked for, required or optional alike (RFC 4130 s7.3).
        protocols: The signed-receipt-protocol list, lower case, in the sender's order.
        micalgs: The signed-receipt-micalg list as written, in the sender's order of preference.
    """

    to: str
    url: str | None = None
    signed: bool = False
    protocols: tuple[str, ...] = ()
    micalgs: tuple[str, ...] = ()

    @property
    def digest(self) -> str | None:
        """The first named algorithm that is supported, as a hash name; ``None`` where the list is empty.

        Raises:
            As2Failure: Algorithms are named, and none of them is supported.
        """
        if not self.micalgs:
            return None
        for name in self.micalgs:
            found = digest_name(name)
            if found is not None:
                return found
        raise As2Failure(
            f"None of the MIC algorithms asked for is supported: {', '.join(self.micalgs)[:120]}.",
            disposition=UNSUPPORTED_MIC,
            remedy="Ask for sha-256 in Disposition-Notification-Options.",
        )

    def check_protocol(self) -> None:
        """See that a signed receipt can be given in a form that was asked for.

        Raises:
            As2Failure: Protocols are named, and none of them is PKCS #7.
        """
        if self.protocols and not _PROTOCOLS.intersection(self.protocols):
            raise As2Failure(
                "The signed receipt is asked for in a format that is not supported.",
                disposition=UNSUPPORTED_FORMAT,
                remedy="Ask for signed-receipt-protocol=optional, pkcs7-signature.",
            )


class As2Request(Struct, frozen=True):
    """An AS2 request without its body.

    Attributes:
        message_id: Exactly as sent, brackets included.
        as2_from: The sender's name, unquoted, case kept.
        as2_to: The receiver's name, unquoted, case kept.
        version: AS2-Version as sent; ``1.0`` where it is absent (RFC 4130 s6.1).
        product: AS2-Product (AS2-Version 1.3), or ``None``.
        features: EDIINT-Features, lower case (RFC 6017).
        subject: Subject, or ``None``.
        date: Date as sent, or ``None``.
        content_type: The outer Content-Type.
        receipt: What MDN was asked for; ``None`` where none was.
        headers: Every field.
    """

    message_id: str
    as2_from: str
    as2_to: str
    version: str
    product: str | None
    features: tuple[str, ...]
    subject: str | None
    date: str | None
    content_type: Value
    receipt: ReceiptRequest | None
    headers: Headers

    @property
    def may_be_mdn(self) -> bool:
        """Whether the outer header allows an MDN: a report, or something protected that asks for no receipt.

        Only opening the body tells (``Opened.is_mdn``), for a signed MDN is a multipart/signed like any.
        """
        return self.receipt is None and self.content_type.value in _MAY_HOLD_MDN

    @property
    def mic_digest(self) -> str:
        """The hash name for Received-content-MIC where no signature decides it.

        Raises:
            As2Failure: See :attr:`ReceiptRequest.digest`.
        """
        return (self.receipt.digest if self.receipt else None) or DEFAULT_DIGEST

    def check(self) -> None:
        """See that the exchange can be done at all, before the body is opened.

        Raises:
            As2Failure: The sender is the receiver, or the receipt asked for can't be made.
        """
        if self.as2_from == self.as2_to:
            raise As2Failure(
                "AS2-From and AS2-To are the same.",
                disposition=SENDER_EQUALS_RECEIVER,
                remedy="Correct the AS2 names in the sender's configuration.",
            )
        if self.receipt is not None:
            self.receipt.check_protocol()
            _ = self.receipt.digest


def parse_request(fields: Iterable[tuple[str, str]]) -> As2Request:
    """Read the header of an HTTP request as AS2.

    Args:
        fields: Names (any case) and values; folded values are accepted.

    Raises:
        As2RequestError: No AS2-From, AS2-To or Message-ID that can be used, or too many fields.
    """
    try:
        headers = Headers.of(fields)
    except MimeError as error:
        raise As2RequestError(error.cause) from error
    return As2Request(
        message_id=parse_message_id(headers.get("message-id")),
        as2_from=parse_name(headers.get("as2-from"), "AS2-From"),
        as2_to=parse_name(headers.get("as2-to"), "AS2-To"),
        version=headers.get("as2-version") or "1.0",
        product=headers.get("as2-product"),
        features=tuple(
            word.strip().lower()
            for word in (headers.get("ediint-features") or "").split(",")[:_MAX_VALUES]
            if word.strip()
        ),
        subject=headers.get("subject"),
        date=headers.get("date"),
        content_type=parse_value(headers.get("content-type")),
        receipt=_receipt(headers),
        headers=headers,
    )


def _receipt(headers: Headers) -> ReceiptRequest | None:
    to = headers.get("disposition-notification-to")
    if to is None:
        return None
    protocols, micalgs = parse_receipt_options(headers.get("disposition-notification-options") or "")
    url = (headers.get("receipt-delivery-option") or "").strip().strip("<>")
    return ReceiptRequest(
        to=to, url=url or None, signed=bool(protocols or micalgs), protocols=protocols, micalgs=micalgs
    )


def parse_receipt_options(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Protocols and MIC algorithms of a Disposition-Notification-Options value, in the sender's order.

    Parameters in any order, any case, with tabs and spaces anywhere (RFC 3798 s2.2, RFC 4130 s7.3). The
    importance (``required``, ``optional``) comes first in each list and is left out.
    """
    protocols: tuple[str, ...] = ()
    micalgs: tuple[str, ...] = ()
    for piece in text.split(";"):
        match = _OPTION.match(piece)
        if match is None:
            continue
        words = [word.strip(' \t\r\n"') for word in match[2].split(",")]
        words = [word for word in words if word][: _MAX_VALUES + 1]
        if words and words[0].lower() in ("required", "optional"):
            del words[0]
        if match[1].lower() == "signed-receipt-protocol":
            protocols = tuple(word.lower() for word in words)
        elif match[1].lower() == "signed-receipt-micalg":
            micalgs = tuple(words)
    return protocols, micalgs

"""Receipts going out: Message Disposition Notifications, plain or signed (RFC 4130 s7.4, RFC 3798)."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from ecluse.wire.as2._layers import SignedLayer
from ecluse.wire.as2.build import FEATURES
from ecluse.wire.as2.disposition import Disposition
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.identity import format_name
from ecluse.wire.cms.sign import Signer, digests_needed
from ecluse.wire.smime.headers import write_headers
from ecluse.wire.smime.mic import DEFAULT_DIGEST, Digester, micalg_name

__all__ = ["BuiltMdn", "MdnOptions", "Mic", "build_mdn", "explain"]


@dataclass(frozen=True, slots=True)
class Mic:
    """A message integrity check as an MDN carries it.

    Attributes:
        digest: Hash name (``sha256``).
        value: The digest's octets.
    """

    digest: str
    value: bytes


@dataclass(frozen=True, slots=True)
class MdnOptions:
    """How receipts to one partner are made.

    Attributes:
        signers: Who signs where a signed receipt is asked for.
        digest: ``sha256``, ``sha384`` or ``sha512``.
        dashed_micalg: False for partners that know only ``sha256`` and not ``sha-256``.
        algorithm_protection: False leaves CMSAlgorithmProtection out.
        version: AS2-Version.
        product: Reporting-UA, and AS2-Product with AS2-Version 1.3.
    """

    signers: tuple[Signer, ...] = ()
    digest: str = DEFAULT_DIGEST
    dashed_micalg: bool = True
    algorithm_protection: bool = True
    version: str = "1.2"
    product: str = "Ecluse"


@dataclass(frozen=True, slots=True)
class BuiltMdn:
    """A receipt ready to be stored and sent, again and again, as it is.

    Attributes:
        message_id: Its own Message-ID.
        headers: HTTP header fields, none folded; Content-Length among them.
        body: The HTTP body.
        signed: Whether it is signed.
    """

    message_id: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    signed: bool


def explain(disposition: Disposition, cause: str = "", remedy: str = "") -> str:
    """The text that a person at the other side reads: what happened, and what they can do about it."""
    if disposition.is_success and not cause:
        return (
            "The message was received, opened and checked, and is kept.\n"
            "This receipt says nothing about whether its content is acceptable to the application.\n"
        )
    return "\n".join(line for line in (f"Answer: {disposition}", cause, remedy) if line) + "\n"


def build_mdn(
    request: As2Request,
    disposition: Disposition,
    *,
    text: str,
    mic: Mic | None,
    message_id: str,
    now: int,
    entropy: Callable[[int], bytes],
    options: MdnOptions | None = None,
) -> BuiltMdn:
    """Make the receipt for ``request``: signed where it asked for that and a signer is there.

    Args:
        request: What is answered; its Message-ID is echoed exactly.
        disposition: The answer.
        text: For people; see :func:`explain`. Beyond ASCII it is sent as UTF-8.
        mic: Over what was received; ``None`` where it could not be made.
        message_id: Of the receipt, with its brackets.
        now: Date and signing time, in seconds since 1970.
        entropy: For boundaries.
        options: How receipts to this partner are made.

    Raises:
        EcluseError: A value that can't stand in a header, or a digest that is not signed with.
    """
    options = options or MdnOptions()
    drawn = entropy(32)
    inner, outer = (f"ecluse-{half.hex()}" for half in (drawn[:16], drawn[16:]))
    content_type = f'multipart/report; report-type=disposition-notification; boundary="{inner}"'
    fields = [("Content-Type", content_type)]
    body = _report(request, disposition, text, mic, inner, options)
    signed = bool(options.signers) and request.receipt is not None and request.receipt.signed
    if signed:
        layer = SignedLayer(
            options.signers,
            options.digest,
            boundary=outer,
            now=now,
            digester=Digester(digests_needed(options.signers, options.digest), canonical=False),
            dashed=options.dashed_micalg,
            algorithm_protection=options.algorithm_protection,
        )
        body = layer.start() + layer.feed(write_headers(fields) + body) + layer.finish()
        fields = layer.fields()
    head = [
        ("Message-ID", message_id),
        ("Date", formatdate(now, usegmt=True)),
        ("Mime-Version", "1.0"),
        ("AS2-Version", options.version),
        *([("AS2-Product", options.product)] if options.version == "1.3" else []),
        ("AS2-From", format_name(request.as2_to)),
        ("AS2-To", format_name(request.as2_from)),
        ("EDIINT-Features", FEATURES),
        ("Subject", "Message disposition notification"),
    ]
    headers = (*head, *fields, ("Content-Length", str(len(body))))
    write_headers(headers)
    return BuiltMdn(message_id, headers, body, signed)


_MACHINE_HEADER: Final = write_headers(
    [("Content-Type", "message/disposition-notification"), ("Content-Transfer-Encoding", "7bit")]
)


def _report(
    request: As2Request,
    disposition: Disposition,
    text: str,
    mic: Mic | None,
    boundary: str,
    options: MdnOptions,
) -> bytes:
    charset = "us-ascii" if text.isascii() else "utf-8"
    words = "\r\n".join(text.splitlines()).encode("utf-8", "replace")
    human = write_headers(
        [
            ("Content-Type", f"text/plain; charset={charset}"),
            ("Content-Transfer-Encoding", "7bit" if text.isascii() else "8bit"),
        ]
    )
    recipient = f"rfc822; {format_name(request.as2_to)}"
    fields = [
        ("Reporting-UA", options.product),
        ("Original-Recipient", recipient),
        ("Final-Recipient", recipient),
        ("Original-Message-ID", request.message_id),
        ("Disposition", str(disposition)),
    ]
    if mic is not None:
        value = binascii.b2a_base64(mic.value, newline=False).decode("ascii")
        fields.append(
            ("Received-content-MIC", f"{value}, {micalg_name(mic.digest, dashed=options.dashed_micalg)}")
        )
    delimiter = f"--{boundary}\r\n".encode("ascii")
    return b"".join(
        (
            delimiter,
            human,
            words,
            b"\r\n",
            delimiter,
            _MACHINE_HEADER,
            write_headers(fields),
            b"\r\n",
            f"--{boundary}--\r\n".encode("ascii"),
        )
    )

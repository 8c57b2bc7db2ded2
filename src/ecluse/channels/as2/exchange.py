"""Certificate exchange messages as documents: one multipart of XML and certificates out, the parts of one in."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ecluse.wire.as2.exchange import CERTIFICATES_TYPE, EXCHANGE_TYPE
from ecluse.wire.smime.headers import write_headers

__all__ = ["exchange_document"]


def exchange_document(
    xml: bytes, certificates: Sequence[tuple[str, Sequence[x509.Certificate]]], boundary: str
) -> tuple[str, bytes]:
    """A certificate exchange message as one document: multipart/related (RFC 2387), as the draft's section 3 has it.

    Args:
        xml: From :func:`~ecluse.wire.as2.exchange.write_request` or ``write_response``.
        certificates: Content-ID without brackets, and a certificate with its issuers, for each that the XML names.
        boundary: Between the parts; occurs in none of them.

    Returns:
        Content-Type and octets.
    """
    parts = [(EXCHANGE_TYPE, "", xml)]
    for content_id, chain in certificates:
        parts.append((CERTIFICATES_TYPE, content_id, pkcs7.serialize_certificates(list(chain), Encoding.DER)))
    out = []
    for content_type, content_id, data in parts:
        fields = [("Content-Type", content_type), ("Content-Transfer-Encoding", "binary")]
        if content_id:
            fields.append(("Content-ID", f"<{content_id}>"))
        out.append(f"--{boundary}\r\n".encode("ascii") + write_headers(fields) + data + b"\r\n")
    body = b"".join(out) + f"--{boundary}--\r\n".encode("ascii")
    return f'multipart/related; type="{EXCHANGE_TYPE}"; boundary="{boundary}"', body

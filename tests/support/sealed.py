"""Documents to seal, and a keyring to seal them with."""

from __future__ import annotations

import functools
import io
import time

from cryptography import x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.writer import PdfFileWriter

from ecluse.exchange.seals.trust import Anchors
from ecluse.model.basics import Instant
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.wire.cms.sign import Signer

__all__ = ["INVOICE", "KINDS", "NOW", "believed", "certificate", "keyring", "pdf", "signer"]

NOW = Instant(int(time.time() - 900) * 1_000_000)
KINDS = ("rsa-2048", "ec-p256")
"""Kinds of keys that every format knows."""
INVOICE = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n<Invoice xmlns='urn:oasis:names:specification:ubl:schema:xsd:Invoice-2'>"
    b"<ID>4711</ID><Note>Gr\xc3\xbc\xc3\x9fe &amp; more</Note></Invoice>\n"
)


@functools.cache
def keyring() -> MemoryKeyring:
    """A key of every kind, named by it."""
    made = MemoryKeyring(lambda: Instant(NOW - 3600 * 1_000_000))
    for kind in (*KINDS, "ed25519", "ml-dsa-65"):
        made.generate(kind, kind, subject="Aster")
    return made


def signer(kind: str) -> Signer:
    return keyring().signer(kind)


def certificate(kind: str) -> x509.Certificate:
    return keyring().certificate(kind)


def believed(kind: str) -> Anchors:
    return Anchors((certificate(kind),))


@functools.cache
def pdf(pages: int = 1) -> bytes:
    """A PDF of empty pages."""
    writer = PdfFileWriter()
    for _ in range(pages):
        box = generic.ArrayObject([generic.NumberObject(x) for x in (0, 0, 200, 200)])
        page = {
            "/Type": generic.NameObject("/Page"),
            "/MediaBox": box,
            "/Resources": generic.DictionaryObject(),
        }
        writer.insert_page(generic.DictionaryObject({generic.NameObject(k): v for k, v in page.items()}))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()

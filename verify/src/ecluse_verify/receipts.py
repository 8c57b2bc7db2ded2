"""Signed receipts: what a Message Disposition Notification says, and under whose signature (RFC 4130 s7, RFC 8098).

A receipt is a multipart/report, signed as multipart/signed (RFC 1847) or as an opaque application/pkcs7-mime
(RFC 8551 s3.5.2). Its ``Received-content-MIC`` is the digest of what its sender received: equal to the digest of what
was sent, it says that just these octets arrived.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from ecluse_verify.cms import SignedData, signed_data
from ecluse_verify.mime import Entity, read_entity
from ecluse_verify.text import Bad, base64_octets

__all__ = ["Mic", "Receipt", "Signed", "mic_name", "read_receipt", "same_id", "signed_entity"]

_PKCS7: Final = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_MAX_DEPTH: Final = 5
_NAME: Final = re.compile(r"(sha)-?([0-9]+|3-[0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed entity: the octets that are signed, and the signatures."""

    content: bytes
    cms: SignedData

    def digest(self, name: str) -> bytes:
        """Of the signed octets."""
        return hashlib.new(name, self.content).digest()


@dataclass(frozen=True, slots=True)
class Mic:
    """A message integrity check: which digest, and its value."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, and the signature around it, if there is one."""

    original: str
    disposition: str
    mic: Mic | None
    signed: Signed | None

    @property
    def positive(self) -> bool:
        """Whether it says that the message was processed, without an error or failure (RFC 4130 s7.5)."""
        state = self.disposition.rpartition(";")[2].strip().lower()
        word, _, modifier = state.partition("/")
        return word.strip() == "processed" and not modifier.strip().startswith(("error", "fail"))


def signed_entity(entity: Entity) -> Signed | None:
    """The signature around an entity; ``None`` where it has none. Raises :class:`Bad`."""
    if entity.media_type == "multipart/signed":
        parts = entity.parts()
        if len(parts) != 2:
            raise Bad("mime")
        return Signed(parts[0], signed_data(read_entity(parts[1]).decoded()))
    if entity.media_type in _PKCS7 and entity.parameter("smime-type").lower() in ("signed-data", ""):
        cms = signed_data(entity.decoded())
        if cms.content is None:
            raise Bad("cms.content")
        return Signed(cms.content, cms)
    return None


def read_receipt(data: bytes) -> Receipt:
    """Read a receipt from its header and body. Raises :class:`Bad` where it isn't one."""
    entity, signed = read_entity(data), None
    for _ in range(_MAX_DEPTH):
        if entity.media_type == "multipart/report":
            break
        found = signed_entity(entity)
        if found is None:
            raise Bad("receipt")
        signed = signed or found
        entity = read_entity(found.content)
    else:
        raise Bad("receipt")
    for part in map(read_entity, entity.parts()):
        if part.media_type == "message/disposition-notification":
            fields = read_entity(part.decoded().rstrip(b"\r\n") + b"\r\n\r\n").fields
            return Receipt(
                fields.get("original-message-id", ""),
                fields.get("disposition", ""),
                _mic(fields.get("received-content-mic", "")),
                signed,
            )
    raise Bad("receipt")


def mic_name(text: str) -> str:
    """The ``hashlib`` name of a MIC algorithm as partners spell it (RFC 4130 s7.3, RFC 5751 s3.4.3.2)."""
    match = _NAME.fullmatch(text.strip())
    name = f"sha{match[2].replace('3-', '3_')}" if match else ""
    if name not in hashlib.algorithms_guaranteed or name.startswith("shake"):
        raise Bad("mic.algorithm", algorithm=text)
    return name


def same_id(one: str, other: str) -> bool:
    """Whether two Message-IDs are one; some programs drop the brackets."""
    return bool(one.strip("<> ")) and one.strip("<> ") == other.strip("<> ")


def _mic(text: str) -> Mic | None:
    value, comma, name = text.partition(",")
    return Mic(mic_name(name), base64_octets("".join(value.split()))) if comma else None

"""MIME entities, octet for octet: header fields, the parts of a multipart, transfer encodings (RFC 2045, 2046, 5322).

What was signed is octets, not meaning: the first part of a multipart/signed is taken as it stands between its two
delimiters, without the line end that belongs to the delimiter (RFC 2046 s5.1.1, RFC 1847 s2.1).
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ecluse_verify.der import parse
from ecluse_verify.text import Bad

__all__ = ["Entity", "documents_in", "read_entity"]

_MAX_PARTS: Final = 200
_MAX_DEPTH: Final = 6
_MAX_INFLATED: Final = 256 << 20
_COMPRESSED: Final = "1.2.840.113549.1.9.16.1.9"
_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_PARAMETER: Final = re.compile(r';\s*([A-Za-z0-9!#$&^_.+-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')


@dataclass(frozen=True, slots=True)
class Entity:
    """Header fields (names in lower case, the first of each) and the body, transfer encoding and all."""

    fields: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Type and subtype in lower case (RFC 2045 s5.2: plain text where nothing is said)."""
        return self.fields.get("content-type", "text/plain").partition(";")[0].strip().lower()

    def parameter(self, name: str) -> str:
        """A parameter of the Content-Type; empty where it has none."""
        for key, quoted, plain in _PARAMETER.findall(self.fields.get("content-type", "")):
            if key.lower() == name:
                return re.sub(r"\\(.)", r"\1", quoted) or plain
        return ""

    def decoded(self) -> bytes:
        """The body with its transfer encoding undone (RFC 2045 s6). Raises :class:`Bad`."""
        encoding = self.fields.get("content-transfer-encoding", "binary").strip().lower()
        if encoding == "base64":
            try:
                return base64.b64decode(b"".join(self.body.split()), validate=True)
            except (binascii.Error, ValueError):
                raise Bad("mime") from None
        if encoding == "quoted-printable":
            return quopri.decodestring(self.body)
        return self.body

    def parts(self) -> list[bytes]:
        """The parts of a multipart, each as it stands between its delimiters. Raises :class:`Bad`."""
        boundary = self.parameter("boundary").encode("latin-1", "replace")
        if not self.media_type.startswith("multipart/") or not 0 < len(boundary) <= 70:
            raise Bad("mime")
        delimiter = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|$)")
        found, begin, at = [], -1, 0
        while match := delimiter.search(self.body, at):
            if begin >= 0:
                found.append(self.body[begin : match.start()])
            if match[1] or len(found) > _MAX_PARTS:
                break
            begin = match.end()
            at = max(
                begin - 2, match.start() + 1
            )  # a delimiter may follow at once: its line end is this one's
        else:
            raise Bad("mime")  # it does not end
        if len(found) > _MAX_PARTS:
            raise Bad("mime")
        return found


def read_entity(data: bytes) -> Entity:
    """Take header and body apart. Raises :class:`Bad` where there is no header."""
    match = None if data[:1] in b"\r\n" else _HEAD.search(data, 0)
    if match is not None:
        return Entity(_fields(data[: match.start()]), data[match.end() :])
    if data.startswith((b"\r\n", b"\n")):
        return Entity({}, data.partition(b"\n")[2])
    raise Bad("mime")


def documents_in(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """Every document inside an entity: parts of multiparts, decoded and inflated (RFC 3274, RFC 5402)."""
    entity = read_entity(data)
    if depth > _MAX_DEPTH:
        raise Bad("mime")
    if entity.media_type.startswith("multipart/"):
        for part in entity.parts():
            yield from documents_in(part, depth + 1)
    elif entity.media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
        outer = parse(entity.decoded())
        if outer[0].oid() != _COMPRESSED:
            return
        body = outer[1][0]
        inflate = zlib.decompressobj()
        try:
            inner = inflate.decompress(body[2][1][0].octets(), _MAX_INFLATED)
        except zlib.error:
            raise Bad("mime") from None
        if not inflate.eof:
            raise Bad("mime")
        yield from documents_in(inner, depth + 1)
    else:
        yield entity.decoded()


def _fields(head: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in _FOLD.sub(" ", head.decode("latin-1")).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields

"""ASCII armour (RFC 9580 s6), found and taken off, or put on, as octets stream by.

The CRC-24 is not checked (s6.1): what it would find, the packets' own checks find for sure.
"""

from __future__ import annotations

import binascii
import functools
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

import pysequoia

from ecluse.wire.openpgp._stream import GATHERED, Piece, Stream, regroup
from ecluse.wire.openpgp.errors import Malformed, NotOpenPgp, Truncated, UnsupportedForm

__all__ = ["ArmorKind", "armor", "armored", "dearmor"]

PREAMBLE: Final = 16 * 1024
"""Octets of text before the armour: a mail's greeting."""
HEADERS: Final = 16 * 1024
"""Octets of armour headers; each line has 76 characters at most (s6.2)."""
TAIL: Final = 256
"""Octets between the last whole group of base64 and the closing line."""

_ARMORED: Final = 48 * 2048
"""Octets that are armoured at once: whole lines of 64 characters, as everybody writes them."""

_BEGIN = re.compile(rb"-----BEGIN PGP ([A-Z ,/0-9]{1,40})-----[ \t]*\r?\n")
_TAIL = re.compile(rb"(={0,2})(=[A-Za-z0-9+/]{4})?")
_SPACE: Final = b" \t\r\n"


class ArmorKind(StrEnum):
    """What the armour says is inside."""

    MESSAGE = "MESSAGE"
    PUBLIC_KEY = "PUBLIC KEY BLOCK"
    PRIVATE_KEY = "PRIVATE KEY BLOCK"
    SIGNATURE = "SIGNATURE"
    SIGNED_TEXT = "SIGNED MESSAGE"


def armored(start: bytes) -> bool:
    """Whether data that starts so is no binary packet: the first octet of one has its highest bit set.

    The mark of UTF-8 that some editors put before a text counts as text.
    """
    return not start[:1] or start[0] < 0x80 or start.startswith(b"\xef\xbb\xbf")


def dearmor(source: Iterable[Piece], accepted: frozenset[ArmorKind]) -> Iterator[Piece]:
    """The packets of a source that may be armoured.

    Args:
        source: Pieces of any size.
        accepted: Kinds that are taken.

    Raises:
        NotOpenPgp: It is neither.
        UnsupportedForm: It is armour of another kind.
        Malformed: The base64 is damaged, or something follows the armour.
        Truncated: The closing line is missing.
    """
    stream = Stream(source)
    if not armored(stream.peek(3)):
        yield from stream.pieces()
        return
    kind, text = _opening(stream)
    if kind not in accepted:
        raise UnsupportedForm(f"The file is a PGP {kind}, which is not taken here.")
    yield from _body(stream, text, kind)


def _opening(stream: Stream) -> tuple[ArmorKind, bytes]:
    """The kind, and what was read beyond the headers."""
    seen = bytearray()
    match = None
    while match is None:
        part = stream.some(GATHERED)
        seen += part
        match = _BEGIN.search(seen[: PREAMBLE + 80])
        if match is None and (not part or len(seen) > PREAMBLE):
            raise NotOpenPgp("The file is not an OpenPGP message.")
    label = match.group(1).decode("ascii")
    if label not in set(ArmorKind):
        raise UnsupportedForm(f"The file is a PGP {label}, which is not taken here.")
    text = bytearray(seen[match.end() :])
    while True:
        # The headers end at an empty line; some writers leave blanks on it, or have no header at all.
        while (end := text.find(b"\n")) >= 0:
            line = bytes(text[:end]).strip(_SPACE)
            if line and b":" not in line:
                return ArmorKind(label), bytes(text)
            del text[: end + 1]
            if not line:
                return ArmorKind(label), bytes(text)
        part = stream.some(GATHERED)
        if not part:
            raise Truncated("The armour is cut off.")
        text += part
        if len(text) > HEADERS + GATHERED:
            raise Malformed("The armour has a line of endless length.")


def _body(stream: Stream, text: bytes, kind: ArmorKind) -> Iterator[Piece]:
    held = b""
    piece: Piece = text
    while True:
        data = bytes(piece)
        dash = data.find(b"-")
        clean = held + (data if dash < 0 else data[:dash]).translate(None, _SPACE)
        pad = clean.find(b"=")
        whole = (len(clean) if pad < 0 else pad) & ~3
        if whole:
            yield _decode(clean[:whole])
        held = clean[whole:]
        if dash >= 0:
            break
        if len(held) > TAIL:
            raise Malformed("The base64 of the armour is damaged.")
        piece = stream.some(GATHERED)
        if not piece:
            raise Truncated("The armour is cut off.")
    yield from _last(held)
    _closing(stream, data[dash:], kind)


def _last(tail: bytes) -> Iterator[Piece]:
    """The last group, and the checksum that may follow it."""
    letters = tail.find(b"=") if b"=" in tail else len(tail)
    match = _TAIL.fullmatch(tail[letters:])
    padding = -letters % 4
    if match is None or letters == 1:
        raise Malformed("The base64 of the armour is damaged.")
    # With nothing to pad, a single "=" belongs to the checksum, which the pattern has put there.
    if len(match.group(1)) != padding:
        raise Malformed("The base64 of the armour is damaged.")
    if letters:
        yield _decode(tail[: letters + padding])


def _decode(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise Malformed("The base64 of the armour is damaged.") from None


def _closing(stream: Stream, text: bytes, kind: ArmorKind) -> None:
    wanted = b"-----END PGP " + kind.encode() + b"-----"
    seen = bytearray(text)
    while len(seen) < len(wanted):
        part = stream.some(GATHERED)
        if not part:
            raise Truncated("The armour is cut off.")
        seen += part
    if not seen.startswith(wanted):
        raise Malformed("The armour is not closed as it was opened.")
    if seen[len(wanted) :].strip(_SPACE) or any(bytes(part).strip(_SPACE) for part in stream.pieces()):
        raise Malformed(
            "Something follows the armour.", remedy="Ask the partner for one message in each file."
        )


def armor(source: Iterable[Piece], kind: ArmorKind, *, checksum: bool) -> Iterator[bytes]:
    """Packets in armour, without headers.

    Args:
        source: The packets.
        kind: What they are.
        checksum: Close with a CRC-24: GnuPG 2.2 and older programs want one, and RFC 9580 s6.1 forbids it
            where a message is of its own kinds.
    """
    yield f"-----BEGIN PGP {kind}-----\n\n".encode()
    total = _CRC_START
    for part in regroup(source, _ARMORED):
        # The library gives whole armours: of each, the lines are used, and the checksum joined to the others'.
        body = pysequoia.armor(bytes(part), pysequoia.ArmorKind.Message).partition("\n\n")[2]
        text, _, crc = body.rpartition("\n=")
        yield text.encode() + b"\n"
        total = _joined(total, int.from_bytes(binascii.a2b_base64(crc[:4]), "big"), len(part))
    if checksum:
        yield b"=" + binascii.b2a_base64(total.to_bytes(3, "big"))
    yield f"-----END PGP {kind}-----\n".encode()


# --- CRC-24 (RFC 4880 s6.1) ---------------------------------------------------------------------------------

_CRC_START: Final = 0xB704CE
_CRC_POLYNOMIAL: Final = 0x1864CFB


def _joined(first: int, second: int, size: int) -> int:
    """The checksum of two parts after another, from theirs; ``size`` are the octets of the second."""
    return _times(first ^ _CRC_START, _power(size)) ^ second


@functools.lru_cache(maxsize=4)
def _power(size: int) -> int:
    """X to the power of so many octets, modulo the polynomial."""
    result, base = 1, 1 << 8
    while size:
        if size & 1:
            result = _times(result, base)
        base = _times(base, base)
        size >>= 1
    return result


def _times(left: int, right: int) -> int:
    product = 0
    for bit in reversed(range(24)):
        product <<= 1
        if product >> 24:
            product ^= _CRC_POLYNOMIAL
        if right >> bit & 1:
            product ^= left
    return product

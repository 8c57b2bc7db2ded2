"""Strict base64 and decimals: one spelling for each value, so that a text has one meaning and one form."""

from __future__ import annotations

import binascii
from typing import Final

from ecluse.wire.tlog.errors import Malformed

MAX_NUMBER: Final = 2**63 - 1
"""Sizes and indexes fit a signed 64-bit integer, as in every other implementation of these formats."""

_MAX_DIGITS: Final = len(str(MAX_NUMBER))


def encode_base64(data: bytes) -> str:
    """RFC 4648 section 4, padded, on one line."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str, what: str) -> bytes:
    """The bytes of canonical base64; raise :class:`Malformed` for every other spelling of them."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed(f"The {what} is not base64.") from None
    if encode_base64(data) != text:
        raise Malformed(f"The {what} is not canonical base64.")
    return data


def decode_decimal(text: str, what: str) -> int:
    """An ASCII decimal without sign or leading zeros."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or (text[0] == "0" and text != "0"):
        raise Malformed(f"The {what} is not a plain decimal number.")
    number = int(text)
    if number > MAX_NUMBER:
        raise Malformed(f"The {what} is larger than any log.")
    return number

"""Strict readers for small texts: JSON, base64, decimals, PEM. Anything else than the one right spelling is refused.

Sources: RFC 8259 (JSON) with the hub's canonical spelling of it, RFC 4648 s4 (base64), RFC 7468 (PEM). A digest or
a signature covers octets, so two spellings of one value would be two things: there must be only one.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

__all__ = [
    "MAX_JSON",
    "Bad",
    "base64_octets",
    "canonical_json",
    "decimal",
    "pem_blocks",
    "read_json",
    "shown",
]

MAX_JSON: Final = 64 << 20
"""Octets of a JSON file (docs/evidence-pack-format.md, the container)."""
_MAX_DECIMAL: Final = 20
_MAX_BLOCKS: Final = 1_000


class Bad(Exception):
    """Something does not hold, or can't be read. ``code`` names a sentence in :mod:`ecluse_verify.words`."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = {name: shown(value) for name, value in facts.items()}


def shown(value: object, limit: int = 300) -> str:
    """A value as it may stand in a sentence: no control characters, so that no pack can play with a terminal."""
    text = str(value)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def read_json(data: bytes) -> object:
    """The value of a JSON text: no member twice, no fractions, whole. Raises :class:`Bad`."""
    if len(data) > MAX_JSON:
        raise Bad("json")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_members, parse_float=_refused, parse_constant=_refused
        )
    except (ValueError, RecursionError):
        raise Bad("json") from None


def canonical_json(value: object) -> bytes:
    """The one spelling: members in order of name, no white space, only what must be escaped is."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        raise Bad("json") from None


def base64_octets(text: str) -> bytes:
    """Standard base64 with its padding and no stray bits. Raises :class:`Bad`."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise Bad("base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise Bad("base64")
    return data


def decimal(text: str) -> int:
    """A number without sign and leading zeroes. Raises :class:`Bad`."""
    if (
        not (text.isascii() and text.isdigit())
        or len(text) > _MAX_DECIMAL
        or (text[0] == "0" and text != "0")
    ):
        raise Bad("decimal")
    return int(text)


def pem_blocks(data: bytes, label: str) -> list[bytes]:
    """The DER of every block of that label, in order. Raises :class:`Bad` where one does not end."""
    begin, end, at, found = (
        f"-----BEGIN {label}-----".encode(),
        f"-----END {label}-----".encode(),
        0,
        list[bytes](),
    )
    while (start := data.find(begin, at)) >= 0:
        at = data.find(end, start)
        if at < 0 or len(found) == _MAX_BLOCKS:
            raise Bad("pem")
        found.append(base64_octets("".join(data[start + len(begin) : at].decode("latin-1").split())))
    return found


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refused(_: str) -> None:
    raise ValueError

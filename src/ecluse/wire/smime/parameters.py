"""Structured header values: parameters (RFC 2045 s5.1, RFC 2231) and encoded words (RFC 2047)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct, field

__all__ = ["MAX_PARAMETERS", "Value", "decode_words", "encode_parameter", "parse_value", "quote"]

MAX_PARAMETERS = 64
"""Parameters that are read of one value; RFC 2231 continuations count each. The rest is left unread."""

_KNOWN = 100
"""Characters up to which a value is kept once read: a boundary, which is never seen again, makes it longer."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_WORD = re.compile(r"=\?([^?\s]{1,64})\?([BbQq])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t]+(?==\?[^?\s]{1,64}\?[BbQq]\?)")
_SECTION = re.compile(r"(?P<name>[^*]+)(?:\*(?P<index>[0-9]{1,3}))?(?P<extended>\*)?\Z")
_CHARSET = re.compile(
    r"(utf-?8|us-ascii|ascii|iso-?8859-?[0-9]{1,2}|windows-?125[0-8]|cp125[0-8]|koi8-[ru]|shift_jis|euc-jp"
    r"|iso-2022-jp|euc-kr|gb2312|gbk|gb18030|big5|utf-?16(le|be)?)\Z",
    re.IGNORECASE,
)
"""Character sets that may name a decoder: Python's registry also holds codecs that are none."""
_PIECE = re.compile(r'(?:"(?:\\["\\]|[^"])*+"?|[^;"])++')
_QUOTED = re.compile(r'"((?:\\["\\]|[^"])*+)')
_ESCAPED = re.compile(r'\\(["\\])')
_FREE_TEXT = frozenset({"filename", "name"})
"""Parameters whose unquoted value may hold spaces and parentheses in practice."""


class Value(Struct, frozen=True):
    """A structured value such as a Content-Type.

    Attributes:
        value: What stands before the first ``;``, in lower case, white space and comments removed.
        parameters: By lower-case name; the first of several wins, and an RFC 2231 form wins over a plain one.
    """

    value: str = ""
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str) -> str | None:
        """The parameter ``name`` (lower case), or ``None``."""
        return self.parameters.get(name)


def parse_value(text: str | None) -> Value:
    """Read ``value; name=value; ...``; never fails: what can't be read is left out.

    A backslash escapes only a quote or a backslash: senders write unescaped Windows paths.
    """
    if not text:
        return Value()
    return _known_value(text) if len(text) <= _KNOWN else _parse_value(text)


@lru_cache(maxsize=256)
def _known_value(text: str) -> Value:
    """The same few types come in every message."""
    return _parse_value(text)


def _parse_value(text: str) -> Value:
    pieces = _pieces(text)
    head = _without_comment(pieces[0].strip()).lower()
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for piece in pieces[1 : MAX_PARAMETERS + 1]:
        name, equals, raw = piece.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        match = _SECTION.match(name)
        if "*" in name and match:
            index = int(match["index"] or 0)
            sections.setdefault(match["name"], []).append(
                (index, match["extended"] is not None, _unquote(raw, name))
            )
        else:
            plain.setdefault(name, _unquote(raw, name))
    for name, parts in sections.items():
        plain[name] = _join(sorted(parts, key=lambda part: part[0]))
    return Value(head, MappingProxyType(plain))


def _pieces(text: str) -> list[str]:
    """Split at semicolons that are outside quotes."""
    if '"' not in text:
        return text.split(";")
    pieces = _PIECE.findall(text)
    return pieces if text[0] != ";" else ["", *pieces]


def _without_comment(text: str) -> str:
    """``text`` without a comment at its end (RFC 5322 s3.2.2)."""
    return text[: text.rfind("(")].rstrip() if text.endswith(")") and "(" in text else text


def _unquote(raw: str, name: str) -> str:
    raw = raw.strip()
    quoted = _QUOTED.match(raw)
    if quoted is None:
        return raw if name.partition("*")[0] in _FREE_TEXT else _without_comment(raw)
    return _ESCAPED.sub(r"\1", quoted[1]) if "\\" in quoted[1] else quoted[1]


def _join(parts: list[tuple[int, bool, str]]) -> str:
    """Put the sections of an RFC 2231 parameter together (s3, s4.1)."""
    charset = "utf-8"
    octets = bytearray()
    for position, (_, extended, text) in enumerate(parts):
        if not extended:
            octets += text.encode("utf-8", "replace")
            continue
        if position == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += _percent(text)
    return _decode(bytes(octets), charset)


def _percent(text: str) -> bytes:
    return re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda match: bytes([int(match[1], 16)]),
        text.encode("utf-8", "replace"),
    )


def _decode(octets: bytes, charset: str) -> str:
    charset = charset.partition("*")[0]
    if charset and _CHARSET.match(charset):
        try:
            return octets.decode(charset)
        except (UnicodeDecodeError, LookupError):
            pass
    return octets.decode("utf-8", "replace")


def decode_words(text: str) -> str:
    """Decode RFC 2047 encoded words wherever they stand; what isn't one is left as it is."""
    if "=?" not in text:
        return text
    return _WORD.sub(_word, _BETWEEN_WORDS.sub(r"\1", text))


def _word(match: re.Match[str]) -> str:
    charset, encoding, body = match.groups()
    raw = body.encode("utf-8", "replace")
    if encoding in "Bb":
        try:
            octets = binascii.a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True)
        except binascii.Error:
            return match[0]
    else:
        octets = binascii.a2b_qp(raw, header=True)
    return _decode(octets, charset)


def quote(text: str) -> str:
    """A parameter value of ASCII as a token, or quoted where it needs to be."""
    if _TOKEN.match(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_parameter(name: str, text: str) -> str:
    """``name="..."``; beyond ASCII, an ASCII rendering and the RFC 2231 form (``name*=UTF-8''...``)."""
    if text.isascii():
        return f'{name}="{_escape(text)}"'
    ascii_text = "".join(char if char.isascii() else "_" for char in text)
    extended = "".join(
        chr(octet)
        if chr(octet).isascii() and (chr(octet).isalnum() or chr(octet) in "._-")
        else f"%{octet:02X}"
        for octet in text.encode("utf-8", "replace")
    )
    return f"{name}=\"{_escape(ascii_text)}\"; {name}*=UTF-8''{extended}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

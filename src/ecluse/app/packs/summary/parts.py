"""Pieces of HTML. Text becomes HTML here alone, and a value can neither break out nor pretend to be another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NewType

__all__ = ["Html", "code", "document", "element", "join", "table", "text"]

Html = NewType("Html", str)
"""HTML that is safe to put into a page."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that are not seen, or that turn around what is: a name could show as another."""

_STYLE: Final = """
body{font:15px/1.5 Georgia,"Times New Roman",serif;color:#1a2027;background:#fff;margin:0 auto;max-width:900px;
padding:28px}
h1,h2,h3{font-family:system-ui,sans-serif;line-height:1.25}h1{font-size:24px;margin:0 0 4px}
h2{font-size:18px;margin:34px 0 8px;border-top:2px solid #1a2027;padding-top:10px}h3{font-size:15px;margin:20px 0 6px}
.lead{color:#4b5764;margin:0 0 18px}table{border-collapse:collapse;width:100%;margin:6px 0 12px}
td,th{padding:4px 8px 4px 0;border-bottom:1px solid #d9dfe5;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{font:600 13px/1.4 system-ui,sans-serif}table.facts th{width:190px;color:#4b5764}
code{font:12.5px/1.45 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.yes{color:#11613a;font-weight:700}.no{color:#98101f;font-weight:700}.dim{color:#4b5764}
@page{size:A4;margin:18mm 16mm}
@media print{body{font-size:10.5pt;padding:0;max-width:none}section{break-before:page}h2,h3{break-after:avoid}
tr{break-inside:avoid}}
""".strip().replace("\n", "")


def text(value: object) -> Html:
    """A value as text: what can't be seen is spelled out."""
    shown = "".join(
        f"\\u{{{ord(char):x}}}" if unicodedata.category(char) in _HIDDEN else char for char in str(value)
    )
    return Html(escape(shown, quote=True))


def code(value: object) -> Html:
    """The same, as octets and identifiers are set."""
    return Html(f"<code>{text(value)}</code>")


def element(name: str, *content: Html, kind: str = "") -> Html:
    """An element; ``kind`` is its class."""
    named = f' class="{escape(kind, quote=True)}"' if kind else ""
    return Html(f"<{name}{named}>{''.join(content)}</{name}>")


def join(pieces: Iterable[Html], between: str = "") -> Html:
    """Pieces one after the other."""
    return Html(between.join(pieces))


def table(rows: Iterable[Sequence[Html]], head: Sequence[Html] = (), kind: str = "") -> Html:
    """A table; without a head, the first of each row is its name."""
    lines = [element("tr", *(element("th", cell) for cell in head))] if head else []
    for first, *rest in rows:
        cells = [element("td" if head else "th", first), *(element("td", cell) for cell in rest)]
        lines.append(element("tr", *cells))
    return element("table", *lines, kind=kind or ("" if head else "facts"))


def document(language: str, title: Html, body: Iterable[Html]) -> str:
    """A page that loads nothing and runs nothing."""
    return "\n".join(
        (
            f'<!doctype html>\n<html lang="{escape(language, quote=True)}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">",
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            *body,
            "</body></html>\n",
        )
    )

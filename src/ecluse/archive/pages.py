"""Printable pages: self-contained HTML without scripts, written piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ecluse.archive.chains import Chain
from ecluse.archive.words import Language, remark_sentence, type_name, word
from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import Instant, iso
from ecluse.wire.documents.facts import major_units

__all__ = ["chain_page", "money", "page", "table"]

_STYLE = """
body { font: 10pt/1.4 "Liberation Sans", Arial, sans-serif; color: #111; margin: 2em; }
h1 { font-size: 16pt; } h2 { font-size: 12pt; margin-top: 1.5em; }
table { border-collapse: collapse; width: 100%; } thead { display: table-header-group; }
th, td { border: 1px solid #999; padding: 2px 6px; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #eee; } td.n { text-align: right; white-space: nowrap; } tr { break-inside: avoid; }
.start { font-weight: bold; } .small { font-size: 8pt; color: #444; } code { font-size: 7.5pt; }
@page { size: A4 landscape; margin: 1.2cm; } @media print { body { margin: 0; } }
"""


def page(title: str, language: Language, parts: Iterable[str]) -> Iterator[str]:
    """A page of a title and parts that are HTML already."""
    yield (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
    )
    yield from parts
    yield "</body>\n</html>\n"


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int] = frozenset()
) -> Iterator[str]:
    """A table of texts; those in the columns ``numbers`` stand on the right."""
    yield (
        "<table>\n<thead><tr>"
        + "".join(f"<th>{escape(each)}</th>" for each in titles)
        + "</tr></thead>\n<tbody>\n"
    )
    for row in rows:
        cells = (
            f'<td class="n">{escape(text)}</td>' if place in numbers else f"<td>{escape(text)}</td>"
            for place, text in enumerate(row)
        )
        yield "<tr>" + "".join(cells) + "</tr>\n"
    yield "</tbody>\n</table>\n"


def money(archived: Archived) -> str:
    """Amount and currency; nothing where it says none."""
    if archived.amount is None:
        return ""
    return f"{major_units(archived.amount, archived.currency)} {archived.currency}".rstrip()


def chain_page(chain: Chain, language: Language, hub: str, at: Instant) -> Iterator[str]:
    """A chain as a printable page."""
    start = next(each for each in chain.documents if each.id == chain.start)
    title = (
        f"{word('audit trail', language)}: {type_name(start.type, language)} {start.reference or start.id}"
    )
    yield from page(title, language, _chain_parts(chain, language, hub, at))


def _chain_parts(chain: Chain, language: Language, hub: str, at: Instant) -> Iterator[str]:
    yield f'<p class="small">{escape(word("made", language, at=iso(at), hub=hub))}</p>\n'
    titles = ("type", "number", "day", "amount", "partner", "direction", "deposited", "digest")
    places = {each.id: number for number, each in enumerate(chain.documents, 1)}
    rows = (
        (
            f"{places[each.id]}. {type_name(each.type, language)}"
            + (f" ({word('asked', language)})" if each.id == chain.start else ""),
            each.reference or each.id,
            each.day,
            money(each),
            each.partner,
            word(each.direction.value, language),
            iso(each.deposited),
            each.sha256.hex(),
        )
        for each in chain.documents
    )
    yield from table([word(each, language) for each in titles], rows, frozenset({3}))
    yield f"<h2>{escape(word('links', language))}</h2>\n"
    if not chain.links:
        yield f"<p>{escape(word('no links', language))}</p>\n"
    else:
        yield "<ul>\n"
        for source, target in dict.fromkeys((link.source, link.target) for link in chain.links):
            yield f"<li>{escape(link_sentence(chain, source, target, language))}</li>\n"
        yield "</ul>\n"
    if chain.cut:
        yield f"<p>{escape(word('cut', language))}</p>\n"
    yield f"<h2>{escape(word('remarks', language))}</h2>\n"
    if not chain.remarks:
        yield f"<p>{escape(word('no remarks', language))}</p>\n"
        return
    yield "<ul>\n"
    for remark in chain.remarks:
        sentence = remark_sentence(remark.code, remark.values, language)
        yield f"<li>{escape(document_name(chain, remark.about, language))}: {escape(sentence)}</li>\n"
    yield "</ul>\n"


def document_name(chain: Chain, id: ArchiveId, language: Language) -> str:
    """A document of a chain in few words: its place, type and number."""
    for number, each in enumerate(chain.documents, 1):
        if each.id == id:
            return f"{number}. {type_name(each.type, language)} {each.reference or each.id}"
    return id


def link_sentence(chain: Chain, source: ArchiveId, target: ArchiveId, language: Language) -> str:
    """Why two documents of a chain are linked."""
    grounds = []
    parties = ""
    for link in chain.links:
        if (link.source, link.target) == (source, target):
            kind = "names" if link.kind != "same-number" else link.kind
            shown = "invoice" if link.kind == "text" else link.kind
            grounds.append(word(kind, language, kind=type_name(shown, language), number=link.number))
            parties = word(f"by-{link.parties}", language)
    names = document_name(chain, source, language), document_name(chain, target, language)
    return f"{names[0]} → {names[1]}: {', '.join(grounds)} ({parties})"

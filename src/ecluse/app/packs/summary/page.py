"""The page of a summary, put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from cryptography import x509

from ecluse.app.packs.notes import Language, Note
from ecluse.app.packs.summary.english import ENGLISH
from ecluse.app.packs.summary.french import FRENCH
from ecluse.app.packs.summary.parts import Html, code, document, element, join, table, text
from ecluse.app.packs.summary.words import Words
from ecluse.model.nouns import Event

__all__ = ["DETAILED", "Broken", "Told", "Vouchers", "summary_page"]

DETAILED: Final = 100
"""Messages that are told in detail: some ten printed pages each hundredth of them."""

_WORDS: Final[dict[Language, Words]] = {"en": ENGLISH, "fr": FRENCH}


class Broken(msgspec.Struct, frozen=True):
    """A break of the log.

    Attributes:
        before: The log's name until then.
        size: Records that were signed under it.
        origin: Its name from there on.
        reason: Why.
        signed: Who decided, and signed that.
        unsigned: Who decided, and whose signature is not there or does not hold.
    """

    before: str
    size: int
    origin: str
    reason: str
    signed: tuple[str, ...]
    unsigned: tuple[str, ...]


class Vouchers(msgspec.Struct, frozen=True):
    """Who vouches for the head of the log.

    Attributes:
        origin: The log.
        key: Its verifier key.
        size: Records under the head.
        root: Root of the tree, hexadecimal.
        stamps: Authority and time of each time-stamp.
        cosigners: Names of the witnesses.
        breaks: Where the log did not continue what was signed, and who decided.
    """

    origin: str
    key: str
    size: int
    root: str
    stamps: tuple[tuple[str, str], ...] = ()
    cosigners: tuple[str, ...] = ()
    breaks: tuple[Broken, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """A message for its summary.

    Attributes:
        facts: What ``message.json`` says.
        events: Its events; none where it is not told in detail.
        partner: The partner's name.
        certificates: Those that ``facts`` names and that are held, by digest.
    """

    facts: dict[str, Any]
    events: list[Event]
    partner: str
    certificates: dict[str, x509.Certificate]


def summary_page(
    language: Language, made: str, vouchers: Vouchers, messages: Sequence[Told], notes: Iterable[Note]
) -> str:
    """The page.

    Args:
        language: Which.
        made: When the pack was made, RFC 3339.
        vouchers: The head of the log, and who vouches for it.
        messages: All of them; the first :data:`DETAILED` are told in detail.
        notes: What is missing.
    """
    w = _WORDS[language]
    title = join((text(w.title), text(f"{vouchers.origin}, {made[:10]}")), ": ")
    return document(language, title, _body(w, language, made, vouchers, messages, notes))


def _body(
    w: Words,
    language: Language,
    made: str,
    vouchers: Vouchers,
    messages: Sequence[Told],
    notes: Iterable[Note],
) -> Iterator[Html]:
    yield element("h1", text(w.title))
    yield element("p", text(w.lead), kind="lead")
    yield table(
        (
            (text(w.made), text(made)),
            (text(w.log), code(vouchers.origin)),
            (text(w.log_key), code(vouchers.key)),
            (text(w.head), text(w.records.format(vouchers.size))),
            (text(w.root), code(vouchers.root)),
        )
    )
    yield element("h2", text(w.vouchers))
    lines = [w.stamp.format(authority, at) for authority, at in vouchers.stamps]
    lines += [w.cosigned.format(name) for name in vouchers.cosigners]
    yield _list(lines or [w.nobody])
    if vouchers.breaks:
        yield element("h2", text(w.breaks))
        yield _list([line for each in vouchers.breaks for line in _broken(w, each)])
    yield element("h2", text(w.missing))
    yield _list(list(dict.fromkeys(note.text(language) for note in notes)) or [w.nothing_missing])
    yield element("h2", text(w.how))
    yield element("p", text(w.how_text))
    yield element("p", text(w.claimed), kind="dim")
    yield element("h2", text(w.messages))
    yield table((_row(w, each) for each in messages), head=_head(w))
    if len(messages) > DETAILED:
        yield element("p", text(w.not_detailed.format(DETAILED)), kind="dim")
    for each in messages[:DETAILED]:
        yield element("section", *_section(w, each))


def _broken(w: Words, each: Broken) -> Iterator[str]:
    yield w.broke.format(each.before, each.size, each.origin, each.reason)
    yield from (w.decision_signed.format(name, each.origin) for name in each.signed)
    yield from (w.decision_unsigned.format(name, each.origin) for name in each.unsigned)


def _list(lines: Iterable[str]) -> Html:
    return element("ul", *(element("li", text(line)) for line in lines))


def _head(w: Words) -> tuple[Html, ...]:
    return tuple(map(text, (w.created, w.way, w.partner, w.reference, w.state, w.equal)))


def _row(w: Words, told: Told) -> tuple[Html, ...]:
    facts = told.facts
    return (
        text(facts["created"][:19].replace("T", " ")),
        text(_way(w, facts)),
        text(told.partner),
        text(facts["reference"] or facts["subject"] or facts["id"]),
        text(w.states.get(facts["state"], facts["state"])),
        _equal(w, facts["mic"]),
    )


def _way(w: Words, facts: dict[str, Any]) -> str:
    return w.inbound if facts["direction"] == "in" else w.outbound


def _equal(w: Words, mic: dict[str, Any] | None) -> Html:
    equal = mic["equal"] if mic is not None else None
    if equal is None:
        return element("span", text(w.not_compared), kind="dim")
    return element("span", text(w.yes if equal else w.no), kind="yes" if equal else "no")


def _section(w: Words, told: Told) -> Iterator[Html]:
    facts = told.facts
    yield element("h2", text(f"{w.message} {facts['reference'] or facts['id']}"))
    yield table(_identity(w, told))
    if facts["documents"]:
        yield element("h3", text(w.documents))
        yield table(
            (
                (
                    text(part["name"] or "-"),
                    text(part["type"]),
                    text(part["size"]),
                    join((code(part["sha256"]), *_absent(w, part))),
                )
                for part in facts["documents"]
            ),
            head=tuple(map(text, (w.document, w.type, w.octets, "SHA-256"))),
        )
    yield from _integrity(w, facts)
    yield from _certificates(w, told)
    yield from _said(w, facts)
    yield element("h3", text(w.events))
    rows = zip(facts["events"], told.events, strict=True)
    yield table(
        (
            (
                text(f"#{line['index']}"),
                text(line["at"].replace("T", " ").rstrip("Z")),
                join((code(event.kind), text(w.event_words.get(event.kind, ""))), " "),
                text(event.actor),
            )
            for line, event in rows
        ),
        head=tuple(map(text, (w.place, w.at, w.what, w.by))),
    )


def _absent(w: Words, part: dict[str, Any]) -> list[Html]:
    return [] if part["path"] else [Html("<br>"), element("span", text(w.withheld), kind="dim")]


def _identity(w: Words, told: Told) -> Iterator[tuple[Html, Html]]:
    facts = told.facts
    rows: list[tuple[str, Html]] = [
        (w.message, code(facts["id"])),
        (w.way, text(_way(w, facts))),
        (w.partner, text(told.partner)),
        (w.protocol, text(facts["protocol"])),
        (w.protocol_id, code(facts["protocol_id"])),
        (w.subject, text(facts["subject"])),
        (w.state, text(w.states.get(facts["state"], facts["state"]))),
        (w.reason, text(facts["reason"])),
        (w.created, text(facts["created"])),
        (w.governed, text(w.governed_by.format(facts["config_version"]))),
        (w.made_of, code(facts["origin"]) if facts["origin"] else Html("")),
        (w.led_to, join(map(code, facts["children"]), " ")),
    ]
    return ((text(name), value) for name, value in rows if value)


def _integrity(w: Words, facts: dict[str, Any]) -> Iterator[Html]:
    mic = facts["mic"]
    if mic is None:
        return
    yield element("h3", text(f"{w.mic}, {mic['algorithm']}"))
    theirs = w.theirs_answer if facts["direction"] == "in" else w.theirs_receipt
    yield table(
        (
            (text(w.ours), code(mic["ours"] or "-")),
            (text(theirs), code(mic["theirs"] or "-")),
            (text(w.equal), _equal(w, mic)),
        )
    )


def _certificates(w: Words, told: Told) -> Iterator[Html]:
    entries = told.facts["certificates"]
    if not entries:
        return
    yield element("h3", text(w.certificates))
    rows = []
    for entry in entries:
        owner = w.us if entry["owner"] == "us" else told.partner
        lines = [text(f"{w.uses.get(entry['use'], entry['use'])} ({owner})")]
        verdict = entry["verdict"]
        if verdict is not None:
            state = w.verdicts.get(verdict["state"], verdict["state"])
            lines.append(text(f"{w.revocation}: {state}, {verdict['at']}, {verdict['source']}"))
        rows.append((join(lines, "<br>"), _described(w, entry["sha256"], told.certificates)))
    yield table(rows, head=(text(w.used_for), text(w.certificate)))


def _described(w: Words, sha256: str, held: dict[str, x509.Certificate]) -> Html:
    found = held.get(sha256)
    if found is None:
        return code(sha256)
    try:
        names = [found.subject.rfc4514_string(), f"{w.issuer}: {found.issuer.rfc4514_string()}"]
    except ValueError:
        names = []
    until = f"{w.valid}: {found.not_valid_before_utc:%Y-%m-%d} - {found.not_valid_after_utc:%Y-%m-%d}"
    return join((*map(text, [*names, until]), code(f"SHA-256 {sha256}")), "<br>")


def _said(w: Words, facts: dict[str, Any]) -> Iterator[Html]:
    if facts["deliveries"]:
        yield element("h3", text(w.deliveries))
        yield table(
            (
                (text(each["channel"]), text(each["state"]), text(each["attempts"]), text(each["reason"]))
                for each in facts["deliveries"]
            ),
            head=tuple(map(text, (w.channel, w.state, w.attempts, w.reason))),
        )
    if facts["receipts"]:
        yield element("h3", text(w.receipts))
        yield table(
            (
                (
                    text(each["received"]),
                    text(f"{each['kind']}: {each['verdict']}"),
                    text(each["disposition"] or "-"),
                    text(w.positive if each["positive"] else w.negative),
                )
                for each in facts["receipts"]
            ),
            head=tuple(map(text, (w.received, w.type, w.says, ""))),
        )
    answer = facts["answer"]
    if answer is not None:
        yield element("h3", text(w.answer))
        yield table(
            (
                (text(w.created), text(answer["created"])),
                (text(w.says), text(answer["disposition"] or f"HTTP {answer['status']}")),
                (text(w.state), text(w.positive if answer["positive"] else w.negative)),
            )
        )

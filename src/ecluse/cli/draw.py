"""A message on one screen: where it is in the chamber, what happened when, what was answered, what is proven."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ecluse.app.messages.life import Life, Said
from ecluse.exchange.trace import Step, Trace
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Delivery, Direction

__all__ = ["draw_life", "draw_message"]

_INBOUND: Final = ("INTAKE", "OPEN", "INSPECT", "KEEP", "ROUTE", "DELIVER", "CONFIRM")
_OUTBOUND: Final = ("INTAKE", "INSPECT", "KEEP", "ROUTE", "SEAL", "DELIVER", "CONFIRM")
_RELAYED: Final = ("INTAKE", "OPEN", "INSPECT", "KEEP", "ROUTE", "RELAY", "SEAL", "DELIVER", "CONFIRM")
_KEPT: Final = ("INTAKE", "OPEN", "INSPECT", "KEEP", "ROUTE")

_STAGES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "message.received": (("INTAKE",), "ok"),
    "message.accepted": (_KEPT, "ok"),
    "message.released": (_KEPT, "ok"),
    "message.quarantined": (("INTAKE", "OPEN", "INSPECT"), "held"),
    "message.rejected": (("INTAKE", "OPEN"), "failed"),
    "message.sealed": (("SEAL",), "ok"),
    "delivery.attempted": (("DELIVER",), "held"),
    "delivery.held": (("RELAY",), "held"),
    "delivery.relayed": (("RELAY",), "ok"),
    "delivery.retried": (("DELIVER",), "held"),
    "delivery.sent": (("DELIVER",), "ok"),
    "delivery.overdue": (("CONFIRM",), "held"),
    "delivery.dead": (("DELIVER",), "failed"),
    "delivery.refused": (("DELIVER", "CONFIRM"), "failed"),
    "delivery.confirmed": (("DELIVER", "CONFIRM"), "ok"),
}
"""What an event says of the stages of the chamber: those before the last went well, the last is as said."""

_DONE: Final = {"opened": "opened", "unpacked": "unpacked", "packed": "packed", "openpgp": "OpenPGP"}
"""What a flow did to documents, in the facts of an event."""

_STYLES: Final = {"ok": "green", "held": "yellow", "failed": "bold red", "": "dim"}
_MARKS: Final = {"ok": "✓", "held": "●", "failed": "✗", "": "·"}
_STATES: Final = {
    "delivered": "green",
    "confirmed": "green",
    "failed": "bold red",
    "dead": "bold red",
    "refused": "bold red",
    "rejected": "bold red",
    "quarantined": "yellow",
    "overdue": "yellow",
}


def draw_life(console: Console, life: Life) -> None:
    """The whole life: header, stages, timeline, receipts, answer, proof."""
    found = life.trace
    draw_message(console, found)
    console.print()
    console.print(_stages(found), soft_wrap=True)
    console.print()
    console.print(_timeline(found))
    lines: list[tuple[str, Said | None, str]] = [
        (f"{receipt.kind} receipt, {receipt.verdict}", said, iso(receipt.received))
        for receipt, said in life.receipts
        if said is not None
    ]
    if found.answer is not None:
        kind = "asynchronous answer" if found.answer.return_to else "answer"
        kind = f"our {kind}, HTTP {found.answer.status}" if life.answer is None else f"our {kind}"
        lines.append((kind, life.answer, iso(found.answer.created)))
    for title, said, at in lines:
        console.print()
        console.print(Text.assemble((title, "bold"), f"  {at}"))
        if said is not None:
            console.print(_said(said))
    console.print()
    console.print(_proof(found), soft_wrap=True)


def draw_message(console: Console, found: Trace) -> None:
    """Whose, where it is, its documents and its deliveries."""
    message = found.message
    inbound = message.direction is Direction.IN
    title = message.reference or message.subject or message.id
    whose = message.partner or found.wire.get("channel") or ("an application" if inbound else "a folder")
    arrow = f"from {whose}" if inbound else f"to {whose}"
    console.print(
        Text.assemble(
            (title, "bold"),
            f"  {arrow}  ",
            (message.state.value, _STATES.get(message.state.value, "")),
        )
    )
    grid = Table.grid(padding=(0, 2))
    rows = [("id", message.id), (message.protocol.upper(), message.protocol_id)]
    if message.subject:
        rows.append(("subject", message.subject))
    rows.append(("configuration", f"version {message.config_version}"))
    for part in message.parts:
        name = part.name or "document"
        rows.append(
            ("document", f"{name}  {part.content_type}  {part.size:,} octets  SHA-256 {part.sha256[:16]}")
        )
    if message.flow:
        rows.append(("flow", message.flow))
    if message.shredded:
        rows.append(("payload", f"deleted, {iso(message.shredded)}"))
    for delivery in found.deliveries:
        rows += _delivery(delivery, "delivery")
        for branch in found.branches:
            if branch.message.relay != delivery.id:
                continue
            rows.append(("  message", f"{branch.message.id}  {branch.message.state.value}"))
            rows += [("  document", f"{part.name}  {part.size:,} octets") for part in branch.message.parts]
            for own in branch.deliveries:
                rows += _delivery(own, "  delivery")
            rows += [
                ("  receipt", f"{each.kind}  {each.verdict}  {iso(each.received)}")
                for each in branch.receipts
            ]
    if message.reason and not any(delivery.reason for delivery in found.deliveries):
        rows.append(("reason", f"{message.reason_code}: {message.reason}"))
    for name, text in rows:
        grid.add_row(Text(name, "dim"), Text(text, overflow="fold"))
    console.print(grid)


def _delivery(delivery: Delivery, title: str) -> list[tuple[str, str]]:
    text = f"{delivery.channel}  {delivery.state.value}  {delivery.attempts} attempt"
    text += "s"[: delivery.attempts != 1]
    if delivery.flow:
        text += f"  by the flow {delivery.flow}"
    if delivery.receipt_due is not None:
        text += f"  receipt due {iso(delivery.receipt_due)}"
    return [(title, text), *([("", f"{delivery.reason_code}: {delivery.reason}")] if delivery.reason else [])]


def _stages(found: Trace) -> Text:
    names: tuple[str, ...] = _INBOUND if found.message.direction is Direction.IN else _OUTBOUND
    if any(delivery.flow for delivery in found.deliveries):
        names = _RELAYED
    marks = dict.fromkeys(names, "")
    for step in found.steps:
        reached, how = _STAGES.get(step.kind, ((), ""))
        if step.message not in ("", found.message.id) and step.kind == "message.accepted":
            continue  # a branch begins at RELAY
        for name in reached:
            if name in marks:
                marks[name] = "ok" if name != reached[-1] else how
    text = Text()
    for number, name in enumerate(names):
        text.append(" > " if number else "", "dim")
        text.append(f"{_MARKS[marks[name]]} {name}", _STYLES[marks[name]])
    return text


def _timeline(found: Trace) -> Table:
    table = Table.grid(padding=(0, 2))
    before: datetime | None = None
    signed = found.checkpoint_size
    ways = {each.message.id: each.message.protocol for each in found.branches}
    several = len(ways) > 1
    for step in found.steps:
        way = ways.get(MessageId(step.message), "")
        # Which of several ways an event is of: its number, and the protocol.
        mark = (
            f"{'>' if way else ''}{list(ways).index(MessageId(step.message)) + 1 if way and several else ''}"
        )
        at = datetime.fromisoformat(step.at)
        delta = f"+{_seconds((at - before).total_seconds())}" if before is not None else ""
        clock = step.at[11:23] if before is not None and before.date() == at.date() else step.at[:23]
        before = at
        place = f"#{step.index}" if step.index is not None else "waits"
        proven = step.index is not None and step.index < signed
        table.add_row(
            Text(clock.replace("T", " "), "dim"),
            Text(delta, "dim", justify="right"),
            *([Text(mark, "dim")] if ways else []),
            Text(step.kind, _style(step.kind)),
            Text(_sentence(step), overflow="fold"),
            Text.assemble((place, "dim"), (" ✓" if proven else "", "green")),
        )
    return table


def _seconds(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join([f"{value} {unit}" for value, unit in parts if value][:2])


def _style(kind: str) -> str:
    return _STATES.get(kind.partition(".")[2], "")


def _sentence(step: Step) -> str:
    """The facts of an event that say most, in words."""
    data = step.data
    words: list[str] = []
    if step.actor != "hub":
        words.append(f"by {step.actor}")
    if "documents" in data:
        told = data["documents"]
        words.append(", ".join(map(str, told)) if isinstance(told, list) else f"documents: {told}")
    if "size" in data:
        words.append(f"{data['size']:,} octets")
    if "address" in data:
        words.append(f"from {data['address']}" + (f" ({data['tls']})" if "tls" in data else ""))
    words.extend(_protections(data))
    words += [f"{name} {data[key]}" for key, name in _DONE.items() if isinstance(data.get(key), str)]
    if data.get("path"):
        words.append(f"{data.get('channel', '')}/{data['path']}")
    if data.get("flow") and step.kind != "message.accepted":
        words.append(f"flow {data['flow']}")
    if "wire_size" in data:
        words.append(f"{data['wire_size']:,} octets on the wire")
    if "attempt" in data:
        words.append(f"attempt {data['attempt']}")
    if "channel" in data and "path" not in data:
        words.append(f"by {data['channel']}")
    if data.get("receipt_due"):
        words.append(f"receipt due {iso(data['receipt_due'])}")
    if "verdict" in data:
        words.append(f"{data['kind']}: {data['verdict']}")
    if "answer_positive" in data:
        words.append(f"answered {'positively' if data['answer_positive'] else 'negatively'}")
    if data.get("reason"):
        words.append(str(data["reason"]))
    return ", ".join(word for word in words if word)


def _protections(data: dict[str, Any]) -> list[str]:
    words = [
        f"{name} {data[key]}" for key, name in (("sign", "signed"), ("encrypt", "encrypted")) if data.get(key)
    ]
    if data.get("compress") not in (None, "none"):
        words.append(f"compressed {data['compress']}")
    for found in data.get("protections", []):
        words += [name for name in ("encrypted", "compressed", "signed") if name in found]
    return words


def _said(said: Said) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("disposition", "dim"), Text(said.disposition))
    if said.text:
        grid.add_row(Text("text", "dim"), Text(said.text))
    if said.expected:
        grid.add_row(Text("MIC here", "dim"), Text(said.expected))
    if said.mic:
        verdict = {True: ("  the same", "green"), False: ("  NOT the same", "bold red"), None: ("", "")}[
            said.matches
        ]
        grid.add_row(Text("MIC in it", "dim"), Text.assemble(said.mic, verdict))
    return grid


def _proof(found: Trace) -> str:
    proven = sum(step.index is not None and step.index < found.checkpoint_size for step in found.steps)
    text = f"{proven} of {len(found.steps)} events stand under a signed checkpoint (size {found.checkpoint_size})."
    if proven:
        text += f" Prove one: ecluse log proof {found.message.id}"
    return f"[dim]{escape(text)}[/]"

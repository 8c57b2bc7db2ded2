"""The scenes that go well: two companies become partners and exchange documents."""

from __future__ import annotations

from hashlib import file_digest
from importlib import resources
from pathlib import Path
from typing import Any, Final

from ecluse.demo.checks import until
from ecluse.demo.company import Company
from ecluse.demo.stage import PATIENCE, Exchange, Stage
from ecluse.demo.witnesses import agree_to_witness
from ecluse.exchange.trace import Trace
from ecluse.trust.card import phrase, read_card

__all__ = ["closing", "invoice", "order", "own_file", "partners"]

OWN_FILE: Final = 600.0
"""Seconds that the user's own file may take, whatever its size."""
CLEAR: Final = 64
"""Octets of a document that nothing else has."""
BANK: Final = "FR7630006000011234567890189"
"""Birch's account: the one of every example."""
SCANNED: Final = 32 << 20
"""Octets of the largest file that is looked through for them."""


def partners(stage: Stage) -> None:
    """The two companies exchange cards, compare phrases, and apply."""
    aster, birch = stage.aster, stage.birch
    cards = stage.root / "cards"
    cards.mkdir()
    organisation = {"name": birch.name, "as2_id": birch.as2_id, "bank": {"iban": BANK, "holder": birch.name}}
    birch.change_hub({"organisation": organisation}, reason="where we are paid stands on our card")
    phrases = {}
    for company in (aster, birch):
        text = company.card()
        phrases[company.id] = phrase(read_card(text.encode()))
        (cards / f"{company.id}.card").write_text(text, encoding="utf-8")
        stage.screen.note(f"{company.name} writes its partner card, cards/{company.id}.card")
    choices: list[tuple[Company, Company, dict[str, Any]]] = [
        (aster, birch, {"encrypt": "aes-256-cbc", "compress": "before-signing", "receipt": "sync"}),
        (birch, aster, {"encrypt": "aes-256-gcm", "compress": "none", "receipt": "async"}),
    ]
    for reader, other, as2 in choices:
        card = read_card((cards / f"{other.id}.card").read_bytes())
        said = phrase(card)
        stage.check(
            said == phrases[other.id],
            f"{reader.name} reads {other.whose} card; on the telephone both say {said}",
        )
        reader.add_partner(other.id, card, **as2)
        stage.check(
            reader.node.directory.partner(other.id).active,
            f"{reader.name} applies version {reader.node.version} of its configuration: {other.name} is active",
        )
    agree_to_witness(stage)
    stage.screen.held("each hub cosigns the other's log from here on")
    for company in (aster, birch):
        company.start()
        stage.screen.held(f"{company.whose} hub answers on port {company.port}")


def order(stage: Stage) -> None:
    """Aster orders: signed, compressed, encrypted, with a signed receipt on the same connection."""
    path = _document(stage, "orders-4711.edi")
    sent = stage.send_file(stage.aster, stage.birch, path, "Order 4711")
    done = stage.follow("order", stage.aster, stage.birch, sent)
    facts = _sealed(stage.trace(stage.aster, done.sent))
    stage.check(
        facts["sign"] == "sha256" and facts["encrypt"] == "aes-256-cbc" and facts["compress"] != "none",
        "it was compressed, signed (RSA, SHA-256) and encrypted (AES-256-CBC)",
    )
    stage.check_receipt(done, "came on the same connection")
    _check_bytes(stage, done, path)
    stage.check(
        done.arrived.reference == "4711", f"{stage.birch.whose} hub found the order's number in it: 4711"
    )


def invoice(stage: Stage) -> None:
    """Birch bills: AES-GCM, with a signed receipt that comes later on a connection of its own."""
    path = _document(stage, "invoice-2026-118.xml")
    sent = stage.send_file(stage.birch, stage.aster, path, "Invoice 2026-118")
    done = stage.follow("invoice", stage.birch, stage.aster, sent)
    facts = _sealed(stage.trace(stage.birch, done.sent))
    stage.check(
        facts["sign"] == "sha256" and facts["encrypt"] == "aes-256-gcm",
        "it was signed (RSA, SHA-256) and encrypted (AES-256-GCM)",
    )
    # Birch has the receipt a moment before Aster has recorded that it was sent.
    life = until(
        lambda: _with(stage.trace(stage.aster, done.arrived), "answer.sent"),
        PATIENCE,
        f"{stage.aster.whose} hub has not recorded its receipt as sent",
    )
    kinds = [step.kind for step in life.steps]
    stage.check(
        kinds.index("message.received") < kinds.index("message.accepted") < kinds.index("answer.sent")
        and life.answer is not None
        and life.answer.return_to,
        f"{stage.aster.whose} hub kept it, said so, opened it, and then posted the receipt to {stage.birch.name}",
    )
    stage.check_receipt(done, "came later")
    _check_bytes(stage, done, path)


def own_file(stage: Stage) -> None:
    """The user's own file goes from Aster to Birch."""
    path = stage.file
    assert path is not None, "the scene plays only where there is a file"
    sent = stage.send_file(stage.aster, stage.birch, path, path.name)
    done = stage.follow("own", stage.aster, stage.birch, sent, OWN_FILE)
    stage.check_receipt(done, "came on the same connection")
    _check_bytes(stage, done, path)


def closing(stage: Stage) -> None:
    """Both hubs stop; what they leave holds nothing in clear."""
    companies = (stage.aster, stage.birch)
    ended = [company.stop() for company in companies]
    stage.check(all(ended), "both serving processes ended in good order")
    # Only now: a process that opens and closes a SQLite database beside its own connection loses its locks.
    for company in companies:
        company.close()
    texts = [path.read_bytes()[-CLEAR:] for path in (stage.root / "documents").iterdir()]
    states = [
        path for company in companies for path in (company.folder / "state").rglob("*") if path.is_file()
    ]
    small = [path for path in states if path.stat().st_size <= SCANNED]
    stage.check(
        small and not any(text in path.read_bytes() for path in small for text in texts),
        f"no document lies in clear in the {len(small)} files of their states (databases, keys, logs, small blobs)",
    )


def _check_bytes(stage: Stage, done: Exchange, path: Path) -> None:
    digest = _digest(path)
    stage.check(
        len(done.files) == 1 and _digest(done.files[0]) == digest == done.arrived.parts[0].sha256,
        f"{done.files[0].relative_to(stage.root)} is what was sent: SHA-256 {digest[:16]}…",
    )


def _document(stage: Stage, name: str) -> Path:
    """A document that comes with the demo, as a file in its folder."""
    path = stage.root / "documents" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(resources.files("ecluse.demo").joinpath("documents", name).read_bytes())
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _with(life: Trace, kind: str) -> Trace | None:
    return life if any(step.kind == kind for step in life.steps) else None


def _sealed(life: Trace) -> dict[str, Any]:
    return next(step.data for step in life.steps if step.kind == "message.sealed")

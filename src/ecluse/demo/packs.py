"""What a third party gets: an evidence pack of every exchange, from both sides, and the keys to check them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ecluse.app.packs.export import export_pack
from ecluse.app.packs.show import show_pack
from ecluse.demo.company import Company
from ecluse.demo.screen import size_text
from ecluse.demo.stage import Stage
from ecluse.model.nouns import Message

__all__ = ["packs"]

MOST: Final = 1 << 20
"""Octets of a document that goes into its pack; a larger one is proven without."""


def packs(stage: Stage) -> None:
    """Write the packs, and check that each says what it should."""
    folder = stage.root / "evidence"
    folder.mkdir()
    for company in (stage.aster, stage.birch):
        texts = "".join(f"{text}\n" for text in company.node.log_keys[-1].texts())
        (folder / f"{company.id}.vkey").write_text(texts, encoding="utf-8")
    made, octets = [], 0
    for key, done in stage.exchanges.items():
        for company, message, part in (
            (done.sender, done.sent, "sent"),
            (done.receiver, done.arrived, "received"),
        ):
            path = folder / f"{key}-{part}-{company.id}.zip"
            made.append(_export(company, message, path))
            octets += path.stat().st_size
    stage.check(
        all(_complete(facts) for facts in made),
        f"{len(made)} evidence packs ({size_text(octets)}) are in {folder.relative_to(stage.root)}: records with "
        "proofs, signed octets, receipts, certificates, configuration; every MIC is the same on both sides",
    )


def _export(company: Company, message: Message, path: Path) -> dict[str, Any]:
    small = message.size <= MOST
    export_pack(company.node, [message.id], path, actor="operator:demo", documents=small)
    return show_pack(path)


def _complete(facts: dict[str, Any]) -> bool:
    compared = [each["mic_equal"] for each in facts["messages"] if each["mic_equal"] is not None]
    return all(compared) and all(each["events"] for each in facts["messages"])

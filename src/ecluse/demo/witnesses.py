"""The two hubs cosign each other's logs: neither can put its own back without the other one noticing."""

from __future__ import annotations

import tomllib
from typing import Any, Final

from ecluse.app.log.witnesses import own_witness_keys
from ecluse.demo.checks import until
from ecluse.demo.company import Company, free_port
from ecluse.demo.stage import Stage
from ecluse.evidence.witness import cosignatures
from ecluse.store.port import View
from ecluse.trust.configuration import HUB_FILE
from ecluse.wire.tlog.note import open_note

__all__ = ["agree_to_witness", "cosigned"]

_PACE: Final = "1s"
_PATIENCE: Final = 40.0


def agree_to_witness(stage: Stage) -> None:
    """Each names the other as its witness, by the keys that both exchanged with their cards."""
    ports = {company.id: free_port() for company in (stage.aster, stage.birch)}
    for company, other in ((stage.aster, stage.birch), (stage.birch, stage.aster)):
        said: dict[str, Any] = tomllib.loads((company.folder / HUB_FILE).read_text(encoding="utf-8"))
        witness = {
            "name": other.id,
            "url": f"http://127.0.0.1:{ports[other.id]}/",
            "keys": [str(key) for key, _ in own_witness_keys(other.node)],
            "allow_private_network": True,
        }
        tables = {
            "listen": {
                **said.get("listen", {}),
                "log": {"address": f"127.0.0.1:{ports[company.id]}"},
            },
            "log": {
                **said.get("log", {}),
                "pace": _PACE,
                "witnesses": [witness],
                "cosigns": [{"name": other.id, "keys": list(other.node.log.texts())}],
            },
        }
        company.change_hub(tables, reason=f"{other.name} and we witness each other's logs")


def cosigned(stage: Stage) -> None:
    """Wait until each newest checkpoint has the other's cosignature, and check it."""
    for company, other in ((stage.aster, stage.birch), (stage.birch, stage.aster)):
        until(
            lambda company=company: bool(_newest(company)),  # type: ignore[misc]
            _PATIENCE,
            f"{other.name} does not cosign {company.whose} log",
        )
        note = _newest(company)
        keys = [key for key, _ in own_witness_keys(other.node)]
        held = len(open_note(note, [*company.node.log.parts, *keys]).signatures)
        stage.check(
            held == len(company.node.log.parts) + len(keys),
            f"{company.whose} newest checkpoint is signed with Ed25519 and ML-DSA-44, and {other.name} cosigned it",
        )


def _newest(company: Company) -> bytes:
    """The newest checkpoint with its cosignatures; empty where it is not cosigned."""

    def look(view: View) -> bytes:
        last = view.last_checkpoint()
        lines = cosignatures(view, last.size) if last is not None else []
        return last.note + b"".join(lines) if last is not None and lines else b""

    return company.node.store.read(look)

"""Everything that was signed about a change, as files that ``ssh-keygen -Y verify`` takes: out of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ecluse.app.changes.lookup import NoSuchChange
from ecluse.app.changes.proposal import NAMESPACE
from ecluse.app.node import Node
from ecluse.evidence.record import decode_leaf

__all__ = ["ALLOWED_SIGNERS", "allowed_signers", "evidence"]

ALLOWED_SIGNERS: Final = "allowed_signers"


def evidence(node: Node, id: str) -> dict[str, str]:
    """What the log has of a change.

    Args:
        node: The hub.
        id: Of the proposal, whole.

    Returns:
        File name to text: ``1-proposed-ada.txt`` (the statement) and ``1-proposed-ada.txt.sig`` for each signature,
        and ``allowed_signers`` with the keys as the log has them. Who checks compares those with keys that they
        got elsewhere.

    Raises:
        NoSuchChange: The log has nothing of it.
    """
    files: dict[str, str] = {}
    keys: dict[str, list[str]] = {}
    number = 0
    for event in node.store.read(lambda view: view.events(f"change:{id}")):
        data: Mapping[str, Any] = msgspec.json.decode(decode_leaf(event.leaf).data)
        if "signature" not in data:
            continue
        number += 1
        name = f"{number}-{event.event.kind.partition('.')[2]}-{data['operator']}.txt"
        files[name] = data["statement"]
        files[f"{name}.sig"] = data["signature"]
        line = data["key"]
        if line not in keys.setdefault(data["operator"], []):
            keys[data["operator"]].append(line)
    if not files:
        raise NoSuchChange(f"The log has no signature of {id[:60]!a}.")
    files[ALLOWED_SIGNERS] = allowed_signers(keys)
    return files


def allowed_signers(keys: Mapping[str, list[str]]) -> str:
    """The file that ``ssh-keygen -Y verify -f`` takes, of operators' names and the lines of their keys."""
    return "".join(
        f'{name} namespaces="{NAMESPACE}" {" ".join(line.split()[:2])}\n'
        for name, lines in keys.items()
        for line in lines
    )

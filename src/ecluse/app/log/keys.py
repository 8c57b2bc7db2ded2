"""The further keys of a hub that was made by an older release: the log's second one, and those of its witness."""

from __future__ import annotations

from typing import Final

from ecluse.app.node import KEYS_SETTING, Node
from ecluse.evidence.sequencer import KEYS_SUBJECT
from ecluse.store.port import Tx
from ecluse.wire.tlog.note import parse_note

__all__ = ["add_log_key"]

_ONE: Final = 1
"""Signatures of a checkpoint that Ed25519 alone signed."""


def add_log_key(node: Node, *, actor: str) -> bool:
    """Make the keys where the keyring has none, and write into the log from where on both sign.

    Serving nodes take the keys up within a second, and sign nothing with one key alone after that record.

    Returns:
        False where everything was there.

    Raises:
        KeyringError: ``keyring.elsewhere``: a signer has the keys.
    """
    made = node.keyfiles.make_note_keys()
    second = node.log.ml_dsa
    assert second is not None, "it was made"

    def work(tx: Tx) -> bool:
        if made:
            tx.put_setting(KEYS_SETTING, node.hub.new_id("k").encode())
        newest = tx.last_checkpoint()
        single = newest is not None and len(parse_note(newest.note).signatures) == _ONE
        if not single or tx.events(KEYS_SUBJECT):
            return False
        node.hub.event(tx, "log.key-added", KEYS_SUBJECT, {"key": str(second)}, actor=actor)
        return True

    return node.store.write(work) or made

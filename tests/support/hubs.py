"""Hubs in temporary folders: whole ones with keys and partners, and bare ones for the chamber alone."""

from __future__ import annotations

from pathlib import Path

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.vault import Vault
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Clock, Instant, system_entropy
from ecluse.store.open import open_store
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder

__all__ = ["FakeClock", "bare_hub", "introduce", "make_pair"]


class FakeClock:
    """A clock that moves when it is told to, and a microsecond at each look."""

    def __init__(self, start: int = 1_790_000_000_000_000) -> None:
        self.now = start

    def __call__(self) -> Instant:
        self.now += 1
        return Instant(self.now)

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * 1_000_000)


def bare_hub(folder: Path, clock: Clock, inbox: str = "", url: str = "") -> Hub:
    """The chamber without keys, partners or listeners: SQLite in ``folder`` by default, blobs in memory."""
    store = open_store(url or f"sqlite:{folder / 'state.db'}", node="test")
    store.migrate()
    vault = Vault(MemoryPlace(), AesKeyWrap(bytes(32)), system_entropy, clock, 1024)
    return Hub(store, vault, clock, system_entropy, "test", inbox=inbox)


def introduce(me: Node, other: Node, id: str, url: str, settings: str = "", rest: str = "") -> None:
    """Add ``other`` to the partners of ``me``, and apply it.

    Args:
        me: Whose configuration.
        other: The partner.
        id: Name of the partner's file.
        url: Where it listens.
        settings: More lines for ``[as2]``.
        rest: More tables.
    """
    (me.folder / "certificates" / f"{id}.pem").write_text(to_pem(other.keyring.chain("main")))
    organisation = other.directory.organisation
    (me.folder / "partners" / f"{id}.toml").write_text(
        f'name = "{organisation.name}"\n[as2]\nid = "{organisation.as2_id}"\nurl = "{url}"\n'
        f"allow_private_network = true\n{settings}\n"
        f'[[certificates]]\nfile = "certificates/{id}.pem"\n{rest}\n'
    )
    apply_files(me, read_folder(me.folder), actor="operator:test", reason="test")


def make_pair(folder: Path, *, key_kind: str = "rsa-2048") -> tuple[Node, Node]:
    """Aster and Birch, two opened hubs that do not know each other yet."""
    aster = make_hub(folder / "aster", name="Aster Foods", as2_id="ASTER", key_kind=key_kind)
    birch = make_hub(folder / "birch", name="Birch Packaging", as2_id="BIRCH", key_kind=key_kind)
    return aster, birch

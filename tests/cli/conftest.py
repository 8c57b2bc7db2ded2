"""Two hubs that know each other: made by the command line, served by processes of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.commands import free_port, say, serving

from ecluse.trust.keys.keyfiles import FileKeyring, Stretching
from ecluse.trust.secrets import Secret

ORDER = (
    b"UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261103:0915+%d++ORDERS'UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+%d+9'"
    b"DTM+137:20261103:102'UNT+3+1'UNZ+1+1'"
)


@dataclass(frozen=True)
class Pair:
    """Two hubs.

    Attributes:
        aster: Folder of Aster's.
        birch: Folder of Birch's.
        cards: Folder with both cards.
    """

    aster: Path
    birch: Path
    cards: Path

    def order(self, number: int) -> Path:
        """A file with an order of that number."""
        path = self.cards / f"order-{number}.edi"
        path.write_bytes(ORDER % (number, number))
        return path


def open_private_network(hub: Path, partner: str) -> None:
    """Let a partner's URL lead to this machine."""
    path = hub / "partners" / f"{partner}.toml"
    path.write_text(path.read_text().replace("[as2]\n", "[as2]\nallow_private_network = true\n"))
    say("apply", "--yes", "--reason", "both hubs are on one machine", hub=hub)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("hubs")
    for name, id in (("aster", "ASTER"), ("birch", "BIRCH")):
        address = f"127.0.0.1:{free_port()}"
        words = ["--name", name.title(), "--as2-id", id, "--address", address, "--key-kind", "rsa-2048"]
        say("init", root / name, *words)
        stretch_little(root / name)
        say("partner", "card", "--out", root / f"{name}.card", hub=root / name)
    for me, other in (("aster", "birch"), ("birch", "aster")):
        say("partner", "add", root / f"{other}.card", "--trust-on-first-use", "one machine", hub=root / me)
        open_private_network(root / me, other)
    with serving(root / "aster"), serving(root / "birch"):
        yield Pair(root / "aster", root / "birch", root)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "cedar"
    words = ["--name", "Cedar", "--as2-id", "CEDAR", "--key-kind", "ec-p256", "--address", "127.0.0.1:1"]
    say("init", folder, *words)
    stretch_little(folder)
    return folder


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Path:
    """A hub of its own, not served."""
    return Path(shutil.copytree(template, tmp_path / "cedar"))


def stretch_little(hub: Path) -> None:
    """Let the keyring open at once: every command opens it, and tests run hundreds."""
    passphrase = Secret((hub / "passphrase").read_text().strip())
    keyring = FileKeyring.open(hub / "keys", passphrase)
    keyring.change_passphrase(passphrase, stretching=Stretching(memory_kib=64, passes=1, lanes=1))

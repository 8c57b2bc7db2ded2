"""A hub with something in it, places for its backups, and somebody whom they are sealed for."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from tests.support.certs import make_identity

from ecluse.app.backup.places import open_place
from ecluse.app.backup.rehearse import rehearse
from ecluse.app.backup.restore import Request, Result, restore
from ecluse.app.backup.run import Backup, make_backup, open_site
from ecluse.app.backup.sealing import PrivateKeys
from ecluse.app.folder import make_hub
from ecluse.app.log.sequencing import make_sequencer
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import MessageId, PartnerId, system_clock, system_entropy
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.trust.keys.keyfiles import FileKeyring, Stretching
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.wire.openpgp.making import make_key
from ecluse.wire.openpgp.names import Tag

__all__ = ["World", "content", "killed_at", "recipient"]


@functools.cache
def recipient(name: str = "Safe") -> tuple[str, bytes]:
    """A certificate and its private key, as somebody else holds it."""
    now = system_clock() // 1_000_000
    certificate, secrets = make_key(
        "curve25519",
        f"{name} <safe@aster.example>",
        version=6,
        now=now,
        lifetime=90 * 86_400,
        entropy=system_entropy,
    )
    primary = certificate.primary.fingerprint
    packets = (
        key.packet(Tag.SECRET_KEY if key.key.fingerprint == primary else Tag.SECRET_SUBKEY) for key in secrets
    )
    return armored_certificate(certificate), b"".join(packets)


def _make(home: Path, settings: str, to: str, database: str | None) -> None:
    node = make_hub(home, name="Aster Foods", as2_id="ASTER", key_kind="ec-p256", database=database)
    certificate, _ = recipient()
    for sub in ("openpgp", "partners", "certificates"):
        (home / sub).mkdir(exist_ok=True)
    (home / "openpgp" / "safe.asc").write_text(certificate)
    (home / "certificates" / "mill.pem").write_text(to_pem([make_identity("Mill").certificate]))
    (home / "partners" / "mill.toml").write_text(
        'name = "Mill"\n[as2]\nid = "MILL"\nurl = "http://127.0.0.1:9/as2"\nallow_private_network = true\n'
        '[[certificates]]\nfile = "certificates/mill.pem"\n'
    )
    place = to or 'place = "../to"'
    with (home / "ecluse.toml").open("a") as file:
        file.write(
            f'\n[backup]\nrecipients = ["openpgp/safe.asc"]\nsecrets = true\n{settings}\n'
            f'[backup.to]\n{place}\n[backup.keys_to]\nplace = "../keys"\n'
        )
    apply_files(node, read_folder(home), actor="operator:test", reason="backups")
    node.close()
    # The hub's own stretching of the passphrase is meant to be slow; tests open hubs all the time.
    secret = Secret((home / "passphrase").read_text().strip())
    keyring = FileKeyring.open(home / "keys", secret)
    keyring.change_passphrase(secret, stretching=Stretching(memory_kib=64, passes=1, lanes=1))


@functools.cache
def _template(settings: str, to: str) -> Path:
    """A hub to be copied, on the embedded database."""
    folder = tempfile.mkdtemp(prefix="ecluse-template-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _make(Path(folder) / "aster", settings, to, None)
    return Path(folder) / "aster"


class World:
    """One hub in ``folder/aster``, its backups in ``folder/to``, the copy of its keys in ``folder/keys``.

    Args:
        folder: A temporary one. The hub that is there is opened, where one is.
        database: Instead of the embedded one.
        settings: More lines of ``[backup]``.
        to: Lines of ``[backup.to]``, instead of the folder's.
    """

    def __init__(
        self, folder: Path, *, database: str | None = None, settings: str = "", to: str = ""
    ) -> None:
        self.folder = folder
        self.home = folder / "aster"
        self.private = recipient()[1]
        if self.home.exists():
            pass
        elif database is None:
            shutil.copytree(_template(settings, to), self.home)
        else:
            _make(self.home, settings, to, database)
        self.node = open_node(self.home)

    def message(self, content: bytes, number: int = 0) -> MessageId:
        """An application hands a document in, for a partner that does not answer."""
        return hand_in(
            self.node.hub,
            PartnerId("mill"),
            "as2:mill",
            [HandIn(f"{number}.edi", "application/edifact", [content])],
            protocol="as2",
            protocol_id=f"<{self.node.hub.new_id('x')}@aster.example>",
        ).id

    def seal(self) -> None:
        """Put the log's records into the tree, and sign it."""
        sequencer = make_sequencer(self.node)
        while sequencer.seal():
            pass
        sequencer.checkpoint()

    def backup(self, **given: Any) -> Backup:
        """Make a backup."""
        return make_backup(open_site(self.node), **given)

    def request(self, into: Path, **given: Any) -> Request:
        """What asks for a restore of the newest backup."""
        resolver = SecretResolver(self.folder, os.environ)
        usual: dict[str, Any] = {
            "place": open_place(self.folder, str(self.folder / "to"), resolver),
            "keys": open_place(self.folder, str(self.folder / "keys"), resolver),
            "into": into,
            "unlock": PrivateKeys(self.private),
        }
        return Request(**{**usual, **given})

    def restore(self, into: Path, **given: Any) -> Result:
        """Restore it."""
        return restore(self.request(into, **given))

    def close(self) -> None:
        """Let the hub go."""
        self.node.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def content(node: Node, id: MessageId) -> bytes:
    """The first document of a message."""
    message = node.store.read(lambda view: view.message(id))
    assert message is not None
    with node.hub.document(message.parts[0]) as document:
        return b"".join(document.reader.chunks())


def killed_at(folder: Path, room: Path, what: str, **given: Any) -> int:
    """A rehearsal in a process of its own, which is killed at some work; give how that ended. No hub is open here."""

    def progress(doing: str, done: int, total: int) -> None:
        if doing == what:
            os.kill(os.getpid(), signal.SIGKILL)

    private = PrivateKeys(recipient()[1])
    process = os.fork()
    if process == 0:
        try:
            world = World(folder)
            rehearse(open_site(world.node), private, folder=room, progress=progress, **given)
        finally:
            os._exit(0)
    return os.waitpid(process, 0)[1]

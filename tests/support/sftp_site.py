"""An SFTP listener over folders in memory, with partners that log in there."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
from tests.support.hubs import bare_hub
from tests.support.trees import MemoryMailbox

from ecluse.channels.guard.bans import Bans
from ecluse.channels.guard.gate import Gate
from ecluse.channels.sftp.keys import KeyringKeyPair
from ecluse.channels.sftp.server.listener import SftpServer
from ecluse.exchange.hub import Hub
from ecluse.model.basics import system_clock
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.listeners import Guard, SftpListener

__all__ = ["Site", "serve"]

HUB = (
    '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n[[organisation.keys]]\nref = "main"\nuse = ["sign"]\n'
)


@dataclasses.dataclass
class Site:
    """A listener at work.

    Attributes:
        folder: Temporary files; ``birch_key`` is the partner's private key.
        hub: The chamber.
        keyring: Ours.
        server: The listener.
        gate: Its gate.
        boxes: The partners' folders, by user.
        accounts: TOML of their [account], by user; change it and call :meth:`configure`.
        key: Birch's key.
        secrets: By reference; ``secret1`` for others.
    """

    folder: Path
    hub: Hub
    keyring: MemoryKeyring
    accounts: dict[str, str]
    key: asyncssh.SSHKey
    boxes: dict[str, MemoryMailbox] = dataclasses.field(default_factory=dict)
    secrets: dict[str, str] = dataclasses.field(default_factory=dict)
    server: SftpServer = None  # type: ignore[assignment]
    gate: Gate = None  # type: ignore[assignment]
    directory: Directory = None  # type: ignore[assignment]

    @property
    def box(self) -> MemoryMailbox:
        return self.boxes["birch"]

    @property
    def port(self) -> int:
        return self.server.port

    def configure(self, **states: str) -> None:
        """Put the accounts in force."""
        files = {"ecluse.toml": HUB}
        for user, account in self.accounts.items():
            state = states.get(user, "active")
            head, _, rest = account.partition("[[")
            rest = f"[[{rest}" if rest else ""
            files[f"partners/{user}.toml"] = (
                f'name = "{user.title()}"\nstate = "{state}"\n[account]\nuser = "{user}"\n{head}\n{rest}\n'
            )
        configuration = Configuration.from_files(files)
        self.directory = Directory(
            configuration, self.keyring, lambda reference: Secret(self.secrets.get(reference, "secret1"))
        )
        for view in self.directory.partners:
            account = view.settings.account
            assert account is not None
            if account.user not in self.boxes:
                self.boxes[account.user] = MemoryMailbox(account)
            self.boxes[account.user].account = account

    def known_hosts(self) -> Path:
        file = self.folder / "known_hosts"
        file.write_text(f"[127.0.0.1]:{self.port} {self.keyring.ssh_public_key('ssh-host')}\n")
        return file

    def openssh(self, *extra: str) -> list[str]:
        """Options of OpenSSH's programs, with the port as ``-P``."""
        return [
            "-o", f"UserKnownHostsFile={self.known_hosts()}", "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "UpdateHostKeys=no",
            "-o", "PreferredAuthentications=publickey", "-i", str(self.folder / "birch_key"), "-F", "/dev/null",
            *extra, "-P", str(self.port),
        ]  # fmt: skip

    def sftp(self, batch: str, *extra: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run OpenSSH's ``sftp`` with a batch of commands."""
        file = self.folder / "batch"
        file.write_text(batch)
        done = subprocess.run(
            ["sftp", "-b", str(file), *self.openssh(*extra), "birch@127.0.0.1"],
            capture_output=True, text=True, timeout=60, cwd=self.folder, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"sftp ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def connect(self, **options: object):  # type: ignore[no-untyped-def]
        """asyncssh's client, logged in as Birch unless said otherwise."""
        settings: dict[str, object] = {
            "port": self.port, "username": "birch", "client_keys": [self.key], "config": None,
            "known_hosts": ([asyncssh.import_public_key(self.keyring.ssh_public_key("ssh-host"))], [], []),
            "agent_path": None,
        }  # fmt: skip
        return asyncssh.connect("127.0.0.1", **(settings | options))  # type: ignore[arg-type]

    def raw(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def serve(
    folder: Path, *, account: str = "", guard: Guard | None = None, listener: SftpListener | None = None
) -> Iterator[Site]:
    """A listener with the partner Birch, who logs in with a key.

    Args:
        folder: For files.
        account: More of Birch's [account].
        guard: Limits.
        listener: Settings of the listener.
    """
    folder.mkdir(exist_ok=True)
    keyring = MemoryKeyring()
    keyring.generate("main", "ec-p256", subject="Aster")
    keyring.generate("ssh-host", "ed25519", subject="Aster")
    hub = bare_hub(folder, system_clock)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "birch_key")
    (folder / "birch_key").chmod(0o600)
    line = key.export_public_key().decode().strip()
    accounts = {"birch": f'keys = ["{line}"]\n{account}'}
    site = Site(folder, hub, keyring, accounts, key)
    site.configure()
    settings = listener or SftpListener(address="127.0.0.1:0", guard=guard or Guard())
    bans = Bans(hub.store, hub.clock, hub.entropy, hub.node)
    site.gate = Gate(settings.guard, bans, "sftp")
    site.server = SftpServer(
        hub,
        settings,
        lambda: site.directory,
        lambda: [KeyringKeyPair(keyring, "ssh-host")],
        site.gate,
        lambda identity, address: site.boxes[identity.user].open(),
    )
    site.server.start()
    try:
        yield site
    finally:
        site.server.stop(2.0)
        hub.store.close()

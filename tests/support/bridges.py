"""Hubs served by processes of their own, foreign clients in front of them and foreign servers behind: a town to
carry documents through.
"""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tests.support.children import ROOT, child_env
from tests.support.commands import free_port

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.verify import verify_log
from ecluse.exchange.trace import Trace, trace
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.model.states import MessageState
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder

__all__ = ["RETRY", "House", "SftpClient", "facts_of", "tool", "until"]

T = TypeVar("T")

RETRY = 'retry = { base = "300ms", cap = "1s", attempts = 500 }\n'
"""Of a partner's places: a test does not wait for the usual half a minute."""

SERVE = ("-m", "ecluse", "serve", "--json", "--hub")


def until(look: Callable[[], T | None], patience: float = 60, otherwise: Callable[[], object] = str) -> T:
    """What ``look`` gives once it is true."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)


def tool(*command: object, cwd: Path | None = None, code: int = 0, data: bytes = b"") -> bytes:
    """Run a foreign program; its output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=data, capture_output=True, timeout=60, cwd=cwd, check=False)
    said = f"{words} ended with {done.returncode}: {done.stdout!r} {done.stderr!r}"
    assert done.returncode == code, said
    return done.stdout


def facts_of(receipt: Any) -> dict[str, Any]:
    """What a receipt of kind ``file`` says."""
    found: dict[str, Any] = msgspec.json.decode(receipt.body)
    return found


class House:
    """A hub: its folder, the process that serves it, and a node opened beside it to look.

    Args:
        folder: Where it is made.
        name: Its name; the AS2 id is the same in capitals.
        toml: Added to ``ecluse.toml``.
        ftps: Listen for FTPS clients too.
        sftp: Listen for SFTP clients.
        pgp: Have an OpenPGP key.
        command: What serves it: words for Python, before the folder and ``more``.
        database: Instead of the embedded one.

    Attributes:
        words: What stands behind the folder when it is started.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        toml: str = "",
        ftps: bool = False,
        sftp: bool = True,
        pgp: bool = False,
        command: Sequence[str] = SERVE,
        more: Sequence[str] = (),
        database: str | None = None,
    ) -> None:
        self.folder = folder
        self.name = name
        self.port, self.sftp_port, self.ftps_port = free_port(), free_port(), free_port()
        self.log = folder.with_suffix(".log")
        self.words = tuple(more)
        self._command = [sys.executable, *command, str(folder)]
        self._process: subprocess.Popen[bytes] | None = None
        node = make_hub(
            folder,
            name=name.title(),
            as2_id=name.upper(),
            address=f"127.0.0.1:{self.port}",
            sftp=f"127.0.0.1:{self.sftp_port}" if sftp else None,
            key_kind="rsa-2048",
            database=database,
        )
        node.keyring.generate("ssh", "ed25519", subject=name)
        if pgp:
            node.keyring.generate_openpgp("pgp", f"{name} <edi@{name}.example>", kind="curve25519")
            toml += '\n[openpgp]\nkeys = ["pgp"]\n'
        if ftps:
            node.keyring.generate("tls", "ec-p256", subject="localhost", days=30)
            (folder / "tls.pem").write_text(to_pem(node.keyring.chain("tls")))
            toml += f'\n[listen.ftps]\naddress = "127.0.0.1:{self.ftps_port}"\n'
        node.close()
        file = folder / "ecluse.toml"
        file.write_text(file.read_text() + toml)
        self.node: Node = open_node(folder)

    # What is in force

    def secret(self, name: str, text: str) -> str:
        """A reference to a secret in a file of the hub's."""
        path = self.folder / "secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return f"file:secrets/{name}"

    def apply(self, files: Mapping[str, str]) -> None:
        """Write files of the configuration and put them in force."""
        for path, text in files.items():
            target = self.folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
        apply_files(self.node, read_folder(self.folder), actor="operator:test", reason="test")

    def know(self, other: House, more: str = "") -> None:
        """Make another house an AS2 partner."""
        pem = to_pem(other.node.keyring.chain("main"))
        self.apply(
            {
                f"certificates/{other.name}.pem": pem,
                f"partners/{other.name}.toml": f'name = "{other.name.title()}"\n[as2]\nid = "{other.name.upper()}"\n'
                f'url = "http://127.0.0.1:{other.port}/as2"\nallow_private_network = true\n{RETRY}{more}'
                f'[[certificates]]\nfile = "certificates/{other.name}.pem"\n',
            }
        )

    def say(self, *words: object, code: int = 0) -> Any:
        """Run a command of the hub's, with ``--json``; what it gives.

        In a process of its own: one that closes a SQLite database loses the locks of its other connections to it.
        """
        run = [sys.executable, "-m", "ecluse", *map(str, words), "--json", "--hub", str(self.folder)]
        done = subprocess.run(run, capture_output=True, timeout=60, env=child_env(), cwd=ROOT, check=False)
        assert done.returncode == code, f"{words}: {done.stdout!r} {done.stderr!r}"
        return json.loads(done.stdout)

    # Its process

    def start(self) -> House:
        """Serve; return when it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *self.words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_env(),
                cwd=ROOT,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), f"it did not start: {self.log.read_text()[-2000:]}"
        return self

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def stop(self) -> int:
        """End in good order; the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        code = process.wait(60)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        return code

    def twin(self) -> House:
        """Another node of the same hub, not started: to be killed, and not to be closed."""
        twin = copy.copy(self)
        twin._process = None
        return twin

    def close(self) -> None:
        self.kill()
        self.node.close()

    # What is in it

    def messages(self, direction: Direction | None = None) -> list[Message]:
        found = self.node.store.read(lambda view: view.messages(direction=direction, limit=100_000))
        return sorted(found, key=lambda message: message.id)

    def came(self, name: str) -> list[Message]:
        """Messages that came (or were handed in) with a document of this name."""
        return [
            message
            for message in self.messages()
            if not message.origin and any(part.name == name for part in message.parts)
        ]

    def deliveries(self, message: Message) -> list[Delivery]:
        return self.node.store.read(lambda view: view.deliveries(message.id))

    def trace(self, message: Message | str) -> Trace:
        return trace(self.node.store, MessageId(message if isinstance(message, str) else message.id))

    def delivered(
        self, name: str, state: MessageState = MessageState.DELIVERED, patience: float = 20
    ) -> Trace:
        """The life of the one message that came with this document, once it has ended so."""

        def look() -> Message | None:
            return next((message for message in self.came(name) if message.state is state), None)

        def otherwise() -> str:
            lives = [self.trace(message).as_dict() for message in self.came(name)]
            return (
                f"{name} is not {state.value} at {self.name}: "
                + json.dumps(lives, indent=1, default=repr)[-6000:]
            )

        message = until(look, patience, otherwise)
        assert len(self.came(name)) == 1, f"{name} came more than once"
        return self.trace(message)

    def inbox(self) -> dict[str, list[bytes]]:
        """What the application finds, by the documents' names."""
        found: dict[str, list[bytes]] = {}
        for path in sorted((self.folder / "inbox").rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(re.sub(r"^m[^-]+-(\d+-)?", "", path.name), []).append(path.read_bytes())
        return found

    def check_log(self) -> None:
        """The log verifies, to its end."""
        verdict = verify_log(
            self.node.store, [self.node.log_key], held=HeldCheckpoints(self.node.checkpoint_file)
        )
        assert verdict.ok, f"{self.name}: {verdict.problem}"

    def unfinished(self) -> list[str]:
        """What is still under way."""
        return [
            f"{self.name}: {message.id} {message.parts[0].name} {message.state.value} "
            + ", ".join(f"{d.channel} {d.state.value} {d.reason_code}" for d in self.deliveries(message))
            for message in self.messages()
            if message.state not in (MessageState.DELIVERED, MessageState.GIVEN_UP, MessageState.REJECTED)
        ]


class SftpClient:
    """OpenSSH's ``sftp`` with a key of its own.

    Args:
        folder: Made; where its files lie.
        house: Whose server it knows.
        user: Its name there.
    """

    def __init__(self, folder: Path, house: House, user: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._user = user
        self._port = house.sftp_port
        tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
        self.key = " ".join((folder / "key.pub").read_text().split()[:2])
        host_key = house.node.keyring.ssh_public_key("ssh-host")
        (folder / "known").write_text(f"[127.0.0.1]:{self._port} {host_key}\n")

    def command(self) -> list[str]:
        said = (
            f"UserKnownHostsFile={self.folder / 'known'}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "UpdateHostKeys=no",
            "PreferredAuthentications=publickey",
            "ConnectTimeout=5",
        )
        options = [word for each in said for word in ("-o", each)]
        return [
            "sftp", "-q", "-F", "/dev/null", "-b", "-", "-i", str(self.folder / "key"), "-P", str(self._port),
            *options, f"{self._user}@127.0.0.1",
        ]  # fmt: skip

    def try_(self, *lines: str) -> subprocess.CompletedProcess[bytes]:
        """Log in and do what the lines say; how it ended."""
        batch = "".join(f"{line}\n" for line in lines).encode()
        return subprocess.run(
            self.command(), input=batch, capture_output=True, timeout=60, cwd=self.folder, check=False
        )

    def run(self, *lines: str) -> bytes:
        done = self.try_(*lines)
        assert done.returncode == 0, f"{lines}: {done.stdout!r} {done.stderr!r}"
        return done.stdout

    def put(self, name: str, data: bytes, folder: str = "inbound") -> None:
        """Upload; it is acknowledged when this returns."""
        (self.folder / name).write_bytes(data)
        self.run(f"put {name} {folder}/{name}")

    def get(self, path: str) -> bytes:
        target = self.folder / f"got-{os.path.basename(path)}"
        self.run(f"get {path} {target.name}")
        return target.read_bytes()

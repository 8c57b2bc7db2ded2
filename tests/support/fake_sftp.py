"""An SSH server in a thread, by asyncssh: any way of logging in, and an SFTP subsystem that a test scripts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import asyncssh
from asyncssh.stream import SSHServerStreamSession

__all__ = ["FakeSsh", "answer", "ask", "attributes", "status", "string", "version"]

Script = Callable[[asyncssh.SSHReader, asyncssh.SSHWriter], Awaitable[None]]


class FakeSsh:
    """Listens on a free port of loopback.

    Attributes:
        logins: What was tried: (method, user).
        passwords: Passwords that were given.
    """

    user = "aster"

    def __init__(
        self,
        *,
        password: str | None = None,
        typed: str | None = None,
        key: str | None = None,
        script: Script | None = None,
        files: Path | None = None,
        host_key: asyncssh.SSHKey | None = None,
        questions: tuple[tuple[str, bool], ...] = (("Password: ", False),),
        **options: Any,
    ) -> None:
        self.password, self.typed, self.key = password, typed, key
        self.questions = questions
        self.logins: list[tuple[str, str]] = []
        self.passwords: list[str] = []
        self.host_key = host_key or asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self._script, self._files, self._options = script, files, options
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def fingerprint(self) -> str:
        """Of the host key."""
        return self.host_key.get_fingerprint()

    def allow(self, *lines: str) -> None:
        """Let this key log in."""
        self.key = lines[0]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        options = {"server_host_keys": [self.host_key], **self._options}
        if self._files is not None:
            files = self._files
            options["sftp_factory"] = lambda chan: asyncssh.SFTPServer(chan, chroot=str(files).encode())
        server = self._loop.run_until_complete(
            asyncssh.create_server(lambda: _Server(self), "127.0.0.1", 0, **options)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    async def run_script(self, reader: asyncssh.SSHReader, writer: asyncssh.SSHWriter) -> None:
        """Be the subsystem."""
        assert self._script is not None
        try:
            await self._script(reader, writer)
        except (asyncio.IncompleteReadError, asyncssh.Error, OSError):
            pass
        writer.channel.exit(0)


class _Server(asyncssh.SSHServer):
    def __init__(self, fake: FakeSsh) -> None:
        self.fake = fake

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn

    def session_requested(self) -> Any:
        if self.fake._script is None:
            return False
        return self.conn.create_server_channel(encoding=None), _Scripted(self.fake)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self.fake.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        self.fake.logins.append(("password", username))
        self.fake.passwords.append(password)
        return password == self.fake.password

    def public_key_auth_supported(self) -> bool:
        return self.fake.key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.fake.logins.append(("publickey", username))
        return " ".join(key.export_public_key().decode().split()[:2]) == self.fake.key

    def kbdint_auth_supported(self) -> bool:
        return self.fake.typed is not None

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        self.fake.logins.append(("keyboard-interactive", username))
        return "", "", "", self.fake.questions

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        self.fake.passwords += responses
        return responses == [self.fake.typed]


class _Scripted(SSHServerStreamSession[bytes]):
    def __init__(self, fake: FakeSsh) -> None:
        super().__init__(None)
        self._fake = fake

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def session_started(self) -> None:
        reader, writer = asyncssh.SSHReader(self, self._chan), asyncssh.SSHWriter(self, self._chan)
        self._conn.create_task(self._fake.run_script(reader, writer))


# --- SFTP by hand ---------------------------------------------------------------------------------------------


def string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def answer(kind: int, id: int, *fields: bytes) -> bytes:
    body = bytes((kind,)) + id.to_bytes(4, "big") + b"".join(fields)
    return len(body).to_bytes(4, "big") + body


def version(*extensions: tuple[bytes, bytes]) -> bytes:
    return answer(2, 3, *(string(name) + string(value) for name, value in extensions))


def status(id: int, code: int, text: bytes = b"") -> bytes:
    return answer(101, id, code.to_bytes(4, "big"), string(text), string(b""))


def attributes(size: int, mode: int = 0o100644, modified: int = 1_700_000_000) -> bytes:
    return (
        (0x1 | 0x4 | 0x8).to_bytes(4, "big")
        + size.to_bytes(8, "big")
        + mode.to_bytes(4, "big")
        + modified.to_bytes(4, "big") * 2
    )


async def ask(reader: asyncssh.SSHReader) -> tuple[int, int, bytes]:
    """(kind, id, rest) of the next request."""
    head = await reader.readexactly(4)
    body = await reader.readexactly(int.from_bytes(head, "big"))
    return body[0], int.from_bytes(body[1:5], "big"), body[5:]

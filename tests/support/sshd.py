"""OpenSSH's server on a free port of loopback, with its own configuration, host keys and folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import asyncssh
from tests.support.dying import with_parent

__all__ = ["Sshd", "free_port", "public_line", "wait_for"]

SSHD = "/usr/sbin/sshd"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> None:
    """Wait until somebody listens on a port."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


def public_line(key: asyncssh.SSHKey) -> str:
    """Kind and base 64 of a key."""
    return " ".join(key.export_public_key().decode().split()[:2])


class Sshd:
    """The server; ``files`` is where its sessions begin.

    Args:
        folder: Empty.
        options: More lines of its configuration.
        kinds: Host keys that it has.
        sftp: Its subsystem.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        kinds: tuple[str, ...] = ("ssh-ed25519",),
        sftp: str = "internal-sftp",
        umask: str = "",
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.uid, self.gid = os.geteuid(), os.getegid()
        self.user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        self.host_keys = [asyncssh.generate_private_key(kind) for kind in kinds]
        self._options = options
        self._sftp = f"{sftp} -d {self.files}" if sftp == "internal-sftp" else sftp
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def fingerprint(self) -> str:
        """Of its first host key."""
        return self.host_keys[0].get_fingerprint()

    def allow(self, *lines: str) -> None:
        """Let these public keys (or certificate authorities' lines) log in."""
        (self.folder / "authorized").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> Sshd:
        """Listen."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        lines = [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"AuthorizedKeysFile {self.folder / 'authorized'}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PidFile none",
            f"Subsystem sftp {self._sftp}",
            "LogLevel VERBOSE",
            "MaxStartups 100",
            *self._options,
        ]
        for number, key in enumerate(self.host_keys):
            path = self.folder / f"host{number}"
            key.write_private_key(path)
            path.chmod(0o600)
            lines.append(f"HostKey {path}")
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=with_parent,
            )
        wait_for(self.port, self._process)
        return self

    def stop(self) -> None:
        """Stop listening; sessions under way go on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill_sessions(self) -> None:
        """Kill the processes of the sessions."""
        if self._process is None:
            return
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            for victim in (*_children(child), child):
                try:
                    os.kill(int(victim), 9)
                except OSError:
                    pass

    def names(self) -> list[str]:
        """What lies in its folder."""
        return sorted(str(p.relative_to(self.files)) for p in self.files.rglob("*") if not p.is_dir())

    def __enter__(self) -> Sshd:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill_sessions()
        self.stop()


def _children(pid: str) -> list[str]:
    found = []
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    for child in direct:
        found += [*_children(child), child]
    return found

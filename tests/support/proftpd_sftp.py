"""ProFTPD with mod_sftp on a free port of loopback, over a folder of its own. Needs root."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import asyncssh
from tests.support.dying import with_parent
from tests.support.peers import PublicFolder
from tests.support.sshd import free_port, wait_for

__all__ = ["PASSWORD", "Proftpd"]

PASSWORD = "correct-horse-2"
OWNER = "daemon"


class Proftpd:
    """The server, with the face of :class:`tests.support.sshd.Sshd`."""

    user = "aster"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._public = PublicFolder()
        self.files = self._public.path / "files"
        self.files.mkdir()
        owner = pwd.getpwnam(OWNER)
        self.uid, self.gid = owner.pw_uid, owner.pw_gid
        os.chown(self.files, self.uid, self.gid)
        self.port = free_port()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def fingerprint(self) -> str:
        """Of its host key."""
        return self.host_key.get_fingerprint()

    def allow(self, *lines: str) -> None:
        """Let these public keys log in."""
        keys = [asyncssh.import_public_key(line).export_public_key("rfc4716") for line in lines]
        (self.folder / "authorized").write_bytes(b"".join(keys))

    def names(self) -> list[str]:
        """What lies in its folder."""
        return sorted(str(p.relative_to(self.files)) for p in self.files.rglob("*") if not p.is_dir())

    def __enter__(self) -> Proftpd:
        folder = self.folder
        self.host_key.write_private_key(folder / "host", "openssh")
        (folder / "host").chmod(0o600)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-salt", "saltsalt", PASSWORD],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        (folder / "passwd").write_text(
            f"{self.user}:{hashed}:{self.uid}:{self.gid}::{self.files}:/bin/false\n"
        )
        (folder / "passwd").chmod(0o600)
        (folder / "proftpd.conf").write_text(
            f"""
LoadModule mod_sftp.c
ServerName peer
ServerType standalone
DefaultAddress 127.0.0.1
Port {self.port}
UseIPv6 off
User {OWNER}
Group nogroup
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayEngine off
SystemLog {folder}/log
TransferLog none
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile {folder}/passwd
AuthPAM off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
UseReverseDNS off
MaxInstances 50
SFTPEngine on
SFTPLog {folder}/sftp.log
SFTPHostKey {folder}/host
SFTPAuthorizedUserKeys file:{folder}/authorized
SFTPAuthMethods publickey password
"""
        )
        self._process = subprocess.Popen(
            ["/usr/sbin/proftpd", "-n", "-q", "-c", str(folder / "proftpd.conf")],
            stdout=(folder / "out").open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=with_parent,
        )
        wait_for(self.port, self._process)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        self._public.cleanup()

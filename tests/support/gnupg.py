"""GnuPG as a foreign peer: a home folder of its own, and no agent left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["GnuPG", "gnupg"]


class GnuPG:
    """One home folder.

    Args:
        home: Where; its path is short, as a socket's name has to be.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, data: bytes = b"", passphrase: str = "") -> bytes:
        """Run gpg on ``data``; its output. Raises CalledProcessError with what it said."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", "--no-tty"]
        command += ["--trust-model", "always", "--pinentry-mode", "loopback", "--passphrase", passphrase]
        done = subprocess.run(
            [*command, *arguments],
            input=data,
            capture_output=True,
            timeout=60,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def key(
        self, name: str, sign: str, encrypt: str = "", *options: str, ends: str = "0", passphrase: str = ""
    ) -> str:
        """Make a key; its fingerprint."""
        run = [*options, "--quick-generate-key", name, sign, "cert,sign", ends]
        self.run(*run, passphrase=passphrase)
        fingerprint = self.fingerprint(name)
        if encrypt:
            self.run(*options, "--quick-add-key", fingerprint, encrypt, "encr", ends, passphrase=passphrase)
        return fingerprint

    def fingerprint(self, name: str) -> str:
        listing = self.run("--with-colons", "--list-keys", name).decode()
        return next(line for line in listing.splitlines() if line.startswith("fpr")).split(":")[9]

    def public(self, name: str) -> bytes:
        return self.run("--armor", "--export", name)

    def secret(self, name: str, passphrase: str = "") -> bytes:
        return self.run("--armor", "--export-secret-keys", name, passphrase=passphrase)


@contextmanager
def gnupg() -> Iterator[GnuPG]:
    """A fresh home."""
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
    try:
        yield GnuPG(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, timeout=30)
        shutil.rmtree(home, ignore_errors=True)

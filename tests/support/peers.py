"""Which foreign programs are here."""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["BAO", "PROFTPD", "VSFTPD", "PublicFolder", "missing"]

BAO = "build/peers/bao/bao"
VSFTPD = "build/peers/vsftpd/usr/sbin/vsftpd"
PROFTPD = "/usr/sbin/proftpd"


class PublicFolder(tempfile.TemporaryDirectory[str]):
    """A folder that a server which changes its user can reach; it goes with the context, or by ``cleanup``.

    Never below ``tmp_path``: whenever a pytest session starts, it takes away what others may do in the folder that
    the sessions of one user share, and a server at work in there refuses every login from then on.
    """

    def __init__(self) -> None:
        super().__init__(prefix="ecluse-peer-")
        self.path = Path(self.name)
        self.path.chmod(0o755)


@functools.cache
def missing(name: str) -> str:
    """Why the peer can't be used; empty where it can."""
    if name == "postgresql":
        if not glob.glob("/usr/lib/postgresql/*/bin/postgres"):
            return "no server binaries"
        return "" if os.geteuid() != 0 or shutil.which("su") else "needs su when root"
    if name == "pyas2lib":
        return "" if importlib.util.find_spec("pyas2lib") else "not installed"
    if name == "s3":
        return "" if os.path.exists("build/peers/s3/bin/python") else "run tools/peers.sh"
    if name == "vsftpd":
        if not os.path.exists(VSFTPD):
            return "run tools/peers.sh"
        return "" if os.geteuid() == 0 else "needs root"
    if name == "proftpd":
        if not os.path.exists("/usr/lib/proftpd/mod_tls.so"):
            return "no mod_tls"
        return "" if os.path.exists(PROFTPD) else "not installed"
    if name == "sshd":
        return "" if os.path.exists("/usr/sbin/sshd") else "not installed"
    if name in ("rclone", "wsgidav", "moto_server"):
        return "" if os.path.exists(f"build/peers/stores/bin/{name}") else "run tools/peers.sh"
    if name == "azurite":
        found = os.path.exists("build/peers/azurite/node_modules/.bin/azurite-blob")
        return "" if found and shutil.which("node") else "npm install azurite in build/peers/azurite"
    if name == "bao":
        return "" if os.path.exists(BAO) or shutil.which("bao") else f"OpenBao's program is not at {BAO}"
    if name == "bouncycastle":
        if not all(os.path.exists(f"/usr/share/java/{jar}.jar") for jar in ("bcpkix", "bcprov", "bcutil")):
            return "libbcpkix-java is not installed"
        return "" if shutil.which("javac") else "no JDK"
    if name == "root":
        return "" if os.geteuid() == 0 else "needs root for a small file system"
    return "" if shutil.which(name) else "not on PATH"

"""Foreign FTP servers, each over a folder of its own: vsftpd and proftpd."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.dying import with_parent
from tests.support.peers import PROFTPD, VSFTPD, PublicFolder
from tests.support.tls_certs import Identity

__all__ = ["PASSWORD", "USER", "ForeignServer", "proftpd", "vsftpd"]

USER, PASSWORD = "aster", "correct-horse-2"
OWNER = "daemon"
"""Who owns what the servers store: vsftpd wants a home that exists."""
_SALT = "saltsalt"


@dataclass(frozen=True)
class ForeignServer:
    """A server at work.

    Attributes:
        port: Of the control connection.
        folder: What a login leads to.
        pid: Its process.
        log: Its log.
    """

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """A folder that the server's own user may write into."""
    with PublicFolder() as name:
        home = Path(name) / "home"
        home.mkdir()
        owner = pwd.getpwnam(OWNER)
        os.chown(home, owner.pw_uid, owner.pw_gid)
        yield home


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
            sock.settimeout(60)
            sock.recv(1)
            return
        assert process.poll() is None, "the server did not start"
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@contextlib.contextmanager
def vsftpd(tmp: Path, identity: Identity, **options: bool) -> Iterator[ForeignServer]:
    """vsftpd for one anonymous user, whose name is ``anonymous``: it knows others through PAM only."""
    with _home() as home, _vsftpd(tmp, home, identity, **options) as server:
        yield server


@contextlib.contextmanager
def _vsftpd(
    tmp: Path, home: Path, identity: Identity, *, implicit: bool = False, tls: bool = True, reuse: bool = True
) -> Iterator[ForeignServer]:
    home.chmod(0o555)
    files = home / "in"
    files.mkdir()
    nobody = pwd.getpwnam(OWNER)
    os.chown(files, nobody.pw_uid, nobody.pw_gid)
    pem = tmp / "vsftpd.pem"
    pem.write_bytes(identity.key_pem + identity.pem)
    empty = tmp / "vsftpd-empty"
    empty.mkdir()
    log, port = tmp / "vsftpd.log", _free_port()
    settings = {
        "listen": "YES", "listen_ipv6": "NO", "listen_address": "127.0.0.1", "listen_port": port, "background": "NO",
        "anonymous_enable": "YES", "local_enable": "NO", "write_enable": "YES", "anon_upload_enable": "YES",
        "anon_mkdir_write_enable": "YES", "anon_other_write_enable": "YES", "anon_world_readable_only": "NO",
        "anon_umask": "022", "anon_root": home, "ftp_username": OWNER, "nopriv_user": "nobody",
        "secure_chroot_dir": empty, "seccomp_sandbox": "NO", "isolate": "NO", "isolate_network": "NO",
        "vsftpd_log_file": log,
        "force_dot_files": "YES", "xferlog_enable": "YES", "no_anon_password": "NO", "pasv_address": "127.0.0.1",
    }  # fmt: skip
    if tls:
        settings |= {
            "ssl_enable": "YES", "allow_anon_ssl": "YES", "force_anon_logins_ssl": "YES", "force_anon_data_ssl": "YES",
            "rsa_cert_file": pem, "require_ssl_reuse": "YES" if reuse else "NO", "implicit_ssl":
            "YES" if implicit else "NO", "ssl_ciphers": "HIGH", "strict_ssl_read_eof": "YES",
        }  # fmt: skip
    config = tmp / "vsftpd.conf"
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    process = subprocess.Popen(
        [os.path.abspath(VSFTPD), str(config)],
        stdout=(tmp / "vsftpd.out").open("wb"),
        stderr=subprocess.STDOUT,
        preexec_fn=with_parent,
    )
    try:
        if implicit:
            time.sleep(0.3)
        else:
            _wait(port, process)
        yield ForeignServer(port, files, process, log)
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def proftpd(
    tmp: Path,
    identity: Identity,
    *,
    implicit: bool = False,
    reuse: bool = True,
    clients: Identity | None = None,
    extra: str = "",
) -> Iterator[ForeignServer]:
    """proftpd with mod_tls; with ``clients`` it wants a certificate of a client, that one or one issued by it."""
    with _home() as home, _proftpd(tmp, home, identity, implicit, reuse, clients, extra) as server:
        yield server


@contextlib.contextmanager
def _proftpd(
    tmp: Path,
    home: Path,
    identity: Identity,
    implicit: bool,
    reuse: bool,
    clients: Identity | None,
    extra: str,
) -> Iterator[ForeignServer]:
    log, port = tmp / "proftpd.log", _free_port()
    (tmp / "proftpd.key").write_bytes(identity.key_pem)
    (tmp / "proftpd.key").chmod(0o600)
    (tmp / "proftpd.crt").write_bytes(identity.pem)
    nobody = pwd.getpwnam(OWNER)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", _SALT, PASSWORD], capture_output=True, check=True, text=True
    ).stdout.strip()
    users = tmp / "proftpd.passwd"
    users.write_text(f"{USER}:{hashed}:{nobody.pw_uid}:{nobody.pw_gid}::{home}:/bin/false\n")
    users.chmod(0o600)
    verify = "TLSVerifyClient off"
    if clients is not None:
        (tmp / "proftpd-clients.crt").write_bytes(clients.pem)
        verify = f"TLSVerifyClient on\nTLSCACertificateFile {tmp}/proftpd-clients.crt"
    options = (["UseImplicitSSL"] if implicit else []) + ([] if reuse else ["NoSessionReuseRequired"])
    config = tmp / "proftpd.conf"
    config.write_text(
        f"""
LoadModule mod_tls.c
ServerName peer
ServerType standalone
DefaultAddress 127.0.0.1
Port {port}
UseIPv6 off
User daemon
Group nogroup
PidFile {tmp}/proftpd.pid
ScoreboardFile {tmp}/proftpd.scoreboard
DelayEngine off
SystemLog {log}
TransferLog none
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile {users}
AuthPAM off
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
UseReverseDNS off
<IfModule mod_tls.c>
TLSEngine on
TLSRequired on
TLSLog {tmp}/proftpd-tls.log
TLSProtocol TLSv1.2 TLSv1.3
TLSRSACertificateFile {tmp}/proftpd.crt
TLSRSACertificateKeyFile {tmp}/proftpd.key
TLSECCertificateFile {tmp}/proftpd.crt
TLSECCertificateKeyFile {tmp}/proftpd.key
{verify}
{"TLSOptions " + " ".join(options) if options else ""}
</IfModule>
{extra}
""".replace("TLSRSACertificateFile", "#").replace("TLSRSACertificateKeyFile", "#")
    )
    process = subprocess.Popen(
        [PROFTPD, "-n", "-q", "-c", str(config)],
        stdout=(tmp / "proftpd.out").open("wb"),
        stderr=subprocess.STDOUT,
        preexec_fn=with_parent,
    )
    try:
        if implicit:
            time.sleep(0.5)
        else:
            _wait(port, process)
        yield ForeignServer(port, home, process, log)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(OSError):
            os.unlink(f"{tmp}/proftpd.pid")

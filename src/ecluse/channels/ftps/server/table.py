"""The commands that are spoken, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecluse.channels.ftps.server import files, logins, transfers
from ecluse.channels.ftps.server.session import Entry

__all__ = ["COMMANDS"]

COMMANDS: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "AUTH": Entry(logins.auth, "must", login=False),
        "PBSZ": Entry(logins.pbsz, "must", login=False),
        "PROT": Entry(logins.prot, "must", login=False),
        "CCC": Entry(logins.ccc, login=False),
        "USER": Entry(logins.user, "must", login=False),
        "PASS": Entry(logins.pass_, "may", login=False),
        "FEAT": Entry(logins.feat, login=False),
        "OPTS": Entry(logins.opts, "must", login=False),
        "SYST": Entry(logins.syst, login=False),
        "NOOP": Entry(logins.noop, login=False),
        "HELP": Entry(logins.help_, "may", login=False),
        "CLNT": Entry(logins.clnt, "must", login=False),
        "QUIT": Entry(logins.quit_, login=False),
        "REIN": Entry(logins.rein, login=False),
        "TYPE": Entry(logins.type_, "must"),
        "MODE": Entry(logins.mode, "must"),
        "STRU": Entry(logins.stru, "must"),
        "ALLO": Entry(logins.allo, "must"),
        "PWD": Entry(files.pwd),
        "XPWD": Entry(files.pwd),
        "CWD": Entry(files.cwd, "may"),
        "XCWD": Entry(files.cwd, "may"),
        "CDUP": Entry(files.cdup),
        "XCUP": Entry(files.cdup),
        "SIZE": Entry(files.size, "must"),
        "MDTM": Entry(files.mdtm, "must"),
        "MFMT": Entry(files.mfmt, "must"),
        "MLST": Entry(files.mlst, "may"),
        "STAT": Entry(files.stat, "may", login=False),
        "DELE": Entry(files.dele, "must"),
        "MKD": Entry(files.mkd, "must"),
        "XMKD": Entry(files.mkd, "must"),
        "RMD": Entry(files.rmd, "must"),
        "XRMD": Entry(files.rmd, "must"),
        "RNFR": Entry(files.rnfr, "must"),
        "RNTO": Entry(files.rnto, "must"),
        "PASV": Entry(transfers.pasv),
        "EPSV": Entry(transfers.epsv, "may"),
        "PORT": Entry(transfers.active, "must"),
        "EPRT": Entry(transfers.active, "must"),
        "REST": Entry(transfers.rest, "must"),
        "ABOR": Entry(transfers.abor),
        "STOR": Entry(transfers.stor, "must"),
        "STOU": Entry(transfers.stou, "may"),
        "APPE": Entry(transfers.appe, "must"),
        "RETR": Entry(transfers.retr, "must"),
        "MLSD": Entry(transfers.mlsd, "may"),
        "LIST": Entry(transfers.list_, "may"),
        "NLST": Entry(transfers.nlst, "may"),
    }
)
"""SITE is not among them: what it would do (modes, checksums by a command of the server's) is not offered."""

"""The process that has the keys while the hub serves without any."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from ecluse.app.unlocking import unlock
from ecluse.errors import EcluseError, Fault
from ecluse.trust.configuration import Configuration, read_hub_file
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.keystores.signer import SignerService
from ecluse.trust.keystores.signer.service import harden

__all__ = ["NoSigner", "open_signer"]


class NoSigner(EcluseError):
    """The configuration has no signer."""

    code = "keyring.no-signer"
    fault = Fault.USAGE
    remedy = 'Name its socket in ecluse.toml, such as signer = "state/signer.sock" under [keyring].'


def open_signer(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> SignerService:
    """Open the keyring of the hub in ``folder`` behind its signer's socket.

    Args:
        folder: The hub's.
        environ: Where ``env:`` secrets are looked up; the process's own by default.
        tell: Told of each protection that this machine does not grant.

    Raises:
        NoSigner: The configuration names no socket.
        EcluseError: The keyring does not open, or another signer answers.
    """
    unlocked = unlock(folder, environ=environ)
    settings = unlocked.bootstrap.hub.keyring
    if settings.signer is None:
        raise NoSigner("The hub's keyring has no signer.")
    assert isinstance(unlocked.keyring, FileKeyring), "it was not opened to serve"
    for words in harden():
        tell(words)
    return SignerService(unlocked.keyring, folder / settings.signer, TlsKeys(folder))


class TlsKeys:
    """Which private keys may leave the signer: those that the hub's files name for TLS, and for nothing else.

    A key that signs, decrypts or logs in when the signer starts, and is not shown by TLS then, stays for the signer's
    whole life, whatever is written into the files later: whoever took the serving process over can write them.

    Args:
        folder: The hub's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._shown, others = _named(folder)
        self._kept = others - self._shown

    def __call__(self, ref: str) -> bool:
        """Whether the key of that name may leave."""
        with self._lock:
            if ref not in self._shown and ref not in self._kept:
                shown, others = _named(self._folder)
                self._shown |= shown - self._kept
                self._kept |= others - self._shown
            return ref in self._shown


def _named(folder: Path) -> tuple[set[str], set[str]]:
    """Keys that the hub's files name for TLS, and for anything else; a file that can't be read names none."""
    shown: set[str] = set()
    others: set[str] = set()
    try:
        hub = Configuration.from_files(read_hub_file(folder)).hub
    except EcluseError:
        return shown, others
    doors = (hub.listen.as2.tls, hub.listen.ftps)
    shown |= {ref for door in doors if door is not None for ref in (door.key, door.successor) if ref}
    if hub.listen.log is not None and hub.listen.log.key is not None:
        shown.add(hub.listen.log.key)
    others |= {each.ref for each in hub.organisation.keys} | set(hub.organisation.ssh_keys)
    if hub.listen.sftp is not None:
        others |= set(hub.listen.sftp.host_keys)
    for path in sorted((folder / "partners").glob("*.toml")):
        try:
            places = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        for name, place in places.items():
            if isinstance(place, dict):
                shown |= _texts(place.get("tls"), "client_key", "successor")
                others |= _texts(place, "key", "successor") if name == "sftp" else set()
    return shown, others


def _texts(table: object, *names: str) -> set[str]:
    if not isinstance(table, dict):
        return set()
    return {value for name in names if isinstance(value := table.get(name), str)}

"""The process that has the keys while the hub serves without any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ecluse.app.unlocking import unlock
from ecluse.errors import EcluseError, Fault
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
    return SignerService(unlocked.keyring, folder / settings.signer)

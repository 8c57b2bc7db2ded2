"""The copied configuration: a hub of its own in a folder, with one partner, keys of its own, and short patience."""

from __future__ import annotations

import asyncio
import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w
from cryptography import x509

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.rehearsal.standin import Identity, Sender, StandIn, make_identity
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import describe, to_pem
from ecluse.trust.configuration import HUB_FILE, read_folder
from ecluse.trust.directory import PartnerView
from ecluse.trust.keys.making import KINDS, make_certificate, make_key

__all__ = ["Copy", "NothingToRehearse", "open_copy"]

PATIENCE: Final = "3s"
"""How long the copy waits for a receipt, or for an answer; the real channel's time would make a play take hours."""
_RETRY: Final = {"attempts": 4, "base": "200ms", "cap": "400ms"}
_LEFT_OUT: Final = ("account", "sftp", "ftps", "s3", "azure", "gcs", "webdav", "openpgp")
_START: Final = 30.0


class NothingToRehearse(EcluseError):
    """The partner has no channel that a rehearsal plays, or its keys are of a kind that can't be played."""

    code = "rehearsal.nothing"
    fault = Fault.USAGE
    remedy = "Rehearse a partner that has [as2] in its file, with certificates to verify and to encrypt with."


@dataclass(slots=True)
class Copy:
    """The copy, served on the loopback interface.

    Attributes:
        node: The copied hub.
        partner: The partner in it, with the same id.
        standin: Who is played.
        sender: The same, as one who sends.
        port: Of the copied listener.
    """

    node: Node
    partner: PartnerId
    standin: StandIn
    sender: Sender
    port: int

    @property
    def view(self) -> PartnerView:
        """The partner as the copy knows it."""
        return self.node.directory.partner(self.partner)


@contextmanager
def open_copy(real: Node, view: PartnerView, folder: Path, url: str, tls: Identity | None) -> Iterator[Copy]:
    """Make the copy in ``folder``, serve it, and end it.

    Args:
        real: The hub that is copied.
        view: The partner that is played.
        folder: An empty folder.
        url: Where the one who is played listens.
        tls: What it shows there, where it speaks TLS.

    Raises:
        NothingToRehearse: There is no AS2 with the partner, or no kind of key to play it with.
    """
    if view.settings.as2 is None:
        raise NothingToRehearse(f"Nothing is exchanged with {view.name} over AS2.")
    hub = real.directory.hub
    now = real.hub.clock()
    node = make_hub(
        folder / "hub",
        name=hub.organisation.name,
        as2_id=view.our_id,
        address=f"127.0.0.1:{_free_port()}",
        key_kind="ec-p256",
        actor="hub:rehearsal",
        clock=real.hub.clock,
        entropy=real.hub.entropy,
    )
    with node:
        own, stranger, ended = (
            make_identity(_kind(_certificate(view, "verify")), name, now, ended=name == "ended")
            for name in ("own", "stranger", "ended")
        )
        receiving = _certificate(view, "encrypt")
        encrypt = own if _kind(receiving) == _kind(own.certificate) else _issued(_kind(receiving), own, now)
        standin = StandIn(own, stranger, ended, view.as2, real.hub.clock, real.hub.entropy)
        _copy_keys(real, node)
        _copy_partner(node, view, url, {"own": own, "ended": ended, "encrypt": encrypt, "tls": tls})
        with _served(node) as port:
            recipient = None
            if view.as2.require_encrypted or isinstance(view.as2.encrypt, str):
                recipient = _our_certificate(node)
            sender = Sender(
                view.their_id,
                view.our_id,
                own.signer(),
                stranger.signer(),
                ended.signer(),
                recipient,
                view.as2,
                real.hub.clock,
                real.hub.entropy,
            )
            yield Copy(node, view.id, standin, sender, port)


def _free_port() -> int:
    """A port that nobody listens on at this moment: receipts of their own are sent to the address in the copy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _certificate(view: PartnerView, use: str) -> x509.Certificate:
    found = [entry.certificate for entry in view.certificates.entries if use in entry.use]
    if not found:
        raise NothingToRehearse(f"{view.name} has no certificate to {use} with.")
    return found[0]


def _our_certificate(node: Node) -> x509.Certificate | None:
    refs = node.directory.keys.decrypt()
    return node.keyring.certificate(refs[0]) if refs else None


def _kind(certificate: x509.Certificate) -> str:
    """The kind that is made for one like it; the usual one where it is larger or older than what is made."""
    name = describe(certificate).key.name.lower().replace("ec p-", "ec-p").replace(" ", "-")
    return name if name in KINDS else "rsa-2048"


def _issued(kind: str, issuer: Identity, now: Instant) -> Identity:
    """A fresh key that can't sign its own certificate, with one that ``issuer`` signs."""
    private = make_key(kind)
    by = (issuer.private, issuer.certificate)
    return Identity(private, make_certificate(private, "encrypt", now=now, days=10, issuer=by))


def _copy_keys(real: Node, node: Node) -> None:
    """Keys of the same kinds, names and uses as the organisation's."""
    entries = []
    for key in real.directory.hub.organisation.keys:
        kind = _kind(real.keyring.certificate(key.ref))
        ref = f"copy-{key.ref}"[:63]
        signs = describe(real.keyring.certificate(key.ref)).key.signs
        node.keyfiles.generate(ref, kind, subject="copy", days=10, issuer=None if signs else "main")
        entries.append({"ref": ref, "use": list(key.use)})
    path = node.folder / HUB_FILE
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    settings["organisation"]["keys"] = entries
    settings["inbox"] = {"folder": "inbox"}
    path.write_text(tomli_w.dumps(settings), encoding="utf-8")


def _copy_partner(node: Node, view: PartnerView, url: str, keys: dict[str, Identity | None]) -> None:
    """The partner's file with its protections as they are, and what leads out of this machine replaced."""
    settings = _without_nothing(msgspec.to_builtins(view.settings))
    for name in _LEFT_OUT:
        settings.pop(name, None)
    as2 = settings["as2"]
    for name in ("basic_auth", "tls", "async_receipt_hosts"):
        as2.pop(name, None)
    as2 |= {"allow_private_network": True, "timeout": PATIENCE, "receipt_timeout": PATIENCE, "retry": _RETRY}
    if as2.get("url"):
        as2["url"] = url
    settings["state"] = "active"
    settings.pop("verification", None)
    settings.pop("card", None)
    uses = {"own": ["verify"], "ended": ["verify"], "encrypt": ["encrypt"], "tls": ["tls"]}
    entries = []
    for name, identity in keys.items():
        if identity is None:
            continue
        path = node.folder / "certificates" / f"{name}.pem"
        path.write_text(to_pem([identity.certificate]), encoding="utf-8")
        entries.append({"file": f"certificates/{name}.pem", "use": uses[name]})
    settings["certificates"] = entries
    (node.folder / "partners" / f"{view.id}.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    apply_files(node, read_folder(node.folder), actor="hub:rehearsal", reason="a copy to rehearse with")


def _without_nothing(value: Any) -> Any:
    """The same without fields that are not set: TOML has no null."""
    if isinstance(value, dict):
        return {name: _without_nothing(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nothing(item) for item in value]
    return value


@contextmanager
def _served(node: Node) -> Iterator[int]:
    """Serve a hub in this process, on an event loop of its own; give its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="rehearsal", daemon=True)
    thread.start()
    try:
        service = Service(node)
        asyncio.run_coroutine_threadsafe(service.start(), loop).result(_START)
        try:
            yield service.port
        finally:
            asyncio.run_coroutine_threadsafe(service.stop(), loop).result(_START)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_START)
        loop.close()

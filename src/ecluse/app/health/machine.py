"""What the hub stands on: disk, clock, the place of the blobs, the inbox, the listener's port."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ecluse import durable
from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.keys.identity import TlsIdentity
from ecluse.app.node import Node
from ecluse.model.basics import Instant, iso, new_id
from ecluse.trust.keys.ssh import fingerprint, key_blob

__all__ = ["blobs", "clock", "disk", "ftps", "inbox", "listener", "sftp"]

LITTLE_SPACE: Final = 5 << 30
"""Octets below which the free space of a disk is worth a warning: a handful of the largest messages."""
NO_SPACE: Final = 256 << 20
"""Octets below which a hub can't be said to work."""
SKEW: Final = 5 * 1_000_000
"""Microseconds by which two nodes' clocks may differ where they are kept by NTP, and generously."""
ALIVE: Final = 30 * 1_000_000
"""Microseconds since a node's last sign of life after which it is taken for stopped."""

_PROBE: Final = b"ecluse doctor\n" * 64
_WAIT: Final = 5.0
_WILD: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def disk(folder: Path) -> Iterator[Finding]:
    """Free space, and a durable write of a test file."""
    usage = shutil.disk_usage(folder)
    text = f"{usage.free / (1 << 30):.1f} GiB of {usage.total / (1 << 30):.1f} GiB are free at {folder}"
    path = folder / f".doctor-{os.getpid()}"
    try:
        durable.write_new(path, [_PROBE])
    finally:
        durable.remove(path)
    if usage.free < NO_SPACE:
        yield failed("disk", f"{text}.", "Free space: the hub refuses messages that it can't keep.")
    elif usage.free < LITTLE_SPACE:
        yield warning("disk", f"{text}.", "Free space, or move the hub to a larger disk.")
    else:
        yield ok("disk", f"{text}; a test file was written durably.")


def clock(node: Node) -> Iterator[Finding]:
    """Whether time went back since the newest record and checkpoint."""
    now = node.hub.clock()
    size, checkpoint = node.store.read(lambda view: (view.log_size(), view.last_checkpoint()))
    newest = node.store.read(lambda view: view.events_from(max(0, size - 1), 1))
    times = [entry.event.at for entry in newest] + ([checkpoint.at] if checkpoint else [])
    latest = max(times, default=Instant(0))
    if latest > now + SKEW:
        yield failed(
            "clock",
            f"It says {iso(now)}, and the log's newest record is of {iso(latest)}.",
            "Set the clock by NTP before anything is exchanged.",
        )
    else:
        yield ok("clock", f"It says {iso(now)}, after every record. How exact it is can't be told from here.")


def blobs(node: Node) -> Iterator[Finding]:
    """Write, read and delete a test blob where blobs are kept."""
    place = node.vault.place
    name = new_id("b", node.hub.clock(), node.hub.entropy)
    writer = place.create(name)
    try:
        writer.write(_PROBE)
        writer.commit()
    except BaseException:
        writer.abort()
        raise
    try:
        reader = place.open(name)
        try:
            same = reader.read(0, len(_PROBE)) == _PROBE
        finally:
            reader.close()
    finally:
        place.delete(name)
    where = node.bootstrap.hub.blobs.place
    if same:
        yield ok("blobs", f"A test blob was written to {where}, read and deleted.")
    else:
        yield failed(
            "blobs", f"A test blob came back changed from {where}.", "Look at the disk or the object store."
        )


def inbox(node: Node) -> Iterator[Finding]:
    """Whether documents can be put where the application takes them from."""
    setting = node.bootstrap.hub.inbox.folder
    if not isinstance(setting, str):
        yield ok("inbox", "There is none: documents are fetched with `ecluse message payload`.")
        return
    folder = node.folder / setting
    if not folder.exists():
        yield ok("inbox", f"{folder} is made with the first document.")
        return
    path = folder / f".doctor-{os.getpid()}"
    try:
        durable.write_new(path, [_PROBE])
    finally:
        durable.remove(path)
    yield ok("inbox", f"A test file was written to {folder}.")


def listener(node: Node) -> Iterator[Finding]:
    """Whether partners are listened to, and by this hub."""
    settings = node.bootstrap.hub.listen.as2
    host, _, port = settings.address.rpartition(":")
    host = host.strip("[]")
    now = node.hub.clock()
    alive = [name for name, at in node.store.read(lambda view: view.nodes()) if now - at < ALIVE]
    if _free(host, int(port)):
        if alive:
            yield ok("listener", f"Nothing listens at {settings.address} here; alive: {', '.join(alive)}.")
        else:
            yield warning(
                "listener",
                f"Nothing listens at {settings.address}, and no node of this hub is alive.",
                "Start the hub with `ecluse serve`.",
            )
    elif alive and (settings.tls is not None or _is_hub(host, int(port), settings.path)):
        yield ok("listener", f"This hub listens at {settings.address}; alive: {', '.join(alive)}.")
    else:
        yield failed(
            "listener",
            f"Another program listens at {settings.address}.",
            "Stop that program, or choose another [listen.as2] address.",
        )


def sftp(node: Node) -> Iterator[Finding]:
    """Whether the SFTP listener has its keys, and answers."""
    settings = node.bootstrap.hub.listen.sftp
    accounts = [view.id for view in node.directory.partners if view.settings.account is not None]
    if settings is None:
        if accounts:
            yield ok("sftp", "There is no [listen.sftp].")
        return
    for ref in settings.host_keys:
        node.keyring.ssh_public_key(ref)
    host, _, port = settings.address.rpartition(":")
    host = host.strip("[]")
    print_ = fingerprint(key_blob(node.keyring.ssh_public_key(settings.host_keys[0])))
    banner = _banner(host, int(port))
    if banner is None:
        yield warning("sftp", f"Nothing listens at {settings.address}.", "Start the hub with `ecluse serve`.")
    elif not banner.startswith("SSH-2.0-Ecluse"):
        yield failed(
            "sftp",
            f"Another program listens at {settings.address}.",
            "Stop that program, or choose another [listen.sftp] address.",
        )
    else:
        yield ok("sftp", f"It listens at {settings.address} for {len(accounts)} accounts; host key {print_}.")


def ftps(node: Node) -> Iterator[Finding]:
    """Whether the FTPS listener has its key, and answers."""
    settings = node.bootstrap.hub.listen.ftps
    accounts = [
        view.id
        for view in node.directory.partners
        if view.settings.account is not None and "ftps" in view.settings.account.protocols
    ]
    if settings is None:
        if accounts:
            yield ok("ftps", "There is no [listen.ftps].")
        return
    TlsIdentity.of(node, settings.key, settings.client_auth, settings.min_version).context()
    for address in filter(None, (settings.address, settings.implicit)):
        host, _, port = address.rpartition(":")
        if _free(host.strip("[]"), int(port)):
            yield warning("ftps", f"Nothing listens at {address}.", "Start the hub with `ecluse serve`.")
            continue
        banner = _banner(host.strip("[]"), int(port)) if address == settings.address else "220 "
        if banner is None or not banner.startswith("220 "):
            yield failed(
                "ftps",
                f"Another program listens at {address}, or it takes no more connections.",
                "Stop that program, or choose another [listen.ftps] address.",
            )
        else:
            yield ok("ftps", f"It listens at {address} for {len(accounts)} accounts.")
    if settings.passive_ports is None:
        yield warning(
            "ftps",
            "Data connections come to any port.",
            "Set passive_ports in [listen.ftps] and open that range in the firewall.",
        )


def _banner(host: str, port: int) -> str | None:
    """How the server at an address names itself; empty where it does not, ``None`` where there is none."""
    try:
        with socket.create_connection((_WILD.get(host, host), port), timeout=_WAIT) as line:
            return line.recv(255).decode("ascii", "replace")
    except TimeoutError:
        return ""
    except OSError:
        return None


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _is_hub(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_WILD.get(host, host), port, timeout=_WAIT)
    try:
        connection.request("GET", path)
        return b"AS2 listener" in connection.getresponse().read(1000)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

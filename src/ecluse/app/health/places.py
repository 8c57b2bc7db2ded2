"""Whether the places that files are exchanged on can be reached and written to: partners' servers, folders of ours."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ecluse import durable
from ecluse.app.flows.places import BUCKETS, bucket_places, folder_place, webdav_places
from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.node import Node
from ecluse.channels.bucket.probe import probe
from ecluse.channels.folder.watch import POLL, is_remote
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import place_of
from ecluse.channels.sftp.client.probe import reach
from ecluse.channels.sftp.client.relation import Relation
from ecluse.errors import EcluseError, Fault
from ecluse.trust.directory import PartnerView

Look = Callable[[Node, PartnerView], Finding]

__all__ = ["folders", "looks", "sftp"]

CONNECT: Final = 5.0
"""Seconds that a partner's server may be silent."""

_PROBE: Final = b"ecluse doctor\n"


def looks(view: PartnerView) -> list[Look]:
    """What there is to look at of a partner's places."""
    found: list[Look] = [sftp] if view.settings.sftp is not None else []
    found += [ftps] if view.settings.ftps is not None else []
    found += [clear_text] if view.settings.ftps is not None and view.settings.ftps.mode == "clear" else []
    found += [partial(bucket, kind=kind) for kind in BUCKETS if getattr(view.settings, kind) is not None]
    if view.settings.webdav is not None:
        found.append(webdav)
    return found


def ftps(node: Node, view: PartnerView) -> Finding:
    """Connect to a partner's FTP server as a delivery does, check its certificate, log in and ask what it speaks."""
    check = f"ftps:{view.id}"
    begun = time.monotonic()
    try:
        place = replace(place_of(node.directory, view, node.hub.clock()), timeout=CONNECT)
        with contextlib.closing(Line(place)) as line:
            features = line.features
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    lacking = [name for name in ("SIZE", "MDTM", "REST") if name not in features]
    text = f"{place.host} answers and lets us in ({line.tls or 'no TLS'}, {(time.monotonic() - begun) * 1000:.0f} ms)"
    if lacking:
        return warning(
            check,
            f"{text}; it lacks {', '.join(lacking)}.",
            "Ask for a newer server: what is delivered can't be compared, or a half upload not be gone on with.",
        )
    return ok(check, f"{text}; file names can be taken by others in between, as always with FTP.")


def clear_text(node: Node, view: PartnerView) -> Finding:
    """FTP without TLS, whether the server can be reached or not."""
    entry = next((each for each in view.settings.exceptions if each.algorithm == "clear-text"), None)
    until = f" until {entry.until}: {entry.reason}" if entry is not None else ", and no exception allows it"
    return warning(
        f"ftps:{view.id}",
        f"Documents, our user name and our password go in clear text{until}.",
        "Agree on TLS with the partner before the exception ends.",
    )


def sftp(node: Node, view: PartnerView) -> Finding:
    """Connect to a partner's SFTP server as a delivery does, check its host key, log in and look at the folder."""
    check = f"sftp:{view.id}"
    begun = time.monotonic()
    try:
        relation = Relation(node.directory, view, node.resolver, node.hub.clock())
        spoken = reach(relation)
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    return ok(
        check,
        f"{relation.settings.host} answers and lets us in ({spoken.kex}, {spoken.cipher}, host key "
        f"{spoken.host_key}, {(time.monotonic() - begun) * 1000:.0f} ms).",
    )


def bucket(node: Node, view: PartnerView, kind: str) -> Finding:
    """List a partner's bucket, and put a test object that is deleted again."""
    check = f"{kind}:{view.id}"
    begun = time.monotonic()
    try:
        place = bucket_places(node).open(kind, view.id)
        found = probe(place, node.hub.new_id("x"))
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    text = f"{place.store.where} is listed ({(time.monotonic() - begun) * 1000:.0f} ms)"
    if not found.writes:
        remedy = "Ask the partner for the right to write, if documents are delivered there."
        return warning(check, f"{text}; writing to it is denied.", remedy)
    if not found.conditional and place.store.conditional:
        return warning(
            check,
            f"{text}; a test object was written over: the store ignores conditions.",
            f"Set conditional = false in [{kind}]: receipts then say so. Keep others from writing the same names.",
        )
    how = "never over another" if found.conditional else "without conditions, as agreed"
    return ok(check, f"{text}; a test object was written, {how}, and deleted.")


def webdav(node: Node, view: PartnerView) -> Finding:
    """List a partner's WebDAV folder; write two test files, try to move one over the other, and delete them."""
    check = f"webdav:{view.id}"
    begun = time.monotonic()
    name = f".ecluse-doctor-{node.hub.new_id('x')}"
    try:
        place = webdav_places(node).open(view.id)
        client = place.client
        one, two = (f"{place.folder}/{name}.{end}".lstrip("/") for end in ("1.part", "2.part"))
        next(iter(client.list("")), None)
        client.make_folders(place.folder)
        try:
            for path in (one, two):
                client.put(path, "text/plain", len(_PROBE), [_PROBE])
            over = client.move(one, two, replace=False)
        finally:
            for path in (one, two):
                with contextlib.suppress(EcluseError):
                    client.delete(path)
    except EcluseError as error:
        level = warning if error.fault is Fault.TRANSIENT else failed
        return level(check, error.cause, error.remedy)
    if over:
        return failed(
            check,
            f"{client.where} moves a file over another though it was told not to.",
            "Ask the partner to have the server honour Overwrite: F (RFC 4918), or exchange by another channel.",
        )
    return ok(
        check,
        f"{client.where} is listed, and test files were written and deleted "
        f"({(time.monotonic() - begun) * 1000:.0f} ms).",
    )


def folders(node: Node) -> Iterator[Finding]:
    """Whether each folder of ``[folders]`` is there, readable and writable, and one file system with what is in it."""
    for name in node.directory.hub.folders:
        place = folder_place(node, name)
        check = f"folder:{name}"
        if not place.path.is_dir():
            if place.create:
                yield ok(check, f"{place.path} is made when it is first used.")
            else:
                remedy = "Make it, mount its file system, or set create = true."
                yield failed(check, f"{place.path} is not there.", remedy)
            continue
        path = place.path / f".doctor-{os.getpid()}"
        try:
            durable.write_new(path, [_PROBE])
        except EcluseError as error:
            yield failed(check, error.cause, error.remedy)
            continue
        finally:
            with contextlib.suppress(EcluseError):
                durable.remove(path)
        apart = _apart(place.path)
        if apart:
            yield warning(
                check,
                f"{', '.join(apart)} in {place.path} are on other file systems.",
                "Files can't be moved into them: let flows move to a folder on the same file system.",
            )
        else:
            told = f"looked at every {POLL:.0f} s" if is_remote(place.path.resolve()) else "watched"
            yield ok(check, f"A test file was written to {place.path}, which is {told}.")


def _apart(folder: Path) -> list[str]:
    device = folder.stat().st_dev
    with os.scandir(folder) as entries:
        return [
            each.name
            for each in entries
            if each.is_dir(follow_symlinks=False) and each.stat(follow_symlinks=False).st_dev != device
        ][:5]

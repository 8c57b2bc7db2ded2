"""DELIVER over SFTP: a message's documents into the partner's folder."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import HostKeyChanged
from ecluse.channels.sftp.client.placing import Placing
from ecluse.channels.sftp.client.pool import Links
from ecluse.channels.sftp.client.relation import Relation
from ecluse.channels.sftp.client.steps import join
from ecluse.channels.sftp.client.writing import Progress, Terms
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.once import FOUND, Came, deliver_once
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.target import file_names, target_of
from ecluse.model.nouns import Answer, Delivery, Message, Part
from ecluse.model.paths import MAX_NAME
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import ResolveSecret

__all__ = ["SftpChannel"]

_STEP: Final = 1 << 20
_AT_ONCE: Final = 8
"""Documents of one message under way at once: each waits for three answers and a commit, one after the other."""
_REMEMBERED: Final = 1000
"""Deliveries whose progress is held for another attempt; each takes some hundred octets."""


class SftpChannel:
    """The SFTP channel as the chamber sees it.

    Args:
        hub: What the chamber shares.
        directory: Gives the partners as they stand now.
        secret: From references to secrets.
        links: Connections kept for reuse.
    """

    kind = "sftp"

    def __init__(
        self, hub: Hub, directory: Callable[[], Directory], secret: ResolveSecret, links: Links
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._secret = secret
        self._links = links
        self._lock = threading.Lock()
        self._progress: OrderedDict[tuple[str, int], Progress] = OrderedDict()

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Place every document, each exactly once."""
        directory = self._directory()
        partner = directory.check_active(directory.partner(delivery.channel.partition(":")[2]))
        relation = Relation(directory, partner, self._secret, self._hub.clock())
        with self._link(relation, message) as link:
            placed = self._place_all(relation, link, message, delivery)
            spoken = link.spoken
        facts = {
            "files": placed,
            "host": relation.settings.host,
            "server": spoken.server,
            "host_key": spoken.host_key,
            "kex": spoken.kex,
            "cipher": spoken.cipher,
        }
        return Confirmed(ReceiptBytes("file", "written", body=msgspec.json.encode(facts)))

    def open_received(self, message: Message) -> None:
        """Nothing comes in by itself: files are collected."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""

    def _place_all(
        self, relation: Relation, link: Link, message: Message, delivery: Delivery
    ) -> list[dict[str, object]]:
        """Several documents share the connection, and their commits; what one fails with, the others end before."""
        count = len(message.parts)
        if count == 1:
            return [self._place(relation, link, message, delivery, 0)]
        with ThreadPoolExecutor(min(_AT_ONCE, count), thread_name_prefix="sftp-document") as threads:
            work = [
                threads.submit(self._place, relation, link, message, delivery, number)
                for number in range(count)
            ]
        return [each.result() for each in work]

    # --- one document ---------------------------------------------------------------------------------------

    def _place(
        self, relation: Relation, link: Link, message: Message, delivery: Delivery, number: int
    ) -> dict[str, object]:
        settings, target = relation.settings, target_of(message)
        base = base_of(settings.folder, link)
        part = message.parts[number]
        folders = [name for name in target.folder.split("/") if name]
        made = tuple("/".join([base.rstrip("/"), *folders[: n + 1]]) for n in range(len(folders)))
        name = file_names(message)[number]
        terms = Terms(
            folder=made[-1] if made else base,
            made=made,
            name=name,
            temporary=lambda attempt: temporary_name(
                settings.temporary, name, f"{delivery.id}-{attempt}" + (f"-{number}" if number else "")
            ),
            size=part.size,
            sha256=bytes.fromhex(part.sha256),
            chunks=lambda begin, end: self._chunks(part, begin, end),
            attempt=delivery.attempts,
            replace=settings.replace if target.replace is None else target.replace,
            verify=settings.verify == "digest",
            streams=settings.streams,
        )
        key = (delivery.id, number)
        placing = Placing(
            loop=self._links.loop,
            link=link,
            more=lambda: self._link(relation, message),
            rate=self._links.rate(relation.partner.id, relation.rate),
            terms=terms,
            progress=self._take_progress(key),
        )
        memory = Remembered(self._hub, message, delivery, f"{settings.user}@{settings.host}")
        try:
            came = deliver_once(placing, memory, again=delivery.attempts > 1)
        except BaseException:
            self._keep_progress(key, placing.progress)
            raise
        return _facts(placing.path, came, part)

    @contextmanager
    def _chunks(self, part: Part, begin: int, end: int) -> Iterator[Iterator[bytes]]:
        with self._hub.blob(part.blob) as reader:
            yield reader.chunks(part.offset + begin, end - begin, _STEP)

    @contextmanager
    def _link(self, relation: Relation, message: Message) -> Iterator[Link]:
        try:
            link = self._links.take(relation.key, relation.route)
        except HostKeyChanged as error:
            note_host_key(self._hub, relation, error)
            raise
        note_spoken(self._hub, relation, link)
        try:
            yield link
        except EcluseError:
            self._links.give(
                relation.key, link
            )  # a refusal costs no connection; one that is lost is not kept
            raise
        except BaseException:
            self._links.drop(link)
            raise
        self._links.give(relation.key, link)

    def _take_progress(self, key: tuple[str, int]) -> Progress | None:
        with self._lock:
            return self._progress.pop(key, None)

    def _keep_progress(self, key: tuple[str, int], progress: Progress | None) -> None:
        if progress is None:
            return
        with self._lock:
            self._progress[key] = progress
            while len(self._progress) > _REMEMBERED:
                self._progress.popitem(last=False)


def note_host_key(hub: Hub, relation: Relation, error: HostKeyChanged) -> None:
    """Put both sides' fingerprints into the log, under the partner."""
    facts = {"host": relation.settings.host, "seen": list(error.seen), "expected": list(error.expected)}
    hub.store.write(lambda tx: hub.event(tx, "partner.host-key-refused", relation.partner.id, facts))


def note_spoken(hub: Hub, relation: Relation, link: Link) -> None:
    """Tell what a server was seen to use."""
    spoken = link.spoken
    seen = {
        "host-key": spoken.host_key,
        "kex": spoken.kex,
        "cipher": spoken.cipher,
        "mac": spoken.mac,
        "version": spoken.server,
        "login": spoken.login,
        "user-key": spoken.user_key,
    }
    hub.sightings.saw_all(relation.partner.id, "sftp", seen)


def base_of(folder: str | None, link: Link) -> str:
    """The channel's own folder, as an absolute path where it can be."""
    home = link.home.decode("utf-8", "surrogateescape")
    if folder is None:
        return home
    return folder if folder.startswith("/") else join(home, folder)


def temporary_name(pattern: str, name: str, id: str) -> str:
    """A temporary name of this attempt; the document's name in it is cut where the whole would be too long."""
    rest = len(pattern.replace("{name}", "").replace("{id}", id).encode())
    cut = name.encode()[: MAX_NAME - rest].decode("utf-8", "ignore")
    return pattern.replace("{id}", id).replace("{name}", cut)


def _facts(path: str, came: Came, part: Part) -> dict[str, object]:
    return {
        "path": path,
        "how": came.how,
        "fsynced": came.staged.safe,
        "compared": "digest" if came.how == FOUND else came.staged.checked,
        "size": part.size,
        "sha256": part.sha256,
    }

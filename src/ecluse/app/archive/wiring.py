"""The archive of a node: wired to its configuration, keys and places, and the work that recurs for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ecluse.archive.care import Look, look_at_due
from ecluse.archive.clock import ClockWatch
from ecluse.archive.copies import CopyUnknown
from ecluse.archive.deposit import deposit_job, note_message
from ecluse.archive.destroying import run
from ecluse.archive.disposal import disposals
from ecluse.archive.holds import DEPOSIT_JOB
from ecluse.archive.place import FolderSecond, SecondPlace
from ecluse.archive.room import Book, Room
from ecluse.channels.bucket.locked import BucketSecond
from ecluse.channels.bucket.s3 import S3Access, S3Objects
from ecluse.channels.bucket.store import WrongSettings
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.tls import ClientTls, client_tls
from ecluse.engine.context import Handler, JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.model.basics import Instant
from ecluse.model.nouns import Message
from ecluse.store.port import Store, Tx
from ecluse.trust.settings.archive import ArchivePlace
from ecluse.trust.settings.fields import octets, seconds
from ecluse.wire.s3.sign import Signer
from ecluse.wire.tlog.note import sign_note

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["ArchiveBook", "Places", "archive_handlers", "archive_work", "join_archive", "look_now"]

CARE_EVERY: Final = 10
"""Seconds between two looks for bytes that are due."""
CARE_TIME: Final = 8.0
"""Seconds that one of these takes at most, but for a large blob that it began: the next one goes on."""
CLOCK_EVERY: Final = 60
"""Seconds between two notes of the time."""
FINISH_EVERY: Final = 300
"""Seconds between two looks for a disposal that was cut off."""
_REPLY: Final = 16 << 20
"""Octets of an answer of a store: a page of versions."""


class ArchiveBook:
    """Gives the archive profiles of a node's configuration, read once for each. May be called from any thread.

    Args:
        node: Whose.
        places: Opens its second places: those of the configuration are copies that every deletion has to reach.
    """

    def __init__(self, node: Node, places: Places) -> None:
        self._node = node
        self._places = places
        self._read: tuple[object, Book] = (None, Book())

    def __call__(self) -> Book:
        """The profiles as of now."""
        configuration = self._node.directory.configuration
        before, book = self._read
        if before is not configuration:
            hub = configuration.hub
            book = Book(
                hub.archive,
                configuration.archive,
                {id: flow.archive.profile for id, flow in configuration.flows.items() if flow.archive},
                {
                    id: partner.archive.profile
                    for id, partner in configuration.partners.items()
                    if partner.archive
                },
                hub.operators,
                self._node.version,
                tuple(each.name for each in hub.log.authorities if each.ask),
            )
            for name in hub.archive.places:
                self._node.hub.copies.add(_Copy(self._node.store, self._places, name))
            self._read = (configuration, book)
        return book


class Places:
    """Opens the second places of a node's configuration. May be called from any thread.

    Args:
        node: Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._open: dict[str, tuple[ArchivePlace, SecondPlace]] = {}

    def __call__(self, name: str) -> SecondPlace:
        """A place by its name.

        Raises:
            CopyUnknown: It is not configured (any more).
            EcluseError: It can't be opened.
        """
        settings = self._node.directory.hub.archive.places.get(name)
        if settings is None:
            raise CopyUnknown(f"The archive's place {name} is not configured.")
        held = self._open.get(name)
        if held is None or held[0] != settings:
            held = (settings, self._make(name, settings))
            self._open[name] = held
        return held[1]

    def _make(self, name: str, settings: ArchivePlace) -> SecondPlace:
        node = self._node
        if not settings.place.startswith("s3://"):
            return FolderSecond(name, node.folder / settings.place)
        bucket, _, prefix = settings.place.removeprefix("s3://").partition("/")
        endpoint = (settings.endpoint or f"https://s3.{settings.region}.amazonaws.com").rstrip("/")
        host = urlsplit(endpoint).hostname or ""
        named = host if settings.path_style else f"{bucket}.{host}"
        silence = seconds(settings.timeout)
        private = PRIVATE_NETWORKS if settings.allow_private_network else ()
        access = S3Access(
            endpoint=endpoint,
            bucket=bucket,
            path_style=settings.path_style,
            signer=Signer(
                self._secret(settings.access_key), self._secret(settings.secret_key), settings.region
            ),
            egress=Egress(hosts=frozenset({named.lower()}), networks=private),
            tls=_tls(self._ca(settings)) if endpoint.startswith("https:") else None,
            limits=ClientLimits(stall=silence, reply_time=silence, reply_bytes=_REPLY),
        )
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        objects = S3Objects(access, node.hub.clock, node.pool)
        return BucketSecond(name, objects, prefix, settings.object_lock, node.hub.clock)

    def _secret(self, reference: str | None) -> str:
        assert reference is not None, "the configuration was checked"
        return self._node.resolver(reference).reveal_text()

    def _ca(self, settings: ArchivePlace) -> bytes:
        if settings.ca is None:
            return b""
        try:
            return self._node.directory.configuration.authority(settings.ca, self._node.folder)
        except OSError as error:
            raise WrongSettings(f"The file {settings.ca} can't be read: {error.strerror}.") from None


@lru_cache(maxsize=8)
def _tls(ca: bytes) -> ClientTls:
    return client_tls(anchors=[ca]) if ca else client_tls(system=True)


class _Copy:
    """A second place as a copy that deletions have to reach."""

    def __init__(self, store: Store, places: Places, name: str) -> None:
        self.name = f"archive:{name}"
        self._store = store
        self._places = places
        self._place = name

    def forget(self, ids: Sequence[str]) -> None:
        """See :class:`ecluse.archive.copies.Copy`. What never was archived never was there."""
        known = self._store.read(
            lambda view: [id for id in ids if view.archive_bytes(id) is not None], snapshot=False
        )
        if known:
            self._places(self._place).forget(known)


def join_archive(node: Node) -> None:
    """Give a node its archive: told of every message that is accepted or confirmed, and asked before any deletion."""
    hub, places = node.hub, Places(node)
    room = Room(
        hub,
        ArchiveBook(node, places),
        lambda: node.log_key.name,
        lambda text: sign_note(text, node.log_key, node.keyring.log_sign),
        places,
    )
    node.archive = room
    room.book()
    settled = hub.settled

    def both(tx: Tx, message: Message) -> None:
        settled(tx, message)
        note_message(room, tx, message)

    def unfit(message: Message) -> tuple[str, str]:
        profile = room.book().governing(message)
        reason = room.book().refused(profile, message) if profile else ""
        return ("archive.format-refused", reason) if reason else ("", "")

    hub.settled = both
    hub.accepted = lambda tx, message: note_message(room, tx, message)
    hub.unfit = unfit


def archive_handlers(node: Node) -> dict[str, Handler]:
    """What the jobs of the archive do."""
    return {DEPOSIT_JOB: lambda job, context: deposit_job(node.archive, job, context)}


def archive_work(node: Node) -> list[Recurring]:
    """The recurring work: care of what is kept, the clock, and disposals that were cut off."""
    watch = ClockWatch(node.archive, time.monotonic)

    def care(context: JobContext) -> None:
        end = time.monotonic() + CARE_TIME

        def goes_on() -> bool:
            context.check()
            return not context.stopping and time.monotonic() < end

        for _ in look_at_due(node.archive, _Pace(node), goes_on):
            pass

    def beat(context: JobContext) -> None:
        watch.beat()

    def finish(context: JobContext) -> None:
        for _, disposal in node.store.read(lambda view: disposals(view, "running")):
            run(node.archive, disposal.id, actor="hub", check=context.check)

    return [
        Recurring("archive.care", Every(CARE_EVERY), care),
        Recurring("archive.clock", Every(CLOCK_EVERY), beat),
        Recurring("archive.dispose", Every(FINISH_EVERY), finish),
    ]


def look_now(node: Node, *, everything: bool) -> Iterator[Look]:
    """Look at what is due, or at everything, as fast as it goes."""
    until = Instant(2**62) if everything else None
    return look_at_due(node.archive, lambda octets: None, lambda: True, until=until)


class _Pace:
    """Lets octets pass at the configured rate."""

    def __init__(self, node: Node) -> None:
        self._rate = octets(node.directory.hub.archive.fixity_rate)
        self._free = time.monotonic()

    def __call__(self, octets: int) -> None:
        """Wait until so many octets may have been read."""
        now = time.monotonic()
        self._free = max(self._free, now - 1) + octets / self._rate
        if self._free > now:
            time.sleep(self._free - now)

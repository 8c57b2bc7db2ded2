"""A serving node: the listener, the jobs, the log's sequencer and the schedule, started and stopped in order."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from ecluse.app.archive.wiring import archive_handlers, archive_work
from ecluse.app.backup.work import backup_work
from ecluse.app.changes import change_expiry
from ecluse.app.channels.accounts import account_expiry
from ecluse.app.channels.ftps import FtpsService
from ecluse.app.channels.sftp import SftpService
from ecluse.app.flows.jobs import COLLECTING, FlowWork
from ecluse.app.keys.acme import AcmeDoor, acme_work
from ecluse.app.keys.identity import TlsIdentity
from ecluse.app.keys.revocation import revocation_checks
from ecluse.app.keys.uses import note_key_uses
from ecluse.app.log.door import LogDoor
from ecluse.app.log.sequencing import make_sequencer, reporter
from ecluse.app.log.stamps import longterm_work, stamping
from ecluse.app.log.witnesses import cosign_work, greet
from ecluse.app.node import Node
from ecluse.app.partners.audit import remind
from ecluse.app.partners.sightings import SightingsWork
from ecluse.app.posture.serving import look_now, posture_run
from ecluse.app.rotation.tend import rotation_work
from ecluse.app.succession import Succession
from ecluse.archive.care import known_blobs
from ecluse.channels.as2.receiver import Receiver
from ecluse.channels.http.limits import Limits
from ecluse.channels.http.server import Listener, Server
from ecluse.engine.context import JobContext
from ecluse.engine.runner import Runner
from ecluse.engine.schedule import Every, Recurring, Schedule
from ecluse.errors import EcluseError
from ecluse.evidence.loop import SequencerLoop
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.deposit import deposits
from ecluse.exchange.receipts import mark_overdue
from ecluse.exchange.route import PARTNER_KINDS
from ecluse.trust.directory import Directory
from ecluse.trust.settings.fields import octets, seconds

__all__ = ["Service", "keep_what_is_made"]

PARTNER_WORKERS: Final = 32
"""Jobs at once that wait for partners' servers: eight partners that hang, at four deliveries each, before others
wait for them. A thread that waits takes 600 KiB, its connection to the database included."""
WORKERS: Final = 8
"""All other jobs at once. They are apart from those: no partner's server can hold up what comes in."""
DEPOSITS: Final = 128
"""Documents at once on their way into places of our own: two groups, of which one is written while the other ends."""
OPENERS: Final = 4
"""Large bodies opened at once: cipher and hash keep both cores of a small machine busy."""
OVERDUE_EVERY: Final = 5
"""Seconds between two looks for receipts that did not come in time."""
SWEEP_EVERY: Final = 3600
"""Seconds between two sweeps for blobs that nothing refers to."""
RELOAD_EVERY: Final = 1.0
"""Seconds between two looks for an applied configuration."""

USES_EVERY: Final = 60.0
"""Seconds between two writings of how often keys were used."""

SWITCH_INTERVAL: Final = 0.0005
"""Seconds until a thread that computes lets another one run. The database's writer gives the interpreter up at
every step of a statement; at Python's own 5 ms one busy thread would cut its commits to a tenth."""

KEPT_FREE: Final = 16 << 20
"""Octets of a block that is taken and given back once, before the work begins. The C library gives free memory back
to the system above twice the largest block that it has seen freed (mallopt(3), M_MMAP_THRESHOLD); the pieces of a
large document, a mebibyte each, would otherwise be asked for anew, page by page, a sixth of the CPU they take."""

GARBAGE: Final = 5000
"""Objects between two searches for such as refer to each other, instead of 700: little of ours does, and a message
makes some hundreds that don't."""

_log = structlog.get_logger("ecluse.service")


class Service:
    """One node, serving.

    Args:
        node: The opened hub.
        listen: ``host:port`` instead of the configured one, for a second node on a machine.
    """

    def __init__(self, node: Node, *, listen: str | None = None) -> None:
        node.reload()  # the keys may have changed while it was opened; what is told from here on is a change
        self.node = node
        self._listen = listen or node.bootstrap.hub.listen.as2.address
        hub = node.hub
        self._flows = FlowWork(node)
        sequencer = make_sequencer(node)
        schedule = Schedule(
            node.store,
            [
                *self._flows.recurring,
                Recurring("receipts.overdue", Every(OVERDUE_EVERY), self._overdue),
                Recurring("blobs.sweep", Every(SWEEP_EVERY), self._sweep),
                account_expiry(node),
                rotation_work(node),
                acme_work(node),
                posture_run(node),
                revocation_checks(node),
                stamping(node),
                longterm_work(node),
                change_expiry(node),
                remind(node),
                *archive_work(node),
                backup_work(node),
                cosign_work(node, sequencer),
            ],
            hub.clock,
        )
        jobs = {
            **handlers(hub, node.channels, node.retry_policy),
            **self._flows.handlers,
            **archive_handlers(node),
            **schedule.handlers,
        }
        self._runner = Runner(
            node.store,
            node.name,
            hub.clock,
            hub.entropy,
            {kind: work for kind, work in jobs.items() if kind in PARTNER_KINDS},
            workers=PARTNER_WORKERS,
            lane_limits=_lane_limits(node.directory),
            on_bury=buried(hub),
        )
        self._own_runner = Runner(
            node.store,
            node.name,
            hub.clock,
            hub.entropy,
            {kind: work for kind, work in jobs.items() if kind not in PARTNER_KINDS | {"deposit"}},
            workers=WORKERS,
            on_bury=buried(hub),
            tick=schedule.tick,
        )
        self._depositor = Runner(
            node.store,
            node.name,
            hub.clock,
            hub.entropy,
            {"deposit": jobs["deposit"]},
            workers=DEPOSITS,
            lane_limit=DEPOSITS,
            together=deposits(hub, node.channels, node.retry_policy),
            on_bury=buried(hub),
        )
        self._loop = SequencerLoop(sequencer, hub.clock, reporter(node), greet=lambda: greet(node, sequencer))
        self._sightings = SightingsWork(hub)
        self._openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="opener")
        self._server: Server | None = None
        self._listener: Listener | None = None
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._followed = node.directory
        self._identity: TlsIdentity | None = None
        ftps = node.bootstrap.hub.listen.ftps
        self.ftps = None if ftps is None else FtpsService(node, ftps)
        sftp = node.bootstrap.hub.listen.sftp
        self.sftp = None if sftp is None else SftpService(node, sftp)
        acme = node.bootstrap.hub.acme
        self.acme = None if acme is None else AcmeDoor(node, acme)
        log_listener = node.bootstrap.hub.listen.log
        self.log = None if log_listener is None else LogDoor(node, log_listener)
        self._quit = threading.Event()
        self._succession = Succession(node.folder / "state" / "serving", node.name)
        self._watcher = threading.Thread(target=self._watch, name="ecluse-watcher", daemon=True)
        self.port = 0

    async def start(self) -> None:
        """Listen and work. :attr:`port` is the bound port then.

        Raises:
            ListenFailed: The address can't be listened on.
            TlsConfigError: The listener's key can't be used.
        """
        sys.setswitchinterval(SWITCH_INTERVAL)
        bytearray(KEPT_FREE)
        listen = self.node.bootstrap.hub.listen.as2
        host, _, port = self._listen.rpartition(":")
        receiver = Receiver(self.node.hub, lambda: self.node.directory, self._openers, listen.path)
        limits = Limits(
            head_time=seconds(listen.header_timeout),
            body_idle=seconds(listen.idle_timeout),
            keep_alive=seconds(listen.idle_timeout),
            body_bytes=octets(listen.max_size),
            connections=listen.max_connections,
        )
        self._identity = self._tls_identity()
        context = None if self._identity is None else self._identity.context()
        self._listener = Listener(host.strip("[]"), int(port), context)
        self._event_loop = asyncio.get_running_loop()
        self._server = Server(receiver, [self._listener], limits, _log, receiver.refused)
        self.port = (await self._server.start())[0]
        if self.ftps is not None:
            await asyncio.to_thread(self.ftps.start)
        if self.acme is not None:
            await self.acme.start()
        if self.log is not None:
            await self.log.start()
        await asyncio.to_thread(self._succession.begin, self.node.store)
        self._own_runner.start()
        self._depositor.start()
        self._runner.start()
        self._loop.start()
        self._sightings.start()
        self._flows.follow()
        if self.sftp is not None:
            await asyncio.to_thread(self.sftp.start)
        await asyncio.to_thread(look_now, self.node, self.node.name)
        self._watcher.start()
        _log.info("serving", address=f"{host}:{self.port}", path=listen.path, node=self.node.name)

    def _tls_identity(self) -> TlsIdentity | None:
        """What the listener shows and trusts at this moment; ``None`` where it speaks plain HTTP."""
        node = self.node
        at_start = node.bootstrap.hub.listen.as2.tls
        if at_start is None:
            return None
        settings = node.directory.hub.listen.as2.tls or at_start
        key = node.directory.shown_key(settings.key, settings.successor)
        return TlsIdentity.of(node, key, settings.client_auth, settings.min_version)

    async def stop(self) -> None:
        """Accept nothing more, end what is under way, seal and sign the log."""
        grace = seconds(self.node.bootstrap.hub.listen.as2.shutdown_grace)
        self._quit.set()
        self._flows.stop()
        if self._server is not None:
            await self._server.stop(grace)
        if self.acme is not None:
            await self.acme.stop()
        if self.log is not None:
            await self.log.stop()
        if self.ftps is not None:
            await asyncio.to_thread(self.ftps.stop, grace)
        if self.sftp is not None:
            await asyncio.to_thread(self.sftp.stop, grace)
        await asyncio.gather(
            *(
                asyncio.to_thread(runner.stop, grace)
                for runner in (self._runner, self._own_runner, self._depositor)
            )
        )
        await asyncio.to_thread(self._note_uses)
        await asyncio.to_thread(self._sightings.stop)  # before the log is sealed: it may have events
        await asyncio.to_thread(self._loop.stop)
        self._succession.end()
        self._openers.shutdown(wait=False, cancel_futures=True)
        _log.info("stopped", node=self.node.name)

    def _overdue(self, context: JobContext) -> None:
        while mark_overdue(self.node.hub) and not context.stopping:
            context.check()

    def _sweep(self, context: JobContext) -> None:
        store = self.node.store
        self.node.vault.sweep(lambda after, limit: store.read(lambda view: known_blobs(view, after, limit)))

    def _note_uses(self) -> None:
        try:
            note_key_uses(self.node)
        except EcluseError as error:
            _log.warning("uses of keys not written", **error.as_dict())

    def _watch(self) -> None:
        noted = time.monotonic()
        while not self._quit.wait(RELOAD_EVERY):
            if time.monotonic() - noted >= USES_EVERY:
                noted = time.monotonic()
                self._note_uses()
            try:
                if self.node.reload():
                    _log.info("configuration in force", version=self.node.version)
                self._follow()
            except EcluseError as error:
                _log.warning("configuration not taken up", **error.as_dict())
            except Exception as error:  # noqa: BLE001 - a watcher that ended would go on with what was revoked
                _log.error("configuration not taken up", crash=type(error).__name__)

    def _follow(self) -> None:
        """Have what was made from the configuration follow it: lanes, and what the listener shows and trusts.

        Certificates come and go by their windows too, so that the listener is looked at whatever happened.
        """
        directory = self.node.directory
        if directory is not self._followed:
            self._followed = directory
            self._runner.limit_lanes(_lane_limits(directory))
            self._flows.follow()
            if self.sftp is not None:
                self.sftp.follow()
            look_now(self.node, f"version-{self.node.version}")
        if self.ftps is not None:
            self.ftps.follow()
        if self.log is not None:
            self.log.follow()
        identity = self._tls_identity()
        if identity is None or identity == self._identity:
            return
        self._identity = identity  # one that can't be used is told of once
        context = identity.context()
        assert self._server is not None, "the watcher starts after the server"
        assert self._listener is not None, "the watcher starts after the server"
        assert self._event_loop is not None, "the watcher starts after the server"
        self._event_loop.call_soon_threadsafe(self._server.replace_tls, self._listener, context)
        _log.info("listener's TLS renewed", trusted=len(identity.anchors))


def keep_what_is_made() -> None:
    """Have the search for garbage be seldom, and not go through what a node is made of.

    For a process that serves to its end, once it has started.
    """
    gc.set_threshold(GARBAGE)
    gc.collect()
    gc.freeze()


def _lane_limits(directory: Directory) -> dict[str, int]:
    """Deliveries at once, by partner; and flows that collect at once."""
    return {"collect:": COLLECTING, **{view.id: view.concurrency for view in directory.partners}}

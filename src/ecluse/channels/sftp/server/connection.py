"""SSH with one client, within limits that asyncssh does not have.

What is added: the client is read only as fast as it reads; key exchange waits for the client's own, so that what is
offered fits it; logins are counted, answered late and alike, and given by the authority alone; channels are few; the
line is cut when it stalls.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHServerConnection, SSHServerConnectionOptions
from asyncssh.constants import (
    DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISC_PROTOCOL_ERROR,
    DISC_TOO_MANY_CONNECTIONS,
    MSG_KEXINIT,
    MSG_USERAUTH_REQUEST,
    OPEN_RESOURCE_SHORTAGE,
)
from asyncssh.packet import PacketDecodeError, SSHPacket, String

from ecluse.channels.sftp.hotpath import Packets
from ecluse.channels.sftp.server.algorithms import is_legacy, offer
from ecluse.channels.sftp.server.authority import Identity
from ecluse.channels.sftp.server.channel import SftpChannel
from ecluse.channels.sftp.server.inbox import Inbox
from ecluse.channels.sftp.server.session import Session
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.settings.fields import octets, seconds
from ecluse.wire.sftp.requests import Stretch

if TYPE_CHECKING:
    from ecluse.channels.sftp.server.listener import Shared

__all__ = ["Connection"]

MAX_CHANNELS: Final = 10
"""Channels at once on one connection (MaxSessions of OpenSSH)."""
MAX_OFFERS: Final = 16
"""Keys that one connection may offer: an agent may hold a dozen, and a key can't be guessed."""
MAX_LOGIN_REQUESTS: Final = 48
"""Login requests of any kind on one connection."""
OFFER_ANSWER: Final = 0.05
"""Seconds from the offer of a key to the answer that it is not taken."""
UNREAD: Final = 4 << 20
"""Octets of replies that the client has not taken, beyond which nothing more is read of it."""
UNANSWERED: Final = 1 << 20
"""Octets that may wait while a login or a key exchange is under way; clients then send a few kilobytes."""
KEXINIT_PATIENCE: Final = 1.0
"""Seconds to wait for the client's key exchange before ours is sent without knowing it."""
CHECK_EVERY: Final = 5.0
"""Seconds between two looks at whether the line has stalled."""
STALL: Final = 60.0
"""Seconds over which the minimum rate is measured."""


class Connection(Packets, SSHServerConnection):
    """One client's connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, options: SSHServerConnectionOptions, shared: Shared
    ) -> None:
        super().__init__(loop, options)
        self.shared = shared
        self.identity: Identity | None = None
        self.address = ""
        self._admitted = False
        self._counted_as: str | None = None
        self._first: Identity | None = None
        self._kex_deferred = False
        self._offered = False
        self._kex_name = b""
        self._failures = 0
        self._offers = 0
        self._requests = 0
        self._refused_logins = 0
        self._unread = False
        self._blocked = False
        self._moved = 0
        self._moved_before = 0
        self._stalled_since: float | None = None
        self._rekeying_since: float | None = None
        self._asked_at = loop.time()
        self._sent_at: float | None = None
        self._round_trip: float | None = None
        self._check: asyncio.TimerHandle | None = None

    # --- the line -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        refusal = self.shared.gate.connected(self.address)
        if refusal is not None:
            self.shared.refused(refusal.value, self.address)
            self._cancel_login_timer()
            cast(asyncio.Transport, transport).abort()
            return
        self._admitted = True
        self.shared.connections.add(self)
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=UNREAD, low=UNREAD // 4)
        super().connection_made(transport)
        cast(asyncio.Transport, transport).set_protocol(Inbox(self, self.shared.arrivals))
        self._check = self._loop.call_later(CHECK_EVERY, self._look)

    def connection_lost(self, exc: Exception | None = None) -> None:
        """See asyncio."""
        if self._admitted:
            super().connection_lost(exc)

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """See asyncio."""
        self.received(memoryview(data), len(data))

    def received(self, view: memoryview, fresh: int) -> None:
        """Octets that may change once this returns; all but the last ``fresh`` ones were given before."""
        self._moved += fresh
        if self._sent_at is not None:
            # Before the login is through, each side waits for the other: the shortest wait is the line's own.
            waited = self._loop.time() - self._sent_at
            self._round_trip = waited if self._round_trip is None else min(waited, self._round_trip)
            self._sent_at = None
        self.view_received(view)
        if self.buffered > UNANSWERED and not self._blocked:
            self._blocked = True
            self._read_or_not()

    def arrived(self, channel: SSHChannel[bytes], clear: bytearray, start: int, end: int) -> None:
        """See :class:`FastPackets`."""
        channel._accept_data(Stretch(clear, start, end))  # type: ignore[arg-type]  # what our sessions take

    def _send(self, data: bytes) -> None:
        if self._send_encryption is not None and not self._channels:
            self._sent_at = self._loop.time()
        self._moved += len(data)
        super()._send(data)

    def pause_writing(self) -> None:
        """The client does not take what we send: nothing more is read of it."""
        self._unread = True
        self._read_or_not()
        self._write_or_not()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._unread = False
        self._read_or_not()
        self._write_or_not()

    def _write_or_not(self) -> None:
        """Replies wait while the line is full, and while keys change: asyncssh would pile them up."""
        full = self._unread or self._rekeying_since is not None
        for channel in list(self._channels.values()):
            cast(SftpChannel, channel).hold_output(full)

    def _read_or_not(self) -> None:
        if self._transport is None:
            return
        if self._unread or self._blocked:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _recv_data(self) -> None:
        super()._recv_data()
        if self._blocked and self.buffered <= UNANSWERED:
            self._blocked = False
            self._read_or_not()

    def _look(self) -> None:
        """Cut a line that stands still."""
        if self._transport is None:
            return
        self._check = self._loop.call_later(CHECK_EVERY, self._look)
        now, limits = self._loop.time(), self.shared.gate.limits
        if self._auth_complete and now - self._asked_at > seconds(limits.idle_time):
            self.disconnect(DISC_PROTOCOL_ERROR, "Nothing was asked for too long.")
            return
        if self._rekeying_since is not None and now - self._rekeying_since > seconds(limits.login_time):
            self.abort()
            return
        waiting = self._unread or any(cast(SftpChannel, each).stalled for each in self._channels.values())
        moved = self._moved - self._transport.get_write_buffer_size()
        if not waiting or self._stalled_since is None:
            self._stalled_since = now if waiting else None
            self._moved_before = moved
        elif now - self._stalled_since >= STALL:
            if moved - self._moved_before < octets(limits.minimum_rate) * STALL:
                self.abort()
                return
            self._stalled_since, self._moved_before = now, moved

    def busy(self) -> None:
        """The client asked for something, or took a reply."""
        self._asked_at = self._loop.time()

    def _cleanup(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None
        super()._cleanup(exc)
        if self._admitted:
            self._admitted = False
            self.shared.connections.discard(self)
            self.shared.gate.closed(self.address)
            if self._offers and not self._failures and self.identity is None:
                self.shared.gate.failed(self.address, self._username)
            if self._counted_as is not None:
                self.shared.gate.ended(self._counted_as)

    # --- the key exchange -----------------------------------------------------------------------------------

    def _send_kexinit(self) -> None:
        """Send ours once the client's is known: whether it is strict decides what it can be offered."""
        if self._session_id:
            self._rekeying_since = self._loop.time()
            super()._send_kexinit()
            self._write_or_not()
            return
        if not self._kex_deferred:
            self._kex_deferred = True
            self._loop.call_later(KEXINIT_PATIENCE, self._offer, False)

    def _offer(self, strict: bool) -> None:
        if self._offered or self._transport is None:
            return
        self._offered = True
        chosen = offer(strict=strict, legacy=self.shared.authority.legacy_from(self.address))
        self._kex_algs = list(chosen.key_exchanges)
        self._enc_algs = list(chosen.ciphers)
        self._mac_algs = list(chosen.macs)
        super()._send_kexinit()

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """See asyncssh."""
        super().send_newkeys(k, h)
        if self._rekeying_since is not None:
            self._rekeying_since = None
            self._write_or_not()

    async def _process_kexinit(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        if not self._session_id:
            ahead = SSHPacket(packet.get_full_payload())
            ahead.get_bytes(17)
            self._offer(b"kex-strict-c-v00@openssh.com" in ahead.get_namelist())
        await super()._process_kexinit(pkttype, pktid, packet)
        if self._kex is not None:
            self._kex_name = self._kex.algorithm

    def choose_server_host_key(self, peer_host_key_algs: Sequence[bytes]) -> bool:
        """See asyncssh. The pair is this connection's own: choosing how it signs must not change another's."""
        alg = next((alg for alg in peer_host_key_algs if alg in self._server_host_keys), None)
        if alg is None:
            return False
        pair = copy.copy(self._server_host_keys[alg])
        if alg != pair.algorithm:
            pair.set_sig_algorithm(alg)
        self._server_host_key = pair
        return True

    def _process_hostkeys_prove_00_at_openssh_dot_com_global_request(self, packet: SSHPacket) -> None:
        """A client asks for proofs of the host keys that it does not know, and takes them up (OpenSSH PROTOCOL 2.5)."""
        asked = SSHPacket(packet.get_remaining_payload())
        known = [pair.public_data for pair in self._all_server_host_keys.values()]
        try:
            while asked:
                key = asked.get_string()
                if key in known:
                    self.shared.keeps(self, fingerprint(key))
        except PacketDecodeError:
            pass  # it is answered below
        super()._process_hostkeys_prove_00_at_openssh_dot_com_global_request(packet)

    @property
    def negotiated(self) -> dict[str, str]:
        """What was agreed on, for the event of the login."""
        return {
            "client": self._client_version.decode("ascii", "replace")[:255],
            "kex": self._kex_name.decode("ascii"),
            "cipher": self._enc_alg_cs.decode("ascii"),
            "mac": "" if self._mac_alg_cs == self._enc_alg_cs else self._mac_alg_cs.decode("ascii"),
            "host_key": self._server_host_key.algorithm.decode("ascii") if self._server_host_key else "",
            "strict": "yes" if self._strict_kex else "no",
        }

    @property
    def host_key(self) -> str:
        """Fingerprint of the key that proved our server."""
        pair = self._server_host_key
        return fingerprint(pair.public_data) if pair else ""

    @property
    def _legacy(self) -> bool:
        return is_legacy(self._kex_name, self._enc_alg_cs, self._mac_alg_cs)

    # --- logging in -----------------------------------------------------------------------------------------

    async def reload_config(self) -> None:
        """Nothing: there is no file of options that could differ by user."""

    def _process_userauth_request(
        self, pkttype: int, pktid: int, packet: SSHPacket
    ) -> Awaitable[None] | None:
        self._requests += 1
        if self._requests > MAX_LOGIN_REQUESTS:
            raise asyncssh.DisconnectError(DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many login requests.")
        return super()._process_userauth_request(pkttype, pktid, packet)

    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """See asyncssh."""
        began = self._loop.time()
        signed = String(self._session_id) + msg if msg else b""
        found = self.shared.authority.key(
            username, self.address, key_data, signed, signature, legacy=self._legacy
        )
        if found is not None:
            return self._proven(found) if msg else True
        if msg:
            await self._failed(began, username)
            return False
        self._offers += 1
        if self._offers > MAX_OFFERS:
            await self._failed(began, username)
            raise asyncssh.DisconnectError(DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys were offered.")
        await asyncio.sleep(max(0.0, began + OFFER_ANSWER - self._loop.time()))
        return False

    async def validate_password(self, username: str, password: str) -> bool:
        """See asyncssh."""
        began = self._loop.time()
        found = await self.shared.authority.password(
            username, self.address, password.encode(), legacy=self._legacy
        )
        if found is not None:
            return self._proven(found)
        await self._failed(began, username)
        return False

    def _proven(self, found: Identity) -> bool:
        first = self._first
        if found.complete:
            self.identity = found
        elif first is not None and first.user == found.user and first.method != found.method:
            self.identity = first.and_then(found)
        else:
            self._first = found
        return True

    async def _failed(self, began: float, username: str) -> None:
        self._failures += 1
        self.shared.login_failed(self.address, username)
        wait = self.shared.gate.failed(self.address, username)
        await asyncio.sleep(max(0.0, began + wait - self._loop.time()))
        if self._failures >= self.shared.gate.limits.login_attempts:
            raise asyncssh.DisconnectError(DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many failed logins.")

    async def send_userauth_success(self) -> None:
        """Success, where the identity is complete; else the client is told to show the other factor too."""
        identity = self.identity
        if identity is None:
            self.send_userauth_failure(partial_success=True)
            return
        if not self.shared.gate.opened(identity.view.id):
            raise asyncssh.DisconnectError(DISC_TOO_MANY_CONNECTIONS, "There are too many sessions already.")
        self._counted_as = identity.view.id
        self.shared.gate.succeeded(self.address, identity.user)
        self._asked_at = self._loop.time()
        await super().send_userauth_success()
        self.shared.opened(self)

    # --- channels -------------------------------------------------------------------------------------------

    def _process_session_open(self, packet: SSHPacket) -> tuple[SftpChannel, Session]:
        packet.check_end()
        if len(self._channels) >= MAX_CHANNELS or self.identity is None:
            raise asyncssh.ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "There are too many channels already.")
        window = self.shared.windows.give(self._round_trip if not self._channels else None)
        channel = SftpChannel(
            self, self._loop, False, False, False, 0, 0, None, "strict", window, self.shared.packet
        )
        return channel, self.shared.session(self, window)

    _packet_handlers = {  # noqa: RUF012 - as asyncssh has it
        **SSHServerConnection._packet_handlers,
        MSG_KEXINIT: _process_kexinit,
        MSG_USERAUTH_REQUEST: _process_userauth_request,
    }

"""asyncssh's way of packets, without what costs most of its time on a long transfer.

Measured on 1 GiB: a quarter of the time went into slicing the input buffer anew for every packet, building log lines
that nobody reads, an encrypted MSG_IGNORE before every packet (a cure for CBC, needless elsewhere) and a fresh AES-GCM
object for each. Here packets of AES-GCM that carry a channel's data go a straight way in both directions; every other
packet and cipher goes asyncssh's own.

It leans on the inside of asyncssh 2.24. Under any other version :data:`FITS` is false and nothing is overridden.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST, MSG_IGNORE, MSG_KEX_LAST
from asyncssh.encryption import GCMEncryption
from cryptography.exceptions import InvalidTag

from ecluse.channels.sftp.gcm import BLOCK, TAG, Gcm

__all__ = ["FITS", "Channel", "FastChannel", "FastPackets", "Packets", "PlainChannel", "PlainPackets"]

FITS: Final = asyncssh.__version__.split(".")[:2] == ["2", "24"]

HEAD: Final = 10
"""Octets of a packet before the data of a channel: length of the padding, kind, channel, length of the data."""
STRETCH: Final = 1 << 20
"""Octets of clear text that lie together: a large write of SFTP, a quarter of that, is seldom cut in two."""
SMALL: Final = 16 * 1024
"""Octets of which less is no large transfer: they get memory of their own size."""
_SLACK: Final = 0.01
"""Seconds by which a timer may ring early."""
_PADDING: Final = bytes(2 * BLOCK)
"""RFC 4253 s6 asks for arbitrary padding; under AES-GCM it is encrypted and authenticated whatever it is."""
_LENGTHS: Final = [bytes((length,)) for length in range(2 * BLOCK)]
_DATA: Final = bytes((MSG_CHANNEL_DATA,))


class PlainPackets(SSHConnection):
    """asyncssh's own way, with the few names that the rest asks for."""

    @property
    def buffered(self) -> int:
        """Octets that arrived and were not taken apart yet."""
        return len(self._inpbuf)

    def view_received(self, view: memoryview) -> None:
        """As :meth:`data_received` of asyncssh, of octets that may change once this returns."""
        SSHConnection.data_received(self, bytes(view))

    def take_back(self, most: int) -> bytes:
        """What has arrived of the next packet, to be given again with what follows; nothing where it is longer than
        ``most``, or asyncssh has begun with it.
        """
        return b""

    def log_sent_packet(self, *args: object) -> None:
        """A line for every packet is written by nobody here."""

    def log_received_packet(self, *args: object) -> None:
        """The same."""


class _Quiet(PlainPackets):
    """The keep-alive timer is not set anew for all that arrives, but looks, when it ends, when that was."""

    _heard = 0.0

    def _reset_keepalive_timer(self) -> None:
        if self._auth_complete:
            self._heard = self._loop.time()
            if self._keepalive_timer is None:
                self._set_keepalive_timer()

    def _keepalive_timer_callback(self) -> None:
        left = self._heard + self._keepalive_interval - self._loop.time()
        if left > _SLACK:
            self._keepalive_timer = self._loop.call_later(left, self._keepalive_timer_callback)
        else:
            super()._keepalive_timer_callback()


class _Then(enum.Enum):
    """What follows a run of packets."""

    WAIT = enum.auto()
    """A packet that has not arrived whole."""
    OTHER = enum.auto()
    """A packet that is asyncssh's to read."""
    MORE = enum.auto()
    """Another run."""


class FastPackets(_Quiet):
    """To be mixed in before a class of connections of asyncssh."""

    _at = 0
    _receiving: Gcm | None = None
    _sending: Gcm | None = None
    _clear = bytearray()
    _filled = 0

    @property
    def buffered(self) -> int:
        """See :class:`PlainPackets`."""
        return len(self._inpbuf) - self._at

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """See asyncio."""
        # What comes through another connection's channel is a view.
        self._inpbuf = self._inpbuf + data if self._inpbuf else bytes(data)
        self._recv_data()

    def view_received(self, view: memoryview) -> None:
        """See :class:`PlainPackets`."""
        if self._inpbuf or self._recv_handler != self._recv_pkthdr:
            self._inpbuf = self._inpbuf + view
        else:
            self._inpbuf = view  # type: ignore[assignment]  # only the methods below see it as such
        self._recv_data()
        if not isinstance(self._inpbuf, bytes):
            self._inpbuf = bytes(self._inpbuf)

    def take_back(self, most: int) -> bytes:
        """See :class:`PlainPackets`."""
        rest = self._inpbuf
        if not rest or len(rest) > most or self._recv_handler != self._recv_pkthdr:
            return b""
        self._inpbuf = b""
        return rest

    def arrived(self, channel: SSHChannel[bytes], clear: bytearray, start: int, end: int) -> None:
        """Give a channel the data of some packets. What follows it may lie right behind it; nothing is overwritten."""
        channel._accept_data(memoryview(clear)[start:end].toreadonly())  # type: ignore[arg-type]

    def _recv_pkthdr(self) -> bool:
        """Take packets of a channel's data; hand every other one to asyncssh, at the front of the buffer."""
        encryption = self._recv_encryption
        if type(encryption) is GCMEncryption and self._auth_complete and self._decompressor is None:
            view = memoryview(self._inpbuf)
            if len(view) < SMALL and self._take_alone(encryption, view):
                return False
            then = _Then.MORE
            while then is _Then.MORE and self._transport is not None:
                then = self._take_run(encryption, view)
            self._inpbuf, self._at = self._inpbuf[self._at :], 0
            if then is not _Then.OTHER or self._transport is None:
                return False
        if not isinstance(self._inpbuf, bytes):
            self._inpbuf = bytes(self._inpbuf)
        return super()._recv_pkthdr()

    def _take_alone(self, encryption: GCMEncryption, view: memoryview) -> bool:
        """Take a small packet of a channel's data where it is all that arrived, as a request of SFTP is from a client
        that waits for each reply; whether it was that.
        """
        size = len(view) - 4 - TAG
        if size <= HEAD or int.from_bytes(view[:4], "big") != size:
            return False
        gcm = self._receiving = Gcm.at(encryption, self._receiving)
        try:
            packet = gcm.open(view)
        except InvalidTag:
            return False  # asyncssh finds the same, and says so to the client
        channel = self._channels.get(int.from_bytes(packet[2:6], "big"))
        end = HEAD + int.from_bytes(packet[6:HEAD], "big")
        if (
            packet[1] != MSG_CHANNEL_DATA
            or end != size - packet[0]
            or channel is None
            or channel._recv_state != "open"
            or channel._encoding
            or not HEAD < end <= HEAD + channel._recv_window
        ):
            return False
        gcm.used()
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        self._auth_final = True
        self._inpbuf = b""
        channel._accept_data(packet[HEAD:end])
        return True

    def _take_run(self, encryption: GCMEncryption, view: memoryview) -> _Then:
        """Take packets of one channel's data, or window, as far as they go, and give it to the channel.

        Each but the first is decrypted to where the data of the one before it ends, so that all of it lies in one
        stretch. What stands before the data in a packet comes to lie over the end of what is there, which is put back.
        """
        gcm = self._receiving = Gcm.at(encryption, self._receiving)
        at, end = self._at, len(view)
        clear, begun = self._room_for(end - at)
        out, filled = memoryview(clear), begun
        number, channel, window, granted = b"", None, 0, 0
        then = _Then.WAIT
        while at + BLOCK <= end:
            header = view[at : at + 4]
            size = int.from_bytes(header, "big")
            past = at + 4 + size + TAG
            if not HEAD < size <= self._max_recv_pktlen:
                then = _Then.OTHER
                break
            if past > end:
                break
            lead = filled - HEAD
            if lead + size > len(out):
                self._clear = bytearray()
                then = _Then.MORE
                break
            # A channel may be reading what it was given, so the first packet must not lie over the end of it.
            target = out[lead : lead + size] if filled > begun else memoryview(bytearray(size))
            before = bytes(target[:HEAD])
            try:
                gcm.decrypt(view[at + 4 : past], header, target)
                head = bytes(target[:HEAD])
            except InvalidTag:
                head = bytes(HEAD)  # asyncssh finds the same, and says so to the client
            target[:HEAD] = before
            length = int.from_bytes(head[6:], "big")  # of the data, or by how much the client's window grows
            grant = head[1] == MSG_CHANNEL_WINDOW_ADJUST
            if (head[1] != MSG_CHANNEL_DATA and not grant) or size - HEAD - head[0] != (
                0 if grant else length
            ):
                then = _Then.OTHER
                break
            if head[2:6] != number:
                if channel is not None:
                    then = _Then.MORE
                    break
                number = head[2:6]
                channel = self._channels.get(int.from_bytes(number, "big"))
                if channel is None or channel._recv_state != "open" or channel._encoding:
                    channel, then = None, _Then.OTHER
                    break
                window = channel._recv_window
            if grant:
                granted += length
                length = 0
            if filled - begun + length > window:
                then = _Then.MORE if filled > begun else _Then.OTHER
                break
            gcm.used()
            if filled == begun:
                out[filled : filled + length] = target[HEAD : HEAD + length]
            self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
            filled += length
            at = past
        self._at, self._filled = at, filled
        if channel is not None:
            self._auth_final = True
            if granted:
                channel._send_window += granted
                channel._flush_send_buf()
            if filled > begun:
                self.arrived(channel, clear, begun, filled)
        return then

    def _room_for(self, size: int) -> tuple[bytearray, int]:
        """Where clear text of so many octets goes, or the first of them."""
        if size < SMALL:
            self._clear = bytearray()
            return bytearray(HEAD + size), HEAD
        if not self._clear:
            self._clear, self._filled = bytearray(max(STRETCH, self._max_recv_pktlen + HEAD)), HEAD
        return self._clear, self._filled

    def send_packet(self, pkttype: int, *args: bytes, handler: object = None) -> None:
        """See asyncssh."""
        encryption = self._send_encryption
        if pkttype == MSG_IGNORE and b"cbc" not in (self._enc_alg_sc if self._server else self._enc_alg_cs):
            return  # RFC 4253 s9.3.1's cure, for a cipher that needs none
        if type(encryption) is GCMEncryption and pkttype > MSG_KEX_LAST and self._may_send():
            self._send_gcm(encryption, [_padded(bytes((pkttype,)), args)])
        else:
            super().send_packet(pkttype, *args, handler=handler)  # type: ignore[arg-type]

    def send_data(self, channel: bytes, pieces: Sequence[Sequence[bytes]]) -> None:
        """Send packets of a channel's data, each in some pieces that the first of them tells the length of."""
        encryption = self._send_encryption
        at = 0
        if type(encryption) is GCMEncryption:
            packets = []
            ahead = 0
            while at < len(pieces) and self._may_send(ahead):
                packets.append(_padded(_DATA, (channel, *pieces[at])))
                ahead += len(packets[-1])
                at += 1
            if packets:
                self._send_gcm(encryption, packets)
        for each in pieces[at:]:
            self.send_packet(MSG_CHANNEL_DATA, channel, *each)

    def send_alone(self, channel: bytes, size: int, pieces: Sequence[bytes]) -> bool:
        """Send one small packet of a channel's data; whether it could go the straight way. Nothing was sent else."""
        encryption = self._send_encryption
        if type(encryption) is not GCMEncryption or not self._may_send():
            return False
        packet = _padded(_DATA, (channel, size.to_bytes(4, "big"), *pieces))
        gcm = self._sending = Gcm.at(encryption, self._sending)
        sealed = gcm.seal(packet)
        self._rekey_bytes_sent += len(packet)
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._send(sealed)
        return True

    def _may_send(self, ahead: int = 0) -> bool:
        """Whether a packet may go the straight way: keys are not being changed, nor due to be."""
        return (
            self._auth_complete
            and self._kex_complete
            and self._compressor is None
            and self._rekey_bytes_sent + ahead < self._rekey_bytes
            and not (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        )

    def _send_gcm(self, encryption: GCMEncryption, packets: Sequence[bytes]) -> None:
        gcm = self._sending = Gcm.at(encryption, self._sending)
        out = bytearray(sum(map(len, packets)) + len(packets) * (4 + TAG))
        view = memoryview(out)
        at = 0
        for packet in packets:
            end = at + 4 + len(packet) + TAG
            gcm.encrypt(packet, view[at:end])
            self._rekey_bytes_sent += len(packet)
            at = end
        view.release()
        self._send_seq = (self._send_seq + len(packets)) & 0xFFFFFFFF
        self._send(out)  # type: ignore[arg-type]


def _padded(kind: bytes, pieces: Sequence[bytes]) -> bytes:
    """A packet before its encryption."""
    padding = -(2 + sum(map(len, pieces))) % BLOCK
    if padding < 4:
        padding += BLOCK
    return b"".join((_LENGTHS[padding], kind, *pieces, _PADDING[:padding]))


class PlainChannel(SSHChannel[bytes]):
    """asyncssh's own way, with the few names that the rest asks for."""

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        """Write octets that stand in several pieces."""
        self.write(b"".join(pieces))

    def log_sent_packet(self, *args: object) -> None:
        """A line for every packet is written by nobody here."""

    def log_received_packet(self, *args: object) -> None:
        """The same."""


class FastChannel(PlainChannel):
    """To be mixed in before a class of channels of asyncssh: what is written is copied once, into its packet."""

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        """See :class:`PlainChannel`."""
        if self._send_state != "open":
            raise BrokenPipeError("Channel not open for sending")
        size = sum(map(len, pieces))
        if (
            not self._send_buf
            and 0 < size <= min(SMALL, self._send_window, self._send_pktsize)
            and self._send_chan is not None
            and self._conn is not None
            and cast(FastPackets, self._conn).send_alone(self._send_chan.to_bytes(4, "big"), size, pieces)
        ):
            self._send_window -= size
            return
        for piece in pieces:
            self._send_buf.append((memoryview(piece), None))  # type: ignore[arg-type]  # read by the method below
            self._send_buf_len += len(piece)
        self._flush_send_buf()

    def _flush_send_buf(self) -> None:
        held = self._send_buf
        packets: list[list[bytes]] = []
        done = 0
        while done < len(held) and self._send_window:
            room = min(self._send_window, self._send_pktsize)
            parts = [b""]
            size = 0
            while done < len(held) and size < room:
                piece, kind = held[done]
                if kind is not None:
                    break
                if len(piece) > room - size:
                    held[done] = (piece[room - size :], None)
                    piece = piece[: room - size]
                else:
                    done += 1
                parts.append(piece)  # type: ignore[arg-type]
                size += len(piece)
            if not size:
                break  # of another kind: asyncssh's to send
            self._send_buf_len -= size
            self._send_window -= size
            parts[0] = size.to_bytes(4, "big")
            packets.append(parts)
        del held[:done]
        if packets and self._send_chan is not None and self._conn is not None:
            cast(FastPackets, self._conn).send_data(self._send_chan.to_bytes(4, "big"), packets)
        super()._flush_send_buf()

    def send_packet(self, pkttype: int, *args: bytes) -> None:
        """See asyncssh."""
        if self._send_chan is None or self._conn is None:
            return
        self._conn.send_packet(pkttype, self._send_chan.to_bytes(4, "big"), *args, handler=self)


if TYPE_CHECKING:
    Packets = FastPackets
    Channel = FastChannel
else:
    Packets = FastPackets if FITS else PlainPackets
    Channel = FastChannel if FITS else PlainChannel

"""asyncssh's way of packets, without what costs most of its time on a long transfer.

Measured on 1 GiB: a quarter of the time went into slicing the input buffer anew for every packet, building log lines
that nobody reads, an encrypted MSG_IGNORE before every packet (a cure for CBC, needless elsewhere) and a fresh AES-GCM
object for each. Here packets of AES-GCM that carry a channel's data go a straight way in both directions; every other
packet and cipher goes asyncssh's own.

It leans on the inside of asyncssh 2.24. Under any other version :data:`FITS` is false and nothing is overridden.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_IGNORE, MSG_KEX_LAST
from asyncssh.encryption import GCMEncryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["FITS", "Channel", "FastChannel", "FastPackets", "Packets", "PlainChannel", "PlainPackets"]

FITS: Final = asyncssh.__version__.split(".")[:2] == ["2", "24"]

_TAG: Final = 16
_BLOCK: Final = 16
_PADDING: Final = bytes(2 * _BLOCK)
"""RFC 4253 s6 asks for arbitrary padding; under AES-GCM it is encrypted and authenticated whatever it is."""


class _Gcm:
    """One direction of AES-GCM (RFC 5647): the nonce is four fixed octets and a count."""

    __slots__ = ("_aes", "_cipher", "_count", "_fixed", "nonce", "of")

    def __init__(self, of: GCMEncryption) -> None:
        self.of = of
        self._cipher = of._cipher
        self._aes = AESGCM(self._cipher._key)
        self.nonce = self._cipher._iv
        self._fixed = self.nonce[:4]
        self._count = int.from_bytes(self.nonce[4:], "big")

    def holds(self, encryption: GCMEncryption) -> bool:
        """Whether this is the present key, at the present nonce: asyncssh may have used it meanwhile."""
        return self.of is encryption and self.nonce is self._cipher._iv

    def used(self) -> None:
        """The nonce is spent; asyncssh's own object goes on from the next one."""
        self._count = (self._count + 1) & 0xFFFFFFFFFFFFFFFF
        self.nonce = self._cipher._iv = self._fixed + self._count.to_bytes(8, "big")

    def decrypt(self, data: memoryview, header: memoryview) -> bytes:
        return self._aes.decrypt(self.nonce, data, header)

    def encrypt(self, header: bytes, packet: bytes) -> bytearray:
        out = bytearray(4 + len(packet) + _TAG)
        out[:4] = header
        self._aes.encrypt_into(self.nonce, packet, header, memoryview(out)[4:])
        self.used()
        return out


class PlainPackets(SSHConnection):
    """asyncssh's own way, with the few names that the rest asks for."""

    @property
    def buffered(self) -> int:
        """Octets that arrived and were not taken apart yet."""
        return len(self._inpbuf)

    def log_sent_packet(self, *args: object) -> None:
        """A line for every packet is written by nobody here."""

    def log_received_packet(self, *args: object) -> None:
        """The same."""


class FastPackets(PlainPackets):
    """To be mixed in before a class of connections of asyncssh."""

    _at = 0
    _receiving: _Gcm | None = None
    _sending: _Gcm | None = None

    @property
    def buffered(self) -> int:
        """See :class:`PlainPackets`."""
        return len(self._inpbuf) - self._at

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """See asyncio."""
        rest = self._inpbuf[self._at :] if self._at else self._inpbuf
        self._inpbuf = rest + data if rest else data
        self._at = 0
        self._recv_data()

    def _recv_pkthdr(self) -> bool:
        """Take one packet of a channel's data; hand every other one to asyncssh, at the front of the buffer."""
        encryption = self._recv_encryption
        if type(encryption) is GCMEncryption and self._auth_complete and self._decompressor is None:
            taken = self._take_data(encryption)
            if taken is not None:
                return taken
        if self._at:
            self._inpbuf, self._at = self._inpbuf[self._at :], 0
        return super()._recv_pkthdr()

    def _take_data(self, encryption: GCMEncryption) -> bool | None:
        """True: a packet was taken. False: it has not arrived whole. ``None``: it is asyncssh's to read."""
        gcm = self._receiving
        if gcm is None or not gcm.holds(encryption):
            gcm = self._receiving = _Gcm(encryption)
        at = self._at
        view = memoryview(self._inpbuf)
        size = int.from_bytes(view[at : at + 4], "big")
        end = at + 4 + size + _TAG
        if size > self._max_recv_pktlen or len(view) < at + _BLOCK:
            return None
        if len(view) < end:
            return False
        try:
            packet = gcm.decrypt(view[at + 4 : end], view[at : at + 4])
        except InvalidTag:
            return None  # asyncssh finds the same, and says so to the client
        payload_end = len(packet) - packet[0]
        if packet[1] != MSG_CHANNEL_DATA or payload_end < 10:
            return None
        channel = self._channels.get(int.from_bytes(packet[2:6], "big"))
        data = memoryview(packet)[10:payload_end]
        if (
            channel is None
            or channel._recv_state != "open"
            or int.from_bytes(packet[6:10], "big") != len(data)
            or len(data) > channel._recv_window
            or channel._encoding
        ):
            return None
        gcm.used()
        self._at = end
        self._auth_final = True
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        channel._accept_data(data)  # type: ignore[arg-type]  # a view is what our sessions take
        if end == len(view):
            self._inpbuf, self._at = b"", 0
        return self._transport is not None

    def send_packet(self, pkttype: int, *args: bytes, handler: object = None) -> None:
        """See asyncssh."""
        encryption = self._send_encryption
        if pkttype == MSG_IGNORE and b"cbc" not in (self._enc_alg_sc if self._server else self._enc_alg_cs):
            return  # RFC 4253 s9.3.1's cure, for a cipher that needs none
        if (
            type(encryption) is GCMEncryption
            and pkttype > MSG_KEX_LAST
            and self._auth_complete
            and self._kex_complete
            and self._compressor is None
            and self._rekey_bytes_sent < self._rekey_bytes
            and not (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):
            self._send_gcm(encryption, pkttype, args)
        else:
            super().send_packet(pkttype, *args, handler=handler)  # type: ignore[arg-type]

    def _send_gcm(self, encryption: GCMEncryption, kind: int, args: tuple[bytes, ...]) -> None:
        gcm = self._sending
        if gcm is None or not gcm.holds(encryption):
            gcm = self._sending = _Gcm(encryption)
        size = 2 + sum(map(len, args))
        padding = -size % _BLOCK
        if padding < 4:
            padding += _BLOCK
        packet = b"".join((bytes((padding, kind)), *args, _PADDING[:padding]))
        self._send(gcm.encrypt(len(packet).to_bytes(4, "big"), packet))  # type: ignore[arg-type]
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(packet)


class PlainChannel(SSHChannel[bytes]):
    """asyncssh's own way, with the few names that the rest asks for."""

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """Write octets that stand in several pieces."""
        self.write(b"".join(pieces))

    def log_sent_packet(self, *args: object) -> None:
        """A line for every packet is written by nobody here."""

    def log_received_packet(self, *args: object) -> None:
        """The same."""


class FastChannel(PlainChannel):
    """To be mixed in before a class of channels of asyncssh: what is written is copied once, into its packet."""

    def write_pieces(self, pieces: Iterable[bytes]) -> None:
        """See :class:`PlainChannel`."""
        if self._send_state != "open":
            raise BrokenPipeError("Channel not open for sending")
        for piece in pieces:
            self._send_buf.append((memoryview(piece), None))  # type: ignore[arg-type]  # read by the method below
            self._send_buf_len += len(piece)
        self._flush_send_buf()

    def _flush_send_buf(self) -> None:
        held = self._send_buf
        done = 0
        while done < len(held) and self._send_window:
            room = min(self._send_window, self._send_pktsize)
            parts: list[bytes] = []
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
            self.send_packet(MSG_CHANNEL_DATA, size.to_bytes(4, "big"), *parts)
        del held[:done]
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

"""The process that has the keys: it answers on a socket that its own user alone can reach.

Whoever connects must run under the same account (SO_PEERCRED). The process makes itself unreadable for others of that
account (PR_SET_DUMPABLE), keeps its memory out of core dumps and, where it may, out of swap.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.trust.certificates import to_pem
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.held import HeldKeys
from ecluse.trust.keys.notes import NOTE_USES
from ecluse.trust.keystores.signer import frames
from ecluse.trust.keystores.signer.frames import Answer, Description, HeldKey, Request
from ecluse.typed import json_decoder
from ecluse.wire.openpgp.names import HASHES

__all__ = ["SignerService", "harden"]

MAX_CONNECTIONS: Final = 256
SILENCE: Final = 300.0
"""Seconds that a connection may say nothing: a keyring that kept one asks again over another, and a client that
stopped inside a frame doesn't hold its place for good."""
_BREATH: Final = 0.1
"""Seconds to wait where no descriptor is left: some connection has to end first."""
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT_AND_FUTURE: Final = 3
_BACKLOG: Final = 64


class SignerService:
    """Answers for a keyring on a socket.

    Args:
        keyring: Who has the keys.
        path: Where the socket is made, readable by its owner alone.
        leaves: Whether the private key of that name may be given out, because a TLS connection needs it within a
            process; any may by default.

    Raises:
        KeyringError: ``keyring.signer-taken``: another process answers there.
    """

    def __init__(
        self, keyring: HeldKeys, path: Path, leaves: Callable[[str], bool] = lambda ref: True
    ) -> None:
        self._keyring = keyring
        self._leaves = leaves
        self.path = path
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._socket = _listen(path)
        self._closed = False

    def serve(self) -> None:
        """Answer until :meth:`close` is called."""
        while not self._closed:
            try:
                line, _ = self._socket.accept()
            except OSError:
                if not self._closed:
                    time.sleep(_BREATH)
                continue
            if not self._slots.acquire(blocking=False):
                line.close()
                continue
            try:
                threading.Thread(target=self._talk, args=(line,), name="signer", daemon=True).start()
            except RuntimeError:  # no memory for its stack: a limit on what may be locked is one on that, too
                self._slots.release()
                line.close()

    def close(self) -> None:
        """Answer nothing more, and remove the socket. May be called twice."""
        self._closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _talk(self, line: socket.socket) -> None:
        try:
            line.settimeout(SILENCE)
            if _peer(line) not in (os.geteuid(), 0):
                return
            while (data := frames.receive(line)) is not None:
                frames.send(line, msgspec.json.encode(self._answer(data)))
        except (OSError, ValueError):
            return
        finally:
            self._slots.release()  # first: who sees this line end may come again at once
            line.close()

    def _answer(self, data: bytes) -> Answer:
        try:
            return self._do(_decode(data))
        except EcluseError as error:
            return Answer(failure=frames.failure_of(error))
        except (msgspec.MsgspecError, RecursionError, ValueError, TypeError, KeyError):
            refusal = KeyringError(
                "The signer was asked for nothing that it does.", code="keyring.bad-request"
            )
            return Answer(failure=frames.failure_of(refusal))

    def _do(self, request: Request) -> Answer:
        keyring = self._keyring
        match request:
            case frames.Describe():
                return Answer(description=self._description())
            case frames.Sign(ref, scheme, content, digest):
                return Answer(keyring.signer(ref, scheme).sign(content, digest))
            case frames.Unwrap(recipients, refs, allowed):
                return Answer(keyring.unwrap(recipients, refs, allowed=allowed))
            case frames.OpenPgpSign(ref, fingerprint, digest, kind):
                signer = keyring.openpgp_signer(ref)
                if signer.key.fingerprint != fingerprint:
                    raise KeyringError(
                        "The OpenPGP key signs with another part by now.", fault=Fault.TRANSIENT
                    )
                return Answer(signer.sign(digest, HASHES[kind]))
            case frames.OpenPgpUnwrap(recipients, refs):
                return Answer(session=keyring.openpgp_unwrap(recipients, refs))
            case frames.WrapKey(key):
                return Answer(keyring.wrap_key(key))
            case frames.UnwrapKey(wrapped):
                return Answer(keyring.unwrap_key(wrapped))
            case frames.LogSign(content):
                return Answer(keyring.log_sign(content))
            case frames.NoteSign(use, content):
                return Answer(keyring.note_sign(use, content))
            case frames.SshSign(ref, content, algorithm):
                return Answer(keyring.ssh_sign(ref, content, algorithm))
            case frames.NamedSecret(name):
                return Answer(keyring.secret(name).reveal())
            case frames.TlsKey(ref):
                if not self._leaves(ref):
                    raise KeyringError(
                        f"The key {ref[:63]!a} does not leave the signer: no TLS connection is configured to show it.",
                        code="keyring.key-stays",
                        remedy="Give TLS a key of its own, and start the signer again where that was another's before.",
                    )
                return Answer(keyring.tls_key(ref))

    def _description(self) -> Description:
        keyring = self._keyring
        reload: Callable[[], None] | None = getattr(keyring, "reload", None)
        if reload is not None:
            reload()  # another process may have made keys since
        return Description(
            keys={ref: _held(keyring, ref) for ref in keyring.references()},
            openpgp={ref: keyring.openpgp_certificate(ref).encoded for ref in keyring.openpgp_references()},
            secrets=keyring.secrets(),
            log=keyring.log_public_key,
            notes={use: public for use in NOTE_USES if (public := keyring.note_public(use)) is not None},
        )


def _held(keyring: HeldKeys, ref: str) -> HeldKey:
    try:
        line, algorithms = keyring.ssh_public_key(ref), keyring.ssh_algorithms(ref)
    except EcluseError:
        line, algorithms = "", ()
    former = keyring.former(ref)
    return HeldKey(
        to_pem(keyring.chain(ref)).encode(), to_pem(former).encode() if former else b"", line, algorithms
    )


def _decode(data: bytes) -> Request:
    request: Request = _DECODER.decode(data)
    return request


_DECODER: Final = json_decoder(Request)


def harden() -> list[str]:
    """Make this process's memory unreadable for others of its account; give what could not be done, in words."""
    undone = []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        undone.append("other processes of this account may read its memory")
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        undone.append("a crash may leave its memory on the disk")
    if libc.mlockall(_MCL_CURRENT_AND_FUTURE) != 0:
        undone.append("its memory may be swapped out (raise the limit on locked memory)")
    return undone


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            pass
        except OSError:
            with suppress(FileNotFoundError):
                path.unlink()  # left behind by a process that was killed
        else:
            raise KeyringError(
                f"Another signer answers at {path}.",
                code="keyring.signer-taken",
                remedy="Stop it, or give this one another socket.",
                fault=Fault.USAGE,
            )
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)
    return listener


def _peer(line: socket.socket) -> int:
    """The account at the other end (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)

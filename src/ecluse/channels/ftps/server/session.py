"""One control connection: TLS, login, and one command after the other (RFC 959, RFC 4217)."""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from ecluse.channels.ftps.server.data import DataPort
from ecluse.channels.ftps.server.errors import TooSlow, TransferAborted
from ecluse.channels.ftps.server.limits import SessionLimits
from ecluse.channels.ftps.server.reception import Guest, Reception, Visit
from ecluse.channels.ftps.server.refusals import reply_for
from ecluse.channels.ftps.server.stream import Stream
from ecluse.errors import EcluseError
from ecluse.model.paths import VirtualPath
from ecluse.wire.ftp import FACTS, Command, CommandReader, FtpSyntaxError, Reply

__all__ = ["Entry", "Session", "Stop"]

BANNER: Final = "Ready."
"""What greets a client: neither our name nor our release helps an honest one."""
PARTING: Final = 0.002
"""Seconds to wait for the end of the control connection behind that of an upload: a client that gives up, as curl
does at the end of --max-time, ends both at once."""
GARBAGE: Final = 20
"""Lines that are no commands before a connection is closed: a person's typing errors, no fuzzer's."""
_BEFORE_TRANSFER: Final = frozenset({"REST", "PASV", "EPSV", "TYPE", "NOOP", "SIZE", "MDTM", "ALLO"})
"""What may stand between REST and the transfer that it is for."""
_STEP: Final = 4096
_WRITE_TIME: Final = 30.0
"""Seconds until a client that reads no replies is given up."""

_log = structlog.get_logger("ecluse.ftps")


class Stop(Exception):
    """The session ends after the reply."""


Handler = Callable[["Session", str], Reply | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the table.

    Attributes:
        handler: What it does.
        argument: Whether it has one: ``must``, ``may`` or ``none``.
        login: Only after the login.
    """

    handler: Handler
    argument: str = "none"
    login: bool = True


@dataclass(slots=True)
class _State:
    """What a client has said so far."""

    user: str = ""
    failures: int = 0
    garbage: int = 0
    guest: Guest | None = None
    cwd: VirtualPath = field(default_factory=VirtualPath)
    facts: tuple[str, ...] = FACTS
    buffer_size_said: bool = False
    protected: bool = False
    restart: int = 0
    rename_from: VirtualPath | None = None
    extended_only: bool = False
    port: DataPort | None = None
    waiting: deque[Command] = field(default_factory=deque)
    aborted: bool = False
    gone: bool = False


class Session:
    """Runs in a thread of its own.

    Args:
        stream: The control connection.
        peer: The client's address.
        visit: What the hub knows of the connection.
        reception: The hub's.
        limits: Of the listener.
        table: The commands by verb.
        implicit: TLS comes first.
    """

    def __init__(
        self,
        stream: Stream,
        peer: str,
        visit: Visit,
        reception: Reception,
        limits: SessionLimits,
        table: Mapping[str, Entry],
        *,
        implicit: bool = False,
    ) -> None:
        self.stream = stream
        self.peer = peer
        self.limits = limits
        self.state = _State()
        self.visit = visit
        self.context: ssl.SSLContext | None = None
        self._reception = reception
        self._table = table
        self._implicit = implicit
        self._reader = CommandReader()
        self._input = memoryview(bytearray(_STEP))
        self._login_by = time.monotonic() + limits.login_time

    @property
    def guest(self) -> Guest:
        """Who logged in. Only commands that need a login ask."""
        assert self.state.guest is not None, "the table lets nobody else in"
        return self.state.guest

    @property
    def certificate(self) -> bytes | None:
        """The TLS client certificate (DER), verified by TLS."""
        tls = self.stream.tls
        return None if tls is None else tls.getpeercert(binary_form=True)

    def run(self) -> None:
        """Serve until the client or a limit ends it. Never raises."""
        try:
            if self._implicit:
                self.secure()
                self.state.protected = True
            self.say(Reply(220, BANNER))
            while True:
                self._one()
        except Stop:
            pass
        except TooSlow:
            with suppress(EcluseError):
                self.say(Reply(421, "Too long without a command."))
        except EcluseError as error:
            _log.debug("session ended", peer=self.peer, code=error.code)
        except Exception as error:  # noqa: BLE001 - a mistake of ours ends this session, and no other one
            _log.error("session crashed", peer=self.peer, crash=type(error).__name__)
        finally:
            self.close_port()
            self.stream.end()
            self.visit.left()

    def say(self, reply: Reply) -> None:
        """Send a reply."""
        self.stream.write(reply.encode(), time.monotonic() + _WRITE_TIME)

    def secure(self) -> None:
        """Change to TLS. What the client sent in clear and was not read is dropped, and told of."""
        if self._reader.drop() or self.state.waiting:
            self.state.waiting.clear()
            self.visit.suspicious("injection")
        context = self._reception.context()
        self.stream.secure(context, self._login_by)
        self.context = context
        tls = self.stream.tls
        if tls is not None:
            cipher = tls.cipher()
            self.visit.secured(tls.version() or "", cipher[0] if cipher else "", self.certificate)

    def close_port(self) -> None:
        """Wait for no data connection any more."""
        if self.state.port is not None:
            self.state.port.close()
            self.state.port = None

    def _one(self) -> None:
        """Read one command and answer it."""
        try:
            command = self._next()
        except FtpSyntaxError as error:
            self.state.garbage += 1
            if self.state.garbage >= GARBAGE:
                self.visit.suspicious("garbage")
                self.say(Reply(421, "Too many errors."))
                raise Stop from None
            self.say(Reply(error.reply, error.cause))
            return
        try:
            reply = self._answer(command)
        except EcluseError as error:
            reply = reply_for(error, command.verb)
        if command.verb != "RNFR":
            self.state.rename_from = None
        if command.verb not in _BEFORE_TRANSFER:
            self.state.restart = 0
        if reply is not None:
            self.say(reply)
            if reply.code == 421:
                raise Stop

    def _answer(self, command: Command) -> Reply | None:
        entry = self._table.get(command.verb)
        if entry is None:
            return Reply(500, "That command is not known.")
        if entry.login and self.state.guest is None:
            return Reply(530, "Log in first.")
        if entry.argument == "must" and not command.argument:
            return Reply(501, "The command needs an argument.")
        if entry.argument == "none" and command.argument:
            return Reply(501, "The command takes no argument.")
        return entry.handler(self, command.argument)

    def _next(self) -> Command:
        if self.state.waiting:
            return self.state.waiting.popleft()
        silent = time.monotonic() + self.limits.idle_time
        deadline = silent if self.state.guest is not None else min(silent, self._login_by)
        while True:
            command = self._reader.next()
            if command is not None:
                return command
            count = self.stream.read(self._input, deadline)
            if count == 0:
                raise Stop
            self._reader.feed(bytes(self._input[:count]))

    def still_there(self) -> bool:
        """Whether the client is there, a moment after an upload came to its end.

        A client that gives up ends its connections properly, one after the other: what it had sent until then must
        not pass for the whole.
        """
        if not self.state.waiting and self.stream.readable(PARTING):
            self.meanwhile()
        return not self.state.gone

    def meanwhile(self) -> bool:
        """Look at the control connection during a transfer: ABOR ends it, STAT tells of it, others wait for its end.

        Gives whether to look again.

        Raises:
            TransferAborted: The client wants no more of it.
            ConnectionCut: The control connection is gone.
        """
        while (count := self.stream.read_now(self._input)) is not None:
            if count == 0:
                self.state.gone = True
                self.state.waiting.append(Command("QUIT"))
                return False
            self._reader.feed(bytes(self._input[:count]))
            try:
                command = self._reader.next()
            except FtpSyntaxError as error:
                self.say(Reply(error.reply, error.cause))
                continue
            if command is None:
                continue
            if command.verb == "ABOR":
                self.state.aborted = True
                raise TransferAborted("The client ended the transfer.")
            if command.verb == "STAT" and not command.argument:
                self.say(Reply(213, "A transfer is under way."))
                continue
            self.state.waiting.append(command)
            return False
        return True

"""Commands that move octets: passive ports, uploads, downloads and listings (RFC 959, RFC 2428, RFC 3659)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Final

from ecluse.channels.ftps.server.data import DataPort, receive, send, send_lines
from ecluse.channels.ftps.server.errors import ConnectionCut, TooSlow
from ecluse.channels.ftps.server.files import entries, listed, path_of
from ecluse.channels.ftps.server.limits import Pace
from ecluse.channels.ftps.server.refusals import reply_for
from ecluse.channels.ftps.server.session import Session
from ecluse.channels.ftps.server.stream import Stream, plain_address
from ecluse.errors import EcluseError
from ecluse.exchange.tree import NameExists
from ecluse.model.basics import new_id, system_clock, system_entropy
from ecluse.model.paths import VirtualPath
from ecluse.wire.ftp import Listed, Reply, fact_line, list_line

__all__ = ["abor", "active", "appe", "epsv", "list_", "mlsd", "nlst", "pasv", "rest", "retr", "stor", "stou"]

_MAX_OFFSET: Final = 1 << 62
_ACCEPTED: Final = Reply(150, "Connect now.")
_DONE: Final = Reply(226, "All is there.")


def pasv(session: Session, argument: str) -> Reply:
    """A port for the next transfer, with the address that a client reaches it at."""
    if session.state.extended_only:
        return Reply(501, "Only EPSV is left after EPSV ALL.")
    address = session.limits.external_address or plain_address(session.stream.local)
    if ":" in address:
        return Reply(522, "Use EPSV.")
    refusal = _open_port(session)
    if refusal is not None or session.state.port is None:
        return refusal or Reply(425, "There is no port.")
    high, low = divmod(session.state.port.number, 256)
    return Reply(227, f"Entering passive mode ({address.replace('.', ',')},{high},{low}).")


def epsv(session: Session, argument: str) -> Reply:
    """The same without an address: it is the control connection's (RFC 2428 section 3)."""
    if argument.upper() == "ALL":
        session.state.extended_only = True
        return Reply(200, "Only EPSV from here on.")
    ours = "1" if "." in plain_address(session.stream.local) else "2"
    if argument not in ("", ours):
        return Reply(522, f"That network protocol is not spoken here, use ({ours}).")
    refusal = _open_port(session)
    if refusal is not None or session.state.port is None:
        return refusal or Reply(425, "There is no port.")
    return Reply(229, f"Entering extended passive mode (|||{session.state.port.number}|).")


def _open_port(session: Session) -> Reply | None:
    if not session.state.protected:
        return Reply(521, "PROT P comes first.")
    session.close_port()
    session.state.port = DataPort(session.stream, session.peer, session.limits)
    return None


def active(session: Session, argument: str) -> Reply:
    """PORT and EPRT: the server connects to nobody (RFC 2577 section 3: the bounce attack)."""
    session.visit.suspicious("bounce")
    return Reply(502, "Data connections are passive here: use EPSV or PASV.")


def rest(session: Session, argument: str) -> Reply:
    """Where the next transfer begins."""
    if not (argument.isascii() and argument.isdigit() and len(argument) < 20 and int(argument) < _MAX_OFFSET):
        return Reply(501, "The argument is a number of octets.")
    session.state.restart = int(argument)
    return Reply(350, f"Restarting at {session.state.restart}.")


def abor(session: Session, argument: str) -> Reply:
    """There is no transfer: one that is under way reads this by itself."""
    session.close_port()
    return Reply(226, "Nothing is under way.")


def stor(session: Session, argument: str) -> Reply:
    """Take an upload. It is kept, and a document, before 226 is said."""
    offset = session.state.restart
    return _upload(session, path_of(session, argument), offset, resume=offset > 0)


def appe(session: Session, argument: str) -> Reply:
    """Go on with an upload where it ended."""
    return _upload(session, path_of(session, argument), None, resume=True)


def stou(session: Session, argument: str) -> Reply:
    """Take an upload under a name that the server chooses (RFC 1123 section 4.1.2.9)."""
    name = new_id("u", system_clock(), system_entropy)
    path = path_of(session, f"{argument}.{name}" if argument else name)
    return _upload(session, path, 0, exclusive=True, opening=Reply(150, f"FILE: {path.name}"))


def _upload(
    session: Session,
    path: VirtualPath,
    offset: int | None,
    *,
    resume: bool = False,
    exclusive: bool = False,
    opening: Reply = _ACCEPTED,
) -> Reply:
    port = _ready(session)
    if isinstance(port, Reply):
        return port
    if str(path) == "/":
        raise NameExists("That is a folder.")
    writer = session.guest.tree.write(path, resume=resume, exclusive=exclusive)
    stream: Stream | None = None
    try:
        begin = writer.size if offset is None else offset
        if begin > writer.size:
            writer.suspend()
            return Reply(554, f"There are only {writer.size} octets to go on from.")
        session.say(opening)
        stream = _connect(session, port, tickets=0)
        receive(stream, writer, begin, Pace(session.limits, session.guest.rate))
        stream.end()
        if not session.still_there():
            raise ConnectionCut("The client left without waiting for the end of its upload.")
    except BaseException as error:  # noqa: BLE001 - raised again by _ended, unless it is one of ours
        if stream is not None:
            stream.close()
        writer.suspend()
        return _ended(session, error, "STOR")
    # From here on the writer's own commit decides; it leaves nothing behind when it raises.
    writer.commit()
    return _DONE


def retr(session: Session, argument: str) -> Reply:
    """Send a file. What is waiting in outbound counts as picked up when the client has it all."""
    port = _ready(session)
    if isinstance(port, Reply):
        return port
    reader = session.guest.tree.read(path_of(session, argument))
    stream: Stream | None = None
    try:
        if session.state.restart > reader.size:
            reader.abandon()
            return Reply(554, f"The file has only {reader.size} octets.")
        session.say(_ACCEPTED)
        stream = _connect(session, port, tickets=1)
        send(stream, reader, session.state.restart, Pace(session.limits, session.guest.rate))
    except BaseException as error:  # noqa: BLE001 - raised again by _ended, unless it is one of ours
        if stream is not None:
            stream.close()
        reader.abandon()
        return _ended(session, error, "RETR")
    reader.close()
    return _DONE


def mlsd(session: Session, argument: str) -> Reply:
    """A folder's facts."""
    facts = session.state.facts
    folder = path_of(session, argument) if argument else session.state.cwd
    if not session.guest.tree.stat(folder).folder:
        return Reply(501, "That is no folder.")
    return _listing(session, folder, lambda entry: fact_line(entry, facts))


def list_(session: Session, argument: str) -> Reply:
    """A folder in the form of ``ls -l``, whose options some clients send too."""
    now = system_clock()
    return _listing(session, _folder(session, argument), lambda entry: list_line(entry, now))


def nlst(session: Session, argument: str) -> Reply:
    """A folder's names."""
    return _listing(session, _folder(session, argument), lambda entry: entry.name)


def _folder(session: Session, argument: str) -> VirtualPath:
    words = argument.split(" ")
    while words and (words[0] == "" or words[0].startswith("-")):
        del words[0]
    return path_of(session, " ".join(words)) if words else session.state.cwd


def _listing(session: Session, path: VirtualPath, line: Callable[[Listed], str]) -> Reply:
    port = _ready(session)
    if isinstance(port, Reply):
        return port
    tree = session.guest.tree
    entry = tree.stat(path)
    shown: Iterator[Listed] = entries(tree, path) if entry.folder else iter((listed(entry),))
    stream: Stream | None = None
    try:
        session.say(_ACCEPTED)
        stream = _connect(session, port, tickets=1)
        send_lines(stream, map(line, shown), Pace(session.limits, None))
    except BaseException as error:  # noqa: BLE001 - raised again by _ended, unless it is one of ours
        if stream is not None:
            stream.close()
        return _ended(session, error, "LIST")
    return _DONE


def _ready(session: Session) -> DataPort | Reply:
    """The port that the last PASV or EPSV opened: for one transfer, whatever becomes of it."""
    port, session.state.port = session.state.port, None
    if not session.state.protected:
        return Reply(521, "PROT P comes first.")
    return port if port is not None else Reply(425, "Use EPSV or PASV first.")


def _connect(session: Session, port: DataPort, *, tickets: int) -> Stream:
    """The data connection.

    Args:
        session: Whose.
        port: Where.
        tickets: TLS 1.3 sessions to give out on it. None on an upload: a client that only writes leaves them unread,
            and the end of its connection becomes a reset, which takes the last octets with it (so curl 7.88 loses
            uploads to vsftpd and proftpd).
    """
    context = session.context
    assert isinstance(context, ssl.SSLContext), "PROT P comes after TLS"
    context.num_tickets = tickets
    return port.accept(context, session.stream, session.meanwhile)


def _ended(session: Session, error: BaseException, verb: str) -> Reply:
    """What is said of a transfer that did not end well."""
    if not isinstance(error, EcluseError):
        raise error
    if session.state.aborted:
        session.state.aborted = False
        session.say(Reply(426, "The transfer was ended."))
        return Reply(226, "ABOR was done.")
    if isinstance(error, TooSlow):
        return Reply(425 if "No data" in error.cause else 426, error.cause)
    return reply_for(error, verb)

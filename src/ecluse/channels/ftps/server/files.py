"""Commands about files and folders, each of them on the partner's tree (RFC 959, RFC 3659)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.channels.ftps.server.session import Session
from ecluse.exchange.tree import Entry, Tree
from ecluse.model.basics import Instant, system_clock
from ecluse.model.paths import VirtualPath
from ecluse.wire.ftp import FtpSyntaxError, Listed, Reply, fact_line, list_line, parse_time, quoted, time_text

__all__ = [
    "cdup",
    "cwd",
    "dele",
    "entries",
    "listed",
    "mdtm",
    "mfmt",
    "mkd",
    "mlst",
    "path_of",
    "pwd",
    "rmd",
    "rnfr",
    "rnto",
    "size",
    "stat",
]

PAGE: Final = 500
"""Names that are asked of the tree at once."""
STAT_ENTRIES: Final = 1000
"""Lines of a folder that STAT shows on the control connection; LIST shows all."""


def path_of(session: Session, argument: str) -> VirtualPath:
    """The path that a client means."""
    return VirtualPath.parse(argument, session.state.cwd)


def listed(entry: Entry) -> Listed:
    """An entry as the wire's listings take it."""
    return Listed(
        entry.name, "folder" if entry.folder else "file", entry.size, entry.modified, entry.writable
    )


def entries(tree: Tree, folder: VirtualPath) -> Iterator[Listed]:
    """What is in a folder, a page at a time."""
    after = ""
    while page := tree.list(folder, after=after, limit=PAGE):
        yield from map(listed, page)
        if len(page) < PAGE:
            return
        after = page[-1].name


def pwd(session: Session, argument: str) -> Reply:
    """The working folder."""
    return Reply(257, f"{quoted(str(session.state.cwd))} is the working folder.")


def cwd(session: Session, argument: str) -> Reply:
    """Change it."""
    path = path_of(session, argument or "/")
    if not session.guest.tree.stat(path).folder:
        return Reply(550, "That is no folder.")
    session.state.cwd = path
    return Reply(250, "It is the working folder.")


def cdup(session: Session, argument: str) -> Reply:
    """Change it to the one above."""
    session.state.cwd = session.state.cwd.parent
    return Reply(250, "It is the working folder.")


def size(session: Session, argument: str) -> Reply:
    """Octets of a file, a half upload among them: clients resume by it."""
    entry = session.guest.tree.stat(path_of(session, argument))
    return Reply(550, "That is a folder.") if entry.folder else Reply(213, str(entry.size))


def mdtm(session: Session, argument: str) -> Reply:
    """When a file was written; with a time before the path, as some clients have it, that is set."""
    first, _, rest = argument.partition(" ")
    if rest and first.isascii() and first.isdigit() and len(first) == 14:
        return mfmt(session, argument)
    entry = session.guest.tree.stat(path_of(session, argument))
    return Reply(550, "That is a folder.") if entry.folder else Reply(213, time_text(entry.modified))


def mfmt(session: Session, argument: str) -> Reply:
    """Set when a file was written."""
    time, _, name = argument.partition(" ")
    if not name:
        raise FtpSyntaxError("A time and a path are needed.", 501)
    path, at = path_of(session, name), Instant(parse_time(time))
    session.guest.tree.set_modified(path, at)
    return Reply(213, f"Modify={time_text(at)}; {path}")


def mlst(session: Session, argument: str) -> Reply:
    """Facts of one path; its whole name is shown (TVFS: RFC 3659 section 6)."""
    path = path_of(session, argument) if argument else session.state.cwd
    entry = listed(session.guest.tree.stat(path))
    shown = Listed(str(path), entry.kind, entry.size, entry.modified, entry.writable)
    return Reply(250, "End", (fact_line(shown, session.state.facts),), "Facts:")


def dele(session: Session, argument: str) -> Reply:
    """Remove a file."""
    session.guest.tree.remove(path_of(session, argument))
    return Reply(250, "It was removed.")


def mkd(session: Session, argument: str) -> Reply:
    """Make a folder."""
    path = path_of(session, argument)
    session.guest.tree.make_folder(path)
    return Reply(257, f"{quoted(str(path))} was made.")


def rmd(session: Session, argument: str) -> Reply:
    """Remove a folder."""
    session.guest.tree.remove_folder(path_of(session, argument))
    return Reply(250, "It was removed.")


def rnfr(session: Session, argument: str) -> Reply:
    """What is to be renamed."""
    path = path_of(session, argument)
    session.guest.tree.stat(path)
    session.state.rename_from = path
    return Reply(350, "RNTO comes next.")


def rnto(session: Session, argument: str) -> Reply:
    """Rename it: a temporary name that becomes an ordinary one makes the upload a document, kept before the reply."""
    origin = session.state.rename_from
    if origin is None:
        return Reply(503, "RNFR comes first.")
    session.guest.tree.rename(origin, path_of(session, argument), replace=session.guest.replace)
    return Reply(250, "It was renamed.")


def stat(session: Session, argument: str) -> Reply:
    """How the session stands, or what is in a folder."""
    if session.state.guest is None:
        return Reply(530, "Log in first.") if argument else Reply(211, "Ready.")
    if not argument:
        return Reply(211, "Logged in; commands and data in TLS.")
    tree, path, now = session.guest.tree, path_of(session, argument), system_clock()
    entry = tree.stat(path)
    if not entry.folder:
        return Reply(213, "End", (list_line(listed(entry), now),), "Status:")
    shown = []
    for each in entries(tree, path):
        shown.append(list_line(each, now))
        if len(shown) == STAT_ENTRIES:
            break
    return Reply(213, "End", tuple(shown), "Status:")

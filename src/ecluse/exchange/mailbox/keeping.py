"""What an operator sees of a partner's folders, and may do there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.landing import delete_bytes, drop_segments
from ecluse.exchange.mailbox.places import Places
from ecluse.model.basics import PartnerId
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.paths import VirtualPath
from ecluse.store.port import Tx

__all__ = ["FileNotThere", "FileWaits", "files_below", "remove_file"]

_PAGE: Final = 500


class FileNotThere(EcluseError):
    """There is nothing at that path in the partner's folders."""

    code = "account.no-such-file"
    fault = Fault.USAGE
    remedy = "List what is there with `ecluse account files PARTNER`."


class FileWaits(EcluseError):
    """What is to be removed still has to be picked up, or has something in it."""

    code = "account.not-removable"
    fault = Fault.USAGE
    remedy = (
        "Give the message up with `ecluse message give-up`: the file goes with its time then. "
        "Of a folder, remove first what is in it."
    )


def files_below(hub: Hub, partner: PartnerId, places: Places, folder: VirtualPath) -> Iterator[FileRow]:
    """All that lies in a folder and those below it, folder by folder, in flat memory."""
    waiting = [folder]
    while waiting:
        here = waiting.pop(0)
        below = [VirtualPath((*here.names, name)) for name in places.children(here)]
        after = ""
        while here.names:
            page = hub.store.read(
                lambda view, here=here, after=after: view.files(partner, str(here), after=after, limit=_PAGE)  # type: ignore[misc]
            )
            for row in page:
                if row.state is FileState.FOLDER:
                    below.append(VirtualPath((*here.names, row.name)))
                yield row
            if len(page) < _PAGE:
                break
            after = page[-1].name
        waiting = below + waiting


def remove_file(hub: Hub, partner: PartnerId, path: VirtualPath, *, actor: str, reason: str) -> FileRow:
    """Remove a file, or an empty folder, from a partner's folders; the message of an upload stays.

    Raises:
        FileNotThere: There is none.
        FileWaits: The partner has not picked it up yet; or a folder is not empty.
    """

    def work(tx: Tx) -> tuple[FileRow, tuple[Segment, ...]]:
        row = tx.file(partner, str(path.parent), path.name)
        if row is None:
            raise FileNotThere(f"There is no {path} in the folders of {partner}.")
        if row.state is FileState.WAITING:
            raise FileWaits(f"{path} was not picked up yet.")
        if row.state is FileState.FOLDER and tx.files(partner, str(path), limit=1):
            raise FileWaits(f"{path} is not empty.")
        tx.drop_file(row)
        drop_segments(tx, row.segments)
        facts = {"file": row.id, "size": row.size, "was": row.state.value, "reason": reason}
        hub.event(tx, "file.removed", row.message or partner, facts, actor=actor)
        return row, row.segments

    row, segments = hub.store.write(work)
    delete_bytes(hub, segments)
    return row

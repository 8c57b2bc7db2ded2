"""The account channel: documents are put into the partner's folder outbound, and wait there to be picked up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.mailbox.landing import durably
from ecluse.exchange.mailbox.places import OUTBOUND, Terms
from ecluse.exchange.port import Awaiting, Outcome, Sealed
from ecluse.exchange.target import Target, target_of
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.files import FileRow, FileState
from ecluse.model.nouns import Answer, Delivery, Message
from ecluse.model.paths import MAX_NAME, BadPath, VirtualPath, plain_name
from ecluse.store.port import Tx, View
from ecluse.trust.directory import Directory

__all__ = ["AccountChannel", "NoAccount"]

COUNTED: Final = 20
"""Names with a counter that are tried; after those the delivery's own id makes the name."""

_FORBIDDEN: Final = str.maketrans(dict.fromkeys('<>:"|?*\\/', "_"))


class NoAccount(EcluseError):
    """The partner has no account with us, so that there is no folder to put anything into."""

    code = "account.none"
    fault = Fault.USAGE
    remedy = "Add [account] to the partner's file, then have the message resent; or give it up."


class AccountChannel:
    """See :class:`ecluse.exchange.port.Channel`.

    Args:
        hub: What the chamber shares.
        directory: Gives everyone, as of now.
    """

    kind = "account"

    def __init__(self, hub: Hub, directory: Callable[[], Directory]) -> None:
        self._hub = hub
        self._directory = directory

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Put the documents out, once: a repeated attempt finds them, and puts out again what was picked up.

        Raises:
            NoAccount: There is no folder to put them into.
            BadPath: The folder of the target is none that can be.
        """
        hub = self._hub
        account = self._directory().partner(delivery.partner).settings.account
        if account is None:
            raise NoAccount(f"{delivery.partner} has no account with us.")
        terms = Terms.of(account)
        target = target_of(message)
        folder = VirtualPath.parse(target.folder.lstrip("/"), OUTBOUND)
        if folder.names[:1] != OUTBOUND.names:
            raise BadPath("A target's folder leads out of outbound.")
        now = hub.clock()
        due = Instant(now + terms.keep_outbound)

        def work(tx: Tx) -> bool:
            _make_folders(hub, tx, delivery.partner, folder, now)
            there = {row.part: row for row in tx.delivery_files(delivery.id)}
            for number in range(len(message.parts)):
                row = there.get(number)
                if row is None:
                    _put_out(hub, tx, message, delivery, number, folder, target, now, due)
                elif row.state is FileState.PICKED_UP:
                    again = msgspec.structs.replace(row, state=FileState.WAITING, expires=due, modified=now)
                    tx.replace_file(row, msgspec.structs.replace(again, id=hub.new_id("f")))
                else:
                    tx.replace_file(row, msgspec.structs.replace(row, expires=due))
            return True

        def after_all(view: View) -> bool | None:
            return len(view.delivery_files(delivery.id)) == len(message.parts) or None

        durably(hub, work, after_all)
        return Awaiting(due)

    def open_received(self, message: Message) -> None:
        """An upload is kept opened."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """An upload has no answer but the protocol's own."""


def _make_folders(hub: Hub, tx: Tx, partner: PartnerId, folder: VirtualPath, now: Instant) -> None:
    for depth in range(2, len(folder.names) + 1):
        path = VirtualPath(folder.names[:depth])
        row = tx.file(partner, str(path.parent), path.name)
        if row is None:
            tx.add_file(
                FileRow(partner, str(path.parent), path.name, hub.new_id("f"), FileState.FOLDER, 0, now)
            )
        elif row.state is not FileState.FOLDER:
            raise BadPath(f"{path} is a file, and can't be the folder of a delivery.")


def _put_out(
    hub: Hub,
    tx: Tx,
    message: Message,
    delivery: Delivery,
    number: int,
    folder: VirtualPath,
    target: Target,
    now: Instant,
    due: Instant,
) -> None:
    part = message.parts[number]
    find = partial(tx.file, delivery.partner, str(folder))
    name = safe_name(part.name)
    there = find(name)
    # Only what the partner has may go; a document that still waits is never lost for a newer one.
    over = there if target.replace and there is not None and there.state is FileState.PICKED_UP else None
    if there is not None and over is None:
        counted = (_with(name, str(count)) for count in range(2, COUNTED))
        name = next(
            (each for each in counted if find(each) is None), _with(name, f"{delivery.id}-{number + 1}")
        )
    row = FileRow(
        partner=delivery.partner,
        folder=str(folder),
        name=name,
        id=hub.new_id("f"),
        state=FileState.WAITING,
        size=part.size,
        modified=now,
        message=message.id,
        part=number,
        delivery=delivery.id,
        expires=due,
    )
    if over is not None:
        tx.replace_file(over, row)
    else:
        tx.add_file(row)


def safe_name(name: str) -> str:
    """A name that a folder of ours can have, as near to ``name`` as may be."""
    printable = name.translate(_FORBIDDEN).strip(". ")
    if not printable.isprintable():
        printable = "".join(filter(str.isprintable, printable)).strip(". ")
    for each in (name, printable, f"_{printable}"):
        cut = each.encode("utf-8", "ignore")[:MAX_NAME].decode("utf-8", "ignore")
        with contextlib.suppress(BadPath):
            if printable:
                return plain_name(cut)
    return "document"


def _with(name: str, mark: str) -> str:
    """``order.xml`` with ``2``: ``order-2.xml``."""
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    tail = f"-{mark}{dot}{ending}".encode()[-MAX_NAME // 2 :].decode("utf-8", "ignore")
    head = stem.encode()[: MAX_NAME - len(tail.encode())].decode("utf-8", "ignore")
    return head + tail

"""Our hub as a witness for others' logs (C2SP tlog-witness): it signs a head only where it continues the last one.

Of each log the newest head that was cosigned is kept, and written before anybody sees the cosignature. What a log was
seen to do that it must not is an event, with both of its signed heads where there are two:

========  ==================================================================================================
forked    it signed two heads of one size: proof, whoever sent them
suspect   a signed head came with a proof that does not lead from the last one; anybody may have sent that
behind    a signed head smaller than the last one came: a log that was put back asks so, and so may a replay
========  ==================================================================================================

A log that broke goes on under another name (:mod:`~ecluse.evidence.breaks`), and so may whoever stole its key over
another history. The first head under such a name is cosigned where a proof leads to it from the last head under the
name before. Where none can be had, for what was lost is lost, the head waits until a person here accepts it; meanwhile
neither name is cosigned, so that an owner who knows nothing of the other name hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from ecluse.evidence.breaks import epoch_of
from ecluse.evidence.witness.awaiting import (
    Awaiting,
    NothingAwaits,
    awaiting,
    awaiting_logs,
    drop_awaiting,
    hash_of,
    keep_awaiting,
    settle,
    waits_for,
)
from ecluse.model.basics import Clock
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Store, Tx, View
from ecluse.typed import json_decoder
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, parse_head
from ecluse.wire.tlog.cosignature import CosignerKey, cosign
from ecluse.wire.tlog.errors import BadProof, BadSignature, Malformed
from ecluse.wire.tlog.note import Note, Sign, open_note, parse_note
from ecluse.wire.tlog.witness import SIZE_TYPE, AddCheckpoint, encode_size, parse_request

__all__ = ["WITNESSED", "Answer", "Trouble", "Witness", "Witnessed", "witnessed", "witnessed_logs"]

WITNESSED: Final = "witnessed"
"""Kind of the records of logs that are cosigned; the key is the SHA-256 of the origin, in hexadecimal."""

AGAIN: Final = 24 * 3600
"""Seconds within which the same trouble of a log is one event: whoever replays old heads writes no more of them."""

_TRIES: Final = 3
_TEXT: Final = "text/plain; charset=utf-8"

Trouble = Literal["", "behind", "suspect", "forked"]

_RANK: Final[dict[Trouble, int]] = {"": 0, "behind": 1, "suspect": 2, "forked": 3}

Tell = Callable[[Tx, str, str, Mapping[str, Any]], None]
"""Writes an event: (transaction, kind, subject, data)."""


class Witnessed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a log that is cosigned.

    Attributes:
        origin: Of the log.
        size: Of the newest head that was cosigned.
        root: Its root, hexadecimal.
        note: It, with the log's own signatures that were verified.
        lines: Our cosignatures.
        at: When they were made, in seconds since 1970.
        trouble: What the log was seen to do; ``forked`` stays, the others end with the next good head.
        trouble_size: Size of the head that showed it.
        told: When that was last an event, in seconds.
    """

    origin: str
    size: int
    root: str
    note: str
    lines: tuple[str, ...]
    at: int
    trouble: Trouble = ""
    trouble_size: int = 0
    told: int = 0


_decode = json_decoder(Witnessed).decode


GOES_ON: Final = "That log goes on as "
"""What a refusal says before the name that a log has by now."""


class Answer(NamedTuple):
    """What an HTTP server says to a request."""

    status: int
    content_type: str
    body: bytes


class Witness:
    """Cosigns.

    Args:
        store: Where the newest heads are kept.
        clock: Time.
        signers: Our keys as a witness, each with who signs with its private half.
        logs: Gives the keys of the logs that are cosigned, under their first names.
        tell: Writes an event.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        signers: Sequence[tuple[CosignerKey, Sign]],
        logs: Callable[[], Sequence[LogKey]],
        tell: Tell,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signers = tuple(signers)
        self._logs = logs
        self._tell = tell

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request, as the specification says.

        Raises:
            StoreUnavailable: Nothing was cosigned.
            EcluseError: Our keys can't be used; nothing was cosigned.
        """
        try:
            request = parse_request(body)
            note = parse_note(request.checkpoint)
            head = parse_head(note.text)
        except Malformed as error:
            return _said(400, error.cause)
        found = next((key for key in self._logs() if epoch_of(key.name, head.origin) is not None), None)
        if found is None:
            return _said(404, "That log is not cosigned here.")
        key = found.named(head.origin)
        try:
            open_checkpoint(request.checkpoint, [key], head.origin)
            verified = open_note(request.checkpoint, key.parts)
        except (Malformed, BadSignature) as error:
            return _said(403, error.cause)
        if request.old > head.size:
            return _said(400, "The old size is larger than the checkpoint's.")
        if head.size == 0 and head.root != merkle.EMPTY_ROOT:
            return _said(422, "The root of an empty log is another.")
        for _ in range(_TRIES):
            known = self._store.read(lambda view: _present(view, found.name, head.origin))
            if known.later is not None:
                self._notice(known.later, "behind", head, verified)
                return _said(404, f"{GOES_ON}{_decode(known.later.body).origin}")
            if known.waits is not None and _later(found.name, known.waits.origin, head.origin):
                return _said(404, f"{GOES_ON}{known.waits.origin}")
            try:
                if known.before is None and known.former is not None:
                    refusal = self._bridge(known, known.former, request, head, verified)
                else:
                    refusal = self._refusal(known.before, request, head, verified)
                return refusal if refusal is not None else self._sign(known.before, head, verified)
            except Conflict:
                continue
        return _said(503, "Others ask for the same log.")

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The newest head of a log that was cosigned, with the log's signatures and ours; ``None`` where there is none.

        A head that waits for a person is shown with the log's signatures alone: its owner may not know of it.

        Args:
            origin_hash: SHA-256 of the origin in hexadecimal, as it stands in the path.
        """
        record = self._store.read(lambda view: view.record(WITNESSED, origin_hash))
        if record is None:
            waiting = self._store.read(awaiting_logs)
            found = next((each for each in waiting if hash_of(each.origin) == origin_hash), None)
            return None if found is None else found.note.encode()
        kept = _decode(record.body)
        return (kept.note + "".join(kept.lines)).encode()

    def accept(self, origin: str, tell: Callable[[Tx, Awaiting], None]) -> Awaiting:
        """Cosign the head that waits under a name: a person says that the log goes on so.

        From there on the name is cosigned as any other, each head where it continues the last.

        Args:
            origin: The name.
            tell: Writes who decided, in the transaction.

        Raises:
            NothingAwaits: No head waits under this name.
            EcluseError: Our keys can't be used, or the database.
        """
        waiting = self._store.read(lambda view: awaiting(view, origin))
        note = parse_note(waiting.note.encode())
        head = parse_head(note.text)
        try:
            self._sign(None, head, note, lambda tx: tell(tx, drop_awaiting(tx, origin)))
        except Conflict:
            raise NothingAwaits(f"The log {origin} was cosigned meanwhile.") from None
        return waiting

    def _refusal(
        self, before: Record | None, request: AddCheckpoint, head: TreeHead, verified: Note
    ) -> Answer | None:
        last = None if before is None else _decode(before.body)
        size, root = (0, merkle.EMPTY_ROOT) if last is None else (last.size, bytes.fromhex(last.root))
        if before is not None and head.size <= size and (head.size, head.root) != (size, root):
            self._notice(before, "forked" if head.size == size else "behind", head, verified)
        if request.old != size:
            return Answer(409, SIZE_TYPE, encode_size(size))
        try:
            _leads(size, root, head, request.proof)
        except BadProof as error:
            if before is not None and head.size > size:
                self._notice(before, "suspect", head, verified)
            return _said(422, error.cause)
        return None

    def _bridge(
        self, known: _Known, former: Record, request: AddCheckpoint, head: TreeHead, verified: Note
    ) -> Answer | None:
        """The first head under another name: it continues the last one under the name before, or a person decides."""
        last = _decode(former.body)
        if request.old not in (0, last.size):
            return Answer(409, SIZE_TYPE, encode_size(last.size))
        try:
            if request.old != last.size:
                raise BadProof("No proof leads from what was cosigned.")
            _leads(last.size, bytes.fromhex(last.root), head, request.proof)
        except BadProof as error:
            if known.waits is None or known.waits.origin != head.origin:
                self._await(last, head, verified)
            if request.old != last.size:
                return Answer(409, SIZE_TYPE, encode_size(last.size))
            return _said(422, error.cause)
        return None

    def _await(self, last: Witnessed, head: TreeHead, verified: Note) -> None:
        """Keep a head for a person to decide on. The first under its name stays; a later name takes its place."""
        now = self._clock()
        waits = Awaiting(
            head.origin,
            head.size,
            head.root.hex(),
            _plain(verified),
            last.origin,
            last.size,
            last.root,
            now // 1_000_000,
        )
        data = {
            "log": head.origin,
            "size": head.size,
            "root": head.root.hex(),
            "before": last.origin,
            "cosigned": last.size,
            "cosigned_root": last.root,
            "theirs": waits.note,
            "ours": last.note,
        }

        def work(tx: Tx) -> None:
            keep_awaiting(tx, waits, now)
            self._tell(tx, "witness.log-awaits", f"log:{head.origin}", data)

        self._store.write(work)

    def _sign(
        self,
        before: Record | None,
        head: TreeHead,
        verified: Note,
        more: Callable[[Tx], None] = lambda tx: None,
    ) -> Answer:
        now = self._clock()
        at = now // 1_000_000
        lines = tuple(cosign(head, key, sign, at).line.decode() for key, sign in self._signers)
        last = None if before is None else _decode(before.body)
        kept = Witnessed(
            head.origin,
            head.size,
            head.root.hex(),
            _plain(verified),
            lines,
            at,
            trouble="forked" if last is not None and last.trouble == "forked" else "",
            trouble_size=last.trouble_size if last is not None and last.trouble == "forked" else 0,
            told=last.told if last is not None else 0,
        )
        record = Record(WITNESSED, hash_of(head.origin), now, msgspec.json.encode(kept), state=kept.trouble)

        def work(tx: Tx) -> None:
            if before is None:
                tx.add_record(record)
                self._tell(tx, "witness.began", f"log:{head.origin}", {"log": head.origin, "size": head.size})
            else:
                tx.replace_record(before, record)
            more(tx)
            settle(tx, head.origin)

        self._store.write(work)
        return Answer(200, _TEXT, "".join(lines).encode())

    def _notice(self, before: Record, trouble: Trouble, head: TreeHead, verified: Note) -> None:
        """Remember what a log was seen to do, and tell it where that is news."""
        last = _decode(before.body)
        now = self._clock()
        if _RANK[trouble] < _RANK[last.trouble]:
            return
        seconds = now // 1_000_000
        news = last.trouble != trouble or last.trouble_size != head.size
        late = trouble == "forked" or seconds - last.told >= AGAIN
        if not news or (not late and last.told):
            return
        after = msgspec.structs.replace(last, trouble=trouble, trouble_size=head.size, told=seconds)
        record = Record(WITNESSED, before.key, now, msgspec.json.encode(after), state=trouble)
        data = {
            "log": head.origin,
            "size": head.size,
            "root": head.root.hex(),
            "cosigned": last.size,
            "cosigned_root": last.root,
            "theirs": _plain(verified),
            "ours": last.note,
        }

        def work(tx: Tx) -> None:
            tx.replace_record(before, record)
            subject = f"log:{head.origin}"
            if trouble == "forked":
                self._tell(tx, "witness.log-forked", subject, data)
            elif trouble == "suspect":
                self._tell(tx, "witness.log-suspect", subject, data)
            else:
                self._tell(tx, "witness.log-behind", subject, data)

        try:
            self._store.write(work)
        except Conflict:
            return  # it goes on meanwhile; the next such head is told


def witnessed(view: View, origin: str) -> Witnessed | None:
    """What is known of a log that is cosigned."""
    record = view.record(WITNESSED, hash_of(origin))
    return None if record is None else _decode(record.body)


def witnessed_logs(view: View) -> list[Witnessed]:
    """What is known of every log that was ever cosigned, by origin."""
    found = []
    for record in view.records(WITNESSED):
        try:
            found.append(_decode(record.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return sorted(found, key=lambda each: each.origin)


class _Known(NamedTuple):
    """What is known of a log when it asks under one of its names.

    Attributes:
        before: The record under this name.
        former: That under the latest name before it.
        later: That under the latest of its names, where that is a later one: whoever has the key may leave some out.
        waits: The head that a person has to decide on, if it is not cosigned under a later name by now.
    """

    before: Record | None
    former: Record | None
    later: Record | None
    waits: Awaiting | None


def _present(view: View, base: str, origin: str) -> _Known:
    epoch = epoch_of(base, origin) or 1
    names = {epoch_of(base, each.origin) or 0: each.origin for each in witnessed_logs(view)}
    latest = max(names, default=0)
    former = max((each for each in names if 0 < each < epoch), default=0)
    waits = waits_for(view, base)
    return _Known(
        view.record(WITNESSED, hash_of(origin)),
        view.record(WITNESSED, hash_of(names[former])) if former else None,
        view.record(WITNESSED, hash_of(names[latest])) if latest > epoch else None,
        waits if waits is not None and (epoch_of(base, waits.origin) or 0) > latest else None,
    )


def _later(base: str, one: str, other: str) -> bool:
    return (epoch_of(base, one) or 1) > (epoch_of(base, other) or 1)


def _leads(size: int, root: bytes, head: TreeHead, proof: Sequence[bytes]) -> None:
    """Whether a head continues an earlier one. Raise :class:`BadProof` where the proof does not say so."""
    if size:
        merkle.verify_consistency(size, root, head.size, head.root, proof)
    elif proof:
        raise BadProof("No proof leads from the empty log.")


def _plain(note: Note) -> str:
    return note.text + "\n" + "".join(each.line.decode() for each in note.signatures)


def _said(status: int, cause: str) -> Answer:
    return Answer(status, _TEXT, f"{cause}\n".encode())

"""Our hub as a witness for others' logs (C2SP tlog-witness): it signs a head only where it continues the last one.

Of each log the newest head that was cosigned is kept, and written before anybody sees the cosignature. What a log was
seen to do that it must not is an event, with both of its signed heads where there are two:

========  ==================================================================================================
forked    it signed two heads of one size: proof, whoever sent them
suspect   a signed head came with a proof that does not lead from the last one; anybody may have sent that
behind    a signed head smaller than the last one came: a log that was put back asks so, and so may a replay
========  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

import msgspec

from ecluse.evidence.breaks import epoch_of, origin_of
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
            before, later = self._store.read(lambda view: _present(view, found.name, head.origin))
            if later is not None:
                self._notice(later, "behind", head, verified)
                return _said(404, f"{GOES_ON}{_decode(later.body).origin}")
            refusal = self._refusal(before, request, head, verified)
            if refusal is not None:
                return refusal
            try:
                return self._sign(before, head, verified)
            except Conflict:
                continue
        return _said(503, "Others ask for the same log.")

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The newest head of a log that was cosigned, with the log's signatures and ours; ``None`` where there is none.

        Args:
            origin_hash: SHA-256 of the origin in hexadecimal, as it stands in the path.
        """
        record = self._store.read(lambda view: view.record(WITNESSED, origin_hash))
        if record is None:
            return None
        kept = _decode(record.body)
        return (kept.note + "".join(kept.lines)).encode()

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
            if size == 0:
                if request.proof:
                    raise BadProof("No proof leads from the empty log.")
            else:
                merkle.verify_consistency(size, root, head.size, head.root, request.proof)
        except BadProof as error:
            if before is not None and head.size > size:
                self._notice(before, "suspect", head, verified)
            return _said(422, error.cause)
        return None

    def _sign(self, before: Record | None, head: TreeHead, verified: Note) -> Answer:
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
        record = Record(WITNESSED, _key(head.origin), now, msgspec.json.encode(kept), state=kept.trouble)

        def work(tx: Tx) -> None:
            if before is None:
                tx.add_record(record)
                self._tell(tx, "witness.began", f"log:{head.origin}", {"log": head.origin, "size": head.size})
            else:
                tx.replace_record(before, record)

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
    record = view.record(WITNESSED, _key(origin))
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


def _present(view: View, base: str, origin: str) -> tuple[Record | None, Record | None]:
    """The record of a log under the name of one epoch, and that of the latest epoch where that is a later one.

    Whichever later one: who has the log's key may leave epochs out.
    """
    epoch = epoch_of(base, origin) or 1
    latest = max((epoch_of(base, each.origin) or 0 for each in witnessed_logs(view)), default=0)
    later = view.record(WITNESSED, _key(origin_of(base, latest))) if latest > epoch else None
    return view.record(WITNESSED, _key(origin)), later


def _key(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()


def _plain(note: Note) -> str:
    return note.text + "\n" + "".join(each.line.decode() for each in note.signatures)


def _said(status: int, cause: str) -> Answer:
    return Answer(status, _TEXT, f"{cause}\n".encode())

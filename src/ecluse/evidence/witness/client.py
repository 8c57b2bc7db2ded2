"""What our log asks its witnesses: cosignatures for its newest head, and which head they cosigned last.

A witness is believed only for what our own log's key signed: one that merely claims to know a larger log stops
nothing, for it may lie or have lost its state. One that shows a head which we signed, and do not continue, stops the
signing of the log (:meth:`~ecluse.evidence.sequencer.Sequencer.confront`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.evidence.breaks import MAX_NUMBER, base_of, epoch_of, origin_of, present_origin, sealed_breaks
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.witness import Cosignature, keep_cosignature
from ecluse.evidence.witness.service import GOES_ON
from ecluse.model.basics import Clock
from ecluse.model.nouns import Checkpoint
from ecluse.model.records import Record
from ecluse.store.port import Store, Tx, View
from ecluse.typed import json_decoder
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, parse_head
from ecluse.wire.tlog.cosignature import CosignerKey, time_of
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import Signature, open_note, parse_note
from ecluse.wire.tlog.witness import (
    ADD_CHECKPOINT,
    AddCheckpoint,
    checkpoint_path,
    parse_signatures,
    parse_size,
)

__all__ = [
    "STATE",
    "Ask",
    "WitnessAwaits",
    "WitnessClient",
    "WitnessDisagrees",
    "WitnessRefused",
    "WitnessState",
    "states",
]

STATE: Final = "witness"
"""Kind of the records of how it stands with each of our witnesses; the key is what the witness is called here."""

SKEW: Final = 300
"""Seconds by which a witness's clock and ours may differ before it is told."""

_TRIES: Final = 3

Ask = Callable[[str, str, bytes], tuple[int, bytes]]
"""Asks a witness: (method, path under its prefix, body) to status and body. Raises where it can't be reached."""

Tell = Callable[[Tx, str, str, Mapping[str, Any]], None]
"""Writes an event: (transaction, kind, subject, data)."""


class WitnessRefused(EcluseError):
    """A witness does not cosign our checkpoint."""

    code = "witness.refused"
    fault = Fault.PARTNER
    remedy = "Ask its operator whether it cosigns our log, with the keys that `ecluse log key` shows."


class WitnessDisagrees(EcluseError):
    """A witness says something of our log that it does not show: it lies, or was put back itself."""

    code = "witness.disagrees"
    fault = Fault.PARTNER
    remedy = "Ask its operator for the checkpoint that it cosigned last; our log goes on meanwhile."


class WitnessAwaits(EcluseError):
    """A witness does not cosign our log under its other name before a person there accepts it."""

    code = "witness.awaits"
    fault = Fault.PARTNER
    remedy = (
        "Call its operator, who compares size and root with these and runs `ecluse log cosign --accept NAME`; "
        "our log goes on meanwhile."
    )


class WitnessState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it stands with a witness.

    Attributes:
        origin: Of our log when it last cosigned.
        size: Of the checkpoint that it cosigned last.
        at: When, in microseconds, by our clock.
        skew: Seconds by which its clock was ahead of ours then.
        error: Code of what went wrong last; empty where nothing did.
        cause: One sentence.
        since: When that began, in microseconds.
        went_back: Size that it had cosigned, where it came back knowing less.
    """

    origin: str = ""
    size: int = 0
    at: int = 0
    skew: int = 0
    error: str = ""
    cause: str = ""
    since: int = 0
    went_back: int = 0


_decode = json_decoder(WitnessState).decode


class WitnessClient:
    """One witness of our log.

    Args:
        store: The database of the log.
        clock: Time.
        key: The log's key, under its first name.
        name: What the witness is called here.
        keys: The witness's keys; each has to sign.
        ask: Reaches it.
        confront: Compares the log with a head that we signed; see the sequencer.
        tell: Writes an event.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        key: LogKey,
        name: str,
        keys: Sequence[CosignerKey],
        ask: Ask,
        confront: Callable[[bytes], TreeHead],
        tell: Tell,
    ) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self.name = name
        self._keys = tuple(keys)
        self._ask = ask
        self._confront = confront
        self._tell = tell

    def look(self, later: str = "") -> TreeHead | None:
        """Ask which head of our log the witness cosigned last, and compare the log with it.

        Args:
            later: Another name of our log that the witness says it goes on under, if any.

        Returns:
            That head; ``None`` where it shows none that we signed.

        Raises:
            RolledBack: where the log does not continue it.
            EcluseError: where the witness can't be reached.
        """
        origin = self._store.read(lambda view: present_origin(view, self._key))
        base = base_of(origin)
        following = origin_of(base, (epoch_of(base, origin) or 1) + 1)
        newest = None
        names = [origin, following]
        if (epoch_of(base, later) or 0) > (epoch_of(base, following) or 0):
            names.append(later)
        for name in names:
            status, body = self._ask("GET", checkpoint_path(name), b"")
            if status != 200:
                continue
            try:
                newest = self._confront(body)
            except (Malformed, BadSignature):
                continue  # whoever wrote that, it was not our log
        return newest

    def submit(self) -> int | None:
        """Have the newest checkpoint cosigned, where it is not yet.

        Returns:
            Its size; ``None`` where there was nothing to do.

        Raises:
            RolledBack: where the witness shows a head of ours that the log does not continue.
            WitnessRefused, WitnessDisagrees, Malformed, BadSignature: where it does not cosign. All of this is
                remembered too.
            EcluseError: where the witness can't be reached, or the database.
        """
        try:
            return self._submit()
        except RolledBack:
            raise
        except EcluseError as error:
            self._failed(error)
            raise

    def _submit(self) -> int | None:
        old: int | None = None
        for _ in range(_TRIES):
            state, checkpoint, origin, continued = self._store.read(self._present)
            if checkpoint is None or (state.origin, state.size) == (origin, checkpoint.size):
                return None
            known = state.size if state.origin == origin or state.size <= continued else 0
            start = known if old is None else old
            if (
                start > checkpoint.size
            ):  # the witness, or another process of ours, is further than what was read
                self._shown(start, checkpoint.size)
                raise WitnessDisagrees(f"The witness {self.name} has cosigned {start} records, it says.")
            status, body = self._ask("POST", ADD_CHECKPOINT, self._request(start, checkpoint))
            if status == 200:
                self._keep(checkpoint, origin, body, known if start < known else 0)
                return checkpoint.size
            if status == 409:
                old = parse_size(body)
                if state.origin != origin and old > continued and not self._cosigned(origin, old):
                    if not start:
                        raise self._awaits(origin, old, checkpoint)
                    old = 0  # which is how a log says that it can prove nothing
                continue
            if status in (404, 422):
                self.look(_words(body).removeprefix(GOES_ON))
            raise WitnessRefused(f"The witness {self.name} answers {status}: {_words(body)}")
        raise WitnessDisagrees(f"The witness {self.name} tells another size each time.")

    def _present(self, view: View) -> tuple[WitnessState, Checkpoint | None, str, int]:
        """How it stands with the witness, what it is asked for, our log's name, and up to which size our log continues
        what it was called before, under the name that the witness cosigned last.
        """
        record = view.record(STATE, self.name)
        origin = present_origin(view, self._key)
        checkpoint = view.last_checkpoint()
        if checkpoint is not None and parse_head(parse_note(checkpoint.note).text).origin != origin:
            checkpoint = None  # it is of the epoch before: the first of this one is about to be signed
        state, base = _state(record), base_of(origin)
        since = epoch_of(base, state.origin) or 1
        found = [
            each for each in sealed_breaks(view, self._key) if (epoch_of(base, each.origin) or 1) > since
        ]
        continued = min((each.common for each in found), default=MAX_NUMBER)
        return state, checkpoint, origin, continued

    def _cosigned(self, origin: str, size: int) -> bool:
        """Whether the witness shows a head of so many records under this name that it cosigned.

        Raises:
            RolledBack: It shows one that we signed under this name, cosigned or not, and the log does not continue it.
        """
        status, body = self._ask("GET", checkpoint_path(origin), b"")
        if status != 200:
            return False
        try:
            head = self._confront(body)
            return head.size == size and len(open_note(body, self._keys).signatures) == len(self._keys)
        except (Malformed, BadSignature):
            return False

    def _awaits(self, origin: str, cosigned: int, checkpoint: Checkpoint) -> WitnessAwaits:
        return WitnessAwaits(
            f"The witness {self.name} has cosigned {cosigned} records of a former name of our log, to which no proof "
            f"leads: a person there decides on {origin}, which has {checkpoint.size} records with the root "
            f"{checkpoint.root.hex()[:16]}... by now."
        )

    def _request(self, old: int, checkpoint: Checkpoint) -> bytes:
        wanted = merkle.consistency_nodes(old, checkpoint.size)
        nodes = self._store.read(lambda view: view.log_nodes(wanted))
        proof = merkle.consistency_proof(old, checkpoint.size, nodes)
        return AddCheckpoint(old, tuple(proof), checkpoint.note).encode()

    def _shown(self, claimed: int, size: int) -> None:
        """Have a witness that claims to know more show it. Raises :class:`RolledBack` where we signed that."""
        head = self.look()
        if head is not None and head.size >= claimed:
            raise WitnessRefused(
                f"The witness {self.name} was ahead of the checkpoint of {size} records.",
                fault=Fault.TRANSIENT,
            )

    def _keep(self, checkpoint: Checkpoint, origin: str, body: bytes, went_back: int) -> None:
        text = parse_note(checkpoint.note).text.encode()
        signatures = parse_signatures(body)
        lines: list[str] = []
        times: list[int] = []
        for key in self._keys:
            found = _signed(key, signatures, text)
            if found is None:
                raise BadSignature(
                    f"The witness {self.name} did not sign with its key {key.name} ({key.algorithm})."
                )
            lines.append(found.line.decode())
            times.append(time_of(found))
        now = self._clock()
        at = min(times)
        kept = Cosignature(checkpoint.size, origin, self._keys[0].name, tuple(lines), at)

        def work(tx: Tx) -> None:
            before = _state(tx.record(STATE, self.name))
            skew = at - now // 1_000_000
            state = WitnessState(origin, checkpoint.size, now, skew, went_back=went_back or before.went_back)
            keep_cosignature(tx, kept, now)
            tx.put_record(Record(STATE, self.name, now, msgspec.json.encode(state)))
            subject = f"witness:{self.name}"
            if not before.at:
                self._tell(tx, "log.witnessed", subject, {"witness": kept.witness, "size": kept.size})
            if before.error:
                self._tell(tx, "log.witness-back", subject, {"witness": kept.witness, "size": kept.size})
            if went_back:
                facts = {"witness": kept.witness, "cosigned": went_back, "size": kept.size}
                self._tell(tx, "log.witness-went-back", subject, facts)
            if abs(skew) > SKEW >= abs(before.skew):
                facts = {"witness": kept.witness, "ahead": skew}
                self._tell(tx, "log.witness-clock-differs", subject, facts)

        self._store.write(work)

    def _failed(self, error: EcluseError) -> None:
        now = self._clock()

        def work(tx: Tx) -> None:
            before = _state(tx.record(STATE, self.name))
            state = msgspec.structs.replace(
                before,
                error=error.code,
                cause=error.cause,
                since=before.since if before.error else now,
            )
            tx.put_record(Record(STATE, self.name, now, msgspec.json.encode(state), state="failing"))
            if before.error != error.code and error.fault is not Fault.TRANSIENT:
                facts = {"reason": error.code, "cause": error.cause}
                self._tell(tx, "log.witness-failed", f"witness:{self.name}", facts)

        self._store.write(work)


def states(view: View) -> dict[str, WitnessState]:
    """How it stands with each witness that was ever asked, by name."""
    return {record.key: _state(record) for record in view.records(STATE)}


def _state(record: Record | None) -> WitnessState:
    if record is None:
        return WitnessState()
    try:
        return _decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return WitnessState()  # it is asked from the beginning, and answers with its size


def _signed(key: CosignerKey, signatures: Sequence[Signature], text: bytes) -> Signature | None:
    for signature in signatures:
        known = (signature.name, signature.key_id) == (key.name, key.id)
        if known and key.fits(text, signature.value) and time_of(signature):
            return signature
    return None


def _words(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", "replace").split()) or "nothing"

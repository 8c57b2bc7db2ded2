r"""Records: one event as the canonical bytes that are hashed into the log.

The format ``ecluse.event/1`` is a JSON object (RFC 8259) in UTF-8 without white space, with exactly these
members, in this order (which is that of their names):

==========  =====================================================================
actor       ``hub``, ``partner:birch`` or ``operator:name``
at          microseconds since 1970-01-01T00:00:00Z
data        object, its members (and those of objects within) in order of name
format      ``ecluse.event/1``
id          id of the event
kind        dotted, past tense
node        which node recorded it
salt        16 random octets in hexadecimal
subject     id of what it is about
==========  =====================================================================

Text is written as is; only ``"``, ``\`` and control characters are escaped. A record never changes, and
every release reads every format that was ever written. Without the salt, who knows a leaf's hash (from a
proof about its neighbour) could guess what the record says.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from ecluse.evidence.errors import BadRecord, RecordTooLarge
from ecluse.model.basics import Entropy, Instant, new_id
from ecluse.model.nouns import Event
from ecluse.store.port import Tx
from ecluse.store.rows import clean
from ecluse.typed import json_decoder

__all__ = ["FORMAT", "MAX_LEAF", "SALT_SIZE", "Json", "commit", "decode_leaf", "encode_leaf", "record"]

FORMAT: Final = "ecluse.event/1"

SALT_SIZE: Final = 16
"""Octets of randomness in every record: 128 bits can't be searched through."""

MAX_LEAF: Final = 65_535
"""Octets of a record: C2SP tlog-tiles writes the length of an entry in 16 bits."""

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"
"""What the data of an event is made of. No fractions: programs differ in how they spell them."""


class _Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members in the order in which they are written."""

    actor: str
    at: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    data: msgspec.Raw
    format: str
    id: str
    kind: str
    node: str
    salt: str
    subject: str


_encode = msgspec.json.Encoder(order="sorted").encode
_read_leaf = json_decoder(_Leaf).decode
_read_json = msgspec.json.Decoder().decode


def record(
    tx: Tx,
    *,
    kind: str,
    subject: str,
    at: Instant,
    data: Mapping[str, Json],
    entropy: Entropy,
    actor: str = "hub",
    node: str = "",
    beside: bytes | None = None,
) -> Event:
    """Write an event in the transaction of the change that it tells of.

    Args:
        tx: That transaction.
        kind: Dotted, past tense; a change of a message's state is ``message.`` and the state.
        subject: Id of what it is about.
        at: When.
        data: Facts. Neither payload nor secrets, and personal data only as :func:`commit` gives it.
        entropy: Source of the id and the salt.
        actor: Who did it.
        node: Which node records it.
        beside: What the commitments in ``data`` stand for; kept with the record, and erasable.

    Returns:
        The event as it was recorded.

    Raises:
        RecordTooLarge: where the record has more than :data:`MAX_LEAF` octets.
    """
    subject = clean(subject)  # as the store will keep it, so that the row and the record agree
    try:
        encoded = _encode(data)
        leaf_id = new_id("e", at, entropy)
        event = Event(leaf_id, at, kind, subject, encoded, actor, node)
        leaf = encode_leaf(event, entropy(SALT_SIZE))
    except UnicodeEncodeError:
        # Half of a surrogate pair comes from a header that was decoded loosely; it must not cost the message.
        return record(
            tx,
            kind=_clean_text(kind),
            subject=subject,
            at=at,
            data={_clean_text(name): _clean(value) for name, value in data.items()},
            entropy=entropy,
            actor=_clean_text(actor),
            node=_clean_text(node),
            beside=beside,
        )
    if beside is None:
        tx.append_event(event.id, kind, subject, at, leaf)
    else:
        tx.append_event(event.id, kind, subject, at, leaf, beside)
    return event


def encode_leaf(event: Event, salt: bytes) -> bytes:
    """The canonical bytes of an event whose ``data`` is already canonical.

    Raises:
        RecordTooLarge: where there are more than :data:`MAX_LEAF` of them.
    """
    leaf = _encode(
        _Leaf(
            event.actor,
            event.at,
            msgspec.Raw(event.data),
            FORMAT,
            event.id,
            event.kind,
            event.node,
            salt.hex(),
            event.subject,
        )
    )
    if len(leaf) > MAX_LEAF:
        raise RecordTooLarge(f"The record of {event.kind} would have {len(leaf)} octets of {MAX_LEAF}.")
    return leaf


def decode_leaf(leaf: bytes) -> Event:
    """The event of a record.

    Raises:
        BadRecord: unless the bytes are exactly those that :func:`encode_leaf` makes of the event, so that a
            record can't be read in two ways.
    """
    try:
        parsed = _read_leaf(leaf)
        value = _read_json(parsed.data)
        canonical = type(value) is dict and _encode(parsed) == leaf and _encode(value) == bytes(parsed.data)
        salt = bytes.fromhex(parsed.salt)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        raise BadRecord("The bytes are not a record of an event.") from None
    if parsed.format != FORMAT:
        raise BadRecord("The record has a format that this release does not know.")
    if not canonical or len(salt) != SALT_SIZE or salt.hex() != parsed.salt:
        raise BadRecord("The record is not in its canonical form.")
    return Event(
        parsed.id,
        Instant(parsed.at),
        parsed.kind,
        parsed.subject,
        bytes(parsed.data),
        parsed.actor,
        parsed.node,
    )


def commit(value: str | bytes, salt: bytes) -> str:
    """A commitment to personal data: ``hmac-sha256:`` and hexadecimal digits.

    It tells nothing without ``salt``. The caller keeps the salt beside the value itself and outside the log:
    erasing both leaves a record that proves itself and says nothing of the person.

    Args:
        value: The data; text as UTF-8.
        salt: At least 16 random octets, its own for each value; never the salt of the record.
    """
    if len(salt) < SALT_SIZE:
        raise BadRecord(f"A commitment needs a salt of {SALT_SIZE} octets at least.")
    message = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value
    return "hmac-sha256:" + hmac.digest(salt, b"ecluse.commitment/1\x00" + message, "sha256").hex()


def _clean_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping):
        return {_clean_text(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_clean(inner) for inner in value]
    return value

"""What is kept of a rotation: one record for it, and one for each partner that it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.trust.rotation.states import ENDED, PartnerStage, RotationState
from ecluse.typed import json_decoder

__all__ = [
    "KIND",
    "PARTNER_KIND",
    "Place",
    "Policy",
    "Rotation",
    "Side",
    "Standing",
    "every_rotation",
    "find_rotation",
    "find_standing",
    "open_rotations",
    "read_rotation",
    "read_standing",
    "rotation_record",
    "rotations_in",
    "standing_record",
    "standing_records",
    "standings",
]

KIND: Final = "rotation"
"""Kind of a rotation's record; its key is the rotation's id."""
PARTNER_KIND: Final = "rotation-partner"
"""Kind of a partner's record; its key is ``rotation/partner``, its owner the partner."""

Side = Literal["ours", "theirs"]
"""Whose key is replaced."""
Place = Literal["as2", "tls", "host-key", "user-key", "client"]
"""Where a key is used: AS2 messages and receipts, our TLS listeners, our SFTP server, our login at a partner's SFTP
server, the TLS certificate that we show to a partner's server."""
Policy = Literal["use", "time", "hand"]
"""When a partner is switched: as soon as it is seen to use the successor or says that it does, at a set time, or by
hand alone. A set time counts beside the first."""

_PAGE: Final = 500


class Rotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that takes the place of another.

    Attributes:
        id: Its name: the successor's, for a key of ours; ``partner:digits`` for a certificate of theirs.
        side: Whose key.
        old: Name in the keyring; for a certificate of theirs, its SHA-256.
        new: The same of the successor.
        fingerprint: SHA-256 of the successor's certificate; empty while an authority makes it.
        ssh: Fingerprint of the successor's SSH key (``SHA256:...``), where it is used in SSH.
        places: Where the old one was used when the rotation began.
        state: Where it is.
        begun: When it began.
        actor: Who began it.
        reason: Why.
        policy: When a partner is switched.
        switch_at: When everybody left is switched, and our listeners show the successor.
        refusals: How many receipts that refuse take a switched partner back.
        remind: Seconds between two reminders.
        grace: Seconds from the last switch until the old one is retired by itself; ``None`` for by hand.
        in_force: When the configuration accepted both.
        announced: When partners were told.
        shown: When our listeners showed the successor.
        completed: When the last partner was switched.
        ended: When it was retired or abandoned.
        partner: Whose certificate it is; empty for a key of ours.
        files: Paths of the certificate files in the configuration, the old one's (or empty) and the successor's.
        request: Id of the certificate exchange request by which the partner offered it; it is answered.
        asked: Id of the change by which the hub proposed to retire the old one; it proposes that once.
    """

    id: str
    side: Side = "ours"
    old: str
    new: str
    fingerprint: str = ""
    ssh: str = ""
    places: tuple[Place, ...] = ()
    state: RotationState = RotationState.PREPARED
    begun: Instant
    actor: str = ""
    reason: str = ""
    policy: Policy = "use"
    switch_at: Instant | None = None
    refusals: int = 1
    remind: int = 7 * 86_400
    grace: int | None = 30 * 86_400
    in_force: Instant | None = None
    announced: Instant | None = None
    shown: Instant | None = None
    completed: Instant | None = None
    ended: Instant | None = None
    partner: str = ""
    files: tuple[str, str] = ("", "")
    request: str = ""
    asked: str = ""

    @property
    def over(self) -> bool:
        """Whether it ended."""
        return self.state in ENDED


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One partner in a rotation.

    Attributes:
        rotation: The rotation's id.
        partner: The partner's id.
        stage: Where it is.
        places: In which places the key is used with it.
        told: When it was told.
        how: How it was told: ``letter`` or ``message`` (an AS2 certificate exchange message).
        request: Id of the certificate exchange request.
        accepted: When it said that it has the successor.
        seen: When it was first seen to use it.
        switched: When the successor was first used with it, since it was last reverted.
        switch_at: When it is switched, in place of the rotation's own time.
        proven: When a receipt of its first accepted what the successor was used for, since it was switched.
        refused: Messages that it refused for the successor's sake, since it was switched.
        reverted: When it was last taken back.
        reminded: When it was last reminded.
        reminders: How often.
        why: Why it is where it is, in one sentence.
    """

    rotation: str
    partner: str
    stage: PartnerStage = PartnerStage.UNTOLD
    places: tuple[Place, ...] = ()
    told: Instant | None = None
    how: str = ""
    request: str = ""
    accepted: Instant | None = None
    seen: Instant | None = None
    switched: Instant | None = None
    switch_at: Instant | None = None
    proven: Instant | None = None
    refused: tuple[str, ...] = ()
    reverted: Instant | None = None
    reminded: Instant | None = None
    reminders: int = 0
    why: str = ""

    @property
    def switched_now(self) -> bool:
        """Whether the successor is what we use with them."""
        return self.stage is PartnerStage.SWITCHED


_encode = msgspec.json.encode
_rotation = json_decoder(Rotation).decode
_standing = json_decoder(Standing).decode


def rotation_record(rotation: Rotation, now: Instant) -> Record:
    """As it is kept."""
    return Record(KIND, rotation.id, now, _encode(rotation), rotation.partner, rotation.state.value)


def standing_record(standing: Standing, now: Instant) -> Record:
    """As it is kept."""
    key = f"{standing.rotation}/{standing.partner}"
    return Record(PARTNER_KIND, key, now, _encode(standing), standing.partner, standing.stage.value)


def find_rotation(view: View, id: str) -> Rotation | None:
    """A rotation by its id."""
    record = view.record(KIND, id)
    return None if record is None else _rotation(record.body)


def find_standing(view: View, rotation: str, partner: str) -> Standing | None:
    """A partner's place in a rotation."""
    record = view.record(PARTNER_KIND, f"{rotation}/{partner}")
    return None if record is None else _standing(record.body)


def every_rotation(view: View) -> list[Rotation]:
    """All of them, in order of id."""
    return [_rotation(record.body) for record in _pages(view, KIND)]


def rotations_in(view: View, state: RotationState) -> list[Rotation]:
    """Those in a state, in order of id."""
    return [_rotation(record.body) for record in _pages(view, KIND, state=state.value)]


def open_rotations(view: View) -> list[Rotation]:
    """Those that did not end, in order of id."""
    return sorted(
        (rotation for state in RotationState if state not in ENDED for rotation in rotations_in(view, state)),
        key=lambda rotation: rotation.id,
    )


def read_rotation(record: Record) -> Rotation:
    """From its record."""
    return _rotation(record.body)


def read_standing(record: Record) -> Standing:
    """From its record."""
    return _standing(record.body)


def standing_records(view: View, rotation: str, *, stage: PartnerStage | None = None) -> Iterator[Record]:
    """The records of a rotation's partners, in order of id.

    Args:
        view: Where.
        rotation: Its id.
        stage: Only those that are there.
    """
    prefix = f"{rotation}/"
    state = None if stage is None else stage.value
    for record in _pages(view, PARTNER_KIND, state=state, after=prefix):
        if not record.key.startswith(prefix):
            return
        yield record


def standings(view: View, rotation: str, *, stage: PartnerStage | None = None) -> Iterator[Standing]:
    """The same, read."""
    return map(read_standing, standing_records(view, rotation, stage=stage))


def _pages(view: View, kind: str, *, state: str | None = None, after: str = "") -> Iterator[Record]:
    while True:
        page = view.records(kind, state=state, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key

"""What the rules look at: the configuration, and what is known of the hub. Frozen; compared to see change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.assurance import Entry
from ecluse.trust.certificates import CertificateInfo, CertificateSet
from ecluse.trust.changes.plan import Change
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

__all__ = [
    "AccessFacts",
    "Approved",
    "Counts",
    "Facts",
    "FlowFacts",
    "HubFacts",
    "LogFacts",
    "MachineFacts",
    "OwnKeyFacts",
    "PartnerFacts",
    "PgpFacts",
    "Revoked",
    "SecretFile",
    "Seen",
    "Shared",
    "StampFacts",
    "Weekly",
]

NEVER: Final = Instant(0)
NO_CERTIFICATES: Final = CertificateSet()


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The file that a ``file:`` reference leads to.

    Attributes:
        reference: As the configuration has it.
        field: Which field has it.
        state: Whether it is there, and for its owner alone.
        changed: When it was last written; 0 where it is not there.
    """

    reference: str
    field: str
    state: Literal["good", "missing", "exposed"]
    changed: Instant = NEVER


@dataclass(frozen=True, slots=True)
class PgpFacts:
    """An OpenPGP certificate.

    Attributes:
        label: For people: file or name in the keyring.
        fingerprint: Upper-case hex.
        key: Its primary key, in words.
        ends: When it does; ``None`` for never.
        state: ``valid``, ``expired``, ``revoked``...
        weak: What of it is below the floor; empty where it is good.
    """

    label: str
    fingerprint: str
    key: str
    ends: Instant | None
    state: str
    weak: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody was seen to do on the wire.

    Attributes:
        channel: ``as2``, ``sftp``, ``account-sftp``...
        role: What was seen: ``verify``, ``host-key``, ``tls-version``, ``cipher``...
        value: Which: a fingerprint, or an algorithm's name.
        first: When first.
        last: The day on which it was last: a partner that is busy is no change each time.
    """

    channel: str
    role: str
    value: str
    first: Instant
    last: Instant


@dataclass(frozen=True, slots=True)
class Revoked:
    """What an authority says of a certificate, where it is not good news.

    Attributes:
        fingerprint: SHA-256, hex.
        state: ``revoked``, or ``unknown`` where there is no answer that counts.
        reason: Why.
    """

    fingerprint: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Approved:
    """The baseline that a subject is compared with.

    Attributes:
        at: When it was approved.
        by: Who did.
        drift: How the subject differs from it; empty where it does not.
    """

    at: Instant
    by: str
    drift: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """A partner.

    Attributes:
        id: Its id.
        settings: Its file.
        certificates: Its certificates, with their windows.
        openpgp: Its OpenPGP certificates.
        revoked: What authorities say of its certificates, where it is not good news.
        secrets: Files that its file's references lead to.
        seen: What was seen of it, in order of channel, role and first time.
        approved: The baseline; ``None`` where there is none.
        assurance: What it has shown of how it guards what it is given.
    """

    id: PartnerId
    settings: Partner
    certificates: CertificateSet = NO_CERTIFICATES
    openpgp: tuple[PgpFacts, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    seen: tuple[Seen, ...] = ()
    approved: Approved | None = None
    assurance: tuple[Entry, ...] = ()

    @property
    def subject(self) -> str:
        """Its name in findings."""
        return f"partner:{self.id}"

    @property
    def active(self) -> bool:
        """Whether anything is exchanged with it."""
        return self.settings.state == "active"


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """A flow.

    Attributes:
        id: Its id.
        settings: Its file.
        openpgp: Partners whose files have OpenPGP certificates, of those that the flow names.
        partners: Partners whose documents it moves, as far as its file names them.
        paused: Since when somebody paused it by command; ``None`` where nobody did.
        waiting: Deliveries that wait for it.
        failures: Runs in a row that failed.
        failing: Since when.
        cause: Why the last one did.
        missed: Expectations that were not met today.
        approved: The baseline; ``None`` where there is none.
        relayed: How long its documents are kept where its file does not say: [retention] relayed of ecluse.toml.
    """

    id: str
    settings: Flow
    openpgp: frozenset[str] = frozenset()
    partners: tuple[PartnerId, ...] = ()
    paused: Instant | None = None
    waiting: int = 0
    failures: int = 0
    failing: Instant = NEVER
    cause: str = ""
    missed: tuple[str, ...] = ()
    approved: Approved | None = None
    relayed: str = "forever"

    @property
    def subject(self) -> str:
        """Its name in findings."""
        return f"flow:{self.id}"


@dataclass(frozen=True, slots=True)
class OwnKeyFacts:
    """A key of ours.

    Attributes:
        ref: Its name in the keyring.
        use: What it is for: ``sign``, ``decrypt``, ``tls``, ``tls-client``, ``ssh``; empty for nothing.
        info: Its certificate.
        ends: When it stops being used.
        begins: When it begins to be.
        replaced: Another one for the same uses lasts longer.
        revoked: Its authority revoked it.
        partners: Who depends on it.
    """

    ref: str
    use: tuple[str, ...]
    info: CertificateInfo
    ends: Instant
    begins: Instant = NEVER
    replaced: bool = False
    revoked: bool = False
    partners: tuple[PartnerId, ...] = ()


@dataclass(frozen=True, slots=True)
class StampFacts:
    """How it stands with a time-stamping authority.

    Attributes:
        name: Our name for it.
        required: Whether the log has to be stamped by it.
        every: Microseconds between two time-stamps.
        last: When it last gave one, by our clock; ``None`` where it never did.
        time: What that one says.
        ahead: Microseconds by which its clock was ahead of ours then.
        ends: When the first of its certificates ends.
        failures: Times in a row that it gave none.
        error: Why, the last time.
    """

    name: str
    required: bool = True
    every: int = 86_400 * 1_000_000
    last: Instant | None = None
    time: Instant | None = None
    ahead: int = 0
    ends: Instant | None = None
    failures: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """The log of evidence.

    Attributes:
        size: Records with a place in the tree.
        unsealed: Records that wait for theirs, up to a thousand.
        waiting_since: When the oldest of those was written; ``None`` where there is none.
        checkpoint: When the last checkpoint was signed; ``None`` where there is none.
        checkpoint_size: Records that it covers.
        newest: When the newest record was written; ``None`` for an empty log.
        held: Whether a checkpoint is held outside the database.
        verified: When the whole of it was last verified; ``None`` where it never was.
        stamps: Time-stamping authorities that are asked.
        unrenewed: When the evidence record that waits longest was to be renewed; ``None`` where none waits.
        unproven: Evidence records that were renewed too late or do not hold, up to a hundred.
        broken: Why it is not signed; empty where it is.
        breaks: When it was decided that it goes on after a break, and why.
        silent: Witnesses that have cosigned nothing for a day while there was something to.
        troubled: Logs of others that we cosign and that went back, forked, or wait for a decision.
    """

    size: int = 0
    unsealed: int = 0
    waiting_since: Instant | None = None
    checkpoint: Instant | None = None
    checkpoint_size: int = 0
    newest: Instant | None = None
    held: bool = True
    verified: Instant | None = None
    stamps: tuple[StampFacts, ...] = ()
    unrenewed: Instant | None = None
    unproven: int = 0
    broken: str = ""
    breaks: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    troubled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the hub stands on.

    Attributes:
        free: Free octets of the hub's disk, in steps (so that a written kilobyte is no change).
        alive: Nodes that serve.
        behind: Microseconds by which the clock is behind the newest record or another node's sign of life.
        released: When the installed release was made.
        release: Its number.
        python: Version of the interpreter, (3, 11).
        backup: When the last backup was told of; ``None`` where none ever was.
        backup_error: Why backups fail at present; empty where they don't.
        rehearsed: When a backup was last restored on trial, and well; ``None`` where none ever was.
        exposed: Files and folders with secrets that others than their owner may read.
        open_folders: Folders of ours that everybody may write to, by name.
        pending: Changes of the hub's files that are not in force; -1 where they can't be read.
    """

    free: int = 1 << 40
    alive: int = 1
    behind: int = 0
    released: Instant | None = None
    release: str = ""
    python: tuple[int, int] = (3, 13)
    backup: Instant | None = None
    backup_error: str = ""
    rehearsed: Instant | None = None
    exposed: tuple[str, ...] = ()
    open_folders: tuple[str, ...] = ()
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Work that waits for a person.

    Attributes:
        failed: Messages that failed.
        quarantined: Messages in quarantine.
        oldest_quarantine: Since when the oldest of them is there.
        overdue: Messages whose receipt is overdue.
        dead_jobs: Other work that ended without success.
    """

    failed: int = 0
    quarantined: int = 0
    oldest_quarantine: Instant | None = None
    overdue: int = 0
    dead_jobs: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """One thing that several partners have.

    Attributes:
        kind: ``certificate``, ``ssh-key`` or ``secret``.
        name: Fingerprint or reference.
        partners: Whose.
    """

    kind: str
    name: str
    partners: tuple[PartnerId, ...]


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """The last review of who can do what.

    Attributes:
        due: When the next one is; ``None`` where there was none.
        to_go: Rights that it took away and that are still there, in words.
    """

    due: Instant | None = None
    to_go: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """The archive.

    Attributes:
        used: Whether there is a profile, or anything archived.
        damaged: Documents that are damaged beyond repair.
        place_error: What a second place last said; empty while all can be used.
        clock_doubt: Why the clock can't be believed; empty where it can.
        refused: Messages that wait for a decision.
        single: Profiles that name no second copy.
        administrators: Operators who can sign a disposal.
    """

    used: bool = False
    damaged: int = 0
    place_error: str = ""
    clock_doubt: str = ""
    refused: int = 0
    single: tuple[str, ...] = ()
    administrators: int = 0


@dataclass(frozen=True, slots=True)
class HubFacts:
    """The hub.

    Attributes:
        settings: ``ecluse.toml``.
        keys: Our keys.
        openpgp: Our OpenPGP keys.
        secrets: Files that the file's references lead to.
        operators: Names of those who may change trust.
        as2: Active partners with AS2.
        shared: What partners have in common and should not.
        log: The log of evidence.
        machine: What it stands on.
        counts: Work that waits.
        approved: The baseline; ``None`` where there is none.
        access: The last review of who can do what.
        archive: The archive.
        asked: Requests of persons that were not answered yet: id, and the beginning of the last day.
        started: Fields of [store], [blobs] and [keyring] that this node read otherwise than they are in force, where
            that is a matter of trust: the field, and how it differs.
    """

    settings: Hub
    keys: tuple[OwnKeyFacts, ...] = ()
    openpgp: tuple[PgpFacts, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    operators: tuple[str, ...] = ()
    as2: tuple[PartnerId, ...] = ()
    shared: tuple[Shared, ...] = ()
    log: LogFacts = LogFacts()
    machine: MachineFacts = MachineFacts()
    counts: Counts = Counts()
    approved: Approved | None = None
    access: AccessFacts = AccessFacts()
    archive: ArchiveFacts = ArchiveFacts()
    asked: tuple[tuple[str, Instant], ...] = ()
    started: tuple[tuple[str, str], ...] = ()

    @property
    def subject(self) -> str:
        """Its name in findings."""
        return "hub"


@dataclass(frozen=True, slots=True)
class Weekly:
    """Messages of the last seven days.

    Attributes:
        partners: By partner.
        flows: By flow.
    """

    partners: Mapping[PartnerId, int] = field(default_factory=dict)
    flows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Everything, of one moment.

    Attributes:
        hub: The hub.
        partners: By id.
        flows: By id.
        weekly: Messages of a week.
    """

    hub: HubFacts
    partners: Mapping[PartnerId, PartnerFacts]
    flows: Mapping[str, FlowFacts]
    weekly: Weekly = field(default_factory=Weekly)

"""The facts that the rules look at, gathered from an opened hub.

Whatever did not change is the same object as before: that is how the engine sees that there is nothing to look at. What
is dear to find out (files on disk, a week's messages) is looked at every ten minutes, and whenever the configuration
changed.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import ecluse
from ecluse.app.health.machine import ALIVE
from ecluse.app.health.work import dead_jobs, waiting
from ecluse.app.node import Node
from ecluse.app.openpgp import OpenPgpEntry, own_openpgp_entries
from ecluse.app.proofs import VERIFIED
from ecluse.errors import EcluseError
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.flows.expect import standings
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.flows.state import last_run, paused
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.calendars import local
from ecluse.model.states import DeliveryState, MessageState
from ecluse.posture.baseline import MARK, Baseline, digest_of, read_baseline
from ecluse.posture.facts import (
    Approved,
    Counts,
    Facts,
    FlowFacts,
    HubFacts,
    LogFacts,
    MachineFacts,
    OwnKeyFacts,
    PartnerFacts,
    PgpFacts,
    Revoked,
    SecretFile,
    Seen,
    Shared,
    Weekly,
)
from ecluse.posture.keeping import every_record_of
from ecluse.posture.rule import DAY
from ecluse.posture.rules.secrets import HUB_REFERENCES, PARTNER_REFERENCES, references
from ecluse.store.port import View
from ecluse.trust.certificates import describe
from ecluse.trust.configuration import Configuration, read_folder
from ecluse.trust.inventory import Credential
from ecluse.trust.inventory.ours import OwnBindings, own_credentials
from ecluse.trust.openpgp import seconds
from ecluse.trust.operators import approvers
from ecluse.trust.plan import plan, subject_words
from ecluse.trust.revocation import KIND as REVOCATION
from ecluse.trust.revocation import verdict_of
from ecluse.trust.schema import Partner
from ecluse.trust.sightings import KIND as SIGHTING
from ecluse.trust.sightings import Sighting, unfold
from ecluse.trust.ssh import fingerprint, key_blob
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.errors import OpenPgpError
from ecluse.wire.openpgp.keys import permit_key

__all__ = ["LAST_BACKUP", "Gatherer"]

SLOW: Final = 600 * 1_000_000
"""Microseconds between two looks at what is dear to find out."""
STEP: Final = 64 << 20
"""Octets of free space that are one step: what is written every second is no change."""
UNSEALED: Final = 1000
"""Records without a place that are counted."""
LAST_BACKUP: Final = "state/last-backup"
"""File that the backup's job touches when it has ended well."""

_find_hub = references(HUB_REFERENCES)
_find_partner = references(PARTNER_REFERENCES)


class Gatherer:
    """Gathers, and remembers what it gathered.

    Args:
        node: The hub.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._directory: object = None
        self._configuration: Configuration | None = None
        self._looked = Instant(0)
        self._partners: dict[PartnerId, PartnerFacts] = {}
        self._secrets: dict[str, tuple[SecretFile, ...]] = {}
        self._openpgp: dict[PartnerId, tuple[PgpFacts, ...]] = {}
        self._seen: dict[PartnerId, tuple[Seen, ...]] = {}
        self._written: dict[str, int] = {}
        self._revoked: dict[PartnerId, tuple[Revoked, ...]] = {}
        self._keys: tuple[OwnKeyFacts, ...] = ()
        self._own_openpgp: tuple[PgpFacts, ...] = ()
        self._shared: tuple[Shared, ...] = ()
        self._as2: tuple[PartnerId, ...] = ()
        self._counts = Counts()
        self._weekly = Weekly()
        self._pending = 0
        self._exposed: tuple[str, ...] = ()
        self._open_folders: tuple[str, ...] = ()
        self._mark: bytes | None = None
        self._baseline = Baseline({})
        self._approved: dict[str, Approved | None] = {}
        self._digests: dict[str, tuple[object, str]] = {}

    def gather(self) -> Facts:
        """The facts of now."""
        node = self._node
        now = node.hub.clock()
        configuration = node.directory.configuration
        fresh = node.directory is not self._directory
        slow = fresh or now - self._looked >= SLOW or now // DAY != self._looked // DAY
        if slow:
            self._look_slowly(configuration, now)
            self._looked = now
            self._directory = node.directory
        return node.store.read(lambda view: self._gather(view, configuration, now, slow))

    def words(self, subject: str) -> dict[str, str]:
        """A subject's present configuration, field by field."""
        return subject_words(self._node.directory.configuration, subject)

    # --- what is dear ---------------------------------------------------------------------------------------------

    def _look_slowly(self, configuration: Configuration, now: Instant) -> None:
        node = self._node
        self._configuration = configuration
        files = _SecretFiles(node.folder)
        self._secrets = {"hub": files.of(_find_hub(configuration.hub))}
        self._openpgp = {}
        for id, partner in configuration.partners.items():
            found = files.of(_find_partner(partner))
            if found:
                self._secrets[f"partner:{id}"] = found
            if partner.openpgp is not None:
                self._openpgp[id] = tuple(
                    _pgp(str(path), certificate, now)
                    for path in partner.openpgp.certificates
                    for certificate in configuration.openpgp[path]
                )
        self._as2 = tuple(
            id
            for id, each in configuration.partners.items()
            if each.as2 is not None and each.state == "active"
        )
        self._keys = _own_keys(node, configuration, now)
        self._own_openpgp = tuple(_own_pgp(entry, now) for entry in own_openpgp_entries(node) if entry.use)
        self._shared = _shared(configuration)
        self._pending = _pending(node)
        self._exposed = _exposed(node)
        self._open_folders = _open_folders(node)
        node.store.read(lambda view: self._count(view, now))

    def _count(self, view: View, now: Instant) -> None:
        found = waiting(view)
        quarantined = view.messages(states=[MessageState.QUARANTINED], limit=500)
        self._counts = Counts(
            failed=len(found.failed),
            quarantined=len(quarantined),
            oldest_quarantine=min((each.updated for each in quarantined), default=None),
            overdue=len(found.late),
            dead_jobs=len(dead_jobs(view)),
        )
        partners: dict[PartnerId, int] = defaultdict(int)
        flows: dict[str, int] = defaultdict(int)
        for partner, flow, number in view.traffic(Instant(now - 7 * DAY)):
            partners[partner] += number
            if flow:
                flows[flow] += number
        self._weekly = Weekly(dict(partners), dict(flows))

    # --- what is cheap --------------------------------------------------------------------------------------------

    def _gather(self, view: View, configuration: Configuration, now: Instant, slow: bool) -> Facts:
        mark = view.setting(MARK)
        moved = mark != self._mark
        if moved:
            self._mark, self._baseline, self._approved = mark, read_baseline(view), {}
        seen = self._look_at_sightings(view)
        if self._look_at_revocation(view) or seen or moved or slow or not self._partners:
            self._partners = self._gather_partners(view, configuration)
        return Facts(
            self._hub(view, configuration, now),
            self._partners,
            self._flows(view, configuration, now),
            self._weekly,
        )

    def _look_at_sightings(self, view: View) -> bool:
        """Take up what was seen since; whether there was anything that facts tell of."""
        changed = False
        written: dict[str, int] = {}
        touched: dict[PartnerId, list[Seen]] = {}
        for record in every_record_of(view, SIGHTING):
            written[record.key] = record.revision
            if self._written.get(record.key) == record.revision:
                continue
            owner = PartnerId(record.owner)
            channel = record.key.partition("/")[2]
            if owner not in touched:
                touched[owner] = [each for each in self._seen.get(owner, ()) if each.channel != channel]
            touched[owner] = [each for each in touched[owner] if each.channel != channel]
            touched[owner] += [_seen(each) for each in unfold([record])]
        for owner, seen in touched.items():
            ordered = tuple(sorted(seen, key=lambda each: (each.channel, each.role, each.first, each.value)))
            if ordered != self._seen.get(owner):
                self._seen[owner] = ordered
                changed = True
        self._written = written
        return changed

    def _look_at_revocation(self, view: View) -> bool:
        """Take up what authorities say, where it is not good news; whether that changed."""
        revoked: dict[PartnerId, tuple[Revoked, ...]] = {}
        ours: set[str] = set()
        for state in ("revoked", "unknown"):
            for record in every_record_of(view, REVOCATION, state):
                if record.owner:
                    told = Revoked(record.key, state, verdict_of(record).reason)
                    owner = PartnerId(record.owner)
                    revoked[owner] = (*revoked.get(owner, ()), told)
                elif state == "revoked":
                    ours.add(record.key)
        self._keys = tuple(
            each
            if each.revoked == (each.info.fingerprint in ours)
            else replace(each, revoked=not each.revoked)
            for each in self._keys
        )
        changed = revoked != self._revoked
        self._revoked = revoked
        return changed

    def _gather_partners(self, view: View, configuration: Configuration) -> dict[PartnerId, PartnerFacts]:
        partners: dict[PartnerId, PartnerFacts] = {}
        for id, settings in configuration.partners.items():
            facts = PartnerFacts(
                id=id,
                settings=settings,
                certificates=configuration.certificates[id],
                openpgp=self._openpgp.get(id, ()),
                revoked=self._revoked.get(id, ()),
                secrets=self._secrets.get(f"partner:{id}", ()),
                seen=self._seen.get(id, ()),
                approved=self._compare(view, configuration, f"partner:{id}", settings),
            )
            before = self._partners.get(id)
            partners[id] = before if before is not None and before == facts else facts
        return partners

    def _compare(
        self, view: View, configuration: Configuration, subject: str, settings: object
    ) -> Approved | None:
        """How a subject stands to the baseline. The words are made once for each version of its file."""
        if not self._baseline:
            return None
        known = self._digests.get(subject)
        files = _material(configuration, subject)
        if known is not None and known[0] == files and subject in self._approved:
            return self._approved[subject]
        words = subject_words(configuration, subject)
        digest = digest_of(words)
        self._digests[subject] = (files, digest)
        self._approved[subject] = self._baseline.approved(view, subject, words, digest)
        return self._approved[subject]

    def _hub(self, view: View, configuration: Configuration, now: Instant) -> HubFacts:
        approved = self._compare(view, configuration, "hub", configuration.hub)
        if approved is not None:
            present = {f"partner:{id}": each.name for id, each in configuration.partners.items()}
            present |= {f"flow:{id}": each.name for id, each in configuration.flows.items()} | {"hub": ""}
            strangers = self._baseline.strangers(present)
            approved = Approved(approved.at, approved.by, (*approved.drift, *strangers))
        return HubFacts(
            settings=configuration.hub,
            keys=self._keys,
            openpgp=self._own_openpgp,
            secrets=self._secrets["hub"],
            operators=tuple(each.name for each in approvers(configuration.hub.operators)),
            as2=self._as2,
            shared=self._shared,
            log=self._log(view),
            machine=self._machine(view, now),
            counts=self._counts,
            approved=approved,
        )

    def _log(self, view: View) -> LogFacts:
        size = view.log_size()
        unsealed = view.unsealed(UNSEALED)
        last = view.last_checkpoint()
        newest = view.events_from(max(0, size - 1), 1)
        verified = view.setting(VERIFIED)
        try:
            held = HeldCheckpoints(self._node.checkpoint_file).newest() is not None
        except EcluseError:
            held = False
        return LogFacts(
            size=size,
            unsealed=len(unsealed),
            waiting_since=decode_leaf(unsealed[0][1]).at if unsealed else None,
            checkpoint=last.at if last is not None else None,
            checkpoint_size=last.size if last is not None else 0,
            newest=newest[0].event.at if newest else None,
            held=held,
            verified=Instant(int(verified)) if verified else None,
        )

    def _machine(self, view: View, now: Instant) -> MachineFacts:
        folder = self._node.folder
        beats = [at for _, at in view.nodes()]
        size = view.log_size()
        latest = max(
            [*beats, *(each.event.at for each in view.events_from(max(0, size - 1), 1))], default=now
        )
        return MachineFacts(
            free=shutil.disk_usage(folder).free // STEP * STEP,
            alive=sum(abs(now - at) < ALIVE for at in beats),
            behind=max(0, latest - now),
            released=_modified(Path(ecluse.__file__)),
            release=ecluse.__version__,
            python=sys.version_info[:2],
            backup=_modified(folder / LAST_BACKUP),
            exposed=self._exposed,
            open_folders=self._open_folders,
            pending=self._pending,
        )

    def _flows(self, view: View, configuration: Configuration, now: Instant) -> dict[str, FlowFacts]:
        plans = self._node.hub.flows().plans
        counts = view.flow_counts() if plans else {}
        found = {}
        for id, each in plans.items():
            run = last_run(view, id)
            stopped = paused(view, id)
            names = _named(each)
            found[id] = FlowFacts(
                id=id,
                settings=each.settings,
                openpgp=frozenset(
                    name
                    for name in names
                    if name in configuration.partners and _has_openpgp(configuration, name)
                ),
                partners=_partners_of(each, configuration),
                paused=stopped.at if stopped is not None else None,
                waiting=counts.get((id, DeliveryState.WAITING), 0),
                failures=run.failures if run is not None else 0,
                failing=run.since if run is not None else Instant(0),
                cause=run.cause if run is not None else "",
                missed=_missed(view, each, now),
                approved=self._compare(view, configuration, f"flow:{id}", each.settings),
            )
        return found


def _seen(each: Sighting) -> Seen:
    return Seen(each.channel, each.role, each.value, each.first, Instant(each.last // DAY * DAY))


# --- pieces -------------------------------------------------------------------------------------------------------


class _SecretFiles:
    """The files behind ``file:`` references; each is looked at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Literal["good", "missing", "exposed"], Instant]] = {}

    def of(self, found: Iterable[tuple[str, str]]) -> tuple[SecretFile, ...]:
        return tuple(self._file(field, ref) for field, ref in found if ref.startswith("file:"))

    def _file(self, field: str, reference: str) -> SecretFile:
        if reference not in self._known:
            self._known[reference] = self._look(self._folder / reference.removeprefix("file:"))
        state, changed = self._known[reference]
        return SecretFile(reference, field, state, changed)

    @staticmethod
    def _look(path: Path) -> tuple[Literal["good", "missing", "exposed"], Instant]:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return "missing", Instant(0)
        return "exposed" if status.st_mode & 0o077 else "good", Instant(status.st_mtime_ns // 1000)


def _modified(path: Path) -> Instant | None:
    try:
        return Instant(path.stat().st_mtime_ns // 1000)
    except OSError:
        return None


def _pgp(label: str, certificate: Certificate, now: Instant) -> PgpFacts:
    view = certificate.at(seconds(now))
    ends = view.expires()
    weak = ""
    for key in certificate.every_key():
        try:
            permit_key(key, ())
        except OpenPgpError as error:
            weak = error.cause
            break
    return PgpFacts(
        label,
        certificate.fingerprint,
        certificate.primary.name,
        Instant(ends * 1_000_000) if ends is not None else None,
        view.state().value,
        weak,
    )


def _own_pgp(entry: OpenPgpEntry, now: Instant) -> PgpFacts:
    return _pgp(entry.source, entry.certificate, now)


def _own_keys(node: Node, configuration: Configuration, now: Instant) -> tuple[OwnKeyFacts, ...]:
    """Our keys, each with the active partners that depend on it."""
    active = {id: each for id, each in configuration.partners.items() if each.state == "active"}
    named = OwnBindings()
    for id, partner in active.items():
        named.add(id, partner)
    groups = {
        "hub": tuple(id for id, each in active.items() if each.as2 is not None),
        "listen:as2": tuple(id for id, each in active.items() if each.as2 is not None),
        "listen:ftps": _with_account(active, "ftps"),
        "listen:sftp": _with_account(active, "sftp"),
    }
    own = [
        each
        for each in own_credentials(configuration.hub, node.keyring, named, (), now)
        if each.kind in ("certificate", "ssh-key")
    ]
    return tuple(_own_key(node, each, own, groups) for each in own)


def _own_key(
    node: Node, each: Credential, own: Sequence[Credential], groups: Mapping[str, tuple[PartnerId, ...]]
) -> OwnKeyFacts:
    info = describe(node.keyring.certificate(each.name))
    ends = min(info.not_after, each.end) if each.end is not None else info.not_after
    lasting = {
        use
        for other in own
        if other is not each and other.ends is not None and other.ends > ends
        for use in other.purpose
    }
    users: dict[PartnerId, None] = {}
    for binding in each.bindings:
        name = PartnerId(binding.channel.partition(":")[2])
        users |= dict.fromkeys(groups.get(binding.channel, (name,)))
    ssh = each.kind == "ssh-key"
    return OwnKeyFacts(
        ref=each.name,
        use=("ssh",) if ssh else each.purpose,
        info=info,
        ends=ends,
        begins=max(each.start or Instant(0), info.not_before),
        replaced=bool(each.purpose) and set(each.purpose) <= lasting,
        partners=tuple(users),
    )


def _with_account(active: Mapping[PartnerId, Partner], protocol: str) -> tuple[PartnerId, ...]:
    return tuple(
        id for id, each in active.items() if each.account is not None and protocol in each.account.protocols
    )


def _shared(configuration: Configuration) -> tuple[Shared, ...]:
    """Keys, certificates and secrets that more than one partner has."""
    holders: dict[tuple[str, str], dict[PartnerId, None]] = defaultdict(dict)
    for id, partner in configuration.partners.items():
        if partner.state != "active":
            continue
        for entry in configuration.certificates[id].entries:
            if entry.use - {"tls"}:
                holders["certificate", entry.info.short][id] = None
        for line in partner.account.keys if partner.account is not None else ():
            holders["ssh-key", _ssh_name(line)][id] = None
        for _, reference in _find_partner(partner):
            holders["secret", reference][id] = None
    return tuple(
        Shared(kind, name, tuple(partners))
        for (kind, name), partners in sorted(holders.items())
        if len(partners) > 1
    )


def _ssh_name(line: str) -> str:
    try:
        return fingerprint(key_blob(line))
    except ValueError:
        return line[:80]


def _pending(node: Node) -> int:
    """Changes of the hub's files that are not in force; -1 where they can't be read."""
    try:
        files = read_folder(node.folder)
        if dict(node.directory.configuration.files) == files:
            return 0
        return len(plan(node.directory.configuration, Configuration.from_files(files)).changes)
    except EcluseError:
        return -1


def _exposed(node: Node) -> tuple[str, ...]:
    """Folders of keys and state that others may enter."""
    found = []
    settings = node.bootstrap.hub
    for path in (node.folder / settings.keyring.folder, node.folder / "state"):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o077:
            found.append(os.fspath(path))
    return tuple(found)


def _open_folders(node: Node) -> tuple[str, ...]:
    hub = node.directory.hub
    paths = {name: folder.path for name, folder in hub.folders.items()}
    if isinstance(hub.inbox.folder, str):
        paths["inbox"] = hub.inbox.folder
    found = []
    for name, path in paths.items():
        try:
            mode = (node.folder / path).stat().st_mode
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            found.append(name)
    return tuple(found)


def _named(flow: FlowPlan) -> tuple[str, ...]:
    """Names behind the channels of a flow."""
    channels = [flow.settings.from_.channel or "", *(target.channel for target in flow.settings.to)]
    return tuple(
        dict.fromkeys(
            name for kind, _, name in (c.partition(":") for c in channels) if kind != "folder" and name
        )
    )


def _partners_of(flow: FlowPlan, configuration: Configuration) -> tuple[PartnerId, ...]:
    names: dict[PartnerId, None] = {}
    for name in _named(flow):
        if name == "*":
            source = flow.settings.from_
            kind = (source.channel or "").partition(":")[0]
            every = source.partners or [
                id
                for id, each in configuration.partners.items()
                if each.state == "active" and getattr(each, kind) is not None
            ]
            names |= dict.fromkeys(PartnerId(each) for each in every)
        elif name in configuration.partners:
            names[PartnerId(name)] = None
    return tuple(names)


def _has_openpgp(configuration: Configuration, name: str) -> bool:
    openpgp = configuration.partners[PartnerId(name)].openpgp
    return openpgp is not None and bool(openpgp.certificates)


def _missed(view: View, flow: FlowPlan, now: Instant) -> tuple[str, ...]:
    """Names of expectations that were not met today."""
    found = []
    for expected, standing in zip(flow.expected, standings(view, flow, now), strict=True):
        last = standing.last
        today = local(now, expected.deadline.zone).date().isoformat()
        if last is not None and last.state == "missed" and last.day == today:
            found.append(standing.name)
    return tuple(found)


def _material(configuration: Configuration, subject: str) -> object:
    """What a subject's words are made of: equal texts, equal words."""
    kind, _, name = subject.partition(":")
    files = configuration.files
    if kind == "hub":
        return files["ecluse.toml"]
    if kind == "flow":
        return files.get(f"flows/{name}.toml")
    partner = configuration.partners[PartnerId(name)]
    paths = [f"partners/{name}.toml", *(entry.file for entry in partner.certificates)]
    if partner.openpgp is not None:
        paths += [*partner.openpgp.certificates, *partner.openpgp.recipients]
    return tuple(files.get(path) for path in paths)

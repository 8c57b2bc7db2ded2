"""The facts that the rules look at, gathered from an opened hub.

Whatever did not change is the same object as before: that is how the engine sees that there is nothing to look at. What
is dear to find out (files on disk, a week's messages) is looked at every ten minutes, and whenever the configuration
changed.
"""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Final

import ecluse
from ecluse.app.backup.records import Last, last_backup, last_rehearsal
from ecluse.app.health.machine import ALIVE
from ecluse.app.health.work import dead_jobs, waiting
from ecluse.app.keys.openpgp import own_openpgp_entries
from ecluse.app.log.proofs import VERIFIED
from ecluse.app.log.sequencing import BROKEN
from ecluse.app.log.witnesses import silent_witnesses
from ecluse.app.node import Node
from ecluse.app.posture.access import access_facts
from ecluse.app.posture.beside import files_words, keys_words, named_files, started_words
from ecluse.app.posture.disk import Pending, SecretFiles, exposed, modified, open_folders
from ecluse.app.posture.flows import missed, partners_of, with_openpgp
from ecluse.app.posture.ours import own_keys, own_pgp
from ecluse.app.posture.partners import Material, materials, shared_things
from ecluse.app.posture.stamps import stamp_facts
from ecluse.app.subjects.requests import KIND as REQUESTS
from ecluse.archive.care import CARE_SETTING
from ecluse.archive.clock import doubt_of
from ecluse.archive.deposit import refused_messages
from ecluse.errors import EcluseError
from ecluse.evidence.breaks import sealed_breaks
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.witness.awaiting import awaiting_logs
from ecluse.evidence.witness.service import witnessed_logs
from ecluse.exchange.flows.state import last_run, paused
from ecluse.model.archive import ArchiveState
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.states import DeliveryState, MessageState
from ecluse.posture.baseline import MARK, Baseline, digest_of, read_baseline, texts_of
from ecluse.posture.facts import (
    AccessFacts,
    Approved,
    ArchiveFacts,
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
from ecluse.trust.assurance import KIND as ASSURANCE
from ecluse.trust.assurance import Entry, entry_from
from ecluse.trust.changes.plan import subject_words
from ecluse.trust.configuration import Configuration
from ecluse.trust.operators import approvers, archivists
from ecluse.trust.revocation import KIND as REVOCATION
from ecluse.trust.revocation import verdict_of
from ecluse.trust.sightings import KIND as SIGHTING
from ecluse.trust.sightings import Sighting, unfold

__all__ = ["LAST_BACKUP", "Gatherer"]

SLOW: Final = 600 * 1_000_000
"""Microseconds between two looks at what is dear to find out."""
STEP: Final = 64 << 20
"""Octets of free space that are one step: what is written every second is no change."""
UNSEALED: Final = 1000
"""Records without a place that are counted."""
LAST_BACKUP: Final = "state/last-backup"
"""File that a backup's job of one's own touches when it has ended well."""

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
        self._looked = self._counted = Instant(0)
        self._partners: dict[PartnerId, PartnerFacts] = {}
        self._materials: dict[PartnerId, Material] = {}
        self._secrets: dict[PartnerId, tuple[SecretFile, ...]] = {}
        self._own_secrets: tuple[SecretFile, ...] = ()
        self._seen: dict[PartnerId, tuple[Seen, ...]] = {}
        self._written: dict[str, int] = {}
        self._revoked: dict[PartnerId, tuple[Revoked, ...]] = {}
        self._keys: tuple[OwnKeyFacts, ...] = ()
        self._own_openpgp: tuple[PgpFacts, ...] = ()
        self._shared: tuple[Shared, ...] = ()
        self._as2: tuple[PartnerId, ...] = ()
        self._counts = Counts()
        self._kept = ArchiveFacts()
        self._weekly = Weekly()
        self._pending = Pending(node.folder)
        self._changes = 0
        self._exposed: tuple[str, ...] = ()
        self._open_folders: tuple[str, ...] = ()
        self._mark: bytes | None = None
        self._baseline = Baseline({})
        self._approved: dict[str, Approved | None] = {}
        self._digests: dict[str, tuple[object, str]] = {}
        self._assurance: dict[PartnerId, tuple[Entry, ...]] = {}
        self._access = AccessFacts()
        self._keys_words: dict[str, str] = {}
        self._named_files: tuple[str, ...] = ()
        self._beside: dict[str, str] = {}

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

    def present(self, subject: str) -> tuple[str, dict[str, str]]:
        """A subject's present configuration: digest of its texts, and the same field by field."""
        configuration = self._node.directory.configuration
        return self._texts(configuration, subject), self._words(configuration, subject)

    def _texts(self, configuration: Configuration, subject: str) -> str:
        texts = texts_of(configuration, subject)
        return f"{texts} {digest_of(self._beside)}" if subject == "hub" else texts

    def _words(self, configuration: Configuration, subject: str) -> dict[str, str]:
        words = subject_words(configuration, subject)
        return {**words, **self._beside} if subject == "hub" else words

    # --- what is dear ---------------------------------------------------------------------------------------------

    def _look_slowly(self, configuration: Configuration, now: Instant) -> None:
        node = self._node
        self._materials = materials(configuration, self._materials, now)
        files = SecretFiles(node.folder, node.keyring.secrets())
        secrets = {id: files.of(each.files) for id, each in self._materials.items() if each.files}
        before = self._secrets
        self._secrets = {
            id: before[id] if before.get(id) == found else found for id, found in secrets.items()
        }
        self._own_secrets = files.of(_find_hub(configuration.hub))
        self._as2 = tuple(
            id
            for id, each in configuration.partners.items()
            if each.as2 is not None and each.state == "active"
        )
        self._keys = own_keys(node, configuration, self._materials, now)
        self._keys_words = keys_words(node, self._keys)
        self._named_files = named_files(configuration)
        self._own_openpgp = tuple(own_pgp(entry, now) for entry in own_openpgp_entries(node) if entry.use)
        self._shared = shared_things(self._materials)
        # Right after a change the files are seldom worth a look: it was made of them.
        if self._changes or now - self._counted >= SLOW:
            self._changes = self._pending.count(configuration)
            self._counted = now
        self._exposed = exposed(node)
        self._open_folders = open_folders(node)
        self._access = access_facts(node)
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
        self._kept = self._archive(view, now)

    # --- what is cheap --------------------------------------------------------------------------------------------

    def _gather(self, view: View, configuration: Configuration, now: Instant, slow: bool) -> Facts:
        mark = view.setting(MARK)
        moved = mark != self._mark
        if moved:
            self._mark, self._baseline, self._approved = mark, read_baseline(view), {}
        seen = self._look_at_sightings(view)
        shown = self._look_at_assurance(view)
        self._look_beside()
        if self._look_at_revocation(view) or seen or shown or moved or slow or not self._partners:
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

    def _look_beside(self) -> None:
        """Take up what stands behind names; files are read each time, as nothing tells of their change."""
        beside = {**self._keys_words, **files_words(self._node.folder, self._named_files)}
        if beside != self._beside:
            self._beside = beside
            self._digests.pop("hub", None)

    def _look_at_assurance(self, view: View) -> bool:
        """Take up what partners have shown; whether that changed."""
        shown: dict[PartnerId, tuple[Entry, ...]] = {}
        for record in every_record_of(view, ASSURANCE):
            owner = PartnerId(record.owner)
            shown[owner] = (*shown.get(owner, ()), entry_from(record))
        changed = shown != self._assurance
        if changed:
            self._assurance = shown
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
        if changed:
            self._revoked = revoked
        return changed

    def _gather_partners(self, view: View, configuration: Configuration) -> dict[PartnerId, PartnerFacts]:
        partners: dict[PartnerId, PartnerFacts] = {}
        for id, material in self._materials.items():
            seen, revoked = self._seen.get(id, ()), self._revoked.get(id, ())
            secrets, assurance = self._secrets.get(id, ()), self._assurance.get(id, ())
            approved = self._compare(view, configuration, f"partner:{id}", material)
            known = self._partners.get(id)
            if (
                known is None
                or known.settings is not material.settings
                or known.certificates is not material.certificates
                or known.openpgp is not material.openpgp
                or known.seen is not seen
                or known.revoked is not revoked
                or known.secrets is not secrets
                or known.approved is not approved
                or known.assurance is not assurance
            ):
                known = PartnerFacts(
                    id=id,
                    settings=material.settings,
                    certificates=material.certificates,
                    openpgp=material.openpgp,
                    revoked=revoked,
                    secrets=secrets,
                    seen=seen,
                    approved=approved,
                    assurance=assurance,
                )
            partners[id] = known
        return partners

    def _compare(
        self, view: View, configuration: Configuration, subject: str, material: object
    ) -> Approved | None:
        """How a subject stands to the baseline; looked at once for each version of its file."""
        if not self._baseline:
            return None
        known = self._digests.get(subject)
        if known is None or known[0] is not material:
            known = (material, self._texts(configuration, subject))
            self._digests[subject] = known
        elif subject in self._approved:
            return self._approved[subject]
        self._approved[subject] = self._baseline.approved(
            view, subject, known[1], lambda: self._words(configuration, subject)
        )
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
            secrets=self._own_secrets,
            operators=tuple(each.name for each in approvers(configuration.hub.operators)),
            as2=self._as2,
            shared=self._shared,
            log=self._log(view),
            machine=self._machine(view, now),
            counts=self._counts,
            approved=approved,
            access=self._access,
            archive=self._kept,
            asked=_asked(view),
            started=started_words(self._node, configuration),
        )

    def _archive(self, view: View, now: Instant) -> ArchiveFacts:
        room = self._node.archive
        book = room.book()
        counts = view.archive_counts()
        error = view.setting(CARE_SETTING) or b""
        return ArchiveFacts(
            used=bool(book.profiles or counts),
            damaged=sum(count for (_, state), count in counts.items() if state is ArchiveState.DAMAGED),
            place_error=error.decode("utf-8", "replace"),
            clock_doubt=doubt_of(view, room, now) if counts else "",
            refused=len(refused_messages(view)),
            single=tuple(id for id, profile in book.profiles.items() if profile.copy is None),
            administrators=len(archivists(book.operators)),
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
            **stamp_facts(self._node, view),
            broken=(view.setting(BROKEN) or b"").decode("utf-8", "replace"),
            breaks=tuple(f"{each.at}: {each.reason}" for each in sealed_breaks(view, self._node.log)),
            silent=tuple(silent_witnesses(self._node, view)),
            troubled=(
                *(each.origin for each in witnessed_logs(view) if each.trouble),
                *(each.origin for each in awaiting_logs(view)),
            ),
        )

    def _machine(self, view: View, now: Instant) -> MachineFacts:
        folder = self._node.folder
        backup = self._node.directory.hub.backup
        last = last_backup(view, backup.to.place) if backup is not None else Last()
        rehearsal = last_rehearsal(view)
        beats = [at for _, at in view.nodes()]
        size = view.log_size()
        latest = max(
            [*beats, *(each.event.at for each in view.events_from(max(0, size - 1), 1))], default=now
        )
        return MachineFacts(
            free=shutil.disk_usage(folder).free // STEP * STEP,
            alive=sum(abs(now - at) < ALIVE for at in beats),
            behind=max(0, latest - now),
            released=modified(Path(ecluse.__file__)),
            release=ecluse.__version__,
            python=sys.version_info[:2],
            backup=max((at for at in (modified(folder / LAST_BACKUP), last.ended) if at), default=None),
            backup_error=last.error,
            rehearsed=rehearsal.at if rehearsal is not None and rehearsal.ok else None,
            exposed=self._exposed,
            open_folders=self._open_folders,
            pending=self._changes,
        )

    def _flows(self, view: View, configuration: Configuration, now: Instant) -> dict[str, FlowFacts]:
        plans = self._node.hub.flows().plans
        counts = view.flow_counts() if plans else {}
        found = {}
        for id, each in plans.items():
            run = last_run(view, id)
            stopped = paused(view, id)
            found[id] = FlowFacts(
                id=id,
                settings=each.settings,
                openpgp=with_openpgp(each, configuration),
                partners=partners_of(each, configuration),
                paused=stopped.at if stopped is not None else None,
                waiting=counts.get((id, DeliveryState.WAITING), 0),
                failures=run.failures if run is not None else 0,
                failing=run.since if run is not None else Instant(0),
                cause=run.cause if run is not None else "",
                missed=missed(view, each, now),
                approved=self._compare(view, configuration, f"flow:{id}", each.settings),
                relayed=configuration.hub.retention.relayed,
            )
        return found


def _seen(each: Sighting) -> Seen:
    return Seen(each.channel, each.role, each.value, each.first, Instant(each.last // DAY * DAY))


def _asked(view: View) -> tuple[tuple[str, Instant], ...]:
    """Requests of persons that wait for their answer."""
    rows = [row for state in ("open", "extended") for row in view.records(REQUESTS, state=state)]
    return tuple((row.key, row.due) for row in rows if row.due is not None)

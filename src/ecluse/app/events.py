"""Every kind of event that a hub writes into its log, in words. Kinds are stable: none changes its meaning."""

from __future__ import annotations

from typing import Final

__all__ = ["EVENT_KINDS"]

EVENT_KINDS: Final[dict[str, tuple[str, str]]] = {
    "message.received": ("message", "A partner's bytes are durable, and not opened yet."),
    "message.accepted": (
        "message",
        "Inbound: it was opened, checked and kept, and its answer with it. Outbound: an application handed it in. Also "
        "where it is under way again without sealed bytes.",
    ),
    "message.quarantined": (
        "message",
        "It was kept and answered, and a person has to look before it goes on.",
    ),
    "message.rejected": ("message", "It was refused; its protocol id may come again."),
    "message.duplicate": ("message", "The same message came again, and got the stored answer."),
    "message.sealed": ("message", "Its exact bytes were built and kept; or it is under way again with them."),
    "message.delivered": ("message", "Every delivery of it is confirmed."),
    "message.failed": ("message", "A delivery of it is dead or was refused."),
    "message.released": ("message", "A person let it out of quarantine."),
    "message.resent": ("message", "A person had it sent again."),
    "message.resumed": ("message", "A person had the next attempt made at once."),
    "message.given-up": ("message", "A person gave it up, or nothing of it is left to try."),
    "message.imported": (
        "message",
        "It came in an archive of another hub, which exchanged it; its state there is told.",
    ),
    "message.shredded": (
        "message",
        "The keys of its bytes were deleted, or what else classes says: reason tells whether at the end of their "
        "retention, by a disposal, or at the request of the person whose data they hold; the rest of it stays.",
    ),
    "message.erased-everywhere": (
        "message",
        "Every copy of the keys and bytes that message.shredded deleted has let go of them; copies names them.",
    ),
    "subject.requested": (
        "request",
        "A person asked for the data that the hub holds about them, or to have it erased.",
    ),
    "subject.extended": ("request", "The answer takes longer, as the law allows; why."),
    "subject.planned": (
        "request",
        "What would be erased, and what not, was written down; its digest is told.",
    ),
    "subject.approved": ("request", "An operator signed exactly that plan."),
    "subject.erased": (
        "request",
        "The plan was carried out: how much went, and how much was refused on a legal ground.",
    ),
    "subject.exported": ("request", "What was found was handed out, in a file of that digest."),
    "subject.refused": ("request", "All of it was refused, with the legal reason."),
    "copy.forsaken": (
        "copy",
        "A person said that a copy of keys or bytes is no more: deletions wait for it no longer.",
    ),
    "delivery.attempted": ("message", "An attempt began."),
    "delivery.held": (
        "message",
        "A flow does not send it on yet: it is paused, or another document comes first.",
    ),
    "delivery.relayed": (
        "message",
        "A flow made messages of it that carry this delivery out; or one of these is under way again.",
    ),
    "delivery.uploaded": (
        "message",
        "A document is whole where it goes to, under a temporary name, and about to appear under its own.",
    ),
    "delivery.withdrawn": (
        "message",
        "What was uploaded under a temporary name is removed again: the next attempt begins anew.",
    ),
    "delivery.sent": ("message", "The other side took the bytes; the receipt of record is still to come."),
    "delivery.confirmed": ("message", "A receipt of record confirms it."),
    "delivery.refused": ("message", "A receipt of record refuses it, or does not match what was sent."),
    "delivery.retried": ("message", "An attempt failed, and another one is due."),
    "delivery.overdue": ("message", "The receipt did not come in time."),
    "delivery.dead": ("message", "The attempts ran out, or no retry can help."),
    "receipt.repeated": ("message", "A receipt came for what is confirmed already."),
    "receipt.kept": ("message", "A receipt that refuses came for what was given up; it changed nothing."),
    "receipt.disbelieved": ("message", "A receipt came that proves nothing; it changed nothing."),
    "receipt.unmatched": ("partner", "A receipt came that answers no message of ours."),
    "answer.sent": ("message", "Our asynchronous answer was taken by the partner."),
    "answer.retried": ("message", "Our asynchronous answer could not be sent, and is tried again."),
    "answer.dead": ("message", "Our asynchronous answer could not be sent; a person may have it resent."),
    "request.refused": (
        "listener",
        "A request was refused before it was a message: an unknown sender, for one.",
    ),
    "request.broken": ("listener", "A request ended before its body did; nothing was kept."),
    "session.opened": ("partner", "A partner logged in; what was negotiated, and what it showed."),
    "session.refused": (
        "listener",
        "Logins failed, or the right ones were not let in; one event a minute at most, with their number.",
    ),
    "guard.banned": (
        "listener",
        "An address or a user is kept out for a time, after too many failed logins.",
    ),
    "guard.lifted": ("listener", "A person ended a ban."),
    "upload.suspended": ("partner", "An upload was cut off; what came is kept aside to be resumed."),
    "upload.resumed": ("partner", "A half upload is gone on with."),
    "upload.expired": ("partner", "A half upload that nobody resumed was dropped."),
    "document.picked-up": ("message", "The partner has a document of it that was put out for them."),
    "file.removed": (
        "message or partner",
        "The partner removed a file from its folders. The message of an upload is not touched by that.",
    ),
    "flow.paused": ("flow", "A person had a flow take nothing and send nothing on."),
    "flow.resumed": ("flow", "A person let a flow go on."),
    "flow.collected": (
        "flow",
        "A run of a flow kept documents, or did with kept ones what it had not done yet.",
    ),
    "flow.failed": (
        "flow",
        "A run failed, in another way than the one before; further ones like it are not told.",
    ),
    "flow.recovered": ("flow", "A run went well after others had failed."),
    "flow.duplicate": ("message", "A flow had the same content before."),
    "flow.expectation-missed": ("flow", "What should have come by its time did not."),
    "flow.expectation-met": ("flow", "It came late, on the same day."),
    "partner.host-key-refused": (
        "partner",
        "Its SFTP server showed a host key that is not pinned; nothing was told to it.",
    ),
    "partner.names-skipped": (
        "partner",
        "Files with impossible names lie on its server; they are left there.",
    ),
    "partner.state-changed": ("partner", "A partner's state changed: from what to what, and why."),
    "partner.invited": ("partner", "A partner was invited; until when an answer is waited for."),
    "partner.verified": (
        "partner",
        "How a partner's identity was made sure of was written down: at which level, by whom, with whom.",
    ),
    "partner.card-taken": (
        "partner",
        "A partner's card was taken: its digest, and whether the hand that signed the last one signed it too.",
    ),
    "posture.finding-opened": (
        "hub, partner or flow",
        "A rule of posture finds something that it did not before.",
    ),
    "posture.finding-closed": ("hub, partner or flow", "What a rule of posture found is gone."),
    "posture.suppressed": ("hub, partner or flow", "Somebody answers for a finding until a day."),
    "posture.unsuppressed": ("hub, partner or flow", "A finding counts again: by command, or at its day."),
    "posture.baseline-approved": ("hub", "Somebody approved the present state; drift is told from it."),
    "partner.seen-new": (
        "partner",
        "It was seen to use another key, algorithm or program in a role than before; both are named.",
    ),
    "partner.seen-many": (
        "partner",
        "It shows ever new values in a role: the oldest are forgotten, and for a month new ones are not told.",
    ),
    "config.applied": (
        "config",
        "A version of the configuration was put in force; eyes is how many operators signed it, trust how many changes "
        "to trust it has.",
    ),
    "archive.deposited": (
        "archive",
        "A document was put into the archive; the digest of its receipt is told.",
    ),
    "archive.imported": (
        "archive",
        "A document came from the archive of another hub; the digest of the export's manifest is told.",
    ),
    "archive.import-begun": (
        "import",
        "An export of another hub was checked whole, and begins to be taken in.",
    ),
    "archive.import-ended": ("import", "All of an export is in the archive."),
    "archive.export-begun": (
        "export",
        "Somebody has the archive written out, and why; before its first octet is.",
    ),
    "archive.exported": ("export", "An export ended; the digest of its manifest is told."),
    "archive.refused": (
        "message",
        "The archive profile does not take a document of it: somebody has to decide.",
    ),
    "archive.declined": ("message", "Somebody decided that it is not archived."),
    "archive.started": ("archive", "The event that begins a document's retention was told of."),
    "archive.copied": ("archive", "The second place has what a document stands on, and it was read back."),
    "archive.consulted": (
        "archive",
        "Somebody read a document, and why; written before its octets went out.",
    ),
    "archive.damaged": (
        "archive",
        "A copy of what a document stands on is not what was archived, or is missing.",
    ),
    "archive.repaired": ("archive", "A damaged or missing copy was made anew from the other one."),
    "archive.held": ("hold, archive or message", "A legal hold was placed: nothing under it is deleted."),
    "archive.released": ("hold, archive or message", "A legal hold was released."),
    "archive.disposal-proposed": ("disposal", "Documents were proposed for destruction."),
    "archive.disposal-approved": ("disposal", "An archive administrator signed the list of a disposal."),
    "archive.disposal-refused": ("disposal", "A disposal was refused; nothing was destroyed by it."),
    "archive.disposal-begun": ("disposal", "What two administrators approved begins to be destroyed."),
    "archive.disposed": ("archive", "A document was destroyed; by which disposal."),
    "archive.destroyed": (
        "disposal",
        "A disposal ended; the digest of its certificate of destruction is told.",
    ),
    "archive.clock-doubted": (
        "clock",
        "The clock can't be believed: no retention ends until a person confirms it.",
    ),
    "archive.clock-confirmed": ("clock", "A person said that the clock is right."),
    "change.proposed": ("change", "A change to trust was proposed, and waits for a second operator."),
    "change.approved": ("change", "An operator signed that it shall be."),
    "change.applied": ("change", "It was put in force, as two operators had signed it."),
    "change.refused": ("change", "An operator signed that it shall not be."),
    "change.withdrawn": ("change", "Who proposed it took it back."),
    "change.expired": ("change", "It was not approved in time."),
    "change.stale": (
        "change",
        "It would not change what was signed any more, as another version came between.",
    ),
    "assurance.recorded": ("partner", "A certification, an agreement or answers of a partner were recorded."),
    "assurance.removed": ("partner", "An entry was taken out of a partner's register, and its files erased."),
    "assurance.due": (
        "partner",
        "An entry of a partner's register ends, has ended, or is to be looked at again.",
    ),
    "access.reviewed": ("access or partner", "A person decided on every right whether it stays."),
    "partner.certificate-offered": (
        "partner",
        "It offers a certificate by a certificate exchange message; a person has to decide.",
    ),
    "partner.certificate-decided": ("partner", "A person decided about a certificate that it offers."),
    "partner.rehearsed": (
        "partner",
        "A difficult partner was played against a copy of its channel, or it was tested.",
    ),
    "key.generated": ("key", "A key was made."),
    "key.imported": ("key", "A key was taken over from a file."),
    "key.certified": ("key", "A key got another certificate."),
    "key.not-renewed": (
        "key",
        "A certificate that ends could not be ordered by ACME; it is tried again every hour.",
    ),
    "openpgp.generated": ("key", "An OpenPGP key was made."),
    "openpgp.imported": ("key", "An OpenPGP key was taken over from a file."),
    "openpgp.extended": ("key", "An OpenPGP key lasts longer; partners need its certificate again."),
    "openpgp.revoked": ("key", "An OpenPGP key was revoked; partners need its certificate again."),
    "openpgp.removed": ("key", "An OpenPGP key was forgotten for good."),
    "rotation.begun": ("rotation", "A key of ours, or a certificate of a partner's, is to be replaced."),
    "rotation.certified": ("rotation", "An authority made the successor's certificate."),
    "rotation.overlapped": ("rotation", "The configuration in force accepts both, in every place."),
    "rotation.announced": ("rotation", "A partner was told of the successor."),
    "rotation.accepted": ("rotation", "A partner said that it has the successor."),
    "rotation.refused": ("rotation", "A partner said that it does not take the successor."),
    "rotation.seen": ("rotation", "A partner was seen to use the successor."),
    "rotation.shown": ("rotation", "Our listeners show the successor."),
    "rotation.hidden": ("rotation", "Our listeners show the old one again."),
    "rotation.switched": ("rotation", "The successor is what is used with a partner."),
    "rotation.reverted": (
        "rotation",
        "The old one is used with a partner again; what it refused is sealed anew and sent again.",
    ),
    "rotation.reminded": ("rotation", "A reminder to a partner was written."),
    "rotation.completed": ("rotation", "Nobody is left with the old one."),
    "rotation.retired": ("rotation", "The old one is out of use."),
    "rotation.abandoned": ("rotation", "The old one stays; the successor does not take its place."),
    "certificate.revoked": (
        "partner or key",
        "Its authority says that a certificate was revoked; where [revocation] asks for it, it is not taken any more.",
    ),
    "certificate.restored": (
        "partner or key",
        "Its authority took the revocation of a certificate back: it had been on hold.",
    ),
    "certificate.unproven": (
        "partner or key",
        'Nobody answers for a certificate any more; with mode = "hard" it is not taken until somebody does.',
    ),
    "key.bound": ("key", "A key that stays in a key store can be used."),
    "key.used": ("key", "How often a key was used since the log was told before; once an hour at most."),
    "keyring.passphrase-changed": ("keyring", "Another passphrase opens the keyring."),
    "backup.made": ("hub", "A backup was made, and the copy of the blobs' keys brought up to date."),
    "backup.failed": (
        "hub",
        "A scheduled backup could not be made, for another reason than the time before.",
    ),
    "backup.pruned": (
        "hub",
        "Old backups were let go, and the bytes in them of what the hub has erased.",
    ),
    "backup.rehearsed": (
        "hub",
        "A backup was restored on trial: whether all was there, how long it took, what would have been lost.",
    ),
    "hub.restored": (
        "hub",
        "The hub was restored from a backup; what was on its way at that moment waits for a person.",
    ),
    "restore.released": ("hub", "A person let go on what waited because of a restore."),
    "secret.put": ("secret", "A secret was put into the keyring."),
    "evidence.exported": (
        "pack",
        "An evidence pack was made: of which messages, and the digest of its manifest, which names it.",
    ),
    "secret.removed": ("secret", "A secret was removed from the keyring."),
    "log.stamped": (
        "log",
        "A time-stamping authority stamped a checkpoint: which one, when that was, and by how much our clock differs.",
    ),
    "log.stamp-failed": (
        "log",
        "A time-stamping authority gave no time-stamp, or one that does not hold; further such failures are not told.",
    ),
    "log.clock-differs": ("log", "Our clock and a time-stamping authority's differ by more than a minute."),
    "log.evidence-begun": ("log", "Evidence records over data objects other than checkpoints were begun."),
    "log.evidence-renewed": ("log", "Evidence records were renewed, before what they rested on ended."),
    "log.evidence-not-renewed": (
        "log",
        "An evidence record can't be renewed: its time has passed, it does not hold, or its data was disposed of.",
    ),
    "log.key-added": ("log", "The log signs with ML-DSA-44 too from here on."),
    "log.witnessed": ("witness", "A witness cosigned a checkpoint of our log for the first time."),
    "log.witness-failed": ("witness", "A witness does not cosign, or says what it does not show."),
    "log.witness-back": ("witness", "A witness that did not cosign does again."),
    "log.witness-went-back": (
        "witness",
        "A witness knows less than it cosigned before: it lost its state, or lies.",
    ),
    "log.witness-clock-differs": ("witness", "A witness's clock and ours differ by more than five minutes."),
    "log.clock-went-back": ("log", "The clock is more than five minutes behind the newest checkpoint."),
    "log.broken": (
        "log",
        "The log does not continue what was signed: it was put back, or forked. Nothing is signed from here on.",
    ),
    "log.continuing-proposed": (
        "log",
        "An operator signed that a broken log goes on; another one has not approved it yet.",
    ),
    "log.continued": (
        "log",
        "It was decided that a broken log goes on under another name: what was lost, from where, by whom, and why.",
    ),
    "witness.began": (
        "log",
        "We cosigned a checkpoint of somebody's log for the first time under this name.",
    ),
    "witness.log-awaits": (
        "log",
        "A log that we cosign came under another name, and no proof leads there: a person decides.",
    ),
    "witness.log-accepted": (
        "log",
        "A person accepted the first head of a log under another name: it is cosigned from there on.",
    ),
    "witness.log-refused": ("log", "A person refused the first head of a log under another name."),
    "witness.log-forked": (
        "log",
        "A log that we cosign signed two heads of one size; both are in the event.",
    ),
    "witness.log-suspect": (
        "log",
        "A signed head of a log that we cosign came with a proof that does not hold.",
    ),
    "witness.log-behind": (
        "log",
        "A signed head of a log that we cosign is smaller than the one that we cosigned.",
    ),
}
"""Kind to what its subject is, and one sentence."""

"""What every field of every event says, and of whom: the table that decides what enters the log as a commitment alone.

A field that stands in no table is found by the tests. Whoever adds one asks: could it hold the name, the address, the
words of a natural person, or the name of a file? Then it is personal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

__all__ = ["ANY", "FIELDS", "Sort"]


class Sort(StrEnum):
    """What a field says.

    ``technical`` is of no person: ids, digests, sizes, times, states, codes, algorithms. ``company`` names a company,
    its keys, servers and settings: a legal person, of whom the log may tell for ever. ``accountable`` is personal and
    stays: who changed trust, with which key, with which reason, in the words that they signed; the hub's operators
    answer for it (Regulation (EU) 2016/679, articles 5(2), 6(1)(c) and (f), 17(3)(b) and (e)), and their signatures
    prove nothing over words that are gone. ``path`` is a protocol's id, personal where it holds the name of a file.
    ``personal`` enters as commitments alone.
    """

    TECHNICAL = "technical"
    COMPANY = "company"
    ACCOUNTABLE = "accountable"
    PATH = "path"
    PERSONAL = "personal"


ANY: Final = "*"
"""For fields whose names are counted reasons. A field that ends in ``[]`` stands for the member ``name`` of each of
several facts.
"""

Fields = Mapping[str, Sort]


def _fields(
    technical: str = "", *, company: str = "", accountable: str = "", path: str = "", personal: str = ""
) -> dict[str, Sort]:
    return {
        **dict.fromkeys(technical.split(), Sort.TECHNICAL),
        **dict.fromkeys(company.split(), Sort.COMPANY),
        **dict.fromkeys(accountable.split(), Sort.ACCOUNTABLE),
        **dict.fromkeys(path.split(), Sort.PATH),
        **dict.fromkeys(personal.split(), Sort.PERSONAL),
    }


# Who was at the other end: an address or a user may be one person's (Court of Justice, C-582/14).
_PEER: Final = _fields("tls via credential", personal="address user")
_DELIVERY: Final = _fields("delivery attempt attempts fault flow", company="channel")
_COMMENT: Final = _fields(personal="reason")
_SIGNED: Final = _fields("digest", accountable="operator key fingerprint signature statement")
_RECEIPT: Final = {
    **_DELIVERY,
    **_PEER,
    **_fields("kind verdict receipt_sha256 reason again passed_over child"),
}
_ROTATION: Final = _fields(
    "certificate_sha256 message messages number partners places use how_many",
    company="partner old new",
    personal="why",
)

_MESSAGE: Final = {
    **_PEER,
    **_fields(
        "direction protocol config documents sha256 size protections mic mics warnings answer_sha256 answer_positive "
        "reason flow origin file_size first opened released sealed_anew fault deliveries received_sha256 wire_sha256 "
        "wire_size action delivery passed_over duplicate_of opening inside unpacked packed headers_sha256 "
        "entity_sha256 signature_sha256 answer_headers_sha256 mic_canonical mic_algorithm",
        company="partner channel signed_by how sealed seals openpgp openpgp_facts openpgp_sealed",
        path="protocol_id",
        personal="path",
    ),
}

FIELDS: Final[Mapping[str, Fields]] = {
    # Messages
    **{
        f"message.{state}": _MESSAGE
        for state in ("received", "accepted", "quarantined", "rejected", "duplicate", "delivered", "failed")
    },
    "message.sealed": {
        **_MESSAGE,
        **_fields("wire_headers_sha256 compress encrypt sign", company="recipient_sha256 signer_sha256"),
    },
    "message.released": {**_COMMENT, **_fields("was")},
    "message.resent": {**_COMMENT, **_fields("deliveries answer")},
    "message.resumed": {**_COMMENT, **_fields("deliveries")},
    "message.given-up": {**_COMMENT, **_fields("deliveries")},
    "message.imported": _fields("state direction sha256 left_out gone manifest", company="origin partner"),
    "message.shredded": _fields("reason classes blobs whole flow size documents because backup"),
    "evidence.exported": _fields("manifest_sha256 checkpoint documents count messages"),
    "message.erased-everywhere": _fields("reason deleted blobs copies destroyed"),
    "copy.forsaken": {**_COMMENT, **_fields("deletions")},
    # Deliveries, receipts, answers
    "delivery.attempted": _DELIVERY,
    "delivery.held": {**_DELIVERY, **_fields("reason")},
    "delivery.relayed": {
        **_DELIVERY,
        **_fields(
            "children child reason opened inside unpacked packed",
            company="signed_by how sealed seals openpgp openpgp_facts openpgp_sealed",
        ),
    },
    **{
        f"delivery.{done}": {
            **_DELIVERY,
            **_fields("temporary synced checked", company="place", personal="path"),
        }
        for done in ("uploaded", "withdrawn")
    },
    "delivery.sent": {**_DELIVERY, **_fields("receipt_due")},
    "delivery.confirmed": _RECEIPT,
    "delivery.refused": _RECEIPT,
    "delivery.given-up": _RECEIPT,
    "delivery.retried": {**_DELIVERY, **_fields("reason")},
    "delivery.dead": {**_DELIVERY, **_fields("reason child was")},
    "delivery.overdue": {**_DELIVERY, **_fields("resent")},
    "receipt.repeated": _RECEIPT,
    "receipt.kept": _RECEIPT,
    "receipt.disbelieved": _RECEIPT,
    "receipt.unmatched": {**_RECEIPT, **_fields("original")},
    **{
        f"answer.{done}": _fields("positive reason fault", path="protocol_id")
        for done in ("sent", "retried", "dead")
    },
    # Whoever knocks
    **{
        f"request.{done}": {
            **_PEER,
            **_fields("reason passed_over cause", company="partner as2_from as2_to"),
        }
        for done in ("refused", "broken")
    },
    "session.opened": {
        **_PEER,
        **_fields(
            "protocol method kex cipher mac host_key strict compression client", company="shown certificate"
        ),
    },
    "session.refused": {**_fields("protocol"), ANY: Sort.TECHNICAL},
    "guard.banned": _fields("until times", personal="subject"),
    "guard.lifted": _fields("until times", personal="subject"),
    **{
        kind: {**_PEER, **_fields("file size was delivery part", personal="reason")}
        for kind in (
            "upload.suspended",
            "upload.resumed",
            "upload.expired",
            "document.picked-up",
            "file.removed",
        )
    },
    # Flows
    "flow.paused": _COMMENT,
    "flow.resumed": _COMMENT,
    "flow.collected": _fields("kept repeated failed octets"),
    "flow.failed": _fields("reason fault failed"),
    "flow.recovered": _fields("failures since"),
    "flow.duplicate": _fields("delivery flow first action"),
    "flow.expectation-missed": _fields("day by count at_least", company="expectation"),
    "flow.expectation-met": _fields("day by count at_least", company="expectation"),
    # Partners
    "partner.host-key-refused": _fields(company="host seen expected"),
    "partner.names-skipped": _fields("count", personal="names"),
    "partner.state-changed": {**_COMMENT, **_fields("from to version")},
    "partner.invited": {**_COMMENT, **_fields("invitation until version")},
    "partner.verified": {
        **_COMMENT,
        **_fields("level verified_at card phrase proven table_sha256 version", accountable="verified_by"),
    },
    "partner.card-taken": {
        **_COMMENT,
        **_fields("digest serial signer invitation version", company="log_key"),
    },
    "partner.seen-new": _fields("role", company="channel value before"),
    "partner.seen-many": _fields("role", company="channel value before"),
    "partner.certificate-offered": _fields("offer certificate_sha256 use message"),
    "partner.certificate-decided": {**_COMMENT, **_fields("offer certificate_sha256 decision")},
    "partner.rehearsed": _fields("against held failed report_sha256", company="url", personal="agreed"),
    **{
        f"assurance.{done}": {
            **_COMMENT,
            **_fields(
                "topic state from until due files",
                company="partner name title scope issuer reference",
                personal="answers files[]",
            ),
        }
        for done in ("recorded", "removed")
    },
    "assurance.due": _fields("topic state by", company="name"),
    "access.reviewed": {**_COMMENT, **_fields("review kept due sha256", accountable="to_revoke")},
    # Posture
    "posture.finding-opened": _fields("code severity", company="place observed"),
    "posture.finding-closed": _fields("code severity opened", company="place"),
    "posture.suppressed": _fields("until", company="key", personal="reason owner"),
    "posture.unsuppressed": _fields("ended", company="key"),
    # Backups: a place is one of the company's, and so are the names of its secrets
    "backup.made": _fields(
        "id made log octets written blobs copied keys seconds missing", company="place left_out"
    ),
    "backup.failed": _fields("reason", company="place"),
    "backup.pruned": _fields("dropped objects blobs", company="place"),
    "backup.rehearsed": _fields("ok backup made seconds lost_seconds lost_records blobs failure error at"),
    "hub.restored": _fields("backup made log held erased damaged ok"),
    "restore.released": {**_COMMENT, **_fields("messages", company="flows")},
    "posture.baseline-approved": {**_COMMENT, **_fields("subjects sha256", company="only")},
    # Configuration and changes to trust
    "config.applied": {
        **_COMMENT,
        **_fields("version eyes trust change left_out files_sha256 files_set_sha256", accountable="changes"),
    },
    "change.proposed": {
        **_SIGNED,
        **_fields("base until trust recover", company="why", accountable="by reason"),
    },
    "change.approved": {**_SIGNED, **_fields("signatures")},
    "change.applied": _fields("digest version recovery", accountable="operators fingerprints"),
    "change.refused": {**_SIGNED, **_fields(accountable="because")},
    "change.withdrawn": _SIGNED,
    "change.expired": _fields("digest base until"),
    "change.stale": _fields("digest base version why"),
    # Keys
    **{
        f"key.{done}": _fields("key certificate_sha256 not_after", company="subject")
        for done in ("generated", "imported", "certified", "bound")
    },
    "key.not-renewed": _fields("reason cause not_after"),
    "key.used": _fields("operation count in_all"),
    **{
        f"openpgp.{done}": _fields("fingerprint key expires state", personal="user_ids")
        for done in ("generated", "imported", "extended", "revoked", "removed")
    },
    **{
        f"rotation.{done}": {**_ROTATION, **_COMMENT, **_fields("how")}
        for done in (
            "begun",
            "certified",
            "overlapped",
            "announced",
            "seen",
            "shown",
            "hidden",
            "switched",
            "reverted",
            "reminded",
            "completed",
            "retired",
            "abandoned",
        )
    },
    # How a partner said it is what an operator writes down of a person, or what the partner wrote.
    **{f"rotation.{done}": {**_ROTATION, **_fields(personal="how")} for done in ("accepted", "refused")},
    **{
        f"certificate.{done}": _fields(
            "certificate_sha256 since reason source mode", company="certificate subject"
        )
        for done in ("revoked", "restored", "unproven")
    },
    # The log, and who vouches for it: authorities and witnesses are companies
    **{
        f"log.{done}": {ANY: Sort.TECHNICAL, **_fields(company="authority witness cause source key")}
        for done in (
            "broken",
            "clock-differs",
            "clock-went-back",
            "evidence-begun",
            "evidence-not-renewed",
            "evidence-renewed",
            "key-added",
            "stamp-failed",
            "stamped",
            "witness-back",
            "witness-clock-differs",
            "witness-failed",
            "witness-went-back",
            "witnessed",
        )
    },
    # Who decided that a log goes on, in the words that they signed.
    "log.continuing-proposed": {**_SIGNED, ANY: Sort.TECHNICAL},
    "log.continued": {**_SIGNED, **_fields("lost", accountable="signatures")},
    **{
        f"witness.{done}": {ANY: Sort.TECHNICAL, **_fields(company="log theirs ours")}
        for done in (
            "began",
            "log-accepted",
            "log-awaits",
            "log-behind",
            "log-forked",
            "log-refused",
            "log-suspect",
        )
    },
    # The archive
    "archive.deposited": _fields(
        "message part sha256 size type receipt starts ends configuration blob copied place",
        company="partner profile",
        accountable="submitter",
    ),
    "archive.refused": {**_COMMENT, **_fields(company="profile")},
    "archive.declined": _COMMENT,
    "archive.started": {**_COMMENT, **_fields("day starts ends")},
    "archive.consulted": _fields(
        "sha256", company="profile", accountable="reason statement fingerprint signature key operator"
    ),
    **{
        f"archive.{done}": _fields("blob place locked primary second lost repaired")
        for done in ("copied", "damaged", "repaired")
    },
    "archive.held": {**_COMMENT, **_fields("named hold manifest standing", personal="reference criteria")},
    "archive.released": {**_COMMENT, **_fields("hold stood", personal="reference")},
    "archive.disposal-proposed": {**_COMMENT, **_fields("documents list until")},
    "archive.disposal-approved": {
        **_SIGNED,
        **_fields("list signatures"),
    },
    "archive.disposal-refused": {**_COMMENT, **_fields("list")},
    "archive.disposal-begun": _fields("list documents"),
    "archive.disposed": _fields(
        "disposal list message part sha256 ended blobs kept deleted", company="profile"
    ),
    "archive.destroyed": _fields("list certificate destroyed kept_back"),
    "archive.clock-doubted": _fields("doubt"),
    "archive.clock-confirmed": {**_COMMENT, **_fields("doubt")},
    "archive.export-begun": _fields("scope", accountable="reason statement fingerprint signature"),
    "archive.exported": _fields("manifest messages documents lacking resumed"),
    "archive.import-begun": {**_COMMENT, **_fields("manifest claimed messages documents", company="origin")},
    "archive.import-ended": _fields("manifest messages documents there", company="origin"),
    "archive.imported": _fields(
        "message sha256 size manifest deposited former part", company="profile origin partner"
    ),
    # Requests of persons
    "subject.requested": _fields("law wants received due", personal="words"),
    "subject.extended": {**_COMMENT, **_fields("due")},
    "subject.refused": {**_COMMENT, **_fields("in_time")},
    "subject.planned": _fields("plan erase refuse in_documents"),
    "subject.approved": {**_SIGNED, **_fields("plan")},
    "subject.erased": {**_COMMENT, **_fields("plan erased refused nothing_left in_time")},
    "subject.exported": _fields("found sha256 size in_time"),
    "keyring.passphrase-changed": {},
    "secret.put": {},
    "secret.removed": {},
}
"""Kind of event to what its fields say."""

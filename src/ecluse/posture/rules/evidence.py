"""What could be proven later: receipts of partners, and our own log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.posture.facts import HubFacts, PartnerFacts
from ecluse.posture.looks import being, longer, weak
from ecluse.posture.rule import Fix, Hit, Moment, Rule, Severity

__all__ = ["HUB", "PARTNER"]

WAITING_HOUR: Final = 3600 * 1_000_000
"""Microseconds after which a record should long have had its place in the tree: it takes a second."""
VERIFY_DAYS: Final = 31
"""Days after which the whole log should be verified again."""


def _sends_with_receipt(facts: PartnerFacts) -> bool:
    as2 = facts.settings.as2
    return as2 is not None and as2.url is not None and as2.receipt != "none"


def _sends(facts: PartnerFacts) -> bool:
    return facts.settings.as2 is not None and facts.settings.as2.url is not None


def _unsigned_seen(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for seen in facts.seen:
        if seen.role == "receipt" and seen.value == "unsigned" and not moment.older(30, seen.last):
            yield Hit(f"seen.{seen.channel}.receipt", "receipts without a signature", since=seen.first)


def _not_sealed(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    since = facts.log.waiting_since
    if since is not None and moment.passed(type(since)(since + WAITING_HOUR)):
        count = (
            "a thousand records or more" if facts.log.unsealed >= 1000 else f"{facts.log.unsealed} records"
        )
        yield Hit("log.unsealed", f"{count} wait for their place in the log", since=since)


def _checkpoint(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    log = facts.log
    if log.size > log.checkpoint_size and log.newest is not None and moment.older(1, log.newest):
        behind = log.size - log.checkpoint_size
        yield Hit("log.checkpoint", f"{behind} records are not covered by a signed checkpoint for a day")


def _not_held(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.log.checkpoint is not None and not facts.log.held:
        yield Hit("log.held", "no checkpoint is held outside the database")


def _never_verified(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.log.verified is None and facts.log.size:
        yield Hit(
            "log.verified", "`ecluse log verify` never went through", fix=Fix(commands=("ecluse log verify",))
        )


def _verified_long_ago(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.log.verified is not None and moment.older(VERIFY_DAYS, facts.log.verified):
        yield Hit(
            "log.verified",
            f"`ecluse log verify` last went through more than {VERIFY_DAYS} days ago",
            fix=Fix(commands=("ecluse log verify",)),
        )


def _broken(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.log.broken:
        yield Hit("log.broken", facts.log.broken)


def _continued(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.log.breaks:
        yield Hit("log.breaks", each)


def _silent(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for name in facts.log.silent:
        yield Hit(f"log.witnesses.{name}", "nothing cosigned for a day")


def _troubled(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for origin in facts.log.troubled:
        yield Hit(f"log.cosigns.{origin}", "it showed a head that does not continue the one we cosigned")


PARTNER: Final = (
    Rule[PartnerFacts](
        "evidence.no-receipt",
        Severity.HIGH,
        "No receipt is asked for",
        "That the partner has a document can't be proven, and one that got lost is not noticed.",
        'receipt = "sync" or "async"',
        "Ask for a signed receipt.",
        weak("as2.receipt", test=being("none"), better="sync", only=_sends),
        "RFC 4130, section 7",
    ),
    Rule[PartnerFacts](
        "evidence.unsigned-receipt",
        Severity.HIGH,
        "Unsigned receipts are taken for proof",
        "Anybody on the way can write one; it proves nothing to a judge.",
        "receipt_signed = true",
        "Ask for signed receipts.",
        weak("as2.receipt_signed", test=being(False), better=True, only=_sends_with_receipt),
        "RFC 4130, section 7.3",
    ),
    Rule[PartnerFacts](
        "evidence.unsigned-receipt-seen",
        Severity.MEDIUM,
        "They answered without a signature",
        "Such a receipt proves nothing; their product has changed, or somebody else answers.",
        "signed receipts",
        "Ask the partner what changed.",
        _unsigned_seen,
        "RFC 4130, section 7.3",
    ),
    Rule[PartnerFacts](
        "evidence.late-receipt",
        Severity.LOW,
        "A receipt may take more than a day before anybody is told",
        "A document that was lost is noticed when the goods do not come.",
        'receipt_timeout = "1d" or less',
        "Lower it to a few times of what the partner takes.",
        weak("as2.receipt_timeout", test=longer("1d"), better="30m"),
    ),
    Rule[PartnerFacts](
        "evidence.no-upload-receipts",
        Severity.LOW,
        "They get no receipts for what they upload",
        "They can't tell that a document arrived whole, and ask, or send it again.",
        "account.receipts = true",
        "Put receipts into their folder.",
        weak("account.receipts", test=being(False), better=True),
    ),
    Rule[PartnerFacts](
        "evidence.size-only",
        Severity.INFO,
        "Only the size of what their server keeps is compared",
        "A file that was changed and kept its length is not noticed.",
        'sftp.verify = "digest"',
        "Read it back and compare its digest, where the server lets us read.",
        weak("sftp.verify", test=being("size"), better="digest"),
    ),
    Rule[PartnerFacts](
        "evidence.unconditional-writes",
        Severity.LOW,
        "Their object store does not keep one write from replacing another",
        "Two documents of one name become one, and a receipt can't tell which.",
        "conditional = true",
        "Ask for a store that honours conditions (If-None-Match); `ecluse doctor` finds out.",
        weak("s3.conditional", "azure.conditional", "gcs.conditional", test=being(False), better=True),
        "RFC 9110, section 13.1.2",
    ),
    Rule[PartnerFacts](
        "evidence.old-as2-version",
        Severity.INFO,
        "An old AS2 version is stated to them",
        "A partner's product then leaves out what later versions have: compression, reliability.",
        'version = "1.2"',
        "State 1.2, unless their product fails on it.",
        weak("as2.version", test=lambda found: found in ("1.0", "1.1"), better="1.2"),
        "RFC 5402",
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "evidence.log-not-sealed",
        Severity.HIGH,
        "Records of the log have had no place in its tree for an hour",
        "What is not in the tree is not proven, and can be taken out without a trace.",
        "records in the tree within seconds",
        "See that a node serves; look with `ecluse doctor`, and at the hub's log for evidence errors.",
        _not_sealed,
    ),
    Rule[HubFacts](
        "evidence.old-checkpoint",
        Severity.MEDIUM,
        "The newest records are not covered by a signed checkpoint",
        "Without a signature the whole end of the log can be replaced by another.",
        "a checkpoint within minutes of the newest record",
        "See that a node serves, and that the keyring has the log's key.",
        _checkpoint,
    ),
    Rule[HubFacts](
        "evidence.checkpoint-not-held",
        Severity.MEDIUM,
        "No checkpoint is held outside the database",
        "Who restores an older database, or changes it, leaves nothing that contradicts him.",
        "state/checkpoints beside the database, with a backup elsewhere",
        "Restore the file from its backup; the next checkpoint begins another.",
        _not_held,
    ),
    Rule[HubFacts](
        "evidence.never-verified",
        Severity.LOW,
        "The log was never verified as a whole",
        "A record that was changed is found when somebody looks, and nobody has.",
        "`ecluse log verify` once a month",
        "Run `ecluse log verify`, and then once a month.",
        _never_verified,
    ),
    Rule[HubFacts](
        "evidence.verified-long-ago",
        Severity.LOW,
        "The log was not verified for a month",
        "The longer ago, the fewer backups there are to compare with.",
        "`ecluse log verify` once a month",
        "Run `ecluse log verify`, by a timer for one.",
        _verified_long_ago,
    ),
    Rule[HubFacts](
        "evidence.log-broken",
        Severity.CRITICAL,
        "The log does not continue what was signed",
        "It was put back or forked: nothing is signed, and what happens from here on is not proven to anybody.",
        "a log that only grows",
        "Restore the newest copy of the database, or decide: `ecluse log breaks`, `ecluse log continue`.",
        _broken,
    ),
    Rule[HubFacts](
        "evidence.log-continued",
        Severity.INFO,
        "The log broke once, and a person decided that it goes on",
        "Proofs from before and after hold; what was signed of the branch that was lost has no log behind it.",
        "no break",
        "Nothing is to be done: a break stays told for ever. `ecluse log breaks` has the decision.",
        _continued,
    ),
    Rule[HubFacts](
        "evidence.witness-silent",
        Severity.MEDIUM,
        "A witness has not cosigned our log for a day",
        "Whoever puts the whole hub back to an older copy meanwhile is noticed by nobody else.",
        "a cosignature within minutes of each checkpoint",
        "Look with `ecluse log witness --now`; ask its operator.",
        _silent,
        "C2SP tlog-witness",
    ),
    Rule[HubFacts](
        "evidence.cosigned-log-broken",
        Severity.HIGH,
        "A log that we cosign does not continue what we cosigned",
        "The partner's hub was put back, or somebody makes two logs of it: its evidence may say anything.",
        "logs that only grow",
        "Call the partner; our own log has the heads that contradict each other (`ecluse log cosign`).",
        _troubled,
        "C2SP tlog-witness",
    ),
)

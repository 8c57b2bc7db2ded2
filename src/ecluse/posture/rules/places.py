"""What partners' accounts and servers may hold, take and overwrite, and how long they are waited for."""

from __future__ import annotations

from typing import Final

from ecluse.posture.facts import PartnerFacts
from ecluse.posture.looks import CHANNELS, above, all_of, being, each, empty, larger, longer, shorter, weak
from ecluse.posture.rule import Rule, Severity

__all__ = ["PARTNER"]

PARTNER: Final = (
    Rule[PartnerFacts](
        "flows.overwrites-theirs",
        Severity.LOW,
        "A document may take the place of another on their server",
        "Two documents of one name become one, and nobody is told which was lost.",
        "replace = false",
        "Leave replace out, and give documents names of their own ({counter}, {id}).",
        weak(*each(tuple(c for c in CHANNELS if c != "as2"), "replace"), test=being(True), better=False),
    ),
    Rule[PartnerFacts](
        "flows.overwrites-ours",
        Severity.LOW,
        "Their uploads may take the place of others",
        "An upload that was not taken yet can be lost, or swapped after somebody looked at it.",
        "account.replace = false",
        "Leave replace out.",
        weak("account.replace", test=being(True), better=False),
    ),
    Rule[PartnerFacts](
        "flows.half-files",
        Severity.MEDIUM,
        "Half uploads of theirs may be taken for documents",
        "Clients upload under a temporary name and rename at the end; without the patterns both are documents.",
        "account.temporary with the usual patterns",
        "Leave temporary out, so that the usual patterns hold.",
        weak("account.temporary", test=empty),
    ),
    Rule[PartnerFacts](
        "flows.kept-long",
        Severity.LOW,
        "Documents lie in their folders for long",
        "What lies in an account is open to whoever gets into it.",
        "90 days or less",
        "Lower it; the hub keeps its own copy as the flow says.",
        all_of(
            weak("account.keep_uploaded", test=longer("90d"), better="7d"),
            weak("account.keep_outbound", test=longer("90d"), better="14d"),
            weak("account.keep_partial", test=longer("14d"), better="1d"),
        ),
    ),
    Rule[PartnerFacts](
        "flows.stays-after-pickup",
        Severity.INFO,
        "Documents stay in their folder after they were picked up",
        "Whoever gets into the account later finds all of the last weeks.",
        "account.remove_after_pickup = true",
        "Let them disappear, if the partner's client does not look for them again.",
        weak("account.remove_after_pickup", test=being(False), better=True),
    ),
    Rule[PartnerFacts](
        "flows.large-account",
        Severity.LOW,
        "Their account may hold more than a tebibyte, or files beyond counting",
        "One partner, or whoever is in its place, can fill the disk for all of them.",
        'quota = "1 TiB", max_file = "200 GiB", files = 1000000, or less',
        "Lower it to a few times of what they exchange in a week.",
        all_of(
            weak("account.quota", test=larger("1 TiB"), better="50 GiB"),
            weak("account.max_file", test=larger("200 GiB"), better="20 GiB"),
            weak("account.files", test=above(1_000_000), better=1_000_000),
        ),
    ),
    Rule[PartnerFacts](
        "flows.large-message",
        Severity.LOW,
        "AS2 messages of theirs may be larger than 200 GiB",
        "One message can take the disk, and a listener's time, of everybody.",
        'max_size = "200 GiB" or less',
        "Lower it to a few times of their largest document.",
        weak("as2.max_size", test=larger("200 GiB"), better="20 GiB"),
    ),
    Rule[PartnerFacts](
        "flows.patient-client",
        Severity.LOW,
        "A silent server of theirs is waited for very long",
        "Deliveries under way are limited: a server that hangs holds a place for as long.",
        "timeout of 15 minutes, and 64 deliveries at once, or less",
        "Lower it.",
        all_of(
            weak(*each(CHANNELS, "timeout"), test=longer("15m"), better="2m"),
            weak(*each(CHANNELS, "concurrency"), test=above(64), better=4),
        ),
    ),
    Rule[PartnerFacts](
        "flows.hasty-retry",
        Severity.LOW,
        "Deliveries to them are given up early, or tried without pause",
        "A server that is down for a night needs a person for each document; one that is asked every second bans us.",
        "5 attempts or more, with 5 seconds or more between them",
        "Leave [retry] out: the hub's own way takes two to three days.",
        all_of(
            weak(
                *each(CHANNELS, "retry.attempts"),
                test=lambda found: isinstance(found, int) and found < 5,
                better=12,
            ),
            weak(*each(CHANNELS, "retry.base"), test=shorter("5s"), better="30s"),
            weak(*each(CHANNELS, "retry.cap"), test=shorter("1m"), better="1h"),
        ),
    ),
)

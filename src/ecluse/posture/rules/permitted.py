"""Weak cryptography by permission, and algorithms that were seen in use, whatever is permitted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ecluse.posture.facts import PartnerFacts, Seen
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.trust.settings.fields import instant_until

__all__ = ["PARTNER", "excepted"]

EXCEPTIONS: Final = {
    "sha-1": "signatures with SHA-1",
    "3des": "content encrypted with Triple DES",
    "rsa-1024": "signatures of RSA keys below 2048 bits",
    "ssh-legacy": "old algorithms of SSH",
    "openpgp-legacy": "old ciphers, SHA-1, DSA and short keys in OpenPGP",
}
"""Exceptions that let weak cryptography in; those about transport and ends are other rules'."""

WEAK_SEEN: Final = re.compile(
    r"(?:^|[^a-z0-9])(?:md5|md2|sha-?1|des3?|3des|triple-?des|rc-?[24]|arcfour|blowfish|cast|idea|rsa-?1024|ssh-dss|dsa|"
    r"tls ?v?1(?:\.[01])?|ssl ?v?[23])(?:$|[^a-z0-9.])|^ssh-rsa$|^diffie-hellman-group1-|des-ede3|-cbc@|hmac-md5",
    re.IGNORECASE,
)
"""Names of algorithms and versions below the floor, in the spellings of CMS, TLS, SSH and OpenPGP."""

SEEN_ROLES: Final = frozenset(
    (
        "signature-algorithm",
        "encryption-algorithm",
        "key-algorithm",
        "mdn-signature-algorithm",
        "tls-version",
        "tls-client-version",
        "cipher",
        "tls-client-cipher",
        "kex",
        "mac",
        "host-key-algorithm",
    )
)
"""Roles of :class:`~ecluse.posture.facts.Seen` whose values are names of algorithms."""


def excepted(facts: PartnerFacts, moment: Moment, *names: str) -> Iterator[Hit]:
    """Exceptions in force under some names, each with the edit that takes it out."""
    for number, entry in enumerate(facts.settings.exceptions):
        end = instant_until(entry.until)
        if entry.algorithm not in names or end is None or moment.passed(end):
            continue
        yield Hit(
            f"exceptions.{entry.algorithm}",
            f"allowed until {entry.until}: {entry.reason}",
            fix=Fix((Put(("exceptions", number), None),)),
        )


def _legacy(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    yield from excepted(facts, moment, *EXCEPTIONS)


def _unused(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    """Weak cryptography that is allowed and that nobody was seen to use for a month."""
    if not facts.seen:
        return
    for hit in _legacy(facts, moment):
        weak_ones = [each for each in facts.seen if is_weak(each)]
        if not any(not moment.older(30, each.last) for each in weak_ones) and any(
            not moment.older(30, each.last) for each in facts.seen
        ):
            yield Hit(hit.place, "not seen in use for 30 days", fix=hit.fix)


def is_weak(seen: Seen) -> bool:
    """Whether an algorithm that was seen is below the floor."""
    return seen.role in SEEN_ROLES and WEAK_SEEN.search(seen.value) is not None


def _seen_weak(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.seen:
        if is_weak(each) and not moment.older(30, each.last):
            yield Hit(
                f"seen.{each.channel}.{each.role}.{each.value}",
                f"{each.value} as {each.role} over {each.channel}",
                since=each.first,
            )


def _new_algorithm(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    if facts.approved is None:
        return
    for each in facts.seen:
        if each.role in SEEN_ROLES and each.first > facts.approved.at:
            others = [
                other.value
                for other in facts.seen
                if (other.channel, other.role) == (each.channel, each.role)
                and other.first <= facts.approved.at
            ]
            if others:
                yield Hit(
                    f"seen.{each.channel}.{each.role}.{each.value}",
                    f"{each.value} as {each.role} over {each.channel}",
                    f"as approved: {', '.join(others)}",
                    since=each.first,
                )


PARTNER: Final = (
    Rule[PartnerFacts](
        "crypto.legacy-exception",
        Severity.MEDIUM,
        "Weak cryptography is taken from them by an exception",
        "What is allowed for one old product is open to whoever poses as it.",
        "no exception",
        "Agree on today's algorithms with the partner, then take the exception out.",
        _legacy,
    ),
    Rule[PartnerFacts](
        "crypto.unused-exception",
        Severity.LOW,
        "An exception for weak cryptography is not used any more",
        "A door that nobody uses is one that nobody watches.",
        "exceptions that are in use, or none",
        "Take the exception out.",
        _unused,
    ),
    Rule[PartnerFacts](
        "crypto.weak-algorithm-seen",
        Severity.MEDIUM,
        "They were seen to use a weak algorithm",
        "Whatever the configuration says, this is what protected the documents of the last days.",
        "algorithms at or above the floor",
        "Ask the partner to change its settings.",
        _seen_weak,
    ),
    Rule[PartnerFacts](
        "crypto.algorithm-drift",
        Severity.MEDIUM,
        "They use another algorithm than when the baseline was approved",
        "A change that nobody announced is a mistake, an update, or somebody between you.",
        "what the baseline approved",
        "Ask the partner what changed; then approve it with `ecluse posture baseline approve`.",
        _new_algorithm,
    ),
)

"""What SSH asks of keys and algorithms, theirs and ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ecluse.errors import EcluseError
from ecluse.trust.inventory.ssh import ssh_facts
from ecluse.trust.roles.facts import Case, Difference, RoleValue
from ecluse.trust.roles.judging import below

__all__ = ["FLOOR", "SPOKEN", "old_algorithms", "our_ssh_key", "ssh_key"]

FLOOR: Final = "Ed25519, EC P-256 or RSA of 2048 bits; authenticated ciphers, no SHA-1"
_OLD: Final = ("sha1", "-cbc", "-ctr", "arcfour", "md5", "ssh-dss")
"""What old SSH algorithms have in their names (RFC 9142 s4; CVE-2023-48795 for those that are not authenticated)."""
MIN_STRENGTH: Final = 112
"""Bits of security of an RSA key of 2048 bits (NIST SP 800-57 part 1 rev. 5, table 2), the shortest that is used."""
SPOKEN: Final = ("kex", "cipher", "mac", "host-key-algorithm")
"""What a connection agrees on."""


@lru_cache(maxsize=65_536)
def ssh_key(line: str) -> RoleValue:
    """A public key as a file has it: ``ssh-ed25519 AAAA...``, with ``@cert-authority`` before it, or ``SHA256:...``."""
    if line.startswith("SHA256:"):
        return RoleValue(value=line, label="fingerprint alone")
    facts = ssh_facts(line)
    kind, _, rest = line.removeprefix("@cert-authority ").partition(" ")
    comment = rest.partition(" ")[2]
    if not facts.fingerprint or not _is_of(kind, rest):
        return RoleValue(value=line[:60], label=comment, state="wrong", why="It is no public key.")
    weak = facts.strength is None or facts.strength < MIN_STRENGTH
    return RoleValue(
        value=("an authority " if facts.authority else "") + facts.fingerprint,
        label=comment,
        state="weak" if weak else "set",
        algorithm=facts.algorithm,
        why=f"Its key is below the floor: {facts.algorithm}." if weak else "",
    )


def _is_of(kind: str, rest: str) -> bool:
    """Whether a key is of the kind that stands before it (RFC 4253 s6.6: its first field says so too)."""
    blob = base64.b64decode(rest.partition(" ")[0])
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")] == kind.encode()


def our_ssh_key(case: Case, ref: str) -> RoleValue:
    """A key of ours, as SSH has it: it looks at the key alone, and never at its certificate."""
    try:
        found = ssh_key(case.directory.keyring.ssh_public_key(ref))
    except EcluseError as error:
        return RoleValue(value=ref, label=ref, state="wrong", ref=ref, why=error.cause)
    return RoleValue(found.value, ref, found.state, ref, found.algorithm, found.why)


def old_algorithms(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    """Say which of the algorithms of the last connection are below the floor."""
    for what in SPOKEN:
        last = case.last(what)
        if last == "ssh-rsa" or any(old in last for old in _OLD):
            yield Difference("below-floor", f"The {what} was {last}, which is {below(case, 'ssh-legacy')}.")

"""What SSH asks of keys and algorithms, theirs and ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from ecluse.errors import EcluseError
from ecluse.trust.roles.facts import Case, Difference, RoleValue, ValueState
from ecluse.trust.roles.judging import below
from ecluse.trust.ssh import MIN_RSA, fingerprint, key_blob

__all__ = ["FLOOR", "SPOKEN", "old_algorithms", "our_ssh_key", "ssh_key"]

FLOOR: Final = "Ed25519, EC P-256 or RSA of 2048 bits; authenticated ciphers, no SHA-1"
_OLD: Final = ("sha1", "-cbc", "-ctr", "arcfour", "md5", "ssh-dss")
"""What old SSH algorithms have in their names (RFC 9142 s4; CVE-2023-48795 for those that are not authenticated)."""
SPOKEN: Final = ("kex", "cipher", "mac", "host-key-algorithm")
"""What a connection agrees on."""
_SSH_NAMES: Final = {
    "ssh-ed25519": "Ed25519",
    "sk-ssh-ed25519@openssh.com": "Ed25519 (security key)",
    "sk-ecdsa-sha2-nistp256@openssh.com": "EC P-256 (security key)",
    "ecdsa-sha2-nistp256": "EC P-256",
    "ecdsa-sha2-nistp384": "EC P-384",
    "ecdsa-sha2-nistp521": "EC P-521",
}


@lru_cache(maxsize=65_536)
def ssh_key(line: str) -> RoleValue:
    """A public key as a file has it: ``ssh-ed25519 AAAA...``, with ``@cert-authority`` before it, or ``SHA256:...``."""
    if line.startswith("SHA256:"):
        return RoleValue(value=line, label="fingerprint alone")
    authority = line.startswith("@cert-authority ")
    kind, _, rest = line.removeprefix("@cert-authority ").partition(" ")
    comment = rest.partition(" ")[2]
    try:
        blob = key_blob(f"{kind} {rest}")
    except (ValueError, IndexError):
        blob = b""
    bits = _rsa_bits(blob) if kind == "ssh-rsa" else 0
    if blob[4 : 4 + int.from_bytes(blob[:4], "big")] != kind.encode():
        return RoleValue(value=line[:60], label=comment, state="wrong", why="It is no public key.")
    state: ValueState = "set"
    why = ""
    if kind == "ssh-rsa" and bits < MIN_RSA:
        state, why = "weak", f"RSA of {bits} bits is below the floor."
    if kind == "ssh-dss":
        state, why = "weak", "DSA is below the floor."
    return RoleValue(
        value=("an authority " if authority else "") + fingerprint(blob),
        label=comment,
        state=state,
        algorithm=f"RSA {bits}" if bits else _SSH_NAMES.get(kind, kind),
        why=why,
    )


def _rsa_bits(blob: bytes) -> int:
    """Bits of an RSA modulus (RFC 4253 s6.6: name, exponent, modulus, each with its length)."""
    at = 0
    for _ in range(2):
        at += 4 + int.from_bytes(blob[at : at + 4], "big")
    size = int.from_bytes(blob[at : at + 4], "big")
    return int.from_bytes(blob[at + 4 : at + 4 + size], "big").bit_length()


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

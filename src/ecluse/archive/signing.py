"""Operators' signatures for the archive: SSHSIG, in a namespace of their own, over a text that says what is meant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.operators import Operator, public_key
from ecluse.wire.sshsig import BadSshSignature, read_signature

__all__ = ["NAMESPACE", "NotAllowed", "Signed", "checked", "counting"]

NAMESPACE: Final = "ecluse-archive"
"""The namespace of SSHSIG: a signature for something else does not count here."""


class NotAllowed(EcluseError):
    """Who asks may not do it, or did not sign for it."""

    code = "archive.not-allowed"
    fault = Fault.USAGE
    remedy = "Have somebody with the role do it, with --as NAME; `ecluse operator list` has names and roles."


class Signed(msgspec.Struct, frozen=True):
    """A signature that was taken.

    Attributes:
        operator: Who signed.
        at: When it was taken.
        key: The public key, as in a ``.pub`` file, without its comment.
        fingerprint: Of the key.
        signature: Armoured.
    """

    operator: str
    at: Instant
    key: str
    fingerprint: str
    signature: str


def checked(
    text: str, operators: Sequence[Operator], roles: Collection[str], name: str, armored: str, at: Instant
) -> Signed:
    """A signature that counts.

    Args:
        text: What was signed.
        operators: Those in force.
        roles: Of which the operator must have one.
        name: Who says that they signed.
        armored: The signature.
        at: When it was taken.

    Raises:
        NotAllowed: They have no such role, or the key is not theirs.
        BadSshSignature: It is no signature, or not over this text.
    """
    person = next((each for each in operators if each.name == name), None)
    if person is None or not {*person.roles} & {*roles}:
        raise NotAllowed(f"{name[:64]!a} is no operator in force of role {' or '.join(sorted(roles))}.")
    signature = read_signature(armored)
    blob = signature.key.blob
    line = next((line for line in person.keys if public_key(line).blob == blob), None)
    if line is None:
        raise NotAllowed(f"The key {fingerprint(blob)} is none of {person.name}'s.", code="archive.wrong-key")
    signature.check(text.encode(), NAMESPACE)
    return Signed(name, at, " ".join(line.split()[:2]), fingerprint(blob), signature.armored())


def counting(
    text: str, signatures: Sequence[Signed], operators: Sequence[Operator], roles: Collection[str]
) -> tuple[Signed, ...]:
    """The signatures over a text that count today: of operators in force, each of another person and another key."""
    found: list[Signed] = []
    for signed in signatures:
        try:
            again = checked(text, operators, roles, signed.operator, signed.signature, signed.at)
        except (NotAllowed, BadSshSignature):
            continue  # their word counts no more, or never did
        if all(again.operator != each.operator and again.key != each.key for each in found):
            found.append(again)
    return tuple(found)

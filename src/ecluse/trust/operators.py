"""Operators: the people who may change whom the hub trusts, and the keys that they sign changes with.

Two operators with the role ``trust`` make a hub of four eyes: see :mod:`ecluse.app.changes`. A key stands for a
person: the same key, name or address twice would make two of one, and is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Meta

from ecluse.trust.errors import Problem
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.settings.fields import Duration, SshPublicKey, Strict, seconds
from ecluse.wire.sshsig import BadSshSignature, PublicKey, key_bits, parse_key

__all__ = [
    "EYES",
    "LONGEST_TIME",
    "MIN_OPERATOR_RSA",
    "SHORTEST_TIME",
    "Changes",
    "Operator",
    "OperatorRole",
    "approvers",
    "archivists",
    "four_eyes",
    "operator_keys",
    "operator_problems",
    "operator_words",
    "public_key",
]

MIN_OPERATOR_RSA: Final = 3072
"""Bits of the shortest RSA key of an operator: 128 bits of strength (NIST SP 800-57, table 2); what ``ssh-keygen``
makes by default."""
SHORTEST_TIME: Final = 60
"""Seconds: a proposal that nobody can read before it ends would be refused by the clock alone."""
LONGEST_TIME: Final = 90 * 86_400
"""Seconds: what was proposed a quarter ago is not what anybody means today."""

SHORTEST_RECOVERY: Final = 86_400
"""Seconds: a day, in which somebody who is not gone can look at the hub."""

EYES: Final = 2
"""Operators of role trust who sign a change to trust, where the hub has so many."""

OperatorRole = Literal["trust", "run", "audit", "archive"]

OperatorName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$",
        extra={"expected": "a name of lower case letters, digits, dots and dashes"},
    ),
]
Email = Annotated[
    str,
    Meta(pattern=r"^[^\s@<>,;]{1,64}@[^\s@<>,;]{1,255}$", extra={"expected": "an address of mail"}),
]


class Operator(Strict, frozen=True, kw_only=True):
    """A person who works on the hub.

    Attributes:
        name: What the person is called here and in signatures.
        email: Where they may be written to.
        keys: SSH public keys that they sign changes with (lines of .pub files); a token's (sk-) too.
        roles: trust: they propose and approve changes to trust. run: they run the hub. audit: they look.
            archive: they administer the archive, and sign that documents are destroyed.
    """

    name: OperatorName
    email: Email | None = None
    keys: tuple[SshPublicKey, ...] = ()
    roles: tuple[OperatorRole, ...]


class Changes(Strict, frozen=True, kw_only=True):
    """Changes to trust that wait for approval.

    Attributes:
        time_limit: How long a proposal waits; one minute to 90 days.
        recovery_wait: How long one operator has to wait to remove another one who is gone, where nobody else is left
            to sign it; a day at least, or false for never.
    """

    time_limit: Duration = "7d"
    recovery_wait: Duration | bool = "1d"


def public_key(line: str) -> PublicKey:
    """The key of a ``.pub`` line. Raises :class:`BadSshSignature` where it is none."""
    try:
        kind, encoded = line.split()[:2]
        blob = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise BadSshSignature("This is no line of a public key.", code="sshsig.bad-key") from None
    key = parse_key(blob)
    if key.kind != kind:
        raise BadSshSignature("The key is of another kind than its line says.", code="sshsig.bad-key")
    return key


def operator_keys(operator: Operator) -> tuple[PublicKey, ...]:
    """The keys of an operator whose configuration was checked."""
    return tuple(public_key(line) for line in operator.keys)


def approvers(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Those who can sign a change to trust: of role trust, and with a key."""
    return tuple(each for each in operators if "trust" in each.roles and each.keys)


def archivists(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Those who can sign for the archive: of role archive, and with a key."""
    return tuple(each for each in operators if "archive" in each.roles and each.keys)


def four_eyes(operators: Sequence[Operator]) -> bool:
    """Whether a change to trust needs a second person."""
    return len(approvers(operators)) >= EYES


def operator_problems(file: str, operators: Sequence[Operator], changes: Changes) -> Iterator[Problem]:
    """Everything wrong with ``[[operators]]`` and ``[changes]``."""
    seen: dict[tuple[str, object], int] = {}
    for number, operator in enumerate(operators):
        field = f"operators[{number}]"
        yield from _once(file, field, "name", operator.name, number, seen)
        if operator.email is not None:
            yield from _once(file, field, "email", operator.email.casefold(), number, seen)
        if not operator.roles:
            yield Problem(
                "config.bad-value",
                file,
                f"{field}.roles",
                "They may do nothing.",
                "Name a role, or leave them out.",
            )
        if "trust" in operator.roles and not operator.keys:
            yield Problem(
                "config.missing-field",
                file,
                f"{field}.keys",
                "Who changes trust signs with a key, and there is none.",
                "Put the line of their .pub file there.",
            )
        if "archive" in operator.roles and not operator.keys:
            yield Problem(
                "config.missing-field",
                file,
                f"{field}.keys",
                "Who administers the archive signs with a key, and there is none.",
                "Put the line of their .pub file there.",
            )
        for index, line in enumerate(operator.keys):
            place = f"{field}.keys[{index}]"
            try:
                key = public_key(line)
            except BadSshSignature as error:
                yield Problem("config.bad-value", file, place, error.cause, error.remedy)
                continue
            # Whoever can factor a modulus signs with every exponent over it.
            same = key.key.public_numbers().n if isinstance(key.key, rsa.RSAPublicKey) else key.blob
            yield from _once(file, field, f"keys[{index}]", same, number, seen)
            if key.kind == "ssh-rsa" and key_bits(key) < MIN_OPERATOR_RSA:
                yield Problem(
                    "trust.weak-key",
                    file,
                    place,
                    f"The RSA key {fingerprint(key.blob)} has {key_bits(key)} bits.",
                    f"Make one of the kind ed25519 with ssh-keygen, or RSA with at least {MIN_OPERATOR_RSA} bits.",
                )
    if not SHORTEST_TIME <= seconds(changes.time_limit) <= LONGEST_TIME:
        yield Problem(
            "config.bad-value",
            file,
            "changes.time_limit",
            "A proposal can't wait so long, or so short a time.",
            'Expected "1m" to "90d".',
        )
    wait = changes.recovery_wait
    if isinstance(wait, str) and not SHORTEST_RECOVERY <= seconds(wait) <= LONGEST_TIME:
        yield Problem(
            "config.bad-value",
            file,
            "changes.recovery_wait",
            "A recovery can't wait so long, or so short a time.",
            'Expected "1d" to "90d", or false.',
        )


def _once(
    file: str, field: str, name: str, value: object, number: int, seen: dict[tuple[str, object], int]
) -> Iterator[Problem]:
    what = "keys" if name.startswith("keys") else name
    first = seen.setdefault((what, value), number)
    # The same number: one key twice with one operator, which makes nobody two.
    if first != number:
        words = {"name": "name", "email": "address", "keys": "key"}[what]
        yield Problem(
            "config.duplicate-operator",
            file,
            f"{field}.{name}",
            f"operators[{first}] has the same {words}: two operators would be one person.",
            "Give each person an entry, a name and keys of their own.",
        )


def operator_words(operator: Operator) -> str:
    """An operator in words, for plans: whatever may be done with it shows."""
    prints = ", ".join(sorted(fingerprint(key.blob) for key in operator_keys(operator)))
    mail = f"{operator.email}, " if operator.email else ""
    return f"{mail}roles {', '.join(sorted(operator.roles)) or 'none'}, keys {prints or 'none'}"

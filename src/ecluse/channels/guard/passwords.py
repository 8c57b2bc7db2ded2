"""Passwords: compared in the same time, whether there is one, of which kind, or none at all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from ecluse.errors import EcluseError
from ecluse.trust.secrets import Secret

__all__ = ["MAX_PASSWORD", "make_verifier", "password_matches", "still_kept"]

MAX_PASSWORD: Final = 1024
"""Octets of a password that is looked at (NIST SP 800-63B asks for 64 characters at least)."""

_MEMORY: Final = 19_456
_PASSES: Final = 2
_LANES: Final = 1
"""OWASP's parameters for Argon2id: 19 MiB, two passes, one lane."""

_PREFIX: Final = b"$argon2id$"
_SALT: Final = 16


def make_verifier(password: bytes, salt: bytes) -> str:
    """What can be kept in place of a password: Argon2id in the PHC string format.

    Args:
        password: The password.
        salt: 16 random octets.
    """
    return _argon2(salt).derive_phc_encoded(password)


def password_matches(kept: Secret | None, given: bytes) -> bool:
    """Whether a password is the right one. Takes 20 to 40 ms and 19 MiB: run it in a bounded pool.

    Args:
        kept: The password, or a verifier of it (Argon2id, PHC string format); ``None`` where there is none, which
            takes as long and is always wrong.
        given: What the client sent.
    """
    too_long = len(given) > MAX_PASSWORD
    given = b"" if too_long else given
    value = b"" if kept is None else kept.reveal()
    if value.startswith(_PREFIX):
        try:
            Argon2id.verify_phc_encoded(given, value.decode("ascii"))
        except (InvalidKey, ValueError):
            return False
        return not too_long
    _argon2(bytes(_SALT)).derive(given)
    same = hmac.compare_digest(hashlib.sha256(value).digest(), hashlib.sha256(given).digest())
    return same and bool(value) and not too_long


def still_kept(kept: Secret, now: Callable[[], Secret | None]) -> bool:
    """Whether what is kept for a login is what a session was opened with.

    Args:
        kept: What the password was right by.
        now: Gives what is kept at present. That it can't be read just now says nothing.
    """
    try:
        present = now()
    except EcluseError:
        return True
    return present is not None and hmac.compare_digest(kept.reveal(), present.reveal())


def _argon2(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY)

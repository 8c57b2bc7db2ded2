"""Further keys that sign notes of transparency logs: the log's second one, and those of a witness.

Beside its Ed25519 key, which signs cards too, the log has one of ML-DSA-44 (FIPS 204), so that its checkpoints hold
when Ed25519 is broken. As a witness the hub signs with two keys of its own: what it says of others' logs must not be
taken for what it says of its own. All are made from seeds, and stay in files or in the signer: no device that speaks
PKCS#11 or a cloud's API makes ML-DSA-44 signatures of such structures, and so they are not bound to one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ecluse.trust.errors import KeyringError

__all__ = ["NOTE_SEEDS", "NOTE_USES", "NoteKeys", "NoteUse", "no_note_keys"]

NoteUse = Literal["log-ml-dsa", "witness", "witness-ml-dsa"]

NOTE_USES: Final[tuple[NoteUse, ...]] = get_args(NoteUse)

_SEED: Final = 32
NOTE_SEEDS: Final = _SEED * len(NOTE_USES)
"""Octets of their seeds, one after the other in this order."""


@dataclass(frozen=True, slots=True)
class _Key:
    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)


class NoteKeys:
    """The keys, from their seeds.

    Args:
        seeds: :data:`NOTE_SEEDS` octets.

    Raises:
        KeyringError: ``keyring.damaged``: there are more or fewer.
    """

    __slots__ = ("_keys",)

    def __init__(self, seeds: bytes) -> None:
        if len(seeds) != NOTE_SEEDS:
            raise KeyringError("The seeds of the keys for notes are damaged.", code="keyring.damaged")
        self._keys: dict[str, _Key] = {}
        for number, use in enumerate(NOTE_USES):
            seed = seeds[number * _SEED : (number + 1) * _SEED]
            if use == "witness":
                signing = Ed25519PrivateKey.from_private_bytes(seed)
                self._keys[use] = _Key(signing.public_key().public_bytes_raw(), signing.sign)
            else:
                lattice = MLDSA44PrivateKey.from_seed_bytes(seed)
                self._keys[use] = _Key(lattice.public_key().public_bytes_raw(), lattice.sign)

    def public(self, use: NoteUse) -> bytes:
        """The raw public key."""
        return self._keys[use].public

    def sign(self, use: NoteUse, data: bytes) -> bytes:
        """A signature. Raises :class:`KeyringError` (``keyring.bad-request``) for a use that is none."""
        key = self._keys.get(use)
        if key is None:
            raise KeyringError("The keyring has no key for such notes.", code="keyring.bad-request")
        return key.sign(data)


def no_note_keys() -> KeyringError:
    """What is raised where a keyring of an older release has none of them."""
    return KeyringError(
        "The keyring has neither a second key for the log nor keys of a witness.",
        code="keyring.no-note-keys",
        remedy="Make them with `ecluse log add-key`.",
    )

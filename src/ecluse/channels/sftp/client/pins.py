"""Pinned host keys: what a server must show, and what it showed."""

from __future__ import annotations

from typing import Final

import asyncssh

from ecluse.errors import EcluseError, Fault

__all__ = ["BadHostKey", "Pins", "family"]

_AUTHORITY: Final = "@cert-authority "


class BadHostKey(EcluseError):
    """A pinned host key can't be read."""

    code = "sftp.bad-host-key"
    fault = Fault.USAGE
    remedy = "Copy it whole: a fingerprint SHA256:..., or the two words of a public key."


def family(algorithm: str) -> str:
    """What kind of key an algorithm is of, whatever the digest and with or without a certificate."""
    name = algorithm.removesuffix("-cert-v01@openssh.com")
    return "rsa" if name in ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512") else name


class Pins:
    """The host keys of one server's settings.

    Args:
        pinned: As the configuration has them (:data:`ecluse.trust.settings.fields.HostKey`).

    Raises:
        BadHostKey: One of them is no key.
    """

    def __init__(self, pinned: tuple[str, ...]) -> None:
        self._keys: set[str] = set()
        self._authorities: set[str] = set()
        self._families: set[str] = set()
        self._unknown = False
        for line in pinned:
            if line.startswith("SHA256:"):
                self._keys.add(line)
                self._unknown = True
                continue
            authority = line.startswith(_AUTHORITY)
            try:
                key = asyncssh.import_public_key(line.removeprefix(_AUTHORITY))
            except (asyncssh.KeyImportError, ValueError):
                raise BadHostKey(f"The host key {line[:40]}... is no public key.") from None
            (self._authorities if authority else self._keys).add(key.get_fingerprint())
            if not authority:
                self._families.add(family(key.get_algorithm()))

    @property
    def expected(self) -> tuple[str, ...]:
        """Fingerprints, for people."""
        return (*sorted(self._keys), *(f"an authority {print_}" for print_ in sorted(self._authorities)))

    def is_key(self, key: asyncssh.SSHKey) -> bool:
        """Whether this is a pinned host key."""
        return key.get_fingerprint() in self._keys

    def is_authority(self, key: asyncssh.SSHKey) -> bool:
        """Whether host certificates that this key signed are taken."""
        return key.get_fingerprint() in self._authorities

    def trusts(self, seen: str) -> bool:
        """Whether a fingerprint, or "an authority" and one, is pinned."""
        return seen in self.expected

    def others(self, offered: tuple[str, ...], shown: str) -> tuple[str, ...]:
        """What to ask a server for that showed an unpinned key of one kind: it may have the pinned one too.

        Empty where it can't: every pinned key is known, and of a kind that was shown already.
        """
        if shown == "certificate":
            return tuple(name for name in offered if "-cert-" not in name)
        left = tuple(name for name in offered if family(name) != shown)
        if self._unknown:
            return left
        return tuple(name for name in left if family(name) in self._families or "-cert-" in name)

    def order(self, offered: tuple[str, ...]) -> tuple[str, ...]:
        """Algorithms in the order to ask for: those of pinned keys first, certificates only with an authority."""
        usable = [name for name in offered if self._authorities or "-cert-" not in name]

        def rank(name: str) -> int:
            if "-cert-" in name:
                return 0
            return 1 if family(name) in self._families else 2

        return tuple(sorted(usable, key=rank))

"""Which credentials of a list are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ecluse.model.basics import Instant
from ecluse.trust.inventory.credential import Credential

__all__ = ["Query"]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; what is not given does not count.

    Attributes:
        expiring: Ends within so many microseconds, has ended, or was revoked.
        owner: A partner's id; ``us`` for the hub's own.
        kinds: One of these.
        purpose: Is for this, or has this role in a binding.
        weaker_than: Fewer bits of security than this; what has no known strength is left out.
        unused: Not used, and not met on the wire, for so many microseconds.
    """

    expiring: int | None = None
    owner: str | None = None
    kinds: Collection[str] = ()
    purpose: str | None = None
    weaker_than: int | None = None
    unused: int | None = None

    def of(self, credentials: Iterable[Credential], now: Instant) -> list[Credential]:
        """Those of ``credentials`` that are asked for, in their order."""
        found = list(credentials)
        if self.owner is not None:
            owner = "" if self.owner == "us" else self.owner
            found = [each for each in found if each.owner == owner]
        if self.kinds:
            kinds = frozenset(self.kinds)
            found = [each for each in found if each.kind in kinds]
        if self.weaker_than is not None:
            most = self.weaker_than
            found = [each for each in found if each.strength is not None and each.strength < most]
        if self.expiring is not None:
            until = now + self.expiring
            found = [each for each in found if _ends_by(each, until)]
        if self.purpose is not None:
            wanted = self.purpose
            found = [
                each
                for each in found
                if wanted in each.purpose or any(binding.role == wanted for binding in each.bindings)
            ]
        if self.unused is not None:
            since = now - self.unused
            found = [each for each in found if each.used is None or each.used < since]
        return found


def _ends_by(credential: Credential, until: int) -> bool:
    ends = credential.ends
    return (ends is not None and ends < until) or credential.revocation.state == "revoked"

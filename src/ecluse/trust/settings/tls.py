"""Fields that every way to a partner shares: its TLS, and how a delivery is tried again."""

from __future__ import annotations

from typing import Literal

from ecluse.trust.settings.fields import Count, Duration, Reference, Strict

__all__ = ["PartnerTls", "Retry"]


class Retry(Strict, frozen=True, kw_only=True):
    """How a delivery is tried again, in place of the hub's own way, which takes two to three days.

    Attributes:
        attempts: How many attempts before a person is asked.
        base: Wait after the first failure; it doubles, with jitter.
        cap: Longest wait.
    """

    attempts: Count = 12
    base: Duration = "30s"
    cap: Duration = "1h"


class PartnerTls(Strict, frozen=True, kw_only=True):
    """TLS to the partner's server. Certificates with use "tls" replace the system's authorities.

    Attributes:
        client_key: Key of the keyring that is shown to the partner's server.
        successor: A key that is shown in its place once that was decided (`ecluse rotate begin`).
        min_version: The oldest TLS version that is spoken.
    """

    client_key: Reference | None = None
    successor: Reference | None = None
    min_version: Literal["1.2", "1.3"] = "1.2"

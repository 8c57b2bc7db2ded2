"""``[[log.authorities]]`` and ``[log.longterm]`` of ``ecluse.toml``: who stamps the log, and how that is kept alive."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ecluse.trust.settings.fields import (
    CertificatePath,
    Day,
    Duration,
    Label,
    Name,
    SecretReference,
    Strict,
    Url,
)

__all__ = ["ALGORITHMS", "LongtermSettings", "TimeStampAuthority"]

ALGORITHMS: Final = (
    "sha256",
    "sha384",
    "sha512",
    "sha3_256",
    "sha3_384",
    "sha3_512",
    "rsa-short",
    "rsa",
    "ecdsa",
    "ed25519",
    "ml-dsa",
)
"""Algorithms that have an end in the table of :mod:`ecluse.evidence.longterm.algorithms`."""

Algorithm = Annotated[
    str,
    Meta(pattern=f"^({'|'.join(ALGORITHMS)})$", extra={"expected": f"one of {', '.join(ALGORITHMS)}"}),
]
StampHash = Literal["sha-256", "sha-384", "sha-512", "sha3-256", "sha3-384", "sha3-512"]
Policy = Annotated[
    str,
    Meta(
        pattern=r"^[0-2](\.(0|[1-9][0-9]{0,18})){1,30}$",
        extra={"expected": 'an object identifier, such as "1.3.6.1.4.1.601.10.3.1"'},
    ),
]


class TimeStampAuthority(Strict, frozen=True, kw_only=True):
    """An RFC 3161 time-stamping authority.

    Attributes:
        name: Our name for it; what it stamped is kept under it.
        url: Where it is asked.
        roots: PEM file of its root (and what lies between), in the folder certificates.
        hash: Hash of what it stamps.
        policy: Policy that is asked for; its own by default.
        every: How often the log is stamped by it.
        required: Whether a time-stamp that is overdue is a serious finding, and not a light one.
        ask: Whether it is asked. One that is not any more stays here, so that what it stamped can be verified.
        user: User name, where it asks for one.
        password: Reference to the password.
        timeout: Its longest silence.
        ca: PEM file, in the folder certificates, of the authority that its web server's certificate is checked with;
            by default those of the system.
        allow_private_network: Let it be on loopback or a private network.
    """

    name: Label
    url: Url
    roots: CertificatePath
    hash: StampHash = "sha-512"
    policy: Policy | None = None
    every: Duration = "1d"
    required: bool = True
    ask: bool = True
    user: Name | None = None
    password: SecretReference | None = None
    timeout: Duration = "20s"
    ca: Name | None = None
    allow_private_network: bool = False


class LongtermSettings(Strict, frozen=True, kw_only=True):
    """How evidence records are kept alive.

    Attributes:
        renew_before: How long before a certificate or an algorithm ends what rests on it is renewed; in the last third
            of its time at the latest.
        ends: Last days of algorithms, where the hub sets others than those published, by name: hashes such as sha256,
            and rsa-short (below 3000 bits), rsa, ecdsa, ed25519, ml-dsa.
    """

    renew_before: Duration = "180d"
    ends: dict[Algorithm, Day] = msgspec.field(default_factory=dict)

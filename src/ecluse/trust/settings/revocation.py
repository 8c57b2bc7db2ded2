"""``[revocation]`` of ``ecluse.toml``: whether, where and how often authorities are asked about certificates."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ecluse.trust.settings.fields import CertificatePath, Duration, Strict, Url

__all__ = ["RevocationAuthority", "RevocationSettings"]

CrlPlace = Annotated[
    str,
    Meta(
        pattern=r"^(https?://[!-~]+|file:[^\s\x00-\x1f].*)$",
        max_length=2000,
        extra={"expected": 'a URL such as "http://crl.birch.example/ca.crl", or "file:crl/birch.crl"'},
    ),
]


class RevocationAuthority(Strict, frozen=True, kw_only=True):
    """One authority, where its certificates do not say whom to ask, or say what can't be reached.

    Attributes:
        certificate: PEM file of the authority's certificate, in the folder certificates.
        ocsp: URL of its OCSP responder.
        crl: URL of its revocation list, or file:PATH relative to the hub's folder.
    """

    certificate: CertificatePath
    ocsp: Url | None = None
    crl: CrlPlace | None = None


class RevocationSettings(Strict, frozen=True, kw_only=True):
    """Whether certificates were revoked.

    Attributes:
        mode: off asks nobody. soft refuses what is known to be revoked. hard refuses, besides, certificates whose
            authority can be asked and gives no answer that counts.
        methods: How it is asked, the preferred way first.
        refresh: When an answer is asked for again, unless it ends before.
        max_age: How long an answer counts that does not say itself when the next one comes.
        timeout: Longest silence of a responder.
        nonce: Send a nonce to OCSP responders and demand it back; many give answers made ahead, without one.
        allow_private_network: Let responders be on loopback or a private network.
        authorities: Authorities whose certificates do not say whom to ask.
    """

    mode: Literal["off", "soft", "hard"] = "off"
    methods: tuple[Literal["ocsp", "crl"], ...] = ("ocsp", "crl")
    refresh: Duration = "6h"
    max_age: Duration = "1d"
    timeout: Duration = "10s"
    nonce: bool = False
    allow_private_network: bool = False
    authorities: tuple[RevocationAuthority, ...] = ()

"""What a card says, in the second format."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecluse.trust.company import Bank, Contact, Identifiers
from ecluse.trust.settings.fields import As2Id, HostKey, HostPort, Moment, Name, PartnerUse, SshPublicKey, Url
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.errors import Malformed
from ecluse.wire.tlog.note import NoteKey

__all__ = ["FIRST", "SECOND", "Card", "CardCertificate", "Endpoints", "Offers"]

FIRST = "ecluse.card/1"
SECOND = "ecluse.card/2"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a card: what it does not name is refused, and what is not set is not written."""


class CardCertificate(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate on a card.

    Attributes:
        pem: The certificate and its chain.
        use: What the reader uses it for.
        begins: Not used before.
        ends: Not used after.
    """

    pem: str
    use: tuple[PartnerUse, ...]
    begins: Moment | None = None
    ends: Moment | None = None


class Offers(_Part, frozen=True, kw_only=True, omit_defaults=False):
    """What the organisation's hub takes over AS2, best first.

    Attributes:
        sign: Digests of signatures.
        encrypt: Content encryption.
        key_padding: RSA padding of the content key.
    """

    sign: tuple[str, ...] = ("sha-256", "sha-384", "sha-512")
    encrypt: tuple[str, ...] = ("aes-256-gcm", "aes-256-cbc", "aes-128-gcm", "aes-128-cbc")
    key_padding: tuple[str, ...] = ("oaep-sha256", "oaep-sha1", "pkcs1")


class Endpoints(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """Where the organisation is reached.

    Attributes:
        as2: URL for AS2 messages.
        sftp: Host and port of its SFTP server.
        ftps: Host and port of its FTPS server.
        ftps_mode: How TLS begins there.
    """

    as2: Url | None = None
    sftp: HostPort | None = None
    ftps: HostPort | None = None
    ftps_mode: Literal["explicit", "implicit"] = "explicit"


class Card(_Part, frozen=True, kw_only=True, omit_defaults=True):
    """A card. One of the first format reads as one of the second that says less.

    Attributes:
        format: ``ecluse.card/1`` or ``ecluse.card/2``.
        name: The company.
        made: When, RFC 3339.
        log_key: Raw Ed25519 public key of its evidence log, base64; it signs the card.
        log_origin: Name of that log in checkpoints.
        log_ml_dsa: Raw ML-DSA-44 public key of that log, base64, where it has one: both sign its checkpoints.
        serial: Its number: a later card has a higher one; 0 on a card of the first format.
        expires: Until when it may be taken; ``None`` on a card of the first format.
        names: Further names that the company goes by.
        as2_id: Its AS2 id.
        identifiers: Its registered numbers.
        endpoints: Where it is reached.
        certificates: Its certificates, the authorities of its TLS servers among them.
        host_keys: What its SFTP server shows: public keys, or the key of a certificate authority.
        ssh_keys: What it logs in with at others' SFTP servers.
        openpgp: Its OpenPGP certificates, armoured.
        offers: What its hub takes over AS2.
        contacts: Whom to reach for what.
        bank: Where it is paid.
        invitation: The invitation that it answers.
    """

    format: str
    name: Name
    made: str
    log_key: str
    log_origin: str
    log_ml_dsa: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{1750}==$")] | None = None
    serial: Annotated[int, Meta(ge=0, le=1 << 62)] = 0
    expires: Moment | None = None
    names: tuple[Name, ...] = ()
    as2_id: As2Id | None = None
    identifiers: Identifiers | None = None
    endpoints: Endpoints = Endpoints()
    certificates: tuple[CardCertificate, ...] = ()
    host_keys: tuple[HostKey, ...] = ()
    ssh_keys: tuple[SshPublicKey, ...] = ()
    openpgp: tuple[str, ...] = ()
    offers: Offers = Offers()
    contacts: tuple[Contact, ...] = ()
    bank: Bank | None = None
    invitation: Annotated[str, Meta(pattern=r"^[a-z0-9]{8,64}$")] | None = None

    @property
    def log_keys(self) -> tuple[str, ...]:
        """Verifier keys of the log; none where what the card says of them is no such key."""
        try:
            first = NoteKey(self.log_origin, base64.b64decode(self.log_key, validate=True))
            second = self.log_ml_dsa and base64.b64decode(self.log_ml_dsa, validate=True)
            return LogKey(
                first, CosignerKey(self.log_origin, "ml-dsa-44", second) if second else None
            ).texts()
        except (Malformed, ValueError):
            return ()

    @property
    def email(self) -> str | None:
        """Where people write about the exchange: the first contact that has an address."""
        edi = [each for each in self.contacts if each.role == "edi"]
        return next((each.email for each in (*edi, *self.contacts) if each.email), None)

"""The kinds of values that fields of the configuration take, each with what it expects in words."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ecluse.model.basics import Instant

__all__ = [
    "REFERENCE_PATTERN",
    "Address",
    "As2Id",
    "CertificatePath",
    "ChannelName",
    "Count",
    "Day",
    "Duration",
    "EncryptAlgorithm",
    "FolderPath",
    "HostKey",
    "HostPort",
    "Label",
    "LegacyAlgorithm",
    "Moment",
    "Name",
    "Network",
    "OwnUse",
    "PartnerState",
    "PartnerUse",
    "Reference",
    "SecretReference",
    "SignAlgorithm",
    "Size",
    "SshPublicKey",
    "Strict",
    "Url",
    "Weekday",
    "instant_from",
    "instant_until",
    "octets",
    "seconds",
]

REFERENCE_PATTERN: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s].*|keyring:[a-z0-9][a-z0-9.-]{0,62})$"
_DURATION = r"^[1-9][0-9]{0,7}(ms|s|m|h|d)$"
_SIZE = r"^[1-9][0-9]{0,9} ?(B|KiB|MiB|GiB|TiB)$"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_MOMENT = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    rf"([Tt ]{_CLOCK}:[0-5][0-9](\.[0-9]{{1,6}})?([Zz]|[+-]{_CLOCK}))?$"
)

SecretReference = Annotated[
    str,
    Meta(
        extra={"secret": True, "expected": "a reference to a secret: env:NAME, file:path or keyring:name"},
        extra_json_schema={"pattern": REFERENCE_PATTERN},
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=200, extra={"expected": "a text of 1 to 200 characters"})]
As2Id = Annotated[
    str,
    # RFC 4130 s6.2: 1 to 128 printable ASCII characters; a double quote or backslash would need escapes that
    # several products can't read.
    Meta(
        pattern=r"^[ !#-\[\]-~]{1,128}$",
        extra={"expected": "an AS2 id: 1 to 128 printable ASCII characters, no double quote, no backslash"},
    ),
]
Reference = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$",
        extra={"expected": 'the name of a key in the keyring, such as "main"'},
    ),
]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[!-~]+$", max_length=2000, extra={"expected": 'a URL, such as "https://host/as2"'}
    ),
]
Duration = Annotated[
    str,
    Meta(pattern=_DURATION, extra={"expected": 'a duration: a number with ms, s, m, h or d, such as "30m"'}),
]
Size = Annotated[
    str,
    Meta(
        pattern=_SIZE, extra={"expected": 'a size: a number with B, KiB, MiB, GiB or TiB, such as "10 GiB"'}
    ),
]
Moment = Annotated[
    str,
    Meta(
        pattern=_MOMENT,
        extra={
            "moment": True,
            "expected": "a date such as 2026-12-31, or a date and time with its offset from UTC, "
            "such as 2026-12-31T22:00:00Z",
        },
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):[0-9]{1,5}$",
        extra={"expected": 'a host and a port, such as "127.0.0.1:4080"'},
    ),
]
HostPort = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(:[0-9]{1,5})?$",
        extra={"expected": 'a host, or a host and a port, such as "as2.birch.example:8443"'},
    ),
]
CertificatePath = Annotated[
    str,
    Meta(
        pattern=r"^certificates/[A-Za-z0-9][A-Za-z0-9._-]*\.pem$",
        extra={"expected": 'a file of the folder "certificates", such as "certificates/birch-2026.pem"'},
    ),
]
Count = Annotated[int, Meta(ge=1, le=1000, extra={"expected": "a whole number from 1 to 1000"})]

Label = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        extra={"expected": "a name of lower case letters, digits and dashes"},
    ),
]
Day = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        extra={"moment": True, "expected": "a date such as 2026-12-31"},
    ),
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ChannelName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]{1,16}:[a-z0-9][a-z0-9-]{0,62}$",
        extra={"expected": 'a channel: its kind and a name, such as "sftp:birch" or "folder:orders"'},
    ),
]
SshPublicKey = Annotated[
    str,
    Meta(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) "
        r"[A-Za-z0-9+/=]{20,20000}( [ -~]*)?$",
        extra={"expected": 'a public key as in an authorized_keys file, such as "ssh-ed25519 AAAA..."'},
    ),
]
HostKey = Annotated[
    str,
    Meta(
        pattern=r"^(SHA256:[A-Za-z0-9+/]{43}|(@cert-authority )?(ssh-|ecdsa-)[a-z0-9-]+ "
        r"[A-Za-z0-9+/=]{20,20000}( [ -~]*)?)$",
        extra={
            "expected": 'a fingerprint "SHA256:...", a public key "ssh-ed25519 AAAA...", or '
            '"@cert-authority ssh-ed25519 AAAA..."'
        },
    ),
]
FolderPath = Annotated[
    str,
    Meta(
        pattern=r"^(?!.*//)(?!(.*/)?\.{1,2}(/|$))[^\x00-\x1f\x7f\\]{1,500}$",
        extra={"expected": 'a folder, such as "in/orders", without dots as names'},
    ),
]
Network = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$",
        extra={"expected": 'an address or a network, such as "192.0.2.0/24"'},
    ),
]

SignAlgorithm = Literal["sha-256", "sha-384", "sha-512"]
EncryptAlgorithm = Literal[
    "aes-256-cbc", "aes-256-gcm", "aes-192-cbc", "aes-192-gcm", "aes-128-cbc", "aes-128-gcm"
]
LegacyAlgorithm = Literal[
    "sha-1",
    "3des",
    "rsa-1024",
    "clear-text",
    "expired-certificate",
    "ssh-legacy",
    "openpgp-legacy",
    "wrong-key-usage",
    "unverified-data-channel",
]
PartnerUse = Literal["verify", "encrypt", "mdn-verify", "tls", "tls-client"]
OwnUse = Literal["sign", "decrypt", "mdn-sign", "tls", "tls-client"]
PartnerState = Literal["invited", "verified", "active", "suspended", "retired"]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A table of a configuration file: what it does not name is refused."""


_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@lru_cache
def seconds(duration: str) -> float:
    """A :data:`Duration` that was checked, in seconds."""
    unit = duration.lstrip("0123456789")
    return int(duration[: -len(unit)]) * _UNITS[unit]


@lru_cache
def octets(size: str) -> int:
    """A :data:`Size` that was checked, in octets."""
    unit = size.lstrip("0123456789 ")
    return int(size[: -len(unit)]) * _SIZES[unit]


def _moment(text: str, *, end: bool) -> Instant:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        moment = datetime.combine(date.fromisoformat(text), time(), UTC)
        if end:
            # The last day counts whole; the calendar's own last day can't be passed.
            moment = moment + timedelta(days=1) if moment.year < 9999 else datetime.max.replace(tzinfo=UTC)
    else:
        moment = datetime.fromisoformat(text.upper())
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Instant((moment - epoch) // timedelta(microseconds=1))


def instant_from(moment: str | None) -> Instant | None:
    """When a window opens: a date opens at 00:00 UTC. Raises ``ValueError`` where there is no such day."""
    return None if moment is None else _moment(moment, end=False)


def instant_until(moment: str | None) -> Instant | None:
    """When a window closes (exclusive): a date closes at its end, 24:00 UTC. Raises ``ValueError`` too."""
    return None if moment is None else _moment(moment, end=True)

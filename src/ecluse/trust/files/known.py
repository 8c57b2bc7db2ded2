"""What configuration files were found to say, kept beside the hub so that the next process need not find it again.

Ten thousand partners' files take ten seconds to read and a tenth of that to take from here. What is kept stands under
the digest of the text that it was made of, so that it can't go stale; it counts for one release alone; and it is
authenticated under the keyring, so that nobody else can put words into a partner's file. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, Self

import msgspec
from cryptography import x509

from ecluse.errors import EcluseError
from ecluse.model.basics import Entropy, Instant
from ecluse.trust.certificates import CertificateInfo
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.settings.schema import Partner
from ecluse.typed import from_msgpack

if TYPE_CHECKING:
    from ecluse.trust.configuration import Configuration
    from ecluse.trust.keys.keyring import Keyring

__all__ = ["LEAST", "Known", "digest"]

FORMAT: Final = b"ecluse.known/1\n"
"""Changes with what is kept, and with what reading a file means."""
LEAST: Final = 500
"""Files from which it is worth it: fewer are read in half a second."""

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_KEY: Final = 32
_SIZE: Final = 1 << 30
"""Octets that are read at most: ten times what 20,000 partners take."""


class _Body(msgspec.Struct, frozen=True, array_like=True):
    """What is kept, by the digest of the text."""

    schema: bytes
    partners: dict[bytes, Partner]
    certificates: dict[bytes, CertificateInfo]
    openpgp: dict[bytes, tuple[int, int]]


_encode: Final = msgspec.msgpack.Encoder().encode


class Known:
    """What is known of files.

    Attributes:
        openpgp: OpenPGP files that were read and proven: from when on, and until when (seconds) all of them serve.
        missed: Partners' files that were asked for and not known.
    """

    def __init__(
        self,
        partners: Mapping[bytes, Partner],
        certificates: Mapping[bytes, CertificateInfo],
        openpgp: Mapping[bytes, tuple[int, int]],
    ) -> None:
        self._partners = partners
        self._certificates = certificates
        self.openpgp = openpgp
        self.missed = 0

    def __len__(self) -> int:
        return len(self._partners) + len(self._certificates) + len(self.openpgp)

    def partner(self, text: str) -> Partner | None:
        """What a partner's file says; ``None`` where that is not known."""
        found = self._partners.get(digest(text))
        self.missed += found is None
        return found

    def certificate(self, text: str) -> tuple[x509.Certificate, CertificateInfo] | None:
        """The one certificate of a file; ``None`` where that is not known."""
        info = self._certificates.get(digest(text))
        if info is None:
            return None
        return x509.load_pem_x509_certificate(text.encode("utf-8")), info

    @classmethod
    def of(cls, configuration: Configuration, now: Instant) -> Self:
        """What a configuration was found to say."""
        partners: dict[bytes, Partner] = {}
        certificates: dict[bytes, CertificateInfo] = {}
        for name, partner in configuration.partners.items():
            partners[digest(configuration.files[f"partners/{name}.toml"])] = partner
            for dated in configuration.certificates[name].entries:
                text = configuration.files[partner.certificates[dated.entry].file]
                if text.count(_BEGIN) == 1 and text.count("-----BEGIN ") == 1:
                    certificates[digest(text)] = dated.info
        openpgp = {
            digest(configuration.files[path]): file.steady(seconds(now))
            for path, file in configuration.openpgp.files()
        }
        return cls(partners, certificates, openpgp)

    def seal(self, keyring: Keyring, entropy: Entropy) -> bytes:
        """As it is kept: a key of its own wrapped by the keyring, a MAC, and the facts."""
        key = entropy(_KEY)
        wrapped = keyring.wrap_key(key)
        body = _encode(_Body(_schema(), dict(self._partners), dict(self._certificates), dict(self.openpgp)))
        mac = hmac.digest(key, FORMAT + body, "sha256")
        return FORMAT + len(wrapped).to_bytes(2, "big") + wrapped + mac + body

    @classmethod
    def open(cls, data: bytes, keyring: Keyring) -> Self | None:
        """The inverse; ``None`` where it is another release's, somebody else's, or damaged."""
        if not data.startswith(FORMAT) or len(data) > _SIZE:
            return None
        at = len(FORMAT) + 2
        size = int.from_bytes(data[at - 2 : at], "big")
        wrapped, mac, body = data[at : at + size], data[at + size : at + size + 32], data[at + size + 32 :]
        try:
            key = keyring.unwrap_key(wrapped)
            if not hmac.compare_digest(hmac.digest(key, FORMAT + body, "sha256"), mac):
                return None
            held = from_msgpack(body, _Body)
        except (EcluseError, msgspec.MsgspecError, ValueError):
            return None
        if held.schema != _schema():
            return None
        return cls(held.partners, held.certificates, held.openpgp)


def digest(text: str) -> bytes:
    """What a text is known by."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@cache
def _schema() -> bytes:
    """Digest of what a partner's file can say in this release."""
    return hashlib.sha256(msgspec.json.encode(msgspec.json.schema(Partner))).digest()

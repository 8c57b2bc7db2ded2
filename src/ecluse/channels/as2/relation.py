"""What one partner's file and our keyring amount to for AS2: who signs, who decrypts, what may be reached."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.tls import ClientTls, partner_tls
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.settings.fields import octets, seconds
from ecluse.wire.as2.events import UnwrapPolicy
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.mdn import MdnOptions
from ecluse.wire.cms.errors import AlgorithmForbidden, CmsError, UnsupportedAlgorithm
from ecluse.wire.cms.events import Recipient
from ecluse.wire.cms.keys import matches
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.sign import Signer

__all__ = ["Relation", "stranger_options"]

_PROTECTIONS: Final = 1 << 20
"""Octets of all that is not content: headers, certificates, signatures, recipients."""

_log = structlog.get_logger("ecluse.as2")


class Relation:
    """AS2 between the organisation and one partner, under one configuration.

    Args:
        directory: Everyone, under that configuration.
        partner: The other side.
    """

    def __init__(self, directory: Directory, partner: PartnerView) -> None:
        self.partner = partner
        self._keyring = directory.keyring
        self._organisation = directory.organisation

    @property
    def digest(self) -> str:
        """Hash name of our signatures."""
        sign = self.partner.as2.sign
        return sign.replace("-", "") if isinstance(sign, str) else "sha256"

    @property
    def dashed(self) -> bool:
        """Whether digests are spelled ``sha-256`` to this partner."""
        return self.partner.as2.micalg == "rfc5751"

    @property
    def contact(self) -> str:
        """What stands in Disposition-Notification-To; it only needs to be there (RFC 4130 s7.3)."""
        return self._organisation.email or "receipts@hub.invalid"

    def signers(self, now: Instant) -> tuple[Signer, ...]:
        """Who signs messages to them."""
        return (self._signer(self.partner.signing_key(now)),)

    def signer_sha256(self, now: Instant) -> str:
        """SHA-256 of the certificate that :meth:`signers` signs with."""
        return self._keyring.certificate(self.partner.signing_key(now)).fingerprint(SHA256()).hex()

    def recipient_sha256(self, now: Instant) -> str:
        """SHA-256 of the certificate of theirs that messages are encrypted to."""
        return self.partner.encrypt_certificate(now).fingerprint(SHA256()).hex()

    def mdn_options(self, now: Instant) -> MdnOptions:
        """How receipts to them are made."""
        settings = self.partner.as2
        return MdnOptions(
            signers=(self._signer(self.partner.mdn_signing_key(now)),),
            digest=self.digest,
            dashed_micalg=self.dashed,
            algorithm_protection=settings.algorithm_protection,
            version="1.3" if settings.version == "1.3" else "1.2",
        )

    def _signer(self, ref: str) -> Signer:
        scheme = self.partner.signature_scheme(self._keyring.certificate(ref))
        return self._keyring.signer(ref, scheme)

    def unwrap(self, recipients: Sequence[Recipient], now: Instant) -> bytes:
        """The content-encryption key of what they encrypted, or ``b""`` where no key of ours fits.

        Why none fits is nobody's business but ours: the message is read to its end and answered as any other that
        can't be decrypted.

        Raises:
            KeyringError: The keys can't be asked: nothing is known of the message, and nothing may be said of it.
        """
        keys, allowed = self.partner.decrypt_keys(), self.partner.exceptions_at(now)
        try:
            return self._keyring.unwrap(recipients, keys, allowed=allowed)
        except (AlgorithmForbidden, UnsupportedAlgorithm) as error:
            _log.warning("not decrypted", partner=self.partner.id, **error.as_dict())
            return b""
        except CmsError:
            return b""

    def keys_elsewhere(self, now: Instant) -> bool:
        """Whether opening what they send and answering it may wait for a device, a service or another process."""
        return self._keyring.elsewhere((*self.partner.decrypt_keys(), self.partner.mdn_signing_key(now)))

    def named(self, recipients: Sequence[Recipient]) -> tuple[x509.Certificate, Recipient] | None:
        """Which certificate of ours something is encrypted to, and how; ``None`` where it is to none."""
        for ref in self.partner.decrypt_keys():
            with suppress(EcluseError):  # a key that can't be looked at opened nothing either
                for certificate in (self._keyring.certificate(ref), *self._keyring.former(ref)):
                    for recipient in recipients:
                        if matches(recipient, certificate):
                            return certificate, recipient
        return None

    def policy(self, request: As2Request, now: Instant) -> UnwrapPolicy:
        """What they may send at ``now``."""
        settings = self.partner.as2
        try:
            asked = request.receipt.digest if request.receipt else None
        except EcluseError:
            asked = None  # ``As2Request.check`` answers it
        return UnwrapPolicy(
            certificates=self.partner.verify_certificates(now),
            allowed=self.partner.exceptions_at(now),
            require_signed=settings.require_signed,
            require_encrypted=settings.require_encrypted,
            mic_digest=asked,
            limits=Limits(content=octets(settings.max_size)),
        )

    @property
    def most_octets(self) -> int:
        """Octets of the largest body that a message of theirs can have: base64 and its protections come on top."""
        return octets(self.partner.as2.max_size) * 3 // 2 + _PROTECTIONS

    def may_answer_to(self, url: str) -> bool:
        """Whether an asynchronous receipt may go to ``url``."""
        try:
            self.partner.check_return_address(url)
        except EcluseError:
            return False
        return True

    def shows(self, certificate: bytes | None, now: Instant) -> bool:
        """Whether a TLS client certificate (DER) is one of record; true where none is asked of them."""
        if not self.partner.shows_tls_client:
            return True
        known = self.partner.tls_client_certificates(now)
        return certificate in {each.public_bytes(Encoding.DER) for each in known}

    def egress(self, url: str) -> Egress:
        """What a connection to ``url`` may reach."""
        host = (urlsplit(url).hostname or "").lower()
        private = PRIVATE_NETWORKS if self.partner.as2.allow_private_network else ()
        return Egress(hosts=frozenset({host}), networks=private)

    def limits(self) -> ClientLimits:
        """How long their server may take."""
        silence = seconds(self.partner.as2.timeout)
        return ClientLimits(stall=silence, reply_time=max(silence, ClientLimits().reply_time))

    def basic(self) -> tuple[str, str] | None:
        """User and password for their server."""
        found = self.partner.basic_auth()
        return None if found is None else (found[0], found[1].reveal_text())

    def tls(self, url: str, now: Instant) -> ClientTls | None:
        """How their server is trusted over TLS; ``None`` for plain HTTP."""
        if not url.lower().startswith("https:"):
            return None
        settings = self.partner.as2.tls
        ref = self.partner.client_key(settings)
        return partner_tls(
            self.partner.tls_anchors(now),
            settings.min_version,
            self._keyring.chain(ref) if ref else (),
            self._keyring.tls_key(ref) if ref else None,
        )


def stranger_options(directory: Directory, now: Instant) -> MdnOptions:
    """How an unknown sender is answered: signed with the organisation's key, where there is one."""
    refs = directory.keys.at("mdn-sign", now) or directory.keys.at("sign", now)
    return MdnOptions(signers=tuple(directory.keyring.signer(ref) for ref in refs[:1]))

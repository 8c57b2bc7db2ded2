"""Who is who at run time: a configuration and a keyring, joined.

A directory never changes. A reload makes another one and swaps the reference; work under way keeps the one
that it began with, and so ends under the rules that it began under.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from cryptography import x509

from ecluse.errors import Fault
from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import CertificateSet, describe
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import ConfigurationError, KeyringError, PartnerRefused
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.own import (
    OwnKeys,
    client_key_problems,
    openpgp_key_problems,
    own_keys,
    seal_key_problems,
)
from ecluse.trust.rotation.choices import NOBODY, Choices, in_turn
from ecluse.trust.rules.general import active_exceptions, split_url
from ecluse.trust.secrets import ResolveSecret, Secret
from ecluse.trust.settings.schema import As2, Hub, Organisation, Partner
from ecluse.trust.settings.tls import PartnerTls

__all__ = ["CHANNELS", "Directory", "OwnKeys", "PartnerView"]

CHANNELS: Final = ("as2", "sftp", "ftps", "s3", "azure", "gcs", "webdav", "account")
"""Kinds of channels with a partner: the fields of its file, in the order in which one is chosen to send by."""


@dataclass(frozen=True, slots=True)
class PartnerView:
    """One partner, with every answer that depends on the moment.

    Attributes:
        id: Name of the partner's file.
        settings: The partner's file.
        our_id: Our AS2 id with them.
        certificates: Their certificates, with windows.
        keys: The organisation's keys.
        choices: Which of two keys is used for whom.
    """

    id: PartnerId
    settings: Partner
    our_id: str
    certificates: CertificateSet
    keys: OwnKeys
    _secret: ResolveSecret
    choices: Choices = NOBODY

    @property
    def name(self) -> str:
        """The company's name."""
        return self.settings.name

    @property
    def as2(self) -> As2:
        """Its AS2 settings.

        Raises:
            PartnerRefused: ``trust.no-as2``: its file has none.
        """
        if self.settings.as2 is None:
            raise PartnerRefused(
                f"Nothing is exchanged with {self.name} over AS2.",
                code="trust.no-as2",
                fault=Fault.USAGE,
                remedy="Choose another channel, or add [as2] to the partner's file.",
            )
        return self.settings.as2

    @property
    def channels(self) -> tuple[str, ...]:
        """Kinds of the channels that their file has, the preferred one for what we send first."""
        return tuple(kind for kind in CHANNELS if getattr(self.settings, kind) is not None)

    @property
    def concurrency(self) -> int:
        """Deliveries to them at once."""
        ways = (getattr(self.settings, kind) for kind in CHANNELS)
        return max((way.concurrency for way in ways if hasattr(way, "concurrency")), default=4)

    @property
    def their_id(self) -> str:
        """Its AS2 id; empty where nothing is exchanged over AS2."""
        return self.settings.as2.id if self.settings.as2 is not None else ""

    @property
    def account_password(self) -> Secret | None:
        """The password of its account with us, or a verifier of it; ``None`` where no password is taken.

        Raises:
            SecretError: The reference does not lead to one.
        """
        account = self.settings.account
        return None if account is None or account.password is None else self._secret(account.password)

    @property
    def active(self) -> bool:
        """Whether anything is exchanged."""
        return self.settings.state == "active"

    def exceptions_at(self, now: Instant) -> frozenset[str]:
        """Names (:data:`ecluse.trust.floor.LEGACY`) of the weak things taken from them at ``now``."""
        return active_exceptions(self.settings, now)

    def verify_certificates(self, now: Instant) -> tuple[x509.Certificate, ...]:
        """Those that may have signed their messages, newest first; may be empty."""
        return self.certificates.at("verify", now, self.exceptions_at(now))

    def mdn_verify_certificates(self, now: Instant) -> tuple[x509.Certificate, ...]:
        """Those that may have signed their receipts, newest first; may be empty."""
        return self.certificates.at("mdn-verify", now, self.exceptions_at(now))

    def encrypt_certificate(self, now: Instant) -> x509.Certificate:
        """The one to encrypt to.

        Raises:
            PartnerRefused: ``trust.no-certificate``.
        """
        found = self.certificates.entries_at("encrypt", now, self.exceptions_at(now))
        if not found:
            raise PartnerRefused(
                f"{self.name} has no certificate to encrypt to at this time.",
                code="trust.no-certificate",
                fault=Fault.USAGE,
                remedy="Add the partner's current certificate with the use encrypt.",
            )
        succeeds = {entry.info.fingerprint: entry.succeeds for entry in found if entry.succeeds}
        if succeeds:
            names = tuple(entry.info.fingerprint for entry in found)
            first = in_turn(names, succeeds, self.choices.theirs_for(self.id))[0]
            return next(entry.certificate for entry in found if entry.info.fingerprint == first)
        return found[0].certificate

    def client_key(self, settings: PartnerTls) -> str | None:
        """Reference of the key that is shown to their server over TLS."""
        if settings.successor is not None and settings.successor in self.choices.ours_for(self.id):
            return settings.successor
        return settings.client_key

    def tls_anchors(self, now: Instant) -> tuple[x509.Certificate, ...]:
        """What their server's certificate must be, or come from; empty for the system's authorities.

        Raises:
            PartnerRefused: ``trust.no-certificate``: there are some, and none of them is valid at ``now``.
        """
        entries = self.certificates.entries_at("tls", now, self.exceptions_at(now))
        if not entries and self._names("tls"):
            raise PartnerRefused(
                f"None of the certificates that {self.name}'s server may show is valid at this time.",
                code="trust.no-certificate",
                fault=Fault.USAGE,
                remedy="Add the current certificate of the partner's server with the use tls.",
            )
        return tuple(dict.fromkeys(certificate for entry in entries for certificate in entry.chain))

    def tls_client_certificates(self, now: Instant) -> tuple[x509.Certificate, ...]:
        """What they may show to our server; see :attr:`shows_tls_client` for whether they have to."""
        return self.certificates.at("tls-client", now, self.exceptions_at(now))

    @property
    def shows_tls_client(self) -> bool:
        """Whether they have to show a certificate to our server, be one of record valid at present or not."""
        return self._names("tls-client")

    def own_keys(self, use: str, now: Instant) -> tuple[str, ...]:
        """References of our keys for ``use`` with them, the one that is used first; a successor in its turn.

        Nobody answers a receipt: a successor signs receipts only after a message that it signed was accepted, where
        there are messages to them.
        """
        sends = self.settings.as2 is not None and self.settings.as2.url is not None
        if use == "mdn-sign" and sends:
            return self.keys.at(use, now, self.choices.proven_for(self.id))
        return self.keys.at(use, now, self.choices.ours_for(self.id))

    def signing_key(self, now: Instant) -> str:
        """Reference of the key that signs messages to them. Raises ``trust.no-key``."""
        return self._key("sign", now)

    def mdn_signing_key(self, now: Instant) -> str:
        """Reference of the key that signs receipts to them. Raises ``trust.no-key``."""
        return self._key("mdn-sign", now)

    def decrypt_keys(self) -> tuple[str, ...]:
        """References of every key that their messages may be encrypted to."""
        return self.keys.decrypt()

    def signature_scheme(self, certificate: x509.Certificate) -> str | None:
        """What :meth:`Keyring.signer` takes as the scheme for a key with this certificate."""
        if self.as2.sign_scheme == "auto" or describe(certificate).key.kind != "rsa":
            return None
        return f"rsa-{self.as2.sign_scheme}"

    def secret(self, reference: str) -> Secret:
        """A secret that their file refers to. Raises :class:`~ecluse.trust.errors.SecretError`."""
        return self._secret(reference)

    def basic_auth(self) -> tuple[str, Secret] | None:
        """User and password for their server. Raises :class:`~ecluse.trust.errors.SecretError`."""
        entry = self.as2.basic_auth
        return None if entry is None else (entry.user, self._secret(entry.password))

    def check_return_address(self, url: str) -> None:
        """Let an asynchronous receipt go to ``url`` only where this partner's file says so.

        Allowed are the host and port of their own ``url``, and those of ``async_receipt_hosts`` (a host
        without a port means the scheme's own).

        Raises:
            PartnerRefused: ``trust.return-address-denied``.
        """
        place = split_url(url)
        allowed = {own[1:] for own in [split_url(self.as2.url)] if own is not None} if self.as2.url else set()
        for entry in self.as2.async_receipt_hosts:
            host = split_url(f"{place[0]}://{entry}") if place is not None else None
            if host is not None:
                allowed.add(host[1:])
        if place is None or place[1:] not in allowed:
            raise PartnerRefused(
                f"{self.name} asks for a receipt at an address that is not allowed.",
                code="trust.return-address-denied",
                remedy="Add the host to as2.async_receipt_hosts if it is theirs.",
            )

    def _names(self, use: str) -> bool:
        return any(use in entry.use for entry in self.certificates.entries)

    def _key(self, use: str, now: Instant) -> str:
        found = self.own_keys(use, now)
        if not found:
            raise KeyringError(
                f"The organisation has no key to {use} with at this time.",
                code="trust.no-key",
                remedy="Add one to [[organisation.keys]], or renew its certificate.",
            )
        return found[0]


class Directory:
    """Everyone, under one configuration. Immutable.

    Args:
        configuration: Who, and under which rules.
        keyring: Our keys.
        resolve_secret: From references to secrets; called when one is needed.
        choices: Which of two keys is used for whom, while a rotation is under way.
        refused: Fingerprints of partners' certificates that are not taken any more, and since when: revoked ones.

    Raises:
        ConfigurationError: ``trust.no-key``: the configuration names keys that the keyring does not hold;
            ``trust.wrong-use``: a key can't serve a use that it is named for.
    """

    def __init__(
        self,
        configuration: Configuration,
        keyring: Keyring,
        resolve_secret: ResolveSecret,
        *,
        choices: Choices = NOBODY,
        refused: Mapping[str, Instant] | None = None,
    ) -> None:
        self.configuration = configuration
        self.choices = choices
        self.refused: Mapping[str, Instant] = refused or {}
        self.keyring = keyring
        self.keys = own_keys(configuration.hub, keyring)
        problems = [
            *client_key_problems(configuration, keyring),
            *openpgp_key_problems(configuration, keyring),
            *seal_key_problems(configuration, keyring),
        ]
        if problems:
            raise ConfigurationError(problems)
        ours = configuration.hub.organisation.as2_id
        self._partners: Mapping[PartnerId, PartnerView] = MappingProxyType(
            {
                name: PartnerView(
                    id=name,
                    settings=partner,
                    our_id=(partner.as2.our_id if partner.as2 is not None else None) or ours,
                    certificates=configuration.certificates[name].refusing(refused)
                    if refused
                    else configuration.certificates[name],
                    keys=self.keys,
                    _secret=resolve_secret,
                    choices=choices,
                )
                for name, partner in configuration.partners.items()
            }
        )
        self._ours = {ours} | {view.our_id for view in self._partners.values()}
        self._look_up()

    def _look_up(self) -> None:
        # One that came back as another partner takes the names of the retired one.
        views = sorted(self._partners.values(), key=lambda view: view.settings.state != "retired")
        self._by_pair = {
            (view.their_id, view.our_id): view for view in views if view.settings.as2 is not None
        }
        self._by_user = {
            view.settings.account.user: view for view in views if view.settings.account is not None
        }

    def choosing(self, choices: Choices) -> Directory:
        """The same with other choices; nothing is read or checked again."""
        other = copy(self)
        other.choices = choices
        other._partners = MappingProxyType(
            {name: replace(view, choices=choices) for name, view in self._partners.items()}
        )
        other._look_up()
        return other

    def shown_key(self, key: str, successor: str | None) -> str:
        """Which of a listener's key and its successor is shown to partners."""
        return successor if successor is not None and successor in self.choices.shown else key

    def host_keys(self) -> tuple[str, ...]:
        """References of the keys of our SFTP server, the one that proves it to clients first."""
        sftp = self.hub.listen.sftp
        if sftp is None:
            return ()
        first = [ref for ref in sftp.host_keys if ref in self.choices.shown]
        return (*first, *(ref for ref in sftp.host_keys if ref not in first))

    @property
    def hub(self) -> Hub:
        """``ecluse.toml``."""
        return self.configuration.hub

    @property
    def organisation(self) -> Organisation:
        """Whose hub it is."""
        return self.configuration.hub.organisation

    @property
    def partners(self) -> tuple[PartnerView, ...]:
        """Every partner, in order of id, whatever its state."""
        return tuple(self._partners.values())

    def partner(self, id: str) -> PartnerView:
        """A partner by id, whatever its state.

        Raises:
            PartnerRefused: ``trust.unknown-partner``.
        """
        view = self._partners.get(PartnerId(id))
        if view is None:
            raise PartnerRefused(
                "There is no partner of that name.",
                code="trust.unknown-partner",
                fault=Fault.USAGE,
                remedy="Look at `ecluse partner list`.",
            )
        return view

    def by_as2(self, as2_from: str, as2_to: str) -> PartnerView:
        """The active partner that a message with these two names is from. Case counts (RFC 4130 s6.2).

        Raises:
            PartnerRefused: ``trust.unknown-recipient``, ``trust.unknown-partner`` or ``trust.suspended``.
        """
        if as2_to not in self._ours:
            raise PartnerRefused(
                "The recipient is not known here.",
                code="trust.unknown-recipient",
                remedy="Tell the partner the right AS2-To; case counts.",
            )
        view = self._by_pair.get((as2_from, as2_to))
        if view is None:
            raise PartnerRefused(
                "The sender is not known here.",
                code="trust.unknown-partner",
                remedy="Add the partner, or tell them the right AS2-From; case counts.",
            )
        return self.check_active(view)

    def by_user(self, user: str) -> PartnerView | None:
        """The partner whose account with us has this user name, whatever its state; ``None`` where there is none.

        Who asks must not let the other side see the difference.
        """
        return self._by_user.get(user)

    def check_active(self, view: PartnerView) -> PartnerView:
        """Give ``view`` back.

        Raises:
            PartnerRefused: ``trust.suspended``: the partner is not active.
        """
        if not view.active:
            raise PartnerRefused(
                f"Nothing is exchanged with {view.name}: its state is {view.settings.state}.",
                code="trust.suspended",
                remedy='Set its state to "active" once that is agreed.',
            )
        return view

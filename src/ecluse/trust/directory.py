"""Who is who at run time: a configuration and a keyring, joined.

A directory never changes. A reload makes another one and swaps the reference; work under way keeps the one
that it began with, and so ends under the rules that it began under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography import x509

from ecluse.errors import Fault
from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.errors import ConfigurationError, KeyringError, PartnerRefused, Problem
from ecluse.trust.fields import instant_from, instant_until
from ecluse.trust.keyring import Keyring
from ecluse.trust.rules import active_exceptions, split_url, used_keys
from ecluse.trust.schema import As2, Hub, Organisation, Partner
from ecluse.trust.secrets import ResolveSecret, Secret

__all__ = ["CHANNELS", "Directory", "OwnKeys", "PartnerView"]

CHANNELS: Final = ("as2", "sftp", "ftps", "s3", "azure", "gcs", "webdav", "account")
"""Kinds of channels with a partner: the fields of its file, in the order in which one is chosen to send by."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The organisation's keys, chosen by use and time."""

    _entries: tuple[tuple[str, Dated], ...]

    def at(self, use: str, now: Instant) -> tuple[str, ...]:
        """References of the keys for ``use`` at ``now``, newest first. Their certificates' end counts too."""
        chosen = CertificateSet(tuple(entry for _, entry in self._entries)).entries_at(use, now)
        by_identity = {id(entry): ref for ref, entry in self._entries}
        return tuple(dict.fromkeys(by_identity[id(entry)] for entry in chosen))

    def named(self, use: str) -> tuple[tuple[str, Dated], ...]:
        """Every key that the configuration names for ``use``, with its certificate, whatever its window."""
        named = tuple(entry for entry in self._entries if use in entry[1].use)
        if not named and use.startswith("mdn-"):
            return self.named(use.removeprefix("mdn-"))
        return named

    def decrypt(self) -> tuple[str, ...]:
        """Every key that decrypts, whatever its window: what was in flight at a change of keys must open."""
        return tuple(dict.fromkeys(ref for ref, entry in self._entries if "decrypt" in entry.use))


@dataclass(frozen=True, slots=True)
class PartnerView:
    """One partner, with every answer that depends on the moment.

    Attributes:
        id: Name of the partner's file.
        settings: The partner's file.
        our_id: Our AS2 id with them.
        certificates: Their certificates, with windows.
        keys: The organisation's keys.
    """

    id: PartnerId
    settings: Partner
    our_id: str
    certificates: CertificateSet
    keys: OwnKeys
    _secret: ResolveSecret

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
        found = self.certificates.at("encrypt", now, self.exceptions_at(now))
        if not found:
            raise PartnerRefused(
                f"{self.name} has no certificate to encrypt to at this time.",
                code="trust.no-certificate",
                fault=Fault.USAGE,
                remedy="Add the partner's current certificate with the use encrypt.",
            )
        return found[0]

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
        found = self.keys.at(use, now)
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
        refused: Mapping[str, Instant] | None = None,
    ) -> None:
        self.configuration = configuration
        self.keyring = keyring
        self.keys = _own_keys(configuration.hub, keyring)
        problems = [*_client_keys(configuration, keyring), *_openpgp_keys(configuration, keyring)]
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
                )
                for name, partner in configuration.partners.items()
            }
        )
        self._by_pair = {
            (view.their_id, view.our_id): view
            for view in self._partners.values()
            if view.settings.as2 is not None
        }
        self._by_user = {
            view.settings.account.user: view
            for view in self._partners.values()
            if view.settings.account is not None
        }
        self._ours = {ours} | {view.our_id for view in self._partners.values()}

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


def _own_keys(hub: Hub, keyring: Keyring) -> OwnKeys:
    """The keys of ``ecluse.toml``, each with its certificate.

    A key that was renewed in place keeps its former certificates inside the keyring; only the present one
    counts here.
    """
    held = set(keyring.references())
    problems: list[Problem] = []
    entries: list[tuple[str, Dated]] = []
    for number, key in enumerate(hub.organisation.keys):
        field = f"organisation.keys[{number}]"
        if key.ref not in held:
            problems.append(_missing(HUB_FILE, f"{field}.ref", key.ref))
            continue
        certificate = keyring.certificate(key.ref)
        info = describe(certificate)
        for use in key.use:
            capable = info.key.encrypts if use == "decrypt" else info.key.signs
            if not capable:
                cause = f"A key of the kind {info.key.name} can't be used to {use}."
                remedy = "Name only the uses that the key can serve."
                problems.append(Problem("trust.wrong-use", HUB_FILE, f"{field}.use", cause, remedy))
        start, end = instant_from(key.from_), instant_until(key.until)
        entries.append((key.ref, Dated(certificate, info, frozenset(key.use), start, end)))
    if hub.listen.sftp is not None:
        for number, ref in enumerate(hub.listen.sftp.host_keys):
            if ref not in held:
                problems.append(
                    Problem(
                        "trust.no-key",
                        HUB_FILE,
                        f"listen.sftp.host_keys[{number}]",
                        f'The keyring has no key "{ref}" to prove our SFTP server with.',
                        f"Make it with `ecluse cert generate {ref} --kind ed25519`.",
                    )
                )
    tls, ftps = hub.listen.as2.tls, hub.listen.ftps
    if tls is not None and tls.key not in held:
        problems.append(_missing(HUB_FILE, "listen.as2.tls.key", tls.key))
    if ftps is not None and ftps.key not in held:
        problems.append(_missing(HUB_FILE, "listen.ftps.key", ftps.key))
    if problems:
        raise ConfigurationError(problems)
    return OwnKeys(tuple(entries))


def _client_keys(configuration: Configuration, keyring: Keyring) -> list[Problem]:
    held = set(keyring.references())
    return [
        _missing(f"partners/{name}.toml", field, ref)
        for name, partner in configuration.partners.items()
        for field, ref in used_keys(partner)
        if ref not in held
    ]


def _openpgp_keys(configuration: Configuration, keyring: Keyring) -> list[Problem]:
    held = set(keyring.openpgp_references())
    named = [
        (HUB_FILE, f"openpgp.keys[{number}]", ref)
        for number, ref in enumerate(configuration.hub.openpgp.keys)
    ]
    for name, partner in configuration.partners.items():
        if partner.openpgp is not None and partner.openpgp.key is not None:
            named.append((f"partners/{name}.toml", "openpgp.key", partner.openpgp.key))
    return [
        Problem(
            "trust.no-key",
            file,
            field,
            f'The keyring has no OpenPGP key "{ref}".',
            "Make it with `ecluse pgp generate`, or import it with `ecluse pgp import`.",
        )
        for file, field, ref in named
        if ref not in held
    ]


def _missing(file: str, field: str, ref: str) -> Problem:
    cause = f'The keyring has no key "{ref}".'
    return Problem("trust.no-key", file, field, cause, "Make it with `ecluse cert generate`, or import it.")

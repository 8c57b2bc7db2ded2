"""The same, as partners' files say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

from ecluse.exchange.openpgp.errors import NotConfigured
from ecluse.exchange.openpgp.opening import Opened, open_message
from ecluse.exchange.openpgp.sealing import seal_message
from ecluse.model.basics import Clock, PartnerId
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.rules.openpgp import encryption_problem
from ecluse.trust.settings.places import OpenPgp
from ecluse.trust.sightings import Sightings
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.limits import CONTENT_OCTETS, INFLATED_RATIO, Limits

__all__ = ["PartnerProtection"]


_RECIPIENTS: Final = 4
"""Other recipients of a message that are noted: the sender's own key and an archive's are usual."""


class PartnerProtection:
    """OpenPGP with partners. Used from any thread.

    Args:
        directory: Gives the present configuration.
        clock: Gives the time.
        sightings: Told of what partners protect their documents with.
    """

    def __init__(
        self, directory: Callable[[], Directory], clock: Clock, sightings: Sightings | None = None
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._sightings = sightings

    def open(
        self,
        partner: PartnerId,
        chunks: Iterable[bytes],
        write: Callable[[bytes], object],
        *,
        max_size: int = CONTENT_OCTETS,
        max_ratio: int = INFLATED_RATIO,
    ) -> dict[str, Any]:
        """Decrypt and verify what came from a partner, as its file demands.

        Args:
            partner: Whom it came from.
            chunks: The message.
            write: Takes the document.
            max_size: Octets of the document at most.
            max_ratio: Octets at most that come out of compressed data for each that goes in; small documents of up
                to :data:`~ecluse.wire.openpgp.limits.INFLATED_FLOOR` octets may grow as they like.

        Returns:
            :meth:`Opened.as_dict`.

        Raises:
            OpenPgpError: As :func:`open_message`; what was written must then not be used.
        """
        directory = self._directory()
        view = directory.partner(partner)
        settings = _settings(view)
        now = self._clock()
        opened = open_message(
            chunks,
            write,
            keyring=directory.keyring,
            keys=_own_keys(directory, settings),
            senders=directory.configuration.openpgp_certificates(settings.certificates),
            now=now,
            require_signed=settings.require_signed,
            require_encrypted=settings.require_encrypted,
            allowed=view.exceptions_at(now),
            limits=Limits(content=max_size, inflated_ratio=max_ratio),
        )
        if self._sightings is not None:
            ours = [
                directory.keyring.openpgp_certificate(ref)
                for ref in _own_keys(directory, settings)
                if ref in directory.keyring.openpgp_references()
            ]
            self._sightings.saw_all(partner, "openpgp", _roles(opened, ours))
            for other in _others(opened, ours):
                self._sightings.saw(partner, "openpgp", "recipient", other)
        return opened.as_dict()

    def seal(
        self,
        partner: PartnerId,
        how: Literal["encrypt", "sign", "sign-and-encrypt"],
        name: str,
        chunks: Iterable[bytes],
        write: Callable[[bytes], object],
    ) -> dict[str, Any]:
        """Sign, encrypt or both, for a partner.

        Args:
            partner: Its id.
            how: Which.
            name: File name inside.
            chunks: The document.
            write: Takes the message.

        Returns:
            :meth:`Sealed.as_dict`.

        Raises:
            OpenPgpError, KeyringError: As :func:`seal_message`; ``openpgp.not-configured``.
        """
        directory = self._directory()
        view = directory.partner(partner)
        settings = _settings(view)
        now = self._clock()
        allowed = view.exceptions_at(now)
        configuration = directory.configuration
        theirs = configuration.openpgp_certificates(settings.certificates)
        # An old certificate may stand beside the one that takes its place.
        usable = [each for each in theirs if encryption_problem(each, seconds(now), allowed) is None]
        others = configuration.openpgp_certificates(settings.recipients)
        if how != "sign" and not settings.certificates:
            raise NotConfigured(f"{view.name} has no OpenPGP certificate to encrypt to.")
        keys = _own_keys(directory, settings)
        if how != "encrypt" and not keys:
            raise NotConfigured("The organisation has no OpenPGP key to sign with.")
        sealed = seal_message(
            chunks,
            write,
            keyring=directory.keyring,
            recipients=(*(usable or theirs), *others) if how != "sign" else (),
            signer=keys[0] if how != "encrypt" else None,
            now=now,
            armor=settings.armor,
            filename=name,
            format=settings.format,
            allowed=allowed,
        )
        return sealed.as_dict()


def _roles(opened: Opened, ours: Sequence[Certificate]) -> dict[str, str | None]:
    """What a message was protected with, as :mod:`ecluse.trust.sightings` has it."""
    by = opened.signatures[0] if opened.signatures else None
    named = set(opened.recipients)
    meant = [each.fingerprint for each in ours if named & _names(each)]
    return {
        "verify": by.certificate if by is not None else None,
        "signature-algorithm": f"{by.algorithm} {by.digest}" if by is not None else "none",
        "encryption-algorithm": f"{opened.cipher} {opened.mode}" if opened.mode else "none",
        "decrypt": meant[0] if meant else None,
    }


def _others(opened: Opened, ours: Sequence[Certificate]) -> tuple[str, ...]:
    """Who else can read a message, as far as it says; some of them."""
    own = frozenset().union(*map(_names, ours))
    return tuple(name for name in opened.recipients if name not in own)[:_RECIPIENTS]


def _names(certificate: Certificate) -> frozenset[str]:
    """By what messages name the keys of a certificate."""
    return frozenset(
        name.hex().upper() for key in certificate.every_key() for name in (key.fingerprint, key.key_id)
    )


def _settings(view: PartnerView) -> OpenPgp:
    if view.settings.openpgp is None:
        raise NotConfigured(f"There is no [openpgp] in the file of {view.name}.")
    return view.settings.openpgp


def _own_keys(directory: Directory, settings: OpenPgp) -> tuple[str, ...]:
    """The key with this partner first; every key of ours may open."""
    own = () if settings.key is None else (settings.key,)
    return tuple(dict.fromkeys((*own, *directory.hub.openpgp.keys)))

"""The same by a configuration: which of our keys seals, and whose seals are believed for which partner.

The libraries that know PDF and XML are loaded when they are first needed: a hub that seals nothing is without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from cryptography import x509

from ecluse.errors import EcluseError
from ecluse.exchange.seals.cades import (
    MAX_SEAL,
    Opened,
    Stamp,
    check_beside,
    open_around,
    seal_around,
    seal_beside,
)
from ecluse.exchange.seals.errors import CanNotSeal, KeyUnfit, TooLargeToSeal
from ecluse.exchange.seals.facts import MAX_PDF, MAX_XML, SealFacts
from ecluse.exchange.seals.inside import Inside, is_around, is_container
from ecluse.exchange.seals.trust import Anchors, fingerprint
from ecluse.model.basics import Clock, PartnerId
from ecluse.trust.directory import Directory
from ecluse.trust.settings.seals import Sealing
from ecluse.wire.archive.limits import Limits
from ecluse.wire.cms.sign import Signer

__all__ = ["CONTAINER", "MAX_CHECKED", "SealDesk"]

MAX_CHECKED: Final = 64 << 30
"""Octets of a document whose seal is checked: what one message may have."""
CONTAINER: Final = Limits(MAX_CHECKED, 200, 1000)

Octets = Callable[[], Iterable[bytes]]
"""Gives a document's octets from its beginning, each time it is called."""


class SealDesk:
    """Seals and checks. Used from any thread.

    Args:
        directory: Gives the present configuration.
        clock: Gives the time.
        stamps: Gives, for the name of an authority, what asks it for time-stamps.
        authorities: Gives the roots of authorities whose time-stamps count.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        clock: Clock,
        stamps: Callable[[str], Stamp] | None = None,
        authorities: Callable[[], Sequence[x509.Certificate]] = tuple,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._stamps = stamps
        self._authorities = authorities

    # Sealing

    def form(self, how: Sealing, kind: str, size: int) -> str:
        """Which format a document of a kind (as inspection tells it) and size is sealed in."""
        if how.format != "auto":
            return how.format
        if kind == "pdf" and size <= MAX_PDF:
            return "pades"
        return "xades" if kind.startswith("xml") and size <= MAX_XML else "cades"

    def seal(
        self, how: Sealing, kind: str, size: int, octets: Octets, write: Callable[[bytes], object]
    ) -> dict[str, Any]:
        """Write one document with a seal in or around it.

        Returns:
            Facts for the log, with ``ending``: what its name gets more.

        Raises:
            EcluseError: ``seal.*``: it can't be sealed so; ``keyring.*``: the key does not sign.
        """
        form = self.form(how, kind, size)
        signer, issuers = self._signer(how.key)
        stamp, now = self._stamp(how), self._clock()
        if form == "cades":
            seal_around(octets(), write, signer, now=now, issuers=issuers, stamp=stamp)
        elif form == "pades":
            from ecluse.exchange.seals.pades import seal_pdf

            document = _whole(octets(), size, MAX_PDF)
            write(
                seal_pdf(
                    document,
                    signer,
                    now=now,
                    issuers=issuers,
                    stamp=stamp,
                    reason=how.reason or "",
                    location=how.location or "",
                )
            )
        elif form == "xades":
            from ecluse.exchange.seals.xades import seal_xml

            write(seal_xml(_whole(octets(), size, MAX_XML), signer, now=now, issuers=issuers))
        else:
            raise CanNotSeal(f"A seal of the kind {form} is not in a document.")
        return self._facts(form, signer, ".p7m" if form == "cades" else "")

    def beside(self, how: Sealing, octets: Octets) -> tuple[bytes, dict[str, Any]]:
        """The seal of a document, to lie beside it, and facts as :meth:`seal` gives them."""
        signer, issuers = self._signer(how.key)
        stamp = self._stamp(how)
        made = seal_beside(octets(), signer, now=self._clock(), issuers=issuers, stamp=stamp)
        return made, self._facts("cades-detached", signer, ".p7s")

    def contain(
        self, how: Sealing, documents: Sequence[Inside], write: Callable[[bytes], object]
    ) -> dict[str, Any]:
        """Write one container with documents; facts as :meth:`seal` gives them."""
        from ecluse.exchange.seals.container import pack_container

        signer, issuers = self._signer(how.key)
        stamp = self._stamp(how)
        pack_container(documents, write, signer, now=self._clock(), issuers=issuers, stamp=stamp)
        return self._facts("asic-e", signer, ".asice")

    def _facts(self, form: str, signer: Signer, ending: str) -> dict[str, Any]:
        return {"seal": form, "certificate": fingerprint(signer.certificate), "ending": ending}

    def _stamp(self, how: Sealing) -> Stamp | None:
        if how.time_stamp is None or self._stamps is None:
            return None
        return self._stamps(how.time_stamp)

    def _signer(self, key: str | None) -> tuple[Signer, tuple[x509.Certificate, ...]]:
        directory = self._directory()
        refs = (key,) if key is not None else directory.keys.at("sign", self._clock())
        if not refs:
            raise KeyUnfit(
                "The organisation has no key for sign at present.",
                remedy="Name one in the flow's seal, or under [[organisation.keys]].",
            )
        return directory.keyring.signer(refs[0]), directory.keyring.chain(refs[0])[1:]

    # Checking

    def anchors(self, partner: PartnerId | None) -> Anchors:
        """Whose seals are believed on what came from a partner, or on our own documents where that is ``None``."""
        directory = self._directory()
        configuration = directory.configuration
        roots = [
            each for path in configuration.hub.seals.roots for each in configuration.certificates_in(path)
        ]
        pinned: list[x509.Certificate] = []
        if partner:
            with suppress(EcluseError):
                pinned += directory.partner(partner).certificates.at("verify", self._clock())
        else:
            pinned += (directory.keyring.certificate(ref) for ref in directory.keyring.references())
        authorities = (*roots, *self._authorities())
        return Anchors(tuple(pinned), tuple(roots), authorities, frozenset(directory.refused))

    def check(
        self, partner: PartnerId | None, name: str, kind: str, size: int, octets: Octets
    ) -> list[SealFacts]:
        """The seals in or around a document; none where it has none.

        Raises:
            EcluseError: What its name or kind says that it is, it is not.
        """
        anchors, now = self.anchors(partner), self._clock()
        if is_around(name):
            return open_around(octets(), lambda _: None, anchors, now=now, limit=MAX_CHECKED).seals
        if is_container(name):
            from ecluse.exchange.seals.container import check_container

            return check_container(octets(), anchors, now=now, limits=CONTAINER)
        if kind == "pdf" and size <= MAX_PDF:
            from ecluse.exchange.seals.pades import check_pdf

            return check_pdf(_whole(octets(), size, MAX_PDF), anchors, now=now)
        if kind.startswith("xml") and size <= MAX_XML:
            from ecluse.exchange.seals.xades import check_xml

            return check_xml(_whole(octets(), size, MAX_XML), anchors, now=now)
        return []

    def check_beside(
        self, partner: PartnerId | None, seal: Octets, size: int, octets: Octets
    ) -> list[SealFacts]:
        """A seal that lies beside a document. Raises :class:`EcluseError` where it is none."""
        return check_beside(
            _whole(seal(), size, MAX_SEAL), octets(), self.anchors(partner), now=self._clock()
        )

    def open(
        self, partner: PartnerId | None, octets: Octets, write: Callable[[bytes], object], limit: int
    ) -> Opened:
        """Take a document out of the seal around it. Raises :class:`EcluseError` where there is none around it."""
        return open_around(octets(), write, self.anchors(partner), now=self._clock(), limit=limit)


def _whole(chunks: Iterable[bytes], size: int, most: int) -> bytes:
    if size > most:
        raise TooLargeToSeal(f"The document has {size} octets, and {most} are worked on at once.")
    return b"".join(chunks)

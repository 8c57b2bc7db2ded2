"""Certificates of a pack: each once, with its issuers as far as they are held, and what is known of its revocation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.app.node import Node
from ecluse.app.packs.notes import Note
from ecluse.errors import EcluseError
from ecluse.evidence.pack.container import PackWriter
from ecluse.model.basics import PartnerId, iso
from ecluse.trust.certificates import load_certificates
from ecluse.trust.revocation import ANSWER, KIND, Verdict, verdict_of

__all__ = ["Shelf", "certificate_path"]

_MAX_CHAIN: Final = 10
"""Issuers above each other that are looked for."""
_FILE: Final = re.compile(r"certificates/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.pem")


def certificate_path(print_: str) -> str:
    """Where a certificate stands in a pack."""
    return f"certificates/{print_}.pem"


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(SHA256()).hex()


class Shelf:
    """The certificates that are known while a pack is made.

    Args:
        node: The hub, whose keyring and configuration hold most of them.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[str, x509.Certificate] = {}
        self._taken: dict[str, str] = {}
        self._judged: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, tuple[bytes, str]] = {}
        self._ours: tuple[x509.Certificate, ...] | None = None
        self._theirs: dict[tuple[int, PartnerId], tuple[x509.Certificate, ...]] = {}

    @property
    def ours(self) -> tuple[x509.Certificate, ...]:
        """Our own certificates, former ones too; their issuers are offered."""
        if self._ours is None:
            keyring = self._node.keyring
            found: list[x509.Certificate] = []
            for ref in keyring.references():
                with suppress(EcluseError):  # a key that can't be looked at has no certificate to show
                    self.offer(keyring.chain(ref))
                    found += (keyring.certificate(ref), *keyring.former(ref))
            self.offer(found)
            self._ours = tuple(found)
        return self._ours

    def of_partner(
        self, partner: PartnerId, version: int, files: dict[str, str]
    ) -> tuple[x509.Certificate, ...]:
        """A partner's certificates in a version of the configuration, whatever they are for."""
        key = (version, partner)
        if key not in self._theirs:
            found: list[x509.Certificate] = []
            for path in partner_certificates(partner, files):
                with suppress(EcluseError):
                    found += load_certificates(files[path].encode())
            self.offer(found)
            self._theirs[key] = tuple(found)
        return self._theirs[key]

    def offer(self, certificates: Iterable[x509.Certificate]) -> None:
        """Know some more: what came along with a signature."""
        for certificate in certificates:
            self._known.setdefault(_fingerprint(certificate), certificate)

    def offer_der(self, certificates: Iterable[bytes]) -> None:
        """The same, as they stand on the wire."""
        for data in certificates:
            with suppress(ValueError):
                self.offer([x509.load_der_x509_certificate(data)])

    def take(self, print_: str, use: str, owner: str) -> tuple[dict[str, Any], bool]:
        """Put a certificate and its issuers into the pack; what ``message.json`` says of it, and whether it is held."""
        certificate = self._known.get(print_)
        issuers = self._issuers(certificate) if certificate is not None else []
        if certificate is not None:
            self._taken.setdefault(print_, owner)
            for issuer in issuers:
                self._taken.setdefault(issuer, "")
        facts = {
            "sha256": print_,
            "use": use,
            "owner": owner,
            "path": certificate_path(print_) if certificate is not None else None,
            "issuers": issuers,
            **self._revocation(print_, issuers),
        }
        return facts, certificate is not None

    def described(self, print_: str) -> x509.Certificate | None:
        """A certificate that is known."""
        return self._known.get(print_)

    def _issuers(self, certificate: x509.Certificate) -> list[str]:
        chain: list[str] = []
        while len(chain) < _MAX_CHAIN and certificate.issuer != certificate.subject:
            issuer = next((each for each in self._known.values() if _issued(certificate, each)), None)
            if issuer is None or _fingerprint(issuer) in chain:
                break
            chain.append(_fingerprint(issuer))
            certificate = issuer
        return chain

    def _revocation(self, print_: str, issuers: Iterable[str]) -> dict[str, Any]:
        """What is known of a certificate's revocation, and the answers that are held for it and its issuers."""
        if print_ not in self._judged:
            self._judged[print_] = self._look_at((print_, *issuers))
        return self._judged[print_]

    def _look_at(self, chain: Iterable[str]) -> dict[str, Any]:
        verdicts = [self._verdict(each) for each in chain]
        paths = [
            path for each in verdicts if each is not None and (path := self._take_answer(each)) is not None
        ]
        own = verdicts[0]
        return {
            "revocation": list(dict.fromkeys(paths)),
            "verdict": None
            if own is None
            else {
                "state": own.state,
                "at": iso(own.at),
                "since": iso(own.since) if own.since is not None else None,
                "source": own.source,
            },
        }

    def _verdict(self, print_: str) -> Verdict | None:
        record = self._node.store.read(lambda view: view.record(KIND, print_))
        with suppress(msgspec.DecodeError):
            return verdict_of(record) if record is not None else None
        return None

    def _take_answer(self, verdict: Verdict) -> str | None:
        if not verdict.kept:
            return None
        record = self._node.store.read(lambda view: view.record(ANSWER, verdict.kept))
        if record is None:
            return None
        path = f"revocation/{sha256(record.body).hexdigest()}.{verdict.method}"
        self._answers[path] = (record.body, verdict.source)
        return path

    def write(self, writer: PackWriter) -> list[Note]:
        """Write those that were taken, and what authorities said of them; give what is missing."""
        for print_, owner in sorted(self._taken.items()):
            data = self._known[print_].public_bytes(Encoding.PEM)
            writer.add(certificate_path(print_), "certificate", data, about=owner)
        for path, (data, source) in sorted(self._answers.items()):
            writer.add(path, "revocation", data, about=source)
        return [Note("no-revocation")] if self._taken and not self._answers else []


def partner_certificates(partner: PartnerId, files: dict[str, str]) -> list[str]:
    """Paths of the certificate files that a partner's file names."""
    text = files.get(f"partners/{partner}.toml", "")
    return sorted({path for path in _FILE.findall(text) if path in files})


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True

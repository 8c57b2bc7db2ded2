"""Who signed: the certificate behind a signature, who vouches for it, and whether it was good at that time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse_verify.certificates import Answers, chain, fingerprint, load_pem, name_of, valid_at
from ecluse_verify.cms import WEAK, SignedData, signer_of
from ecluse_verify.pack import Pack
from ecluse_verify.report import Level, Report
from ecluse_verify.text import Bad

__all__ = ["People", "Signer"]


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key made a signature, and when its holder says to have made it."""

    name: str
    fingerprint: str
    when: datetime | None


@dataclass(slots=True)
class People:
    """The certificates and revocation answers of a pack, and the certificates that the reader trusts.

    Args:
        report: Where findings go.
        anchors: Those that the reader trusts.
        seen: When somebody else than the hub first saw the head of the log; ``None`` where nobody did.
    """

    report: Report
    anchors: tuple[x509.Certificate, ...] = ()
    seen: datetime | None = None
    known: list[x509.Certificate] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)

    def load(self, pack: Pack) -> None:
        """Take ``certificates/`` and ``revocation/``; each is named by its digest."""
        for path in sorted(pack.names):
            folder, _, name = path.rpartition("/")
            with self.report.guard(path):
                if folder == "certificates":
                    found = load_pem(pack.read(path))
                    if len(found) != 1 or name != f"{fingerprint(found[0])}.pem":
                        raise Bad("file.name")
                    if found[0].public_bytes(Encoding.PEM) != pack.read(path):
                        raise Bad("pem")
                    self.known.append(found[0])
                elif folder == "revocation":
                    if name.partition(".")[0] != pack.digest(path):
                        raise Bad("file.name")
                    self.answers.add(path, pack.read(path))

    def check(
        self,
        cms: SignedData,
        digest_of: Callable[[str], bytes] | None,
        file: str,
        *,
        at: datetime,
        named: Iterable[str],
        partner: str,
    ) -> Signer:
        """Check every signature of a SignedData, and say who vouches for the first one's certificate.

        Args:
            cms: The signatures.
            digest_of: Gives the content's digest; ``None`` where the content is not there.
            file: Which file of the pack.
            at: When the log has it, for a signature without a time.
            named: Fingerprints that the log names as the signer's; empty where it names none.
            partner: Whose signature it has to be; empty where it is the hub's own.

        Raises:
            Bad: A signature does not hold.
        """
        signers = []
        for signature in cms.signatures:
            certificate = signer_of(signature, [*self.known, *cms.certificates])
            signature.check(certificate, digest_of)
            if signature.digest in WEAK:
                self.report.add(Level.MISSING, "weak", file, digest=signature.digest)
            signers.append((certificate, signature.signing_time))
        expected = set(named)
        if expected and not expected & {fingerprint(certificate) for certificate, _ in signers}:
            raise Bad("signer.other", name=name_of(signers[0][0]))
        for certificate, when in signers:
            self._vouch(certificate, [*self.known, *cms.certificates], when or at, file, partner)
        certificate, when = signers[0]
        return Signer(name_of(certificate), fingerprint(certificate), when)

    def _vouch(
        self,
        certificate: x509.Certificate,
        others: list[x509.Certificate],
        when: datetime,
        file: str,
        partner: str,
    ) -> None:
        """Is it the one that the reader trusts, was it valid, was it revoked?"""
        name, report = name_of(certificate), self.report
        path = chain(certificate, others, self.anchors, when)
        if path is not None:
            report.add(Level.PROVEN, "certificate.trusted", file, name=name, anchor=name_of(path[-1]))
        elif partner and self.anchors:
            report.add(Level.BROKEN, "certificate.untrusted", file, name=name, partner=partner)
        else:
            owner = partner or "-"
            report.add(
                Level.CLAIMED,
                "certificate.partner" if partner else "certificate.ours",
                file,
                name=name,
                partner=owner,
            )
        if not valid_at(certificate, when):
            report.add(Level.BROKEN, "certificate.ended", file, name=name, when=when)
        elif self.seen is not None and self.seen > certificate.not_valid_after_utc:
            report.add(Level.MISSING, "certificate.late", file, name=name, when=self.seen)
        count, since = self.answers.revoked(certificate, others)
        if since is not None and since <= when:
            report.add(Level.BROKEN, "certificate.revoked", file, name=name, since=since, when=when)
        elif since is not None:
            report.add(Level.PROVEN, "certificate.revoked-later", file, name=name, since=since)
        elif count:
            report.add(Level.PROVEN, "certificate.unrevoked", file, name=name, count=count)
        else:
            report.add(Level.MISSING, "certificate.unanswered", file, name=name)

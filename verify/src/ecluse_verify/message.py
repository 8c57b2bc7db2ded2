"""One message: who signed its content, who acknowledged it, and whether all of them mean the same octets."""

from __future__ import annotations

import base64
from typing import Final

from ecluse_verify.account import Account
from ecluse_verify.cms import WEAK, SignedData, signed_data
from ecluse_verify.content import Content
from ecluse_verify.log import Log
from ecluse_verify.mime import read_entity
from ecluse_verify.pack import Pack
from ecluse_verify.people import People, Signer
from ecluse_verify.receipts import Mic, Receipt, mic_name, read_receipt, same_id
from ecluse_verify.report import Level, Report
from ecluse_verify.text import Bad, base64_octets

__all__ = ["check_message"]

_SIGNED: Final = (
    "multipart/signed",
    "multipart/report",
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
)
_BELIEVED: Final = ("delivery.confirmed", "receipt.repeated")


def check_message(pack: Pack, id: str, log: Log | None, people: People, report: Report) -> None:
    """Check everything about a message, and note what is found."""
    account = Account(pack, id, log, report)
    account.check()
    message = _Message(account, people)
    for check in (message.look_inside, message.check_signature, message.check_receipts, message.check_answer):
        with report.guard(account.folder):
            check()


class _Message:
    def __init__(self, account: Account, people: People) -> None:
        self.account, self.people, self.report = account, people, account.report
        self.pack, self.folder, self.records = account.pack, account.folder, account.records
        self.content: Content | None = None

    def look_inside(self) -> None:
        """Which documents are inside the content."""
        path = self.folder + "wire/entity"
        if path not in self.pack.names:
            if any(record.data.get("entity_sha256") for record in self.records):
                self.report.add(Level.MISSING, "content.none", path, message=self.account.id)
            return
        canonical = any(record.data.get("mic_canonical") is True for record in self.records)
        self.content = Content(self.pack, path, canonical=canonical)
        with self.report.guard(path, Level.MISSING):
            inside = self.content.documents()
            for number, each in enumerate(self.account.entries("documents")):
                digest, found = each.get("sha256"), each.get("sha256") in inside
                code = "document.inside" if found else "document.outside"
                self.report.add(
                    Level.PROVEN if found else Level.MISSING, code, path, number=number, digest=digest
                )

    def check_signature(self) -> None:
        """The signature over the content: the partner's of what came, the hub's own of what left."""
        path = self.folder + "wire/signature.p7s"
        if path not in self.pack.names:
            if any(record.data.get("signature_sha256") for record in self.records):
                raise Bad("file.missing", file=path)
            self.report.add(Level.MISSING, "signature.none", path, message=self.account.id)
            return
        with self.report.guard(path):
            cms = signed_data(self.pack.read(path))
            if self.content is None:
                self._check_named_digest(cms)
            signer = self.people.check(
                cms,
                self.content.digest if self.content is not None else None,
                path,
                at=self.account.when("message.accepted", "message.sealed"),
                named=self._named(),
                partner="" if self.account.outbound else self.account.partner,
            )
            self._compare_signer("message-signed", signer, path)
            code = "signature.proven" if self.content is not None else "signature.digest"
            facts = {"name": signer.name, "when": signer.when or "?", "message": self.account.id}
            self.report.add(Level.PROVEN, code, path, **facts)

    def check_receipts(self) -> None:
        """The other side's receipts."""
        signed = 0
        for name in self.account.files():
            path = self.folder + name
            if not name.startswith("receipts/") or not name.endswith(".body"):
                continue
            said = self._said_of(path)
            record = self.account.bound.get(path)
            # One that the hub did not believe either proves nothing, and breaks nothing.
            believed = record.kind in _BELIEVED if record is not None else said.get("positive") is not False
            with self.report.guard(path, Level.BROKEN if believed else Level.MISSING):
                for member in ("kind", "verdict"):
                    if record is not None and record.data.get(member, said.get(member)) != said.get(member):
                        raise self.account.differs(f"receipts.{member}", record.path)
                data = self.account.transfer(path)
                if read_entity(data).media_type not in _SIGNED:
                    facts = {"kind": said.get("kind"), "verdict": said.get("verdict")}
                    self.report.add(Level.CLAIMED, "receipt.other", path, **facts)
                    continue
                receipt = read_receipt(data)
                signed += receipt.signed is not None
                self._check_mdn(receipt, path, self.account.partner)
        if self.account.outbound and not signed:
            self.report.add(Level.MISSING, "receipt.none", self.folder + "receipts/", message=self.account.id)

    def check_answer(self) -> None:
        """Our own answer to what came."""
        path = self.folder + "answer.body"
        if path not in self.pack.names or not self.pack.size(path):
            return
        with self.report.guard(path):
            self._check_mdn(read_receipt(self.account.transfer(path)), path, "")

    def _said_of(self, body: str) -> dict[str, object]:
        return next((each for each in self.account.entries("receipts") if each.get("body") == body), {})

    def _check_mdn(self, receipt: Receipt, path: str, partner: str) -> None:
        """Who signed it, which message it answers, how, and over which octets."""
        signer, whose, signed = None, "receipt" if partner else "answer", receipt.signed
        if signed is not None:
            kinds = ("delivery.confirmed", "delivery.refused") if partner else ("message.accepted",)
            at = self.account.when(*kinds)
            signer = self.people.check(signed.cms, signed.digest, path, at=at, named=(), partner=partner)
        self._compare_signer(f"{whose}-signed", signer, path)
        if not same_id(receipt.original, self.account.protocol_id):
            raise Bad("receipt.message", original=receipt.original, expected=self.account.protocol_id)
        said = self.account.said.get("answer") if not partner else self._said_of(path)
        if isinstance(said, dict) and said.get("disposition", receipt.disposition) != receipt.disposition:
            raise self.account.differs(f"{whose}.disposition", path)
        facts = {"original": receipt.original, "disposition": receipt.disposition}
        if signer is None:
            self.report.add(Level.CLAIMED, "receipt.unsigned", path, **facts)
        else:
            code = f"{whose}.{'positive' if receipt.positive else 'negative'}"
            self.report.add(Level.PROVEN, code, path, name=signer.name, when=signer.when or "?", **facts)
        if receipt.mic is None:
            self.report.add(Level.MISSING, "mic.none", path)
        elif self.content is not None:
            self._check_mic(receipt.mic, self.content, path, signer)
        else:
            self._check_logged_mic(receipt.mic, path)

    def _check_mic(self, mic: Mic, content: Content, path: str, signer: Signer | None) -> None:
        """The receipt's digest is that of the content."""
        if content.digest(mic.name) != mic.value:
            raise Bad("mic.differs", algorithm=mic.name)
        said = self.account.said.get("mic")
        if isinstance(said, dict):
            same = {said.get("ours"), said.get("theirs")} == {base64.b64encode(mic.value).decode()}
            if said.get("theirs_algorithm") == mic.name == said.get("algorithm") and not same:
                raise self.account.differs("mic", path)
        if mic.name in WEAK:
            self.report.add(Level.MISSING, "weak", path, digest=mic.name)
        if signer is not None:
            self.report.add(Level.PROVEN, "mic.equal", path, name=signer.name, algorithm=mic.name)

    def _check_logged_mic(self, mic: Mic, path: str) -> None:
        """The content is not here: the log says what its digest was."""
        for record in self.records:
            value, comma, stated = record.text("mic").partition(",")
            stated = stated if comma else record.text("mic_algorithm")
            if value and stated and mic_name(stated) == mic.name:
                if base64_octets(value) != mic.value:
                    raise Bad("mic.differs", algorithm=mic.name)
                self.report.add(Level.CLAIMED, "mic.logged", path, algorithm=mic.name, index=record.index)
                return
        self.report.add(Level.MISSING, "mic.unknown", path)

    def _check_named_digest(self, cms: SignedData) -> None:
        """Without the content: what the signature digests is what the log names."""
        named = {record.text("entity_sha256") for record in self.records}
        signed = [signature.signed_digest for signature in cms.signatures]
        digests = {each[1].hex() for each in signed if each is not None and each[0] == "sha256"}
        if digests and not digests & named:
            raise Bad("signature.content")

    def _named(self) -> list[str]:
        """Fingerprints of who signed the message, as the log has them."""
        found = [record.text("signer_sha256") for record in self.records if record.kind == "message.sealed"]
        for record in self.records:
            protections = record.data.get("protections")
            for entry in protections if isinstance(protections, list) else []:
                found += [str(entry.get("certificate_sha256") or "")] if isinstance(entry, dict) else []
        return [each for each in found if each]

    def _compare_signer(self, use: str, signer: Signer | None, path: str) -> None:
        """The account names the same certificate, where it names one for this."""
        said = [each.get("sha256") for each in self.account.entries("certificates") if each.get("use") == use]
        if said and (signer is None or signer.fingerprint not in said):
            raise self.account.differs("certificates", path)

"""Receipts as partners write them: signed around or opaque, unsigned, refusing, without a MIC."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from tests.support.forgery import resealed
from tests.support.openssl_bytes import OpenSsl
from tests.support.packs import Company, Vouchers, World, read_pack, write_pack

from ecluse_verify import Keys, Level, verify_pack
from ecluse_verify.certificates import load_pem
from ecluse_verify.cms import signer_of
from ecluse_verify.notes import VerifierKey
from ecluse_verify.receipts import read_receipt
from ecluse_verify.text import Bad

MIC = base64.b64encode(sha256(b"content").digest()).decode()


def report(disposition: str = "processed", mic: str = f"{MIC}, sha-256", original: str = "<a@b>") -> bytes:
    lines = [
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="r"',
        "",
        "--r",
        "Content-Type: text/plain",
        "",
        "for people",
        "--r",
        "Content-Type: message/disposition-notification",
        "",
        f"Original-Message-ID: {original}",
        f"Disposition: automatic-action/MDN-sent-automatically; {disposition}",
        *([f"Received-Content-MIC: {mic}"] if mic else []),
        "",
        "--r--",
        "",
    ]
    return "\r\n".join(lines).encode()


@pytest.fixture(scope="module")
def openssl(vouchers: Vouchers) -> OpenSsl:
    return vouchers.openssl


def test_what_a_receipt_says() -> None:
    receipt = read_receipt(report())
    assert (receipt.original, receipt.positive, receipt.signed) == ("<a@b>", True, None)
    assert receipt.mic is not None
    assert (receipt.mic.name, receipt.mic.value) == ("sha256", sha256(b"content").digest())
    assert read_receipt(report(mic="")).mic is None
    for refusing in (
        "processed/error: decryption-failed",
        "failed/Failure: unsupported format",
        "Processed/Error:x",
    ):
        assert not read_receipt(report(refusing)).positive
    assert read_receipt(report("processed/warning: duplicate-document")).positive
    for wrong in (
        b"",
        b"Content-Type: text/plain\r\n\r\nhello",
        report()[:-8],
        report(mic="A, sha-256"),
        report(mic="AAAA, md5"),
    ):
        with pytest.raises(Bad):
            read_receipt(wrong)


def test_signed_around_and_opaque(openssl: OpenSsl) -> None:
    inner = report()
    certificate = load_pem(openssl.read("forger.pem"))
    encoded = base64.encodebytes(openssl.sign(inner)).replace(b"\n", b"\r\n")
    around = (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=s\r\n\r\n--s\r\n'
        + inner
        + b"\r\n--s\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + encoded
        + b"\r\n--s--\r\n"
    )
    openssl("cms", "-sign", "-in", "data", "-binary", "-nodetach", "-outform", "DER", "-signer", "forger.pem",
            "-inkey", "forger.key", "-out", "opaque")  # fmt: skip
    opaque = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n" + openssl.read("opaque")
    for data in (around, opaque):
        receipt = read_receipt(data)
        assert receipt.positive
        assert receipt.signed is not None
        for signature in receipt.signed.cms.signatures:
            signature.check(signer_of(signature, certificate), receipt.signed.digest)
    altered = read_receipt(around.replace(b"<a@b>", b"<a@c>"))
    assert altered.signed is not None
    with pytest.raises(Bad, match=r"cms\.digest"):
        altered.signed.cms.signatures[0].check(certificate[0], altered.signed.digest)


def test_a_receipt_that_nobody_signed_is_a_claim(aster: Company, world: World, tmp_path: Path) -> None:
    """The hub says that it came; anybody could have written it."""
    files = read_pack(aster.packs[0])
    path = next(path for path in files if path.endswith("receipts/0.body"))
    entity = next(data for name, data in files.items() if name.endswith("wire/entity"))
    mic = base64.b64encode(sha256(entity).digest()).decode()
    head, _, body = report(mic=f"{mic}, sha-256", original="<order-1@ASTER>").partition(b"\r\n\r\n")
    headers = {path.replace(".body", ".headers"): head + b"\r\n"}
    keys, trust = Keys((VerifierKey.parse(aster.key),)), tuple(load_pem(world.pem("birch").read_bytes()))
    made = resealed(aster, files, path, body, headers)
    found = verify_pack(write_pack(tmp_path / "pack.zip", made), keys, trust)
    assert [each.code for each in found.findings if each.level is Level.BROKEN] == ["message.differs"]
    account = next(name for name in files if name.endswith("message.json"))
    said = json.loads(files[account])
    said["certificates"] = [each for each in said["certificates"] if each["use"] != "receipt-signed"]
    made = aster.resign({**made, account: json.dumps(said).encode()})
    found = verify_pack(write_pack(tmp_path / "pack.zip", made), keys, trust)
    levels = {each.code: each.level for each in found.findings}
    assert found.ok
    assert levels["receipt.unsigned"] is Level.CLAIMED
    assert levels["receipt.none"] is Level.MISSING
    assert not {"receipt.positive", "mic.equal"} & set(levels)

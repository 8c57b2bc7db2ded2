"""Seals of ours read by other programs, and seals of theirs by us."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.exchange.seals.test_formats import around, contained, opened
from tests.support.sealed import INVOICE, KINDS, NOW, believed, certificate, keyring, pdf, signer

from ecluse.exchange.seals import cades, pades, xades
from ecluse.exchange.seals.facts import Indication
from ecluse.model.basics import system_clock


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=60, check=False)


@pytest.fixture
def trusted(tmp_path: Path):
    def give(kind: str) -> Path:
        path = tmp_path / f"{kind}.pem"
        path.write_bytes(certificate(kind).public_bytes(Encoding.PEM))
        return path

    return give


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_reads_cades_and_demands_the_named_certificate(kind: str, tmp_path: Path, trusted) -> None:
    (tmp_path / "a.p7m").write_bytes(around(b"order", kind))
    words = [
        "openssl",
        "cms",
        "-verify",
        "-cades",
        "-inform",
        "DER",
        "-CAfile",
        trusted(kind),
        "-purpose",
        "any",
    ]
    done = run(*words, "-in", tmp_path / "a.p7m")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"order"
    (tmp_path / "a.p7s").write_bytes(cades.seal_beside([b"order"], signer(kind), now=NOW))
    (tmp_path / "a.txt").write_bytes(b"order")
    done = run(*words, "-binary", "-in", tmp_path / "a.p7s", "-content", tmp_path / "a.txt")
    assert done.returncode == 0, done.stderr


@pytest.mark.peer("openssl")
def test_openssl_s_cades_is_read(tmp_path: Path, trusted) -> None:
    held = keyring()._held("rsa-2048")
    key = tmp_path / "key.pem"
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    key.write_bytes(held.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "a.txt").write_bytes(b"order\n")
    words = ["openssl", "cms", "-sign", "-cades", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256"]
    done = run(
        *words,
        "-signer",
        trusted("rsa-2048"),
        "-inkey",
        key,
        "-in",
        tmp_path / "a.txt",
        "-out",
        tmp_path / "a.p7m",
    )
    assert done.returncode == 0, done.stderr
    document, found = opened((tmp_path / "a.p7m").read_bytes(), believed("rsa-2048"), system_clock())
    assert document == b"order\n"
    assert [(each.format, each.verdict.ground) for each in found.seals] == [("cades", "pinned")]


@pytest.mark.peer("pdfsig")
@pytest.mark.parametrize("kind", KINDS)
def test_poppler_reads_pades(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pades.seal_pdf(pdf(), signer(kind), now=NOW, reason="Contract 4711"))
    done = run("pdfsig", "-nocert", tmp_path / "a.pdf")
    assert b"Signature Validation: Signature is Valid." in done.stdout, done.stdout + done.stderr
    assert b"Total document signed" in done.stdout
    assert b"ETSI.CAdES.detached" in done.stdout


@pytest.mark.peer("xmlsec1")
@pytest.mark.parametrize("kind", KINDS)
def test_xmlsec_reads_xades(kind: str, tmp_path: Path, trusted) -> None:
    sealed = xades.seal_xml(INVOICE, signer(kind), now=NOW)
    words = ["xmlsec1", "--verify", "--trusted-pem", trusted(kind), "--enabled-key-data", "x509"]
    words += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    words += ["--id-attr:Id", "http://www.w3.org/2000/09/xmldsig#:KeyInfo"]
    (tmp_path / "a.xml").write_bytes(sealed)
    done = run(*words, tmp_path / "a.xml")
    assert done.returncode == 0, done.stderr
    (tmp_path / "b.xml").write_bytes(sealed.replace(b">4711<", b">4712<"))
    assert run(*words, tmp_path / "b.xml").returncode != 0


@pytest.mark.peer("xmlsec1")
def test_a_plain_signature_of_xmlsec_is_read(tmp_path: Path, trusted) -> None:
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    held = keyring()._held("rsa-2048")
    key = tmp_path / "key.pem"
    key.write_bytes(held.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "a.xml").write_bytes(
        b'<Order Id="o"><ID>4711</ID><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>'
        b'<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
        b'<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
        b'<Reference URI=""><Transforms>'
        b'<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
        b'<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></Transforms>'
        b'<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo>'
        b"<SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature></Order>"
    )
    done = run(
        "xmlsec1",
        "--sign",
        "--privkey-pem",
        f"{key},{trusted('rsa-2048')}",
        "--output",
        tmp_path / "b.xml",
        tmp_path / "a.xml",
    )
    assert done.returncode == 0, done.stderr
    (facts,) = xades.check_xml((tmp_path / "b.xml").read_bytes(), believed("rsa-2048"), now=NOW)
    assert (facts.format, facts.verdict.indication, facts.covers) == ("xmldsig", Indication.PASSED, "whole")


@pytest.mark.peer("openssl")
def test_a_container_by_unzip_and_openssl_alone(tmp_path: Path, trusted) -> None:
    (tmp_path / "a.asice").write_bytes(contained({"a.txt": b"one", "b.txt": b"two"}, "rsa-2048"))
    with zipfile.ZipFile(tmp_path / "a.asice") as archive:
        assert archive.testzip() is None
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        archive.extractall(tmp_path)
    meta = tmp_path / "META-INF"
    words = [
        "openssl",
        "cms",
        "-verify",
        "-cades",
        "-inform",
        "DER",
        "-binary",
        "-CAfile",
        trusted("rsa-2048"),
        "-purpose",
        "any",
    ]
    done = run(*words, "-in", meta / "signature001.p7s", "-content", meta / "ASiCManifest001.xml")
    assert done.returncode == 0, done.stderr

"""Certificates go into a pack with their issuers, and with what their authority said of them, octet for octet."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ocsp
from tests.support.openssl_ca import Authority

from ecluse.app.folder import make_hub
from ecluse.app.keys.revocation import check_certificates
from ecluse.app.node import Node
from ecluse.app.packs.certificates import Shelf, certificate_path
from ecluse.app.settings import apply_files
from ecluse.evidence.pack.container import PackWriter
from ecluse.model.basics import PartnerId
from ecluse.trust.configuration import read_folder

pytestmark = pytest.mark.peer("openssl")


class Memory(bytearray):
    """A file in memory."""

    def write(self, data: bytes) -> None:
        self.extend(data)

    def rewrite(self, offset: int, data: bytes) -> None:
        self[offset : offset + len(data)] = data


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256") as made:
        yield made


@pytest.fixture
def mill(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca")
    made.issue("birch")
    return made


def put(node: Node, mill: Authority, revocation: str) -> None:
    both = (mill.folder / "birch.pem").read_text() + (mill.folder / "ca.pem").read_text()
    (node.folder / "certificates/birch.pem").write_text(both)
    (node.folder / "certificates/authority.pem").write_text((mill.folder / "ca.pem").read_text())
    (node.folder / "partners/birch.toml").write_text(
        'name = "Birch"\n[as2]\nid = "BIRCH"\nurl = "https://birch.example/as2"\n'
        '[[certificates]]\nfile = "certificates/birch.pem"\n'
    )
    path = node.folder / "ecluse.toml"
    path.write_text(
        f'{path.read_text()}\n[revocation]\nmode = "soft"\nallow_private_network = true\n{revocation}\n'
        '[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\n'
    )


def apply(node: Node, line: str) -> None:
    path = node.folder / "ecluse.toml"
    path.write_text(f"{path.read_text()}{line}\n")
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def shelved(node: Node) -> tuple[Shelf, str, str]:
    """The shelf, and the fingerprints of the partner's certificate and of its issuer."""
    shelf = Shelf(node)
    leaf, above = shelf.of_partner(PartnerId("birch"), 1, dict(node.directory.configuration.files))
    return shelf, leaf.fingerprint(SHA256()).hex(), above.fingerprint(SHA256()).hex()


def test_a_responders_answer_goes_along(node: Node, mill: Authority) -> None:
    put(node, mill, 'methods = ["ocsp"]')
    with mill.responder() as url:
        apply(node, f'ocsp = "{url}"')
        assert [each.verdict.state for each in check_certificates(node) if each.verdict] == ["good"]
    shelf, leaf, above = shelved(node)
    facts, held = shelf.take(leaf, "receipt-signed", "partner:birch")
    assert held
    assert facts["issuers"] == [above]
    assert facts["verdict"]["state"] == "good"
    (path,) = facts["revocation"]
    writer = PackWriter(Memory())
    assert shelf.write(writer) == []
    entries = {entry.path: entry for entry in writer.entries}
    assert {certificate_path(leaf), certificate_path(above), path} == set(entries)
    record = node.store.read(lambda view: view.record("revocation-answer", f"ocsp:{leaf}"))
    assert record is not None
    assert path == f"revocation/{sha256(record.body).hexdigest()}.ocsp"
    answer = ocsp.load_der_ocsp_response(record.body)
    certificate = shelf.described(leaf)
    assert certificate is not None
    assert answer.serial_number == certificate.serial_number


def test_a_list_goes_along_and_the_newest_takes_its_place(node: Node, mill: Authority) -> None:
    put(node, mill, 'methods = ["crl"]')
    (node.folder / "mill.crl").write_bytes(mill.crl())
    apply(node, 'crl = "file:mill.crl"')
    assert [each.verdict.state for each in check_certificates(node) if each.verdict] == ["good"]
    mill.revoke("birch")
    (node.folder / "mill.crl").write_bytes(mill.crl())
    states = [each.verdict.state for each in check_certificates(node, everything=True) if each.verdict]
    assert states == ["revoked"]
    shelf, leaf, _ = shelved(node)
    facts, _ = shelf.take(leaf, "message-signed", "partner:birch")
    assert facts["verdict"]["state"] == "revoked"
    (path,) = facts["revocation"]
    assert path.endswith(".crl")
    (kept,) = node.store.read(lambda view: view.records("revocation-answer"))
    found = x509.load_der_x509_crl(kept.body)
    certificate = shelf.described(leaf)
    assert certificate is not None
    assert found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def test_a_large_list_is_not_kept(node: Node, mill: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.trust.revocation.asking.MOST_KEPT", 100)
    put(node, mill, 'methods = ["crl"]')
    (node.folder / "mill.crl").write_bytes(mill.crl())
    apply(node, 'crl = "file:mill.crl"')
    assert [each.verdict.state for each in check_certificates(node) if each.verdict] == ["good"]
    shelf, leaf, _ = shelved(node)
    facts, _ = shelf.take(leaf, "message-signed", "partner:birch")
    assert (facts["verdict"]["state"], facts["revocation"]) == ("good", [])
    assert [note.code for note in shelf.write(PackWriter(Memory()))] == ["no-revocation"]


def test_a_certificate_that_nobody_holds_any_more(node: Node) -> None:
    facts, held = Shelf(node).take("0" * 64, "message-signed", "partner:birch")
    assert not held
    assert (facts["path"], facts["issuers"], facts["verdict"]) == (None, [], None)


def test_our_own_are_known_with_their_former_ones(node: Node) -> None:
    shelf = Shelf(node)
    (ours,) = shelf.ours
    facts, held = shelf.take(ours.fingerprint(SHA256()).hex(), "answer-signed", "us")
    assert held
    assert facts["owner"] == "us"

"""A key of ours that comes into use is named by its fingerprint in what two sign; a name alone is nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.certs import renewed
from tests.support.operators import four_eyed, person, propose

from ecluse.app.changes import approve, statement
from ecluse.app.changes.check import ChangeTampered
from ecluse.app.keys import openpgp
from ecluse.app.keys.certificates import CertificateInUse, generate_key, take_certificate
from ecluse.trust.certificates import describe

ADA, BERTA = person("ada"), person("berta")
EVE = "operator:eve"


def test_the_text_that_is_signed_has_the_key_behind_a_name(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        made = generate_key(node, "main-2027", "ec-p256", subject="Aster", days=90, actor=EVE)
        files = dict(node.directory.configuration.files)
        files["ecluse.toml"] += (
            '\n[[organisation.keys]]\nref = "main"\n[[organisation.keys]]\nref = "main-2027"\n'
        )
        proposal = propose(node, files, ADA)
        assert f"main-2027 (EC P-256, SHA-256 {describe(made).fingerprint})" in proposal.text


def test_an_openpgp_key_exchanged_under_its_name_is_not_the_one_that_was_signed(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        make = {"kind": "curve25519", "version": 4, "days": 90, "actor": EVE}
        first = openpgp.generate_key(node, "orders", "Aster <edi@aster.example>", **make)  # type: ignore[arg-type]
        files = dict(node.directory.configuration.files)
        files["ecluse.toml"] += '\n[openpgp]\nkeys = ["orders"]\n'
        proposal = propose(node, files, ADA)
        assert first.fingerprint in proposal.text
        signature = BERTA.sign(statement(node, proposal.id, "approve", "berta"))
        openpgp.remove_key(node, "orders", actor=EVE)
        openpgp.generate_key(node, "orders", "Aster <edi@aster.example>", **make)  # type: ignore[arg-type]
        with pytest.raises(ChangeTampered):
            approve(node, proposal.id, "berta", signature)
        assert not node.directory.hub.openpgp.keys


def test_the_certificate_of_a_key_in_use_is_not_replaced_by_one_person(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        before = node.keyring.certificate("main")
        another = renewed(node.keyfiles.request("main"))
        with pytest.raises(CertificateInUse) as caught:
            take_certificate(node, "main", another, actor=EVE)
        assert caught.value.code == "cert.needs-two"
        assert node.keyring.certificate("main") == before
        made = take_certificate(node, "main", another, new="main-2027", actor=EVE)
        assert made.public_key() == before.public_key()
        files = dict(node.directory.configuration.files)
        files["ecluse.toml"] += '\n[[organisation.keys]]\nref = "main-2027"\n'
        proposal = propose(node, files, ADA)
        assert describe(made).fingerprint in proposal.text
        approve(node, proposal.id, "berta", BERTA.sign(statement(node, proposal.id, "approve", "berta")))
        with pytest.raises(CertificateInUse):
            take_certificate(node, "main-2027", another, actor=EVE)
        take_certificate(node, "main", another, actor=EVE)  # it is used for nothing any more


def test_the_certificate_of_a_pending_key_is_part_of_what_is_signed(tmp_path: Path) -> None:
    with four_eyed(tmp_path / "hub") as node:
        generate_key(node, "main-2027", "ec-p256", subject="Aster", days=90, actor=EVE)
        files = dict(node.directory.configuration.files)
        files["ecluse.toml"] += '\n[[organisation.keys]]\nref = "main-2027"\n'
        proposal = propose(node, files, ADA)
        signature = BERTA.sign(statement(node, proposal.id, "approve", "berta"))
        take_certificate(node, "main-2027", renewed(node.keyfiles.request("main-2027")), actor=EVE)
        with pytest.raises(ChangeTampered):
            approve(node, proposal.id, "berta", signature)

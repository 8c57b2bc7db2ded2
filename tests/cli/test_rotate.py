"""`ecluse rotate`: what people and programs see of a rotation, from its begin to its end."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.as2_hubs import CEDAR, ELDER
from tests.support.as2_world import party
from tests.support.commands import say

from ecluse.app.folder import make_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rotate") / "hub"
    node = make_hub(folder, name="Aster", as2_id="ASTER", key_kind="ec-p256", email="edi@aster.example")
    node.close()
    for who in (CEDAR, ELDER):
        id = who.name.lower()
        (folder / "certificates" / f"{id}.pem").write_bytes(who.pem_certificate())
        (folder / "partners" / f"{id}.toml").write_text(
            f'name = "{who.name}"\n[as2]\nid = "{who.name.upper()}"\nurl = "https://{id}.example/as2"\n'
            f'[[certificates]]\nfile = "certificates/{id}.pem"\n'
        )
    say("apply", "--yes", "--reason", "partners", hub=folder)
    return folder


def authority(request: str) -> bytes:
    """A certificate for a request, by an authority of its own."""
    import datetime

    csr = x509.load_pem_x509_csr(request.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Elder Authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(name)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=100))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def states(facts):
    return {each["partner"]: each["state"] for each in facts["partners"]}


def test_from_a_request_to_the_end(hub, tmp_path):
    csr = tmp_path / "next.csr"
    facts = say("rotate", "begin", "main", "--to", "next", "--csr", csr, "--json", hub=hub).data
    assert (facts["state"], facts["places"], facts["request"]) == ("requested", ["as2"], str(csr))
    (tmp_path / "next.pem").write_bytes(authority(csr.read_text()))
    (tmp_path / "other.pem").write_bytes(CEDAR.pem_certificate())
    say("rotate", "certify", "next", tmp_path / "other.pem", hub=hub, code=2)
    facts = say("rotate", "certify", "next", tmp_path / "next.pem", "--json", hub=hub).data
    assert facts["state"] == "announced"
    assert states(facts) == {"cedar": "told", "elder": "told"}
    letter = (hub / "letters" / "next" / "cedar.eml").read_bytes()
    assert facts["certificate_sha256"].encode() in letter
    assert b"edi@aster.example" in letter
    assert 'succeeds = "main"' in (hub / "ecluse.toml").read_text()

    text = say("rotate", "show", "next", hub=hub).text
    assert "next in place of main" in text
    assert "cedar" in text
    assert say("rotate", "remind", "next", "--json", hub=hub).data["reminded"] == ["cedar", "elder"]
    assert (hub / "letters" / "next" / "elder-reminder-1.eml").exists()
    facts = say(
        "rotate", "switch", "next", "--partner", "cedar", "--reason", "by phone", "--json", hub=hub
    ).data
    assert states(facts) == {"cedar": "switched", "elder": "told"}
    facts = say("rotate", "switch", "next", "--at", "2020-01-01", "--reason", "late", "--json", hub=hub).data
    assert states(facts) == {"cedar": "switched", "elder": "switched"}
    assert facts["state"] == "complete"
    facts = say(
        "rotate", "revert", "next", "--partner", "elder", "--reason", "backup", "--json", hub=hub
    ).data
    assert states(facts)["elder"] == "reverted"
    assert facts["late"] == 1
    say("rotate", "retire", "next", "--reason", "now", hub=hub, code=2)
    facts = say("rotate", "retire", "next", "--reason", "now", "--force", "--yes", "--json", hub=hub).data
    assert facts["state"] == "retired"
    assert say("rotate", "list", "--json", hub=hub).data == {"rotations": []}
    assert "retired" in say("rotate", "list", "--all", hub=hub).text


def test_a_successor_may_come_from_a_file_and_be_given_up(hub, tmp_path):
    used = "next"
    (tmp_path / "key.p12").write_bytes(party("Hazel").pkcs12(b"secret"))
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    words = ("--key", tmp_path / "key.p12", "--password", f"file:{tmp_path / 'password'}")
    facts = say("rotate", "begin", used, "--to", "bought", *words, "--switch", "hand", "--json", hub=hub).data
    assert facts["policy"] == "hand"
    say("rotate", "begin", used, hub=hub, code=2)
    say("rotate", "begin", used, "--switch", "time", hub=hub, code=2)
    say("rotate", "begin", used, "--at", "tomorrow", hub=hub, code=2)
    facts = say("rotate", "abandon", "bought", "--reason", "too dear", "--yes", "--json", hub=hub).data
    assert facts["state"] == "abandoned"
    say("rotate", "switch", "bought", "--reason", "x", hub=hub, code=2)


def test_a_certificate_of_theirs(hub, tmp_path):
    (tmp_path / "new.pem").write_bytes(party("Cedar", "ec").pem_certificate())
    say("rotate", "take", "cedar", tmp_path / "new.pem", "--reason", "by phone", hub=hub, code=2)
    words = ("rotate", "take", "cedar", tmp_path / "new.pem", "--reason", "by phone", "--yes")
    facts = say(*words, "--json", hub=hub).data
    assert (facts["side"], facts["partner"], states(facts)) == ("theirs", "cedar", {"cedar": "told"})
    assert say("rotate", "offers", "--json", hub=hub).data == {"offers": []}
    say("rotate", "refuse", "cedar:0000000000000000", "--reason", "x", hub=hub, code=2)

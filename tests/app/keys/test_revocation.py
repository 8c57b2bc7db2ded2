"""A hub asks authorities that are run by openssl, and takes what was revoked out of use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hubs import FakeClock
from tests.support.openssl_ca import Authority, serve_bytes

from ecluse.app.folder import make_hub
from ecluse.app.health.parties import certificates
from ecluse.app.keys.inventory import inventory
from ecluse.app.keys.revocation import NoSuchCertificate, check_certificates, is_named
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.model.basics import Instant, system_clock
from ecluse.trust.configuration import read_folder
from ecluse.trust.errors import PartnerRefused

pytestmark = pytest.mark.peer("openssl")
DAY = 86_400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(system_clock() + 30_000_000)


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Iterator[Node]:
    with make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256", clock=clock) as made:
        yield made


@pytest.fixture
def mill(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def put(node: Node, authority: Authority, revocation: str, *names: str, chain: bool = True) -> None:
    """Partners with the authority's certificates, and how it is asked."""
    for name in names:
        pem = (authority.folder / f"{name}.pem").read_text()
        above = (authority.folder / "ca.pem").read_text() if chain else ""
        (node.folder / f"certificates/{name}.pem").write_text(pem + above)
        (node.folder / f"partners/{name}.toml").write_text(
            f'name = "{name}"\n[as2]\nid = "{name.upper()}"\nurl = "https://{name}.example/as2"\n'
            f'[[certificates]]\nfile = "certificates/{name}.pem"\nuse = ["verify", "encrypt", "tls"]\n'
        )
    (node.folder / "certificates/authority.pem").write_text((authority.folder / "ca.pem").read_text())
    path = node.folder / "ecluse.toml"
    text = path.read_text().partition("\n[revocation]")[0]
    path.write_text(f"{text}\n[revocation]\nallow_private_network = true\n{revocation}\n")
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def check(node: Node, *, everything: bool = False) -> dict[str, str]:
    """States by name of the file, of what was asked about."""
    found = check_certificates(node, everything=everything)
    states = {each.candidate.name: each.verdict.state if each.verdict is not None else "" for each in found}
    node.reload()
    return states


def events(node: Node, subject: str) -> list[dict[str, object]]:
    """What was told of certificates."""
    leaves = [json.loads(leaf) for _, leaf in node.store.read(lambda view: view.unsealed(1000))]
    return [leaf for leaf in leaves if leaf["subject"] == subject and leaf["kind"].startswith("certificate.")]


def usable(node: Node, name: str) -> list[bool]:
    view, now = node.directory.partner(name), node.hub.clock()
    found = [bool(view.verify_certificates(now)), bool(view.mdn_verify_certificates(now))]
    for ask in (view.encrypt_certificate, view.tls_anchors):
        try:
            found.append(bool(ask(now)))
        except PartnerRefused:
            found.append(False)
    return found


def test_a_responder_says_that_a_certificate_was_revoked(
    node: Node, mill: Authority, clock: FakeClock
) -> None:
    for name in ("birch", "cedar"):
        mill.issue(name)
    asks = 'mode = "soft"\nmethods = ["ocsp"]\n[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\n'
    with mill.responder() as url:
        put(node, mill, f'{asks}ocsp = "{url}"', "birch", "cedar")
        assert check(node) == {"certificates/birch.pem": "good", "certificates/cedar.pem": "good"}
        assert check(node) == {}, "nothing is due"
    mill.revoke("birch")
    with mill.responder() as url:
        put(node, mill, f'{asks}ocsp = "{url}"', "birch", "cedar")
        assert check(node, everything=True) == {
            "certificates/birch.pem": "revoked",
            "certificates/cedar.pem": "good",
        }
    assert usable(node, "birch") == [False] * 4
    assert usable(node, "cedar") == [True] * 4
    (event,) = [each for each in events(node, "partner:birch") if each["kind"] == "certificate.revoked"]
    data = event["data"]
    assert isinstance(data, dict)
    assert (data["reason"], data["source"], data["mode"]) == ("key_compromise", url, "soft")
    states = {
        each.owner: each.state(node.hub.clock()) for each in inventory(node) if each.kind == "certificate"
    }
    assert states == {"": "valid", "birch": "revoked", "cedar": "valid"}
    told = [finding.observed for finding in certificates(node) if finding.level == "failed"]
    assert any("was revoked (key_compromise)" in text for text in told)
    clock.forward(7 * 3600)
    assert check(node)["certificates/birch.pem"] == "revoked", "silence takes nothing back"
    assert len(events(node, "partner:birch")) == 1, "what is known is not told twice"


def test_what_the_certificates_say_themselves(node: Node, mill: Authority) -> None:
    with serve_bytes() as server:
        mill.point(f"crlDistributionPoints = URI:{server.url}/mill.crl\n"
                   f"authorityInfoAccess = OCSP;URI:{server.url}/ocsp")  # fmt: skip
        for name in ("birch", "cedar", "douglas"):
            mill.issue(name)
        mill.revoke("cedar", "superseded")
        server.files["/mill.crl"] = mill.crl()
        put(node, mill, 'mode = "soft"', "birch", "cedar", "douglas")
        assert check(node) == {
            "certificates/birch.pem": "good",
            "certificates/cedar.pem": "revoked",
            "certificates/douglas.pem": "good",
        }
        assert server.asked.count("/mill.crl") == 1, "one list for all of them"
        assert server.asked.count("/ocsp") == 3, "the preferred way, which gives 404"
    assert usable(node, "cedar") == [False] * 4


def test_a_list_in_a_file(node: Node, mill: Authority, clock: FakeClock) -> None:
    mill.issue("birch")
    place = node.folder / "mill.crl"
    place.write_bytes(mill.crl())
    authority = (
        '[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\ncrl = "file:mill.crl"'
    )
    # The certificate came without its issuer: the configuration knows it.
    put(node, mill, f'mode = "hard"\n{authority}', "birch", chain=False)
    assert check(node) == {"certificates/birch.pem": "good"}
    mill.revoke("birch", "certificateHold")
    clock.forward(6 * 3600)
    place.write_bytes(mill.crl())
    assert check(node) == {"certificates/birch.pem": "revoked"}
    mill.unhold()
    clock.forward(6 * 3600)
    place.write_bytes(_later(mill))
    assert check(node) == {"certificates/birch.pem": "good"}
    kinds = [each["kind"] for each in events(node, "partner:birch")]
    assert kinds == ["certificate.revoked", "certificate.restored"]
    assert usable(node, "birch") == [True] * 4


def _later(mill: Authority) -> bytes:
    """A list that was made a second after the one before: ``thisUpdate`` counts seconds."""
    import time

    time.sleep(1.1)
    return mill.crl()


def test_silence_counts_where_it_is_asked_to(node: Node, mill: Authority, clock: FakeClock) -> None:
    mill.issue("birch")
    place = node.folder / "mill.crl"
    place.write_bytes(mill.crl())
    authority = (
        '[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\ncrl = "file:mill.crl"'
    )
    put(node, mill, f'mode = "hard"\n{authority}', "birch")
    assert check(node) == {"certificates/birch.pem": "good"}
    place.write_bytes(b"what an attacker likes to say")
    clock.forward(7 * 3600)
    assert check(node) == {"certificates/birch.pem": "good"}, "the answer that is known lasts two days"
    clock.forward(2 * DAY)
    assert check(node) == {"certificates/birch.pem": "unknown"}
    assert usable(node, "birch") == [False] * 4
    assert [each["kind"] for each in events(node, "partner:birch")] == ["certificate.unproven"]
    put(node, mill, f'mode = "soft"\n{authority}', "birch")
    assert usable(node, "birch") == [True] * 4
    place.unlink()
    clock.forward(7 * 3600)
    (checked,) = check_certificates(node)
    assert checked.verdict is not None
    assert "No such file" in checked.verdict.reason


def test_off_asks_nobody_and_refuses_nothing(node: Node, mill: Authority) -> None:
    mill.issue("birch")
    mill.revoke("birch")
    (node.folder / "mill.crl").write_bytes(mill.crl())
    authority = (
        '[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\ncrl = "file:mill.crl"'
    )
    put(node, mill, f'mode = "off"\n{authority}', "birch")
    assert check(node, everything=True) == {"certificates/birch.pem": "revoked"}, "a person asked"
    assert usable(node, "birch") == [True] * 4
    put(node, mill, f'mode = "soft"\n{authority}', "birch")
    assert usable(node, "birch") == [False] * 4, "what is known counts at once"


def test_responders_on_private_networks_are_not_asked(node: Node, mill: Authority) -> None:
    mill.issue("birch")
    authority = '[[revocation.authorities]]\ncertificate = "certificates/authority.pem"\n'
    with serve_bytes() as server:
        put(node, mill, f'mode = "soft"\n{authority}crl = "{server.url}/x"\nocsp = "{server.url}/y"', "birch")
        path = node.folder / "ecluse.toml"
        path.write_text(path.read_text().replace("allow_private_network = true", ""))
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        (checked,) = check_certificates(node)
        assert server.asked == []
    assert checked.verdict is not None
    assert checked.verdict.state == "unknown"
    assert "not public" in checked.verdict.reason


def test_certificates_are_found_by_name(node: Node, mill: Authority) -> None:
    mill.issue("birch")
    put(node, mill, 'mode = "soft"', "birch")
    print_ = node.directory.configuration.certificates["birch"].entries[0].info.fingerprint  # type: ignore[index]
    for text in ("birch", "certificates/birch.pem", print_[:12], print_.upper()):
        found = list(check_certificates(node, everything=True, wanted=is_named(node, text)))
        assert [(each.candidate.owner, each.verdict) for each in found] == [("birch", None)], text
    assert list(check_certificates(node, everything=True, wanted=is_named(node, "us"))) == []
    with pytest.raises(NoSuchCertificate):
        is_named(node, "nobody")


def test_a_revoked_issuer_takes_its_certificates_along(node: Node, mill: Authority) -> None:
    mill.issue("birch")
    put(node, mill, 'mode = "soft"', "birch")
    (entry,) = node.directory.configuration.certificates["birch"].entries  # type: ignore[index]
    refused = node.directory.configuration.certificates["birch"].refusing({entry.issuers[0]: Instant(5)})  # type: ignore[index]
    assert not refused.at("verify", node.hub.clock())
    assert refused.entries[0].refused == 5

"""A listener's certificate is ordered from an ACME server and shown, without a connection being dropped."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request

import pytest
from tests.support.as2_hubs import HOST, eventually, serve, stop_soon
from tests.support.certs import make_identity
from tests.support.commands import say
from tests.support.pebble import pebble

import ecluse.app.service
from ecluse.app.folder import make_hub
from ecluse.app.keys.acme import AcmeNotAgreed, acme_work, certified_keys, due, renew
from ecluse.app.settings import apply_files
from ecluse.engine.schedule import Every
from ecluse.trust.certificates import describe
from ecluse.trust.configuration import read_folder
from ecluse.wire.acme import AcmeError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(ecluse.app.service, "RELOAD_EVERY", 0.05)
    node = make_hub(tmp_path / "hub", name="Aster", as2_id="ASTER", key_kind="ec-p256")
    node.keyring.generate("tls", "ec-p256", subject="as2.aster.example", names=["as2.aster.example"])
    stop_soon(node)
    path = node.folder / "ecluse.toml"
    path.write_text(
        path.read_text()
        + '\n[listen.as2.tls]\nkey = "tls"\n[acme]\ndirectory = "https://127.0.0.1:1/dir"\nagree = true\n'
        f'names = ["as2.aster.example"]\nlisten = "{HOST}:0"\nallow_private_network = true\n'
        'ca = "certificates/ca.pem"\n'
    )
    (node.folder / "certificates" / "ca.pem").write_bytes(make_identity("An authority").certificate_pem)
    apply(node)
    node.bootstrap = node.directory.configuration
    with node, serve(node) as hub:
        yield hub


def apply(node):
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def at(hub, server):
    """Have the hub order from a server."""
    node = hub.node
    (node.folder / "certificates" / "ca.pem").write_bytes(server.ca.read_bytes())
    path = node.folder / "ecluse.toml"
    path.write_text(path.read_text().replace("https://127.0.0.1:1/dir", server.directory))
    apply(node)


def shown(hub):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(HOST, hub.port, context=context, timeout=10)
    connection.connect()
    return connection


def issuer(connection):
    from cryptography import x509

    return describe(x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True))).issuer


def get(connection):
    connection.request("GET", "/as2")
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.peer("pebble")
def test_a_certificate_is_ordered_and_shown(hub, tmp_path):
    node = hub.node
    with pebble(tmp_path, hub.service.acme.port, reject=20) as server:
        at(hub, server)
        assert certified_keys(node) == ("tls",)
        assert due(node, "tls", node.directory.hub.acme)
        before = shown(hub)
        assert "as2.aster.example" in issuer(before)
        assert get(before) == 200
        key = node.keyring.ssh_public_key("tls")
        work = acme_work(node)
        assert isinstance(work.when, Every)

        class Context:
            def check(self):
                pass

        work.work(Context())
        assert "Pebble" in describe(node.keyring.certificate("tls")).issuer
        assert node.keyring.ssh_public_key("tls") == key
        assert not due(node, "tls", node.directory.hub.acme)

        def renewed():
            connection = shown(hub)
            return "Pebble" in issuer(connection) and get(connection) == 200

        eventually(renewed)
        assert get(before) == 200  # what was open goes on
        assert "key.certified" in hub.kinds("key:tls")
        assert node.store.read(lambda view: view.records("acme-challenge")) == []
        assert "Nothing is due." in say("acme", "renew", hub=node.folder).text
        assert "tls: until" in say("acme", "renew", "--force", hub=node.folder).text
        assert "due" not in say("acme", "status", hub=node.folder).text.partition("tls: ")[2]


@pytest.mark.peer("pebble")
def test_what_the_authority_says_is_told(hub, tmp_path):
    node = hub.node
    with pebble(tmp_path, 9) as server:  # nobody answers there
        at(hub, server)
        with pytest.raises(AcmeError, match=r"does not find us at as2\.aster\.example"):
            renew(node, "tls", actor="operator:test")
        acme_work(node).work(type("Context", (), {"check": lambda self: None})())
    told = dict(hub.events("key:tls"))["key.not-renewed"]
    assert told["reason"] == "acme.refused"
    assert "Pebble" not in describe(node.keyring.certificate("tls")).issuer


def test_only_challenges_are_answered(hub):
    node = hub.node
    url = f"http://{HOST}:{hub.service.acme.port}"
    for path in ("/", "/as2", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/abc/../x"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(url + path, timeout=5)
        assert error.value.code == 404
    from ecluse.model.basics import Instant
    from ecluse.model.records import Record

    now = node.hub.clock()
    for token, ends in (("fresh", now + 60_000_000), ("stale", now - 1)):
        record = Record("acme-challenge", token, now, b"fresh.thumb", due=Instant(ends))
        node.store.write(lambda tx, record=record: tx.put_record(record))
    with urllib.request.urlopen(f"{url}/.well-known/acme-challenge/fresh", timeout=5) as answer:
        assert answer.read() == b"fresh.thumb"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/.well-known/acme-challenge/stale", timeout=5)


def test_nothing_is_ordered_before_somebody_agrees(hub):
    node = hub.node
    path = node.folder / "ecluse.toml"
    path.write_text(path.read_text().replace("agree = true", "agree = false"))
    apply(node)
    with pytest.raises(AcmeNotAgreed):
        renew(node, "tls", actor="operator:test")

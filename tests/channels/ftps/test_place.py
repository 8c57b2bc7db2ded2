"""What a partner's file allows at the moment of a connection: addresses, clear text, and what we show of ourselves."""

from __future__ import annotations

import datetime
from contextlib import nullcontext

import pytest
from tests.support.ftp_places import changed, foreign
from tests.support.tls_certs import make

from ecluse.app.folder import make_hub
from ecluse.app.settings import apply_files
from ecluse.channels.ftps.client.errors import TlsRefused, Unreachable
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import place_of
from ecluse.channels.http.errors import EgressDenied
from ecluse.model.basics import Instant
from ecluse.trust.configuration import read_folder
from ecluse.trust.errors import PartnerRefused

DAY = 86_400_000_000


@pytest.fixture
def node(tmp_path):
    node = make_hub(tmp_path / "aster", name="Aster", as2_id="ASTER", key_kind="ec-p256")
    (node.folder / "secrets").mkdir(exist_ok=True)
    (node.folder / "secrets" / "birch").write_text("correct-horse-2")
    (node.folder / "secrets" / "birch").chmod(0o600)
    yield node
    node.close()


def apply(node, settings: str, more: str = "") -> None:
    (node.folder / "partners" / "birch.toml").write_text(
        f'name = "Birch"\n{more}[ftps]\nuser = "aster"\npassword = "file:secrets/birch"\n{settings}\n'
    )
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def place(node, later: int = 0):
    directory = node.directory
    return place_of(directory, directory.partner("birch"), Instant(node.hub.clock() + later))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.1.2.3"])
def test_private_addresses_are_no_partners(node, host: str) -> None:
    apply(node, f'host = "{host}"')
    with pytest.raises(EgressDenied):
        place(node)


def test_private_addresses_where_they_were_agreed(node) -> None:
    apply(node, 'host = "10.1.2.3:2121"\nallow_private_network = true')
    assert place(node).addresses == ("10.1.2.3",)
    # A host's own services and those of its cloud are never a partner's.
    apply(node, 'host = "169.254.169.254"\nallow_private_network = true')
    with pytest.raises(EgressDenied):
        place(node)


@pytest.mark.peer("vsftpd")
def test_only_an_address_that_was_checked_is_connected_to(tmp_path) -> None:
    """Whatever the name resolves to by then, or does not."""
    with foreign("vsftpd", tmp_path) as far:
        for address, answers in (("127.0.0.1", True), ("127.0.0.9", False)):
            line = Line(changed(far.place, host="ftp.birch.example", addresses=(address,), timeout=2.0))
            with nullcontext() if answers else pytest.raises(Unreachable):
                line.command("PWD", "look")
            line.close()


def test_clear_text_ends_with_its_exception(node) -> None:
    until = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=10)
    exception = f'[[exceptions]]\nalgorithm = "clear-text"\nreason = "their VPN"\nuntil = {until}\n'
    apply(node, 'host = "10.1.2.3"\nallow_private_network = true\nmode = "clear"', exception)
    assert place(node).mode == "clear"
    assert place(node, 9 * DAY).mode == "clear"
    with pytest.raises(PartnerRefused) as caught:
        place(node, 12 * DAY)
    assert caught.value.code == "trust.clear-text"


@pytest.mark.peer("proftpd")
@pytest.mark.parametrize("implicit", [False, True])
def test_a_server_that_wants_a_certificate_of_ours(tmp_path, implicit: bool) -> None:
    ours, others = make("aster"), make("mallory")
    with foreign("proftpd", tmp_path, clients=ours, implicit=implicit) as far:
        for shown in ({}, {"certificate": others.pem, "key": others.key_pem}):
            with pytest.raises((TlsRefused, Unreachable)):
                Line(changed(far.place, **shown)).command("PWD", "look")
        line = Line(changed(far.place, certificate=ours.pem, key=ours.key_pem))
        line.upload("order.xml", iter([b"x" * 100_000]))  # the data connection shows it, or resumes
        line.close()
        assert far.content("order.xml") == b"x" * 100_000


def test_the_certificate_comes_from_the_keyring(node) -> None:
    node.keyring.generate("birch-client", "ec-p256", subject="Aster", days=30)
    apply(node, 'host = "10.1.2.3"\nallow_private_network = true\n[ftps.tls]\nclient_key = "birch-client"')
    found = place(node)
    assert b"BEGIN CERTIFICATE" in found.certificate
    assert b"PRIVATE KEY" in found.key
    assert "PRIVATE" not in repr(found)

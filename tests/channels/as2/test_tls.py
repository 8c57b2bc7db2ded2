"""TLS between hubs, basic authentication, and how much one partner may do at once."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.as2_hubs import (
    CEDAR,
    HOST,
    ORDER,
    aster_hub,
    cards,
    eventually,
    id_of,
    message,
    post,
    serve,
)
from tests.support.as2_partner import Received, confirm, http, receipt, say, scripted
from tests.support.as2_world import party
from tests.support.hubs import FakeClock
from tests.support.seen import seen
from tests.support.tls_certs import make

from ecluse.app.folder import make_hub
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.channels.as2.receiver import ADDRESS_CONCURRENCY
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.wire.as2 import disposition as said

QUICK = 'retry = { attempts = 3, base = "1ms", cap = "2ms" }\n'


def tls_hub(stack: ExitStack, folder, name: str, settings: str = "", clock=None):
    """A hub that listens with TLS under a key of its own, "tls", and shows "client" to others."""
    more = {"clock": clock} if clock else {}
    node = make_hub(folder, name=f"{name} Foods", as2_id=name.upper(), key_kind="rsa-2048", **more)
    for ref in ("tls", "client"):
        node.keyring.generate(ref, "ec-p256", subject=f"{name} {ref}", names=[HOST])
    path = folder / "ecluse.toml"
    path.write_text(
        path.read_text().replace("[listen.as2]\n", '[listen.as2]\nshutdown_grace = "1s"\n')
        + (f'[listen.as2.tls]\nkey = "tls"\n{settings}')
    )
    apply_files(node, read_folder(folder), actor="operator:test", reason="test")
    node.close()
    node = stack.enter_context(open_node(folder, **more))
    return stack.enter_context(serve(node))


def know(one, other, id: str, settings: str = "", *, client: bool = True, server: str = "tls") -> None:
    """Make ``other`` a partner of ``one``, over TLS, with its certificates."""
    rest = ""
    for ref, use in ((server, "tls"), *((("client", "tls-client"),) if client else ())):
        chain = to_pem(other.node.keyring.chain(ref))
        (one.node.folder / "certificates" / f"{id}-{ref}-{use}.pem").write_text(chain)
        rest += f'[[certificates]]\nfile = "certificates/{id}-{ref}-{use}.pem"\nuse = ["{use}"]\n'
    cards(one, other, id, settings, rest, scheme="https")


@pytest.fixture(scope="module", autouse=True)
def quick_watch():
    """Look for an applied configuration often: these tests wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecluse.app.service.RELOAD_EVERY", 0.1)
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Aster and Birch: both ask for a certificate of whoever connects."""
    folder = tmp_path_factory.mktemp("tls")
    with ExitStack() as stack:
        aster = tls_hub(stack, folder / "aster", "Aster", 'client_auth = "optional"\n')
        birch = tls_hub(stack, folder / "birch", "Birch", 'client_auth = "optional"\n')
        yield aster, birch


SHOWN = 'tls = { client_key = "client", min_version = "%s" }\n'


@pytest.fixture
def known(pair):
    """Both know each other; gives a way to know differently."""
    aster, birch = pair

    def become(settings: str = "", **more):
        know(aster, birch, "birch", QUICK + settings, **more)
        know(birch, aster, "aster", QUICK + SHOWN % "1.2")
        for one, other in ((aster, birch), (birch, aster)):
            shown = other.node.keyring.certificate("client").public_bytes(Encoding.DER)
            eventually(lambda one=one, shown=shown: shown in one.service._identity.anchors)

    return become


def sent(one, id: str, *states: str):
    message = one.send(id)
    return message, one.settled(message.id, *states)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_mutual_tls_between_two_hubs(pair, known, version):
    """The listener trusts the client certificate from the moment that the partner is applied."""
    aster, birch = pair
    known(SHOWN % version)
    out, _ = sent(aster, "birch", "confirmed")
    back, _ = sent(birch, "aster", "confirmed")
    for one, who, there in ((birch, "aster", out), (aster, "birch", back)):
        kept = one.received(there.protocol_id, who)
        assert dict(one.events(kept.id))["message.accepted"]["tls"].startswith("TLSv1.")
        other = aster if one is birch else birch
        found = seen(one.node.hub, who, "as2")
        for role, ref in (("tls-client", "client"), ("tls-server", "tls")):
            assert found[role] == {other.node.keyring.certificate(ref).fingerprint(SHA256()).hex()}
        assert found["tls-version"] | found["tls-client-version"] == {"TLSv1.3"}
        assert found["cipher"]
        assert found["tls-client-cipher"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_foreign_client_over_each_version(pair, known, version):
    aster, birch = pair
    known(SHOWN % "1.2")
    context = client_context(aster, version)
    headers, body = message(CEDAR, birch)
    got = post(birch.port, headers, body, context=context)
    assert got.status == 200  # a stranger's receipt: TLS is there, the partner is not
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = context.minimum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((HOST, birch.port)) as sock, context.wrap_socket(sock) as secure:
        assert secure.version() == "TLSv1.2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ours_at_a_foreign_server_that_pins_our_certificate(pair, known, tmp_path, version):
    aster, _ = pair
    known()
    server = make("nobody's name")  # pinned: the name does not matter
    context = server_side(tmp_path, server)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=to_pem(aster.node.keyring.chain("client")))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    (aster.node.folder / "certificates" / "server.pem").write_bytes(server.pem)
    rest = "".join(
        f'[[certificates]]\nfile = "certificates/{name}.pem"\n{use}'
        for name, use in (("cedar", ""), ("server", 'use = ["tls"]\n'))
    )
    with scripted(confirm(CEDAR, aster.certificate), tls=context) as theirs:
        aster.introduce(CEDAR, QUICK + SHOWN % "1.2", url=theirs.url(scheme="https"), rest=rest)
        sent(aster, "cedar", "confirmed")
        assert theirs.requests


def client_context(hub, version=None, key="client"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if key:
        pem = hub.node.folder / f"{key}.test.pem"
        pem.write_bytes(hub.node.keyring.tls_key(key) + to_pem(hub.node.keyring.chain(key)).encode())
        context.load_cert_chain(pem)
    return context


def test_no_client_certificate_is_403_with_an_event(pair, known):
    aster, birch = pair
    known()
    before = len(birch.refusals())
    _, delivery = sent(aster, "birch", "dead")
    assert (delivery.attempts, delivery.reason_code) == (1, "as2.http-status")
    assert "403" in delivery.reason
    assert birch.refusal(before)["reason"] == "as2.wrong-client-certificate"


def test_the_certificate_of_another_partner_is_403_with_an_event(pair, known):
    """TLS itself trusts it, for it is some partner's; it is not this one's."""
    _, birch = pair
    known()
    other = make("other partner")
    (birch.node.folder / "certificates" / "cedar-tls.pem").write_bytes(other.pem)
    rest = (
        '[[certificates]]\nfile = "certificates/cedar.pem"\n'
        '[[certificates]]\nfile = "certificates/cedar-tls.pem"\nuse = ["tls-client"]\n'
    )
    birch.introduce(CEDAR, rest=rest)
    pem = birch.node.folder / "other.pem"
    pem.write_bytes(other.key_pem + other.pem)
    context = client_context(birch, key="")
    context.load_cert_chain(pem)
    mine = message(CEDAR, birch)
    theirs = message(party("Aster"), birch, as2_from="ASTER")

    def works():
        try:
            return post(birch.port, *mine, context=context).status == 200
        except OSError:
            return False  # the listener has not followed yet

    eventually(works)
    before = len(birch.refusals())
    assert post(birch.port, *theirs, context=context).status == 403
    facts = birch.refusal(before)
    assert (facts["reason"], facts["partner"]) == ("as2.wrong-client-certificate", "aster")
    assert birch.received(id_of(theirs[0]), "aster") is None


def test_an_unknown_client_certificate_ends_the_handshake(pair, known):
    _, birch = pair
    known()
    stranger = make("stranger")
    pem = birch.node.folder / "stranger.pem"
    pem.write_bytes(stranger.key_pem + stranger.pem)
    context = client_context(birch, key="")
    context.load_cert_chain(pem)

    def refused():
        try:
            post(birch.port, *message(CEDAR, birch), context=context)
        except OSError:
            return True
        return False

    eventually(refused)


def test_a_wrong_server_certificate_stops_the_delivery_with_a_clear_error(pair, known):
    aster, birch = pair
    known(SHOWN % "1.2", server="client")  # it shows "tls"
    message, delivery = sent(aster, "birch", "dead")
    assert delivery.reason_code == "http.tls"
    assert "certificate" in delivery.reason
    assert delivery.attempts == 3
    assert birch.received(message.protocol_id, "aster") is None


def day(clock: FakeClock, number: int) -> str:
    return datetime.fromtimestamp(clock.now / 1e6 + number * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_certificates_come_and_go_by_their_windows(tmp_path):
    """What has ended is not the same as nothing said: neither the system's trust nor everybody takes its place."""
    clock = FakeClock(int(time.time()) * 1_000_000)
    first, second, server = make("first"), make("second"), make(HOST)
    with ExitStack() as stack:
        birch = tls_hub(stack, tmp_path / "birch", "Birch", 'client_auth = "optional"\n', clock)
        theirs = stack.enter_context(
            scripted(confirm(CEDAR, birch.certificate), tls=server_side(tmp_path, server))
        )
        rest = '[[certificates]]\nfile = "certificates/cedar.pem"\n'
        for name, identity, use, window in [
            ("first", first, "tls-client", f'until = "{day(clock, 1)}"'),
            ("second", second, "tls-client", f'from = "{day(clock, 1)}"\nuntil = "{day(clock, 3)}"'),
            ("server", server, "tls", f'until = "{day(clock, 3)}"'),
        ]:
            (birch.node.folder / "certificates" / f"{name}.pem").write_bytes(identity.pem)
            rest += f'[[certificates]]\nfile = "certificates/{name}.pem"\nuse = ["{use}"]\n{window}\n'
        birch.introduce(CEDAR, QUICK, url=theirs.url(scheme="https"), rest=rest)
        eventually(lambda: birch.service._identity.anchors == {first.der})
        sent(birch, "cedar", "confirmed")
        clock.forward(2 * 86_400)
        eventually(lambda: birch.service._identity.anchors == {second.der})
        sent(birch, "cedar", "confirmed")
        clock.forward(2 * 86_400)
        eventually(lambda: birch.service._identity.anchors == frozenset())
        count = len(theirs.heads)
        _, delivery = sent(birch, "cedar", "dead")
        assert (delivery.reason_code, delivery.attempts) == ("trust.no-certificate", 1)
        assert len(theirs.heads) == count
        bare = client_context(birch, key="")
        assert post(birch.port, *message(CEDAR, birch), context=bare).status == 403


def server_side(folder, identity) -> ssl.SSLContext:
    pem = folder / "server.pem"
    pem.write_bytes(identity.key_pem + identity.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_one_and_the_same_partner_may_change_its_certificate_without_a_restart(pair, known):
    aster, birch = pair
    known(SHOWN % "1.2")
    sent(aster, "birch", "confirmed")
    aster.node.keyring.generate("renewed", "ec-p256", subject="Aster renewed", names=[HOST])
    renewed = to_pem(aster.node.keyring.chain("renewed"))
    (birch.node.folder / "certificates" / "aster-client-tls-client.pem").write_text(renewed)
    birch.apply()
    path = aster.node.folder / "partners" / "birch.toml"
    path.write_text(path.read_text().replace('client_key = "client"', 'client_key = "renewed"'))
    wanted = aster.node.keyring.certificate("renewed").public_bytes(Encoding.DER)
    eventually(lambda: wanted in birch.service._identity.anchors)
    aster.apply()
    sent(aster, "birch", "confirmed")


# --- plain HTTP: credentials and how much at once ----------------------------------------------------------


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with aster_hub(tmp_path_factory.mktemp("plain") / "aster") as hub:
        yield hub


def test_basic_authentication_at_the_partners_server(hub):
    (hub.node.folder / "password").write_text("correct horse: é\n")
    (hub.node.folder / "password").chmod(0o600)
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        hub.introduce(
            CEDAR, 'basic_auth = { user = "aster", password = "file:password" }\n', url=theirs.url()
        )
        hub.settled(hub.send("cedar").id, "confirmed")
        assert theirs.requests[0].header("Authorization") == "Basic YXN0ZXI6Y29ycmVjdCBob3JzZTogw6k="
        out = hub.send("cedar")
        hub.settled(out.id, "confirmed")
    assert b"correct horse" not in hub.message(out.id).wire
    assert not any("horse" in str(facts) for _, facts in hub.events(out.id))


def test_wrong_credentials_end_the_delivery(hub):
    with scripted(say(401, ("WWW-Authenticate", 'Basic realm="cedar"'))) as theirs:
        hub.introduce(CEDAR, QUICK, url=theirs.url())
        delivery = hub.settled(hub.send("cedar").id, "dead")
        assert (delivery.attempts, delivery.reason_code) == (1, "as2.http-status")


def slowly(hub, gate: threading.Event):
    def step(request: Received) -> bytes:
        gate.wait(10)
        mdn = receipt(request, CEDAR, hub.certificate)
        return http(200, mdn.body, tuple(pair for pair in mdn.headers if pair[0] != "Content-Length"))

    return step


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_deliveries_at_once_follow_the_applied_configuration(hub, limit):
    gate = threading.Event()
    with scripted(slowly(hub, gate)) as theirs:
        hub.introduce(CEDAR, f"concurrency = {limit}\n", url=theirs.url())
        eventually(lambda: hub.service._runner._lane_limits.get("cedar") == limit)
        out = [hub.send("cedar") for _ in range(limit + 4)]
        eventually(lambda: theirs.at_once == limit)
        gate.set()
        for each in out:
            hub.settled(each.id, "confirmed")
        assert theirs.most_at_once == limit


def test_a_partner_who_sends_too_much_at_once_is_told_to_come_again(hub):
    hub.introduce(CEDAR)
    headers, body = message(CEDAR, hub)
    head = "".join(f"{n}: {v}\r\n" for n, v in headers if n != "Content-Length")
    start = f"POST /as2 HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(ADDRESS_CONCURRENCY):
            sock = stack.enter_context(socket.create_connection((HOST, hub.port)))
            sock.sendall(start + body[:100])
        before = len(hub.refusals())
        mine = message(CEDAR, hub)

        def turned_away():
            got = hub.post(*mine)
            return got if got.status == 503 else None

        got = eventually(turned_away)
        assert int(got.header("Retry-After")) > 0
        eventually(lambda: any(f["reason"] == "as2.too-many" for f in hub.refusals()[before:]))
    fresh = message(CEDAR, hub)
    eventually(lambda: hub.post(*fresh).status == 200)
    assert hub.document(hub.received(id_of(fresh[0]))) == ORDER
    assert hub.post(*fresh).mdn(hub.certificate).mdn.disposition == said.PROCESSED

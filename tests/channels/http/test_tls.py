"""TLS both ways: versions, client certificates, pinned servers, a reload."""

import socket
import ssl
import stat
import tempfile
from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.support.http_peer import HOST, eventually, serving
from tests.support.tls_certs import make

from ecluse.channels.http import (
    ClientLimits,
    Doubtful,
    Egress,
    Limits,
    Listener,
    Response,
    TlsConfigError,
    TlsRefused,
    Unreachable,
    client_tls,
    post,
    server_context,
)
from ecluse.channels.http import tls as tls_module

CA = make("Aster Root", authority=True)
SERVER = make("127.0.0.1", issuer=CA)
PARTNER = make("birch.example")
STRANGER = make("cedar.example")
LOOPBACK = Egress(None, networks=(ip_network("127.0.0.0/8"),))


async def whoami(request):
    peer = request.peer
    await request.read(100)
    known = {PARTNER.der: "birch", None: "nobody"}.get(peer.certificate, "other")
    return Response(200, body=f"{peer.tls_version} {peer.cipher} {known}".encode())


def listener(**options):
    return Listener(HOST, 0, server_context(SERVER.pem, SERVER.key_pem, **options))


def ask(server, tls, port=None):
    url = f"https://{HOST}:{port or server.port}/"
    return post(url, [], b"hello", tls=tls, egress=LOOPBACK, limits=ClientLimits(connect=5, reply_time=5))


pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_both_versions(version):
    tls = client_tls(anchors=[CA.pem])
    tls.context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    with serving(whoami, listeners=[listener()]) as server:
        reply = ask(server, tls)
    assert reply.body.startswith(version.encode() + b" ")
    assert reply.body.endswith(b" nobody")
    assert reply.peer.tls_version == version
    assert reply.peer.certificate == SERVER.der
    assert reply.peer.cipher


def test_old_versions_and_weak_ciphers_are_refused():
    with serving(whoami, listeners=[listener()]) as server:
        for setting in ("TLSv1.1", "AES128-SHA"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            if setting.startswith("TLS"):
                context.minimum_version = ssl.TLSVersion.TLSv1
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            else:
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                context.set_ciphers(setting)
            with socket.create_connection((HOST, server.port)) as sock, pytest.raises(OSError):
                context.wrap_socket(sock)
    with serving(whoami, listeners=[listener(minimum="1.3")]) as server:
        tls = client_tls(anchors=[CA.pem])
        tls.context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((TlsRefused, Unreachable)):
            ask(server, tls)


def test_the_client_certificate_reaches_the_handler():
    mine = {"cert_pem": PARTNER.pem, "key_pem": PARTNER.key_pem}
    other = {"cert_pem": STRANGER.pem, "key_pem": STRANGER.key_pem}
    for trust in (PARTNER.pem, PARTNER.der):
        for auth in ("optional", "required"):
            with serving(whoami, listeners=[listener(client_ca=[trust], client_auth=auth)]) as server:
                assert ask(server, client_tls(pinned=[SERVER.der], **mine)).body.endswith(b" birch")
                with pytest.raises((TlsRefused, Doubtful)):
                    ask(server, client_tls(pinned=[SERVER.der], **other))
                if auth == "optional":
                    assert ask(server, client_tls(pinned=[SERVER.der])).body.endswith(b" nobody")
                else:
                    with pytest.raises((TlsRefused, Doubtful)):
                        ask(server, client_tls(pinned=[SERVER.der]))


def test_a_client_certificate_from_a_trusted_issuer():
    client = make("dogwood.example", issuer=CA)
    with serving(whoami, listeners=[listener(client_ca=[CA.pem], client_auth="required")]) as server:
        tls = client_tls(anchors=[CA.der], cert_pem=client.pem, key_pem=client.key_pem)
        assert ask(server, tls).body.endswith(b" other")


def test_what_a_client_accepts():
    named = make("birch.example", issuer=CA)
    expired = make("127.0.0.1", expired=True)
    with serving(whoami, listeners=[listener()]) as server:
        for tls in (client_tls(anchors=[CA.pem]), client_tls(pinned=[SERVER.pem, STRANGER.pem])):
            assert ask(server, tls).status == 200
        for trust in ({"anchors": [STRANGER.pem]}, {"pinned": [STRANGER.pem]}, {"system": True}):
            tls = client_tls(**trust)
            with pytest.raises(TlsRefused) as caught:
                ask(server, tls)
            assert caught.value.code == "http.tls"
    wrong_name = Listener(HOST, 0, server_context(named.pem, named.key_pem))
    old = Listener(HOST, 0, server_context(expired.pem, expired.key_pem))
    with serving(whoami, listeners=[wrong_name, old]) as server:
        with pytest.raises(TlsRefused, match="mismatch"):
            ask(server, client_tls(anchors=[CA.pem]))
        assert ask(server, client_tls(pinned=[named.pem])).status == 200
        with pytest.raises(TlsRefused, match="expired"):
            ask(server, client_tls(pinned=[expired.pem]), server.ports[1])


def test_a_pinned_authority_vouches_for_itself_only():
    root = make("Birch Root", authority=True)
    forged = make("127.0.0.1", issuer=root)
    place = Listener(HOST, 0, server_context(forged.pem, forged.key_pem))
    with (
        serving(whoami, listeners=[place]) as server,
        pytest.raises(TlsRefused, match="is not the pinned one"),
    ):
        ask(server, client_tls(pinned=[root.pem]))


def test_certificates_are_replaced_while_running():
    renewed = make("127.0.0.1", issuer=CA)
    place, plain = listener(), Listener(HOST, 0)
    tls = client_tls(anchors=[CA.pem])
    with serving(whoami, listeners=[place, plain]) as server:
        assert ask(server, tls).peer.certificate == SERVER.der
        server.loop.call_soon_threadsafe(
            server.server.replace_tls, place, server_context(renewed.pem, renewed.key_pem)
        )
        assert eventually(lambda: ask(server, tls).peer.certificate == renewed.der)
        for wrong in (plain, listener()):
            with pytest.raises(ValueError, match="listener"):
                server.server.replace_tls(wrong, server_context(renewed.pem, renewed.key_pem))


def test_places_of_failed_handshakes_are_given_back():
    limits = Limits(handshake_time=0.3)
    with serving(whoami, limits, [listener()]) as server:
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", b"\x16\x03\x01"):
            with server.dial() as raw:
                raw.send(data).to_end()
        assert eventually(lambda: server.server.connections == 0)
        with pytest.raises(Unreachable):
            post(f"http://{HOST}:1/", [], b"", egress=LOOPBACK)


def test_plain_http_to_a_tls_port_and_the_reverse():
    with serving(whoami, listeners=[listener(), Listener(HOST, 0)]) as server:
        with pytest.raises((Doubtful, Unreachable)):
            post(f"http://{HOST}:{server.ports[0]}/", [], b"x", egress=LOOPBACK)
        with pytest.raises(TlsRefused):
            ask(server, client_tls(anchors=[CA.pem]), server.ports[1])


def test_the_private_key_never_lies_in_clear(monkeypatch, tmp_path):
    seen = {}
    original = ssl.SSLContext.load_cert_chain

    def spy(self, path, **options):
        seen["text"] = Path(path).read_bytes()
        seen["modes"] = [stat.S_IMODE(Path(each).stat().st_mode) for each in (path, Path(path).parent)]
        return original(self, path, **options)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tls_module.ssl.SSLContext, "load_cert_chain", spy)
    server_context(SERVER.pem, SERVER.key_pem)
    assert b"ENCRYPTED PRIVATE KEY" in seen["text"]
    assert b"BEGIN PRIVATE KEY" not in seen["text"]
    assert seen["modes"] == [0o600, 0o700]
    assert list(tmp_path.iterdir()) == []


def test_settings_that_make_no_sense():
    for build in (
        lambda: server_context(SERVER.pem, STRANGER.key_pem),
        lambda: server_context(b"nonsense", SERVER.key_pem),
        lambda: server_context(SERVER.pem, b"nonsense"),
        lambda: server_context(SERVER.pem, SERVER.key_pem, client_auth="required"),
        lambda: server_context(SERVER.pem, SERVER.key_pem, client_ca=[b"nonsense"], client_auth="optional"),
        lambda: server_context(
            SERVER.pem, SERVER.key_pem, client_ca=[b"-----BEGIN CERTIFICATE-----\n!"], client_auth="optional"
        ),
        client_tls,
        lambda: client_tls(pinned=[SERVER.pem], system=True),
        lambda: client_tls(pinned=[SERVER.pem], cert_pem=PARTNER.pem),
        lambda: client_tls(pinned=[b""]),
    ):
        with pytest.raises(TlsConfigError) as caught:
            build()
        assert "PRIVATE" not in str(caught.value)

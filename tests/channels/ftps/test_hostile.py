"""What a hostile client tries, and gets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.ftp_talker import Talker, client_context
from tests.support.ftps_server import PASSWORD, USER, Serving, serving
from tests.support.tls_certs import make

from ecluse.channels.ftps.server import SessionLimits
from ecluse.channels.ftps.server.session import GARBAGE

QUICK = SessionLimits(login_time=1.0, idle_time=1.0, data_time=1.0)


@pytest.fixture(scope="module")
def shared():
    with serving() as it:
        yield it


@pytest.fixture
def server():
    with serving() as it:
        yield it


@pytest.fixture
def quick():
    with serving(QUICK) as it:
        yield it


TRAVERSALS = [
    "../../etc/passwd",
    "/../etc/passwd",
    "inbound/../../../etc/passwd",
    "/inbound/..//..//etc/passwd",
    "....//etc",
]


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize("verb", ["CWD", "SIZE", "MDTM", "RNFR", "DELE", "RMD", "STAT", "MLST"])
def test_path_traversal_in_every_command(shared: Serving, verb: str, path: str) -> None:
    with Talker(shared.port) as talker:
        assert talker.cmd(f"{verb} {path}").startswith("550")


@pytest.mark.parametrize("path", TRAVERSALS)
def test_path_traversal_in_transfers(shared: Serving, path: str) -> None:
    with Talker(shared.port) as talker:
        assert talker.download(f"RETR {path}")[1].startswith("550")
        assert talker.upload(f"STOR {path}", b"x").startswith("55")
        assert talker.download(f"LIST {path}")[1].startswith("550")
    assert shared.box.documents == []


@pytest.mark.parametrize(
    "name",
    [
        "a\x00b",
        "a\x1bb",
        "con",
        "AUX.txt",
        "a:b",
        "a|b",
        "a.",
        "a ",
        "x" * 256,
        "a\u202eb",
        "nul\u0000",
        "a\\..\\b",
    ],
)
def test_names_that_no_system_should_have(shared: Serving, name: str) -> None:
    with Talker(shared.port) as talker:
        assert talker.upload(f"STOR inbound/{name}", b"x").startswith("553")


def test_a_very_long_path(shared: Serving) -> None:
    with Talker(shared.port) as talker:
        assert talker.cmd("CWD " + "a/" * 2040).startswith("55")
        assert talker.cmd("CWD " + "a/" * 9000).startswith("500")
        assert talker.cmd("NOOP").startswith("200")


def test_both_normal_forms_are_one_name(server: Serving) -> None:
    with Talker(server.port) as talker:
        assert talker.upload("STOR inbound/caf\u00e9", b"x").startswith("226")
        assert talker.upload("STOR inbound/cafe\u0301", b"y").startswith("553")


def test_no_login_before_tls(shared: Serving) -> None:
    with Talker(shared.port, tls=None) as talker:
        for line in (f"USER {USER}", f"PASS {PASSWORD}", "PWD", "LIST", "STAT /", "PBSZ 0", "PROT P"):
            assert talker.cmd(line)[:3] in ("530", "503"), line


def test_commands_injected_behind_auth_tls_are_dropped(server: Serving) -> None:
    with Talker(server.port, tls=None) as talker:
        talker.sock.sendall(b"AUTH TLS\r\nUSER mallory\r\nSTAT\r\n")
        assert talker.reply().startswith("234")
        talker.wrap()
        assert talker.cmd("NOOP") == "200 Well."  # the first reply in TLS is to the first command in TLS
        assert server.gate.suspicions == ["injection"]


def test_ccc_is_refused(shared: Serving) -> None:
    with Talker(shared.port) as talker:
        assert talker.cmd("CCC").startswith("533")
        assert talker.cmd("NOOP").startswith("200")


def test_data_in_clear_is_refused(shared: Serving) -> None:
    with Talker(shared.port) as talker:
        assert talker.cmd("PROT C").startswith("534")
        assert talker.cmd("PROT S").startswith("536")
    with Talker(shared.port, login=False) as talker:
        talker.cmd(f"USER {USER}")
        assert talker.cmd(f"PASS {PASSWORD}").startswith("230")
        assert talker.cmd("EPSV").startswith("521")
        assert talker.cmd("PROT P").startswith("503")
        assert talker.cmd("LIST").startswith("521")


def test_a_data_connection_in_clear(quick: Serving) -> None:
    with Talker(quick.port) as talker:
        port = talker.port()
        talker.cmd("STOR inbound/a")
        with talker.connect(port, secure=False) as sock:
            sock.sendall(b"USER GET / HTTP/1.1\r\n\r\n" * 10)
            assert talker.reply().startswith("522")
    assert quick.box.documents == []


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1"])
def test_bounce(server: Serving, address: str) -> None:
    with Talker(server.port) as talker:
        assert talker.cmd(f"PORT {address.replace('.', ',')},0,25").startswith("502")
        assert talker.cmd(f"EPRT |1|{address}|25|").startswith("502")
        assert talker.cmd("LIST").startswith("425")
    assert server.gate.suspicions == ["bounce", "bounce"]


def test_a_data_connection_from_another_address(server: Serving) -> None:
    with Talker(server.port) as talker:
        port = talker.port()
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0)) as thief,
        ):
            thief.settimeout(60)
            talker.send("STOR inbound/a")
            assert thief.recv(1) == b""
        assert talker.reply().startswith("150")
        with talker.connect(port) as sock:  # the client itself is let in all the same
            sock.sendall(b"mine")
            assert isinstance(sock, ssl.SSLSocket)
            sock.unwrap()
        assert talker.reply().startswith("226")
    assert server.box.documents == [("/inbound/a", b"mine")]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_data_connection_in_a_session_of_its_own(server: Serving, version: str) -> None:
    with Talker(server.port, tls=version) as talker:
        port = talker.port()
        talker.cmd("STOR inbound/a")
        sock = socket.create_connection(("127.0.0.1", port), 5)
        with contextlib.suppress(OSError), client_context(version).wrap_socket(sock) as data:
            data.sendall(b"stolen")
        assert talker.reply().startswith("522")
    assert server.box.documents == []


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_of_another_control_connection(server: Serving, version: str) -> None:
    with Talker(server.port, tls=version) as victim, Talker(server.port, tls=version) as thief:
        assert isinstance(thief.sock, ssl.SSLSocket)
        port = victim.port()
        victim.cmd("STOR inbound/a")
        sock = socket.create_connection(("127.0.0.1", port), 5)
        with (
            contextlib.suppress(OSError),
            thief.context.wrap_socket(sock, session=thief.sock.session) as data,
        ):
            assert not data.session_reused
            data.sendall(b"stolen")
        assert victim.reply().startswith("522")
    assert server.box.documents == []


def test_a_listener_that_does_not_demand_resumption() -> None:
    with serving(SessionLimits(require_reuse=False)) as server, Talker(server.port) as talker:
        port = talker.port()
        talker.cmd("STOR inbound/a")
        with talker.connect(port, reuse=False) as sock:
            sock.sendall(b"x")
            assert isinstance(sock, ssl.SSLSocket)
            sock.unwrap()
        assert talker.reply().startswith("226")


def test_a_data_connection_that_never_comes(quick: Serving) -> None:
    with Talker(quick.port) as talker:
        talker.port()
        talker.cmd("STOR inbound/a")
        assert talker.reply().startswith("425")
        assert talker.cmd("NOOP").startswith("200")


def test_a_stalled_data_handshake_takes_no_processor(quick: Serving) -> None:
    with Talker(quick.port) as talker:
        port = talker.port()
        talker.cmd("STOR inbound/a")
        with talker.connect(port, secure=False):
            before = time.process_time()
            began = time.monotonic()
            assert talker.reply()[:3] in ("425", "426")
            assert 0.5 < time.monotonic() - began < 25
            assert time.process_time() - before < 0.3


def test_a_stalled_upload_is_kept_aside(quick: Serving) -> None:
    with Talker(quick.port) as talker:
        port = talker.port()
        talker.cmd("STOR inbound/a")
        with talker.connect(port) as sock:
            sock.sendall(b"half")
            assert talker.reply().startswith("426")
    assert quick.box.documents == []
    assert quick.box.suspended == ["/inbound/a"]


def test_a_reader_that_does_not_read(quick: Serving) -> None:
    quick.box.offer("o", b"x" * 30_000_000)
    with Talker(quick.port) as talker:
        port = talker.port()
        talker.cmd("RETR outbound/o")
        with talker.connect(port):
            assert talker.reply().startswith("426")
    assert quick.box.picked_up == []


@pytest.mark.parametrize("first", [b"", b"A", b"AUTH TLS\r\n", b"NOOP\r\n" * 3])
def test_slow_loris(quick: Serving, first: bytes) -> None:
    with Talker(quick.port, tls=None) as talker:
        talker.sock.sendall(first)
        began = time.monotonic()
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.2):
                with contextlib.suppress(OSError):
                    talker.sock.sendall(b"A" if first != b"NOOP\r\n" * 3 else b"NOOP\r\n")

        thread = threading.Thread(target=drip)
        if not first.startswith(b"AUTH"):
            thread.start()
        assert talker.ended()
        assert time.monotonic() - began < 25
        stop.set()
        if thread.ident:
            thread.join()


def test_truncation_is_no_end(server: Serving) -> None:
    with Talker(server.port) as talker:
        assert talker.upload("STOR inbound/a", b"half", proper=False).startswith("426")
    assert server.box.documents == []


def test_brute_force_ends_the_connection(server: Serving) -> None:
    with Talker(server.port, login=False) as talker:
        answers = []
        for number in range(4):
            talker.cmd(f"USER {USER}")
            answers.append(talker.cmd(f"PASS wrong-{number}"))
        assert [answer[:3] for answer in answers] == ["530", "530", "530", "421"]
        assert talker.ended()
    assert server.gate.failures == [USER] * 4


def test_every_user_is_answered_alike(server: Serving) -> None:
    answers: dict[str, list[str]] = {}
    for user in (USER, "nobody", "a b", "x" * 300, "../../etc"):
        with Talker(server.port, login=False) as talker:
            answers[user] = [talker.cmd(f"USER {user}"), talker.cmd("PASS wrong")]
    assert len({tuple(each) for each in answers.values()}) == 1


def test_a_flood_of_garbage_is_cut_off(server: Serving) -> None:
    with Talker(server.port) as talker:
        talker.sock.sendall(b"\x01\r\n" * 10_000)
        assert talker.ended()
    assert server.gate.suspicions == ["garbage"]


def test_a_client_that_reads_no_replies(quick: Serving) -> None:
    before = len(threading.enumerate())  # those of other tests among them
    with Talker(quick.port) as talker:
        talker.sock.settimeout(2)
        with contextlib.suppress(OSError):
            for _ in range(2000):
                talker.sock.sendall(b"FEAT\r\n" * 1000)
        assert len(threading.enumerate()) < before + 20


def test_refused_connections(server: Serving) -> None:
    server.gate.refusal = "Not now."
    with Talker(server.port, tls=None) as talker:
        assert talker.greeting == "421 Not now."
        assert talker.ended()
    with socket.create_connection(("127.0.0.1", server.implicit), 5) as sock:
        sock.settimeout(60)
        assert sock.recv(10) == b""
    assert server.gate.left >= 2


def test_tls_1_1_is_not_spoken(server: Serving) -> None:
    context = client_context("1.2")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", server.implicit), 5) as sock,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(sock)


def test_weak_ciphers_are_not_spoken(server: Serving) -> None:
    context = client_context("1.2")
    context.set_ciphers("AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", server.implicit), 5) as sock,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        context.wrap_socket(sock)


def test_a_listener_for_tls_1_3_only() -> None:
    with serving(minimum="1.3") as server:
        with pytest.raises((ssl.SSLError, OSError)):
            Talker(server.port, tls="1.2")
        with Talker(server.port, tls="1.3") as talker:
            assert talker.cmd("NOOP").startswith("200")


def test_client_certificates(tmp_path) -> None:
    ours, other = make("birch"), make("mallory")
    for name, identity in (("birch", ours), ("mallory", other)):
        (tmp_path / f"{name}.pem").write_bytes(identity.key_pem + identity.pem)
    with serving(certificates=(ours.der,)) as server:
        path = str(tmp_path / "birch.pem")
        with Talker(server.port, login=False, certificate=(path, path)) as talker:
            assert talker.cmd(f"USER {USER}").startswith("232")
            talker.cmd("PBSZ 0")
            talker.cmd("PROT P")
            assert talker.upload("STOR inbound/a", b"x").startswith("226")
        with Talker(server.port, login=False) as talker:
            assert talker.cmd(f"USER {USER}").startswith("331")
        path = str(tmp_path / "mallory.pem")
        with pytest.raises((ssl.SSLError, OSError, EOFError)):
            Talker(server.port, login=False, certificate=(path, path)).cmd("NOOP")


def test_many_at_once(server: Serving) -> None:
    def one(number: int) -> str:
        with Talker(server.port) as talker:
            return talker.upload(f"STOR inbound/{number}", bytes([number]) * 1000)

    with ThreadPoolExecutor(16) as pool:
        assert {reply[:3] for reply in pool.map(one, range(48))} == {"226"}
    assert sorted(server.box.documents) == sorted((f"/inbound/{n}", bytes([n]) * 1000) for n in range(48))


def test_stopping_cuts_sessions_and_keeps_half_uploads() -> None:
    before = set(threading.enumerate())
    with serving() as server:
        talker = Talker(server.port)
        port = talker.port()
        talker.cmd("STOR inbound/a")
        sock = talker.connect(port)
        sock.sendall(b"half")
        time.sleep(0.1)
        server.server.stop(0.1)
        assert server.box.suspended == ["/inbound/a"]
        assert talker.ended()
        sock.close()
        talker.close()
    assert set(threading.enumerate()) <= before


lines = st.binary(max_size=60).filter(
    lambda line: not line[:4].upper().startswith((b"QUIT", b"AUTH", b"ABOR"))
) | st.builds(
    lambda verb, rest: verb + b" " + rest,
    st.sampled_from(
        [
            b"USER",
            b"STOR",
            b"RETR",
            b"CWD",
            b"SIZE",
            b"REST",
            b"OPTS",
            b"MFMT",
            b"PROT",
            b"STAT",
            b"RNTO",
            b"ALLO",
            b"EPSV",
            b"MLST",
        ]
    ),
    st.binary(max_size=40),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, min_size=1, max_size=GARBAGE - 2), st.data())
def test_garbage_gets_replies_of_ours_and_no_end(
    shared: Serving, sent: list[bytes], draw: st.DataObject
) -> None:
    wire = b"".join(line.replace(b"\n", b"").replace(b"\r", b"") + b"\r\n" for line in sent) + b"NOOP\r\n"
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(wire)), max_size=4)))
    with Talker(shared.port) as talker:
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
            talker.sock.sendall(wire[start:end])
        for _ in range(len(sent)):
            lines = talker.replies()
            assert lines[-1][:3].isdigit()
        assert talker.reply() == "200 Well."

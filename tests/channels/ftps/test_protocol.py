"""What a proper client may ask of the server, command by command."""

from __future__ import annotations

import contextlib
import ssl
import time

import pytest
from tests.support.ftp_talker import Talker
from tests.support.ftps_server import Serving, serving

from ecluse.channels.ftps.server import SessionLimits
from ecluse.channels.ftps.server.table import COMMANDS
from ecluse.exchange.tree import NoSpace


@pytest.fixture
def server():
    with serving() as it:
        yield it


@pytest.fixture
def talker(server: Serving):
    with Talker(server.port) as it:
        yield it


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("implicit", [False, True])
def test_a_document_goes_in_and_another_out(server: Serving, version: str, implicit: bool) -> None:
    server.box.offer("invoice.xml", b"i" * 100_000)
    port = server.implicit if implicit else server.port
    with Talker(port, tls=version, implicit=implicit) as talker:
        assert talker.upload("STOR /inbound/order.xml", b"o" * 300_000) == "226 All is there."
        assert server.box.documents == [("/inbound/order.xml", b"o" * 300_000)]
        assert talker.download("RETR outbound/invoice.xml") == (b"i" * 100_000, "226 All is there.")
        assert server.box.picked_up == ["invoice.xml"]
        assert talker.cmd("QUIT").startswith("221")
        assert talker.ended()
    assert {version for version, _ in server.gate.secured} == {f"TLSv{version}"}


def test_an_empty_document(server: Serving, talker: Talker) -> None:
    assert talker.upload("STOR inbound/empty", b"").startswith("226")
    assert server.box.documents == [("/inbound/empty", b"")]


def test_folders(talker: Talker) -> None:
    assert talker.cmd("PWD") == '257 "/" is the working folder.'
    assert talker.cmd("CWD inbound").startswith("250")
    assert talker.cmd("MKD new").startswith("257")
    assert talker.cmd("CWD new").startswith("250")
    assert talker.cmd("PWD").startswith('257 "/inbound/new"')
    assert talker.cmd("CDUP").startswith("250")
    assert talker.cmd("RMD new").startswith("250")
    assert talker.cmd("CWD new").startswith("550")
    assert talker.cmd("MKD inbound/a").startswith("5")


def test_looking(server: Serving, talker: Talker) -> None:
    server.box.offer("a b.xml", b"12345")
    assert talker.cmd("SIZE /outbound/a b.xml") == "213 5"
    assert talker.cmd("SIZE /outbound").startswith("550")
    assert talker.cmd("MDTM /outbound/a b.xml").startswith("213 20")
    talker.send("MLST /outbound/a b.xml")
    lines = talker.replies()
    assert lines[0].startswith("250-")
    assert lines[1].startswith(" type=file;size=5;modify=")
    assert lines[1].endswith("; /outbound/a b.xml")
    assert talker.cmd("OPTS MLST size;").startswith("200")
    assert talker.download("MLSD outbound")[0] == b"size=5; a b.xml\r\n"
    assert talker.download("NLST")[0].split() == [b"inbound", b"outbound", b"receipts"]
    assert b"a b.xml" in talker.download("LIST -la outbound")[0]
    assert talker.download("MLSD outbound/a b.xml")[1].startswith("501")
    talker.send("STAT /outbound")
    assert any("a b.xml" in line for line in talker.replies())


def test_a_large_folder_is_listed_whole(server: Serving, talker: Talker) -> None:
    for number in range(1203):
        server.box.offer(f"{number:05}.xml", b"")
    names = talker.download("NLST outbound")[0].split()
    assert names == sorted(names)
    assert len(names) == 1203


def test_features(talker: Talker) -> None:
    talker.send("FEAT")
    lines = [line.strip() for line in talker.replies()]
    for each in ("AUTH TLS", "EPSV", "MDTM", "MFMT", "PBSZ", "PROT", "REST STREAM", "SIZE", "TVFS", "UTF8"):
        assert each in lines
    assert "MLST type*;size*;modify*;perm*;" in lines


def test_an_upload_that_was_cut_is_resumed(server: Serving, talker: Talker) -> None:
    assert talker.upload("STOR inbound/big", b"a" * 70_000, proper=False).startswith("426")
    assert server.box.documents == []
    assert talker.cmd("SIZE inbound/big") == "213 70000"
    assert talker.cmd("REST 70000").startswith("350")
    assert talker.upload("STOR inbound/big", b"b" * 5).startswith("226")
    assert server.box.documents == [("/inbound/big", b"a" * 70_000 + b"b" * 5)]


def test_appending_resumes(server: Serving, talker: Talker) -> None:
    talker.upload("STOR inbound/big", b"a" * 10, proper=False)
    assert talker.upload("APPE inbound/big", b"b").startswith("226")
    assert server.box.documents == [("/inbound/big", b"a" * 10 + b"b")]


def test_a_resume_behind_the_end(talker: Talker) -> None:
    talker.upload("STOR inbound/big", b"a" * 10, proper=False)
    talker.cmd("REST 11")
    assert talker.upload("STOR inbound/big", b"b").startswith("554")
    assert talker.cmd("SIZE inbound/big") == "213 10"


def test_rest_counts_for_one_transfer(server: Serving, talker: Talker) -> None:
    server.box.offer("o", b"0123456789")
    talker.cmd("REST 4")
    assert talker.download("RETR outbound/o")[0] == b"456789"
    assert talker.download("RETR outbound/o")[0] == b"0123456789"
    talker.cmd("REST 4")
    talker.cmd("PWD")
    assert talker.download("RETR outbound/o")[0] == b"0123456789"
    talker.cmd("REST 11")
    assert talker.download("RETR outbound/o")[1].startswith("554")
    assert talker.cmd("REST -1").startswith("501")


def test_a_temporary_name_becomes_a_document_by_its_renaming(server: Serving, talker: Talker) -> None:
    assert talker.upload("STOR inbound/a.xml.part", b"x").startswith("226")
    assert server.box.documents == []
    assert talker.cmd("RNTO inbound/a.xml").startswith("503")
    assert talker.cmd("RNFR inbound/a.xml.part").startswith("350")
    assert talker.cmd("RNTO inbound/a.xml").startswith("250")
    assert server.box.documents == [("/inbound/a.xml", b"x")]


def test_a_name_that_exists(talker: Talker) -> None:
    talker.upload("STOR inbound/a.xml", b"x")
    assert talker.upload("STOR inbound/a.xml", b"y").startswith("553")
    talker.upload("STOR inbound/b.tmp", b"y")
    talker.cmd("RNFR inbound/b.tmp")
    assert talker.cmd("RNTO inbound/a.xml").startswith("553")


def test_a_name_that_the_server_chooses(server: Serving, talker: Talker) -> None:
    talker.cmd("CWD inbound")
    assert talker.upload("STOU", b"x").startswith("226")
    assert len(server.box.documents) == 1


def test_no_space(server: Serving, talker: Talker) -> None:
    server.box.account = type(server.box.account)(user="birch", quota="1 KiB")
    assert talker.upload("STOR inbound/a.xml", b"x" * 2000).startswith("552")
    assert talker.cmd("ALLO 2000").startswith("552")
    assert talker.cmd("ALLO 20").startswith("200")
    assert server.box.documents == []


def test_a_commit_that_fails_is_no_success(server: Serving, talker: Talker) -> None:
    server.box.fault = NoSpace("The disk is full.")
    assert talker.upload("STOR inbound/a.xml", b"x").startswith("552")
    server.box.fault = None
    assert talker.upload("STOR inbound/a.xml", b"x").startswith("226")


def test_removing(server: Serving, talker: Talker) -> None:
    server.box.offer("o", b"x")
    assert talker.cmd("DELE outbound/o").startswith("550")
    talker.download("RETR outbound/o")
    assert talker.cmd("DELE outbound/o").startswith("250")
    assert talker.cmd("DELE outbound/o").startswith("550")


def test_times_are_taken(talker: Talker) -> None:
    talker.upload("STOR inbound/a.xml", b"x")
    assert talker.cmd("MFMT 20200102030405 inbound/a.xml").startswith("213 Modify=20200102030405;")
    assert talker.cmd("MDTM inbound/a.xml") == "213 20200102030405"
    assert talker.cmd("MDTM 20210102030405 inbound/a.xml").startswith("213")
    assert talker.cmd("MFMT tomorrow inbound/a.xml").startswith("501")


def test_a_download_that_was_cut_is_not_picked_up(server: Serving, talker: Talker) -> None:
    server.box.offer("o", b"x" * 8_000_000)
    port = talker.port()
    talker.cmd("RETR outbound/o")
    sock = talker.connect(port)
    sock.recv(1000)
    sock.close()
    assert talker.reply().startswith("426")
    assert server.box.picked_up == []


def test_a_download_whose_last_octets_were_lost_is_not_picked_up(server: Serving, talker: Talker) -> None:
    server.box.offer("o", b"x" * 50_000)  # all of it is in the kernel's buffers at once
    port = talker.port()
    talker.cmd("RETR outbound/o")
    sock = talker.connect(port)
    time.sleep(0.2)
    sock.close()  # with octets unread: a reset
    assert talker.reply().startswith("426")
    assert server.box.picked_up == []


def test_abor_ends_a_transfer(server: Serving, talker: Talker) -> None:
    port = talker.port()
    talker.cmd("STOR inbound/a.xml")
    sock = talker.connect(port)
    sock.sendall(b"x" * 1000)
    time.sleep(0.1)
    talker.send("STAT")
    assert talker.reply().startswith("213")
    talker.send("ABOR")
    assert talker.reply().startswith("426")
    assert talker.reply().startswith("226")
    assert talker.cmd("NOOP").startswith("200")
    assert server.box.documents == []
    sock.close()


def test_commands_wait_for_the_end_of_a_transfer(server: Serving, talker: Talker) -> None:
    port = talker.port()
    talker.cmd("STOR inbound/a.xml")
    sock = talker.connect(port)
    sock.sendall(b"x")
    talker.send("PWD")
    time.sleep(0.1)
    sock.unwrap()
    sock.close()
    assert talker.reply().startswith("226")
    assert talker.reply().startswith("257")


def test_a_client_that_gives_up_properly_has_not_uploaded(server: Serving, talker: Talker) -> None:
    port = talker.port()
    talker.cmd("STOR inbound/a.xml")
    sock = talker.connect(port)
    sock.sendall(b"x" * 1000)
    talker.sock.setblocking(False)
    with contextlib.suppress(ssl.SSLError):
        talker.sock.unwrap()  # close_notify goes out, and is not waited for
    talker.close()
    sock.unwrap()
    sock.close()
    until = time.monotonic() + 60
    while not server.box.suspended and time.monotonic() < until:
        time.sleep(0.01)
    assert server.box.suspended == ["/inbound/a.xml"]
    assert server.box.documents == []


def test_what_is_not_spoken(talker: Talker) -> None:
    for line, code in [
        ("SITE CHMOD 777 inbound", 500), ("SITE EXEC ls", 500), ("MODE Z", 504), ("STRU R", 504), ("TYPE E", 504),
        ("REIN", 502), ("PORT 127,0,0,1,1,1", 502), ("EPRT |1|127.0.0.1|80|", 502), ("STOR", 501), ("NOOP x", 501),
        ("XYZZ", 500), ("USER other", 503), ("OPTS NO", 501), ("EPSV 2", 522),
    ]:  # fmt: skip
        assert talker.cmd(line).startswith(str(code)), line


def test_passive_ports_and_the_external_address() -> None:
    limits = SessionLimits(passive_ports=range(42_000, 42_050), external_address="192.0.2.7")
    with serving(limits) as server, Talker(server.port) as talker:
        reply = talker.cmd("PASV")
        assert reply.startswith("227 Entering passive mode (192,0,2,7,")
        high, low = reply.rstrip(").").split(",")[-2:]
        assert int(high) * 256 + int(low) in range(42_000, 42_050)
        assert talker.port() in range(42_000, 42_050)
        assert talker.cmd("EPSV ALL").startswith("200")
        assert talker.cmd("PASV").startswith("501")


def test_every_command_has_a_test_or_needs_none() -> None:
    assert "SITE" not in COMMANDS
    assert all(entry.argument in ("must", "may", "none") for entry in COMMANDS.values())

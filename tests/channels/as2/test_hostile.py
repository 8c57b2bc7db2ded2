"""What an attacker, or a broken program, sends to a serving hub in a process of its own.

After every test the hub still serves, its log has no traceback, and its memory has hardly grown.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from tests.support.as2_hubs import (
    CEDAR,
    ELDER,
    HAZEL,
    HOST,
    ORDER,
    Aster,
    eventually,
    fresh_id,
    id_of,
    message,
    stop_soon,
)
from tests.support.as2_partner import confirm_later, receipt, say, scripted
from tests.support.as2_world import Entropy, Party, party
from tests.support.certs import make_identity
from tests.support.children import child_env
from tests.support.http_peer import Raw

from ecluse.app.folder import make_hub
from ecluse.wire import asn1
from ecluse.wire.as2 import disposition as said
from ecluse.wire.as2.build import Part
from ecluse.wire.cms import oids, recipients
from ecluse.wire.cms.writer import CompressedWriter, EnvelopedWriter, SignedWriter

GROWTH = 64 * 1024
"""KiB that the whole module may add to the process: far below what any of the attacks would have it hold."""
CMS = b"Content-Type: application/pkcs7-mime\r\n\r\n"
OLD = make_identity(
    "Old", not_before=datetime(2021, 1, 1, tzinfo=UTC), not_after=datetime(2022, 1, 1, tzinfo=UTC)
)
FORMER = Party("Former", OLD.private_key, OLD.certificate)


class Hub(Aster):
    """The hub, seen from outside its process."""

    process: subprocess.Popen
    log: Path

    @property
    def peak(self) -> int:
        """KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1])


@pytest.fixture(scope="module")
def partner():
    with scripted(say(200)) as server:
        yield server


@pytest.fixture(scope="module")
def hub(tmp_path_factory, partner):
    folder = tmp_path_factory.mktemp("hostile") / "aster"
    node = make_hub(folder, name="Aster Foods", as2_id="ASTER", key_kind="rsa-2048")
    stop_soon(node)
    path = folder / "ecluse.toml"
    path.write_text(
        path.read_text().replace(
            "[listen.as2]\n", '[listen.as2]\nheader_timeout = "2s"\nidle_timeout = "2s"\n'
        )
    )
    hub = Hub(node)
    hub.introduce(CEDAR, 'receipt = "async"\nrequire_encrypted = false\n', url=partner.url())
    hub.introduce(ELDER, url=partner.url())
    (folder / "certificates" / "present.pem").write_bytes(party("Present").pem_certificate())
    both = "".join(f'[[certificates]]\nfile = "certificates/{name}.pem"\n' for name in ("former", "present"))
    hub.introduce(FORMER, url=partner.url(), rest=both)
    hub.log = folder.parent / "log"
    with hub.log.open("wb") as log:
        hub.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hub_worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_env(),
        )
    try:
        hub.port = int(hub.process.stdout.readline())
        serves(hub)
        serves(hub, b"x" * 3_000_000)  # the pool, the caches
        # From here on the peak is that of the attacks: opening the keyring takes more than any.
        Path(f"/proc/{hub.process.pid}/clear_refs").write_text("5")
        hub.facts["base"] = hub.peak
        yield hub
    finally:
        hub.process.stdin.close()
        hub.process.wait(20)
        node.close()


def serves(hub, payload: bytes = b"") -> None:
    headers, body = message(ELDER, hub, ORDER + payload)
    got = hub.post(headers, body)
    assert got.mdn(hub.certificate).mdn.disposition == said.PROCESSED


@pytest.fixture(autouse=True)
def unharmed(hub):
    yield
    serves(hub)
    assert hub.peak - hub.facts["base"] < GROWTH
    log = hub.log.read_text()
    assert "Traceback" not in log
    assert '"crash"' not in log
    assert "job.unrecorded" not in log
    assert "not kept" not in log


def refused(hub, headers, body, disposition, code=None):
    """It is answered by a signed receipt that says why, is kept as a refusal, and none of its octets are."""
    got = hub.post(headers, body)
    assert got.status == 200, got
    read = got.mdn(hub.certificate)
    assert read.signed is not None
    assert read.mdn.disposition == disposition, read.mdn.text
    who = dict(headers)["AS2-From"].lower()
    kept = hub.received(id_of(headers), who)
    assert (kept.state.value, kept.parts, kept.wire_blob) == ("rejected", (), "")
    [(kind, facts)] = hub.events(kept.id)
    assert kind == "message.rejected"
    if code:
        assert facts["reason"] == code
    return read


def staged(stage, *data: bytes) -> bytes:
    return stage.start() + b"".join(stage.feed(each) for each in data) + stage.finish()


def enveloped(hub, *data: bytes, cipher: str = "aes-256-gcm") -> bytes:
    return staged(
        EnvelopedWriter([recipients.for_certificate(hub.certificate)], cipher, entropy=Entropy(5)), *data
    )


def headers_of(hub, kind: str = "application/pkcs7-mime", who=CEDAR) -> list[tuple[str, str]]:
    headers, _ = message(who, hub)
    return [(n, kind if n == "Content-Type" else v) for n, v in headers]


def dial(hub, timeout: float = 20) -> Raw:
    return Raw(socket.create_connection((HOST, hub.port), timeout=timeout))


def head(headers, *more: str) -> bytes:
    fields = [f"{n}: {v}" for n, v in headers if n != "Content-Length"]
    return "\r\n".join(["POST /as2 HTTP/1.1", "Host: x", *fields, *more, "", ""]).encode("latin-1")


# --- much out of little ------------------------------------------------------------------------------------


@cache
def bomb(size: int) -> bytes:
    stage = CompressedWriter()
    piece = bytes(1 << 20)
    out = [stage.start(), stage.feed(b"Content-Type: application/octet-stream\r\n\r\n")]
    out += [stage.feed(piece) for _ in range(size >> 20)]
    return b"".join([*out, stage.finish()])


@pytest.mark.parametrize("place", ["bare", "signed", "encrypted", "streamed"])
def test_a_zip_bomb_is_decompression_failed(hub, place):
    packed = bomb(200 << 20)
    assert len(packed) < 1 << 20
    if place == "bare":
        refused(hub, headers_of(hub), packed, said.DECOMPRESSION_FAILED)
    elif place == "signed":
        headers, body = message(
            CEDAR, hub, packed, part=Part("application/pkcs7-mime", ""), encrypt="aes-256-gcm"
        )
        refused(hub, headers, body, said.DECOMPRESSION_FAILED)
    else:
        cipher = "aes-256-gcm" if place == "encrypted" else "aes-256-cbc"
        wanted = said.DECOMPRESSION_FAILED if place == "encrypted" else said.DECRYPTION_FAILED
        refused(hub, headers_of(hub), enveloped(hub, CMS + packed, cipher=cipher), wanted)


def test_ten_thousand_recipients(hub):
    target = recipients.for_certificate(hub.certificate)
    stage = EnvelopedWriter([target], "aes-256-cbc", entropy=Entropy(6))
    whole = stage.start() + stage.feed(ORDER) + stage.finish()
    at = whole.index(b"\x31", whole.index(asn1.oid(oids.ENVELOPED_DATA)))
    one = whole[at : at + 4 + int.from_bytes(whole[at + 2 : at + 4], "big")]
    assert one[1] == 0x82
    many = one[4:] * 10_000
    body = whole[:at] + b"\x31\x84" + len(many).to_bytes(4, "big") + many + whole[at + len(one) :]
    refused(hub, headers_of(hub), body, said.UNEXPECTED_ERROR)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x30\x80" * 500_000, id="indefinite sequences"),
        pytest.param(b"\x30\x84\x7f\xff\xff\xff" * 100_000, id="sequences longer than all"),
        pytest.param(b"\x30\x88" + b"\xff" * 8, id="a length of 2^64"),
        pytest.param(b"\x24\x80" * 300_000, id="octet strings in octet strings"),
    ],
)
def test_deep_asn_1(hub, body):
    prefix = b"\x30\x80" + asn1.oid(oids.ENVELOPED_DATA) + b"\xa0\x80\x30\x80"
    for each in (body, prefix + body, prefix + asn1.integer(0) + b"\x31\x80" + body):
        got = hub.post(headers_of(hub), each)
        assert got.status == 200
        assert not got.mdn(hub.certificate).mdn.disposition.is_success


def test_deep_multiparts(hub):
    inner = b"Content-Type: text/plain\r\n\r\nx"
    for number in range(300):
        inner = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%b\r\n--b%d--\r\n" % (
            number,
            number,
            inner,
            number,
        )
    kind, _, body = inner.partition(b"\r\n\r\n")
    headers = headers_of(hub, kind.decode().partition(": ")[2])
    got = hub.post(headers, body)
    assert got.status == 200
    assert not got.mdn(hub.certificate).mdn.disposition.is_success


def test_layers_in_layers(hub):
    inner = b"Content-Type: application/edifact\r\n\r\n" + ORDER
    for _ in range(30):
        inner = CMS + enveloped(hub, inner)
    refused(hub, headers_of(hub), inner.partition(b"\r\n\r\n")[2], said.UNEXPECTED_ERROR)


def test_ten_thousand_documents(hub):
    body = b"--b\r\n\r\nx\r\n" * 10_000 + b"--b--\r\n"
    headers = headers_of(hub, "multipart/related; boundary=b")
    got = hub.post(headers, body)
    assert not got.mdn(hub.certificate).mdn.disposition.is_success


# --- HTTP --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"X: " + b"y" * 65_000 + b"\r\n", b"y" * 65_536], ids=["fields", "one field"]
)
def test_a_header_of_200_mib(hub, line):
    with dial(hub) as raw:
        sent = 0
        try:
            raw.send(b"POST /as2 HTTP/1.1\r\nX-Long: ")
            while sent < 200 << 20:
                raw.send(line)
                sent += len(line)
        except OSError:
            pass
        assert sent < 50 << 20, "the hub went on reading"


def test_an_inner_header_of_200_mib(hub):
    """The same where it is encrypted: nothing is held of it."""
    stage = EnvelopedWriter([recipients.for_certificate(hub.certificate)], "aes-128-gcm", entropy=Entropy(8))
    line = b"X-Long: " + b"y" * 60_000 + b"\r\n"
    with dial(hub, 60) as raw:
        headers = headers_of(hub)
        raw.send(head(headers, "Transfer-Encoding: chunked"))
        pieces = [
            stage.start(),
            *(stage.feed(b"Content-A: b\r\n" + line * 17) for _ in range(200)),
            stage.finish(),
        ]
        for piece in pieces:
            if piece:
                raw.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        raw.send(b"0\r\n\r\n").until(b"\r\n\r\n")
    assert raw.seen.startswith(b"HTTP/1.1 200 ")
    assert hub.received(id_of(headers)).state.value == "rejected"


def test_half_a_header_held_open_is_408(hub):
    before = len(hub.refusals())
    with dial(hub) as raw:
        raw.send(b"POST /as2 HTTP/1.1\r\nHost: x\r\nAS2-Fr")
        assert raw.to_end().startswith(b"HTTP/1.1 408 ")
    assert hub.refusal(before)["reason"] == "http.408"


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_body_that_stops_is_408_with_an_event(hub, partner, framing, kind):
    headers, body = message(CEDAR, hub, url=partner.url() if kind == "async" else "")
    before = len(hub.refusals())
    with dial(hub) as raw:
        raw.send(head(headers, framing) + (b"ffff\r\n" if "chunked" in framing else b"") + body[:500])
        assert raw.to_end().startswith(b"HTTP/1.1 408 ")
    assert hub.refusal(before)["reason"] == "http.body-too-slow"
    assert hub.received(id_of(headers)) is None


def test_a_body_that_is_cut_leaves_an_event(hub):
    headers, body = message(CEDAR, hub)
    before = len(hub.refusals())
    with dial(hub) as raw:
        raw.send(head(headers, "Content-Length: 100000") + body[:500])
    assert hub.refusal(before)["reason"] == "http.body-truncated"
    assert hub.received(id_of(headers)) is None


@pytest.mark.parametrize(
    "more",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length: +5",),
        ("Transfer-Encoding : chunked",),
    ],
)
def test_what_can_be_framed_in_two_ways_is_refused(hub, more):
    before = len(hub.refusals())
    with dial(hub) as raw:
        raw.send(head(message(CEDAR, hub)[0], *more) + b"0\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (400|501) ", raw.to_end())
    assert hub.refusal(before)["reason"] in ("http.400", "http.501")


@pytest.mark.parametrize(
    "field",
    [
        b"Message-ID: <a\x00b@x>",
        b"Message-ID: <a\rX-Injected: 1@x>",
        b"Message-ID: <a\nX-Injected: 1@x>",
        b"Subject: a\x00b",
        b"AS2-From: CED\x00AR",
        b"Subject: a\x0bb",
        b"\x00X: y",
    ],
)
def test_control_characters_in_a_header_are_refused(hub, field):
    headers, body = message(CEDAR, hub)
    with dial(hub) as raw:
        start = head(headers, f"Content-Length: {len(body)}")
        raw.send(start.replace(b"Host: x\r\n", b"Host: x\r\n" + field + b"\r\n") + body)
        answer = raw.to_end()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"X-Injected" not in answer
    assert hub.received(id_of(headers)) is None


# --- who it is ---------------------------------------------------------------------------------------------


def test_another_partners_name_over_ones_own_keys(hub):
    refused(hub, *message(CEDAR, hub, as2_from="ELDER"), said.AUTHENTICATION_FAILED)


def test_a_certificate_that_is_not_pinned(hub):
    refused(hub, *message(HAZEL, hub, as2_from="CEDAR"), said.AUTHENTICATION_FAILED)


def test_an_expired_certificate(hub):
    refused(hub, *message(FORMER, hub), said.AUTHENTICATION_FAILED)


def test_unsigned_and_unencrypted(hub):
    refused(hub, *message(CEDAR, hub, sign=False, encrypt=""), said.INSUFFICIENT_SECURITY)


def test_a_spoofed_sender_with_the_id_of_a_message_that_was_kept(hub):
    headers, body = message(CEDAR, hub)
    first = hub.post(headers, body)
    kept = hub.received(id_of(headers))
    before = hub.kinds(kept.id)
    forged = message(
        HAZEL, hub, b"forged", as2_from="CEDAR", message_id=id_of(headers), sign=False, encrypt=""
    )
    again = hub.post(*forged)
    assert again.stable == first.stable
    assert [m.id for m in hub.all_received(id_of(headers))] == [kept.id]
    assert hub.document(hub.received(id_of(headers))) == ORDER
    assert hub.kinds(kept.id).count("message.accepted") == before.count("message.accepted") == 1
    assert "message.duplicate" in hub.kinds(kept.id)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_spoofed_sender_cannot_use_up_an_id(hub, partner, kind):
    id, url = fresh_id(), partner.url() if kind == "async" else ""
    hub.post(*message(HAZEL, hub, as2_from="CEDAR", message_id=id, url=url))
    eventually(lambda: hub.received(id).state.value == "rejected")
    hub.post(*message(CEDAR, hub, message_id=id, url=url))
    eventually(lambda: hub.received(id).state.value in ("accepted", "delivered"))
    assert len(hub.all_received(id)) == 2


def test_a_spoofed_message_that_is_still_unopened_does_not_swallow_the_partners(hub, partner):
    """Whatever was first, a sender whose octets were not kept is never told that they were."""
    for _ in range(10):
        id = fresh_id()
        spoofed = message(HAZEL, hub, as2_from="CEDAR", message_id=id, url=partner.url())
        genuine = message(CEDAR, hub, message_id=id, url=partner.url())
        assert hub.post(*spoofed).status == 200
        while (got := hub.post(*genuine)).status == 503:
            assert got.header("Retry-After")
            time.sleep(0.05)
        assert got.status == 200
        eventually(lambda id=id: hub.received(id).state.value in ("accepted", "delivered"))


# --- signatures --------------------------------------------------------------------------------------------


def resigned(hub, change) -> tuple[list[tuple[str, str]], bytes]:
    """A signed message of Cedar's whose parts (header and content of each) were changed."""
    headers, body = message(CEDAR, hub, encrypt="")
    boundary = re.search(rb'boundary="([^"]+)"', dict(headers)["Content-Type"].encode())[1]
    parts = body.split(b"--" + boundary)[1:-1]
    parts = change(parts)
    return headers, b"".join(b"--" + boundary + part for part in parts) + b"--" + boundary + b"--\r\n"


def no_signers() -> bytes:
    none = asn1.sequence(asn1.integer(1), asn1.set_of(), asn1.sequence(asn1.oid(oids.DATA)), asn1.set_of())
    return asn1.sequence(asn1.oid(oids.SIGNED_DATA), asn1.explicit(0, none))


def test_zero_signers(hub):
    signature = b"\r\nContent-Type: application/pkcs7-signature\r\n\r\n" + no_signers() + b"\r\n"
    refused(
        hub, *resigned(hub, lambda parts: [parts[0], signature]), said.AUTHENTICATION_FAILED, "as2.no-signer"
    )


@pytest.mark.parametrize("count", [1, 3])
def test_other_than_two_parts(hub, count):
    extra = b"\r\nContent-Type: text/plain\r\n\r\nand more\r\n"
    refused(hub, *resigned(hub, lambda parts: [*parts, extra][:count]), said.AUTHENTICATION_FAILED)


def test_a_signature_over_other_content(hub):
    changed = lambda parts: [parts[0].replace(b"4711", b"9999"), parts[1]]  # noqa: E731
    refused(hub, *resigned(hub, changed), said.INTEGRITY_CHECK_FAILED)


def test_a_signature_of_the_hub_itself_turned_back(hub):
    """What the hub signed is no message of a partner's, whoever posts it."""
    headers, body = message(CEDAR, hub)
    mdn = hub.post(headers, body)
    again = headers_of(hub, mdn.header("Content-Type"))
    refused(hub, again, mdn.body, said.AUTHENTICATION_FAILED)


# --- layers that stay shut ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "application/pkcs7-mime",
        "application/x-pkcs7-mime; smime-type=signed-data",
        "application/pkcs7-signature",
        'application/octet-stream; name="smime.p7m"',
        "multipart/encrypted; boundary=x",
    ],
)
@pytest.mark.parametrize("around", ["", "signed"])
def test_ciphertext_is_never_a_payload(hub, kind, around):
    shut = staged(
        EnvelopedWriter([recipients.for_certificate(HAZEL.certificate)], "aes-256-cbc", entropy=Entropy(4)),
        ORDER,
    )
    if around:
        headers, body = message(CEDAR, hub, shut, part=Part(kind, ""), encrypt="")
    else:
        headers, body = headers_of(hub, kind), shut
    got = hub.post(headers, body)
    assert not got.mdn(hub.certificate).mdn.disposition.is_success
    assert hub.received(id_of(headers)).state.value == "rejected"


# --- receipts ----------------------------------------------------------------------------------------------


def sent_and_unconfirmed(hub, partner):
    sent = hub.send("cedar")
    hub.settled(sent.id, "sent")

    def arrived():
        return next((r for r in partner.requests if r.header("Message-ID") == sent.protocol_id), None)

    return sent, eventually(arrived)


def test_a_receipt_that_asks_for_a_receipt_is_given_none(hub, partner):
    sent, request = sent_and_unconfirmed(hub, partner)
    mdn = receipt(request, CEDAR, hub.certificate)
    for more in ([], [("Receipt-Delivery-Option", partner.url())]):
        fields = [(n, fresh_id() if n == "Message-ID" else v) for n, v in mdn.headers]
        count = len(partner.requests)
        got = hub.post([*fields, ("Disposition-Notification-To", "cedar@cedar.example"), *more], mdn.body)
        assert b"disposition-notification" not in got.body
        assert got.status == (200 if more else 400)
        kept = eventually(lambda f=fields: hub.received(dict(f)["Message-ID"]))
        eventually(lambda k=kept: hub.message(k.id).state.value == "rejected")
        assert len(partner.requests) == count
    assert hub.delivery(sent.id).state.value == "sent"


def test_a_receipt_for_an_unknown_message_is_an_event(hub, partner):
    _, request = sent_and_unconfirmed(hub, partner)
    for of in (fresh_id(), "<>", "x" * 998, "<'; DROP TABLE messages; --@x>"):
        before = hub.kinds("partner:cedar").count("receipt.unmatched")
        mdn = receipt(request, CEDAR, hub.certificate, said.DECRYPTION_FAILED)
        body = mdn.body.replace(request.header("Message-ID").encode(), of.encode())
        assert confirm_later(hub.port, receipt_with(mdn, body)).status == 200
        assert hub.kinds("partner:cedar").count("receipt.unmatched") == before + 1


def receipt_with(mdn, body):
    return replace(mdn, body=body)


@pytest.mark.parametrize("forger", ["unsigned", "another", "another partner", "changed"])
@pytest.mark.parametrize(
    "disposition", [said.PROCESSED, said.DECRYPTION_FAILED], ids=["positive", "negative"]
)
def test_a_forged_receipt_moves_nothing(hub, partner, forger, disposition):
    sent, request = sent_and_unconfirmed(hub, partner)
    if forger == "unsigned":
        mdn = receipt(request, CEDAR, hub.certificate, disposition, signed=False)
    elif forger == "another":
        mdn = receipt(request, CEDAR, hub.certificate, disposition, by=HAZEL)
    elif forger == "another partner":
        mdn = receipt(request, CEDAR, hub.certificate, disposition, by=ELDER)
    else:
        mdn = receipt(request, CEDAR, hub.certificate, disposition)
        mdn = receipt_with(mdn, mdn.body.replace(b"automatic-action", b"Automatic-action"))
    before = hub.delivery(sent.id)
    assert confirm_later(hub.port, mdn).status == 200
    assert hub.delivery(sent.id) == before
    assert hub.kinds(sent.id)[-1] == "receipt.disbelieved"
    assert hub.receipts(sent.id) == []
    assert confirm_later(hub.port, receipt(request, CEDAR, hub.certificate)).status == 200
    assert hub.delivery(sent.id).state.value == "confirmed"


def test_a_receipt_of_another_partner_for_this_ones_message_moves_nothing(hub, partner):
    sent, request = sent_and_unconfirmed(hub, partner)
    mdn = receipt(request, CEDAR, hub.certificate, said.DECRYPTION_FAILED, by=ELDER)
    headers = [(n, "ELDER" if n == "AS2-From" else v) for n, v in mdn.headers]
    assert hub.post(headers, mdn.body).status == 200
    assert hub.delivery(sent.id).state.value == "sent"


# --- names and texts ---------------------------------------------------------------------------------------


def test_an_encoded_line_break_stays_a_text(hub):
    """Nothing that a partner wrote becomes a header line of the receipt."""
    id = f"<a%0d%0aX-Injected:1.{time.time_ns()}@x>"
    headers, body = message(CEDAR, hub, message_id=id, part=Part("application/edifact", ""))
    headers = [(n, "=?utf-8?q?a=0D=0AX-Injected:_1?=" if n == "Subject" else v) for n, v in headers]
    got = hub.post(headers, body)
    assert got.header("X-Injected") is None
    assert b"\r\nX-Injected" not in got.body
    assert got.mdn(hub.certificate).mdn.original_message_id == id


def test_a_folded_message_id_is_one_line_in_the_receipt(hub):
    headers, body = message(CEDAR, hub)
    id = id_of(headers)
    folded = [(n, v.replace("@", "\r\n\tX-Injected: 1@") if n == "Message-ID" else v) for n, v in headers]
    with dial(hub) as raw:
        raw.send(head(folded, f"Content-Length: {len(body)}") + body)
        raw.until(b"Original-Message-ID")
    assert b"\r\nX-Injected" not in raw.seen
    assert hub.received(id.replace("@", " X-Injected: 1@")) is not None


NAMES = [
    b"../../../../etc/passwd",
    b"..\\\\..\\\\windows\\\\system32\\\\evil.dll",
    b"/etc/cron.d/evil",
    b"C:\\\\evil.exe",
    b"..",
    b".",
    b"",
    b"a" * 5000,
    b"evil\x00.edi",
    b"CON",
    b"-rf",
    b".bashrc",
    b"a\tb",
    b"\xed\xa0\x80.edi",
    b"\xff\xfe.edi",
    b"=?utf-8?q?..=2F..=2Fevil?=",
    b"=?utf-7?q?+2AA-.edi?=",
    b"=?utf-16?b?2ADYAA==?=",
    b"=?utf-8?q?a=0D=0AX-Injected:_1?=",
    b"=?utf-8?q?a=00b?=",
    "\u202egpj.exe".encode(),
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("form", [b'filename="%b"', b"filename*=utf-8''%b"], ids=["quoted", "extended"])
def test_a_file_name_stays_inside_the_inbox(hub, name, form):
    if b"*" in form:
        name = b"".join(b"%%%02X" % octet for octet in name)
    field = b"Content-Disposition: attachment; " + form % name
    inner = b"Content-Type: application/edifact\r\n" + field + b"\r\n\r\n" + ORDER
    headers, body = signed_by_cedar(hub, inner)
    assert hub.post(headers, body).mdn(hub.certificate).mdn.disposition == said.PROCESSED
    kept = hub.received(id_of(headers))
    eventually(lambda: hub.message(kept.id).state.value == "delivered")
    inbox = (hub.node.folder / "inbox" / "cedar").resolve()
    [path] = inbox.glob(f"{kept.id}*")
    assert path.read_bytes() == ORDER
    assert path.resolve().parent == inbox
    assert not set(path.name) & set('/\\:\0\r\n\t"<>|?*')
    assert len(os.fsencode(path.name)) <= 255
    assert {each.name for each in (hub.node.folder / "inbox").iterdir()} <= {"cedar", "elder"}


def signed_by_cedar(hub, inner: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """An opaque signature, encrypted: any octets may stand inside."""
    signed = staged(SignedWriter([CEDAR.signer()], now=int(time.time())), inner)
    return headers_of(hub), enveloped(hub, CMS + signed)


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: application/edi\x00fact",
        b"Content-Type: \xed\xa0\x80/\xed\xbf\xbf",
        b'Content-Type: application/edifact; x="\xff\xfe\x00"',
        b"Content-Type: application/edifact; name*=utf-16''%D8%00",
        b"Content-Type: application/edifact\r\nContent-ID: <\xed\xa0\x80>",
        b"Content-Type: application/edifact\r\nContent-Description: \x00\x01\x02",
        b"Content-Type: " + b"x" * 60_000,
    ],
)
def test_nul_and_surrogates_in_an_inner_header(hub, header):
    headers, body = signed_by_cedar(hub, header + b"\r\n\r\n" + ORDER)
    got = hub.post(headers, body)
    assert got.status == 200
    assert got.mdn(hub.certificate).mdn.disposition in (said.PROCESSED, said.UNEXPECTED_ERROR)
    assert hub.received(id_of(headers)) is not None


@pytest.mark.parametrize("field", ["Subject", "AS2-Product", "Disposition-Notification-To", "Date"])
@pytest.mark.parametrize("value", [b"\xed\xa0\x80", b"\xff" * 200, b"=?utf-7?q?+2AA-?="])
def test_octets_beyond_ascii_in_the_http_header(hub, field, value):
    headers, body = message(CEDAR, hub)
    start = head([pair for pair in headers if pair[0] != field], f"Content-Length: {len(body)}")
    with dial(hub) as raw:
        raw.send(
            start.replace(b"Host: x\r\n", b"Host: x\r\n" + field.encode() + b": " + value + b"\r\n") + body
        )
        raw.until(b"processed")
    assert hub.document(hub.received(id_of(headers))) == ORDER


@pytest.mark.parametrize("field", [b"AS2-From", b"AS2-To", b"Message-ID"])
def test_octets_beyond_ascii_in_names_are_400(hub, field):
    headers, body = message(CEDAR, hub)
    start = head([p for p in headers if p[0].encode() != field], f"Content-Length: {len(body)}")
    with dial(hub) as raw:
        raw.send(start.replace(b"Host: x\r\n", b"Host: x\r\n" + field + b": \xed\xa0\x80\r\n") + body)
        raw.until(b"\r\n\r\n")
    assert raw.seen.startswith(b"HTTP/1.1 400 ")


def test_a_receipt_with_nul_and_surrogates(hub, partner):
    sent, _ = sent_and_unconfirmed(hub, partner)
    for id in (b"<\xed\xa0\x80>", b"<a\x00b>", b"\xff" * 300):
        body = (
            b"--r\r\nContent-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: %b\r\n" % id
        )
        body += b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n\r\n--r--\r\n"
        headers = [
            ("AS2-From", "CEDAR"),
            ("AS2-To", "ASTER"),
            ("Message-ID", fresh_id()),
            ("Content-Type", "multipart/report; report-type=disposition-notification; boundary=r"),
        ]
        assert hub.post(headers, body).status in (200, 400)
    assert hub.delivery(sent.id).state.value == "sent"


# --- oracles -----------------------------------------------------------------------------------------------


def test_nothing_tells_why_a_decryption_failed(hub):
    """Bleichenbacher and Vaudenay: a wrong key, a key of the wrong length, a bad padding... are one answer."""
    draw = random.Random(1)
    sealed = enveloped(hub, b"Content-Type: application/edifact\r\n\r\n" + ORDER * 9, cipher="aes-256-cbc")
    public = hub.certificate.public_key()
    size = public.key_size // 8
    at = sealed.index(b"\x04\x82" + size.to_bytes(2, "big")) + 4

    def keyed(block: bytes) -> bytes:
        return sealed[:at] + block + sealed[at + size :]

    numbers = public.public_numbers()

    def raw(block: bytes) -> bytes:
        return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(size, "big")

    bodies = {
        "random key": keyed(draw.randbytes(size - 1).rjust(size, b"\x01")),
        "zero": keyed(bytes(size)),
        "no padding": keyed(raw(b"\x00\x02" + b"\x01" * (size - 2))),
        "type 1": keyed(raw(b"\x00\x01" + b"\xff" * (size - 35) + b"\x00" + bytes(32))),
        "short key": keyed(public.encrypt(bytes(16), padding.PKCS1v15())),
        "long key": keyed(public.encrypt(bytes(64), padding.PKCS1v15())),
        "empty key": keyed(public.encrypt(b"", padding.PKCS1v15())),
        "another key": keyed(public.encrypt(bytes(32), padding.PKCS1v15())),
        "last octet": sealed[:-11] + bytes([sealed[-11] ^ 1]) + sealed[-10:],
        "block before": sealed[:-27] + bytes([sealed[-27] ^ 1]) + sealed[-26:],
        "unsigned": sealed,
        "another recipient": staged(
            EnvelopedWriter(
                [recipients.for_certificate(HAZEL.certificate)], "aes-256-cbc", entropy=Entropy(9)
            ),
            ORDER,
        ),
    }
    answers = {}
    for name, body in bodies.items():
        headers = headers_of(hub)
        read = refused(hub, headers, body, said.DECRYPTION_FAILED)
        kept = hub.received(id_of(headers))
        answers[name] = (read.mdn.text, kept.reason_code, kept.reason)
    assert len(set(answers.values())) == 1, answers

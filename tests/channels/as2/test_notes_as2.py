"""The points at which AS2 programs differ or fail, by their number, at a serving hub: HTTP, store, keys.

As far as octets alone decide them they stand in ``tests/wire/as2/test_notes_as2.py``, all twenty-four of them; here
stand those whose promise is seen from outside, by a partner or by the operator:

     1 exact octets              7 spelling of receipts    13 retries             19 compression
     2 transfer encodings        8 optional fields         14 kinds of CMS        20 HTTP itself
     3 scope of the MIC          9 folding, quoting        15 unopened layers     21 file names, attachments
     4 MIC algorithm            10 content errors          16 signers, parts      22 rollover in six places
     5 micalg lists             11 asynchronous receipts   17 decryption errors   23 algorithm protection
     6 micalg spelling          12 duplicates              18 bare content        24 strangers
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from tests.support.as2_hubs import (
    CEDAR,
    ELDER,
    HAZEL,
    HOST,
    ORDER,
    aster_hub,
    cards,
    eventually,
    fresh_id,
    id_of,
    message,
)
from tests.support.as2_partner import Received, confirm, confirm_later, cut, receipt, say, scripted
from tests.support.as2_partner import http as answer
from tests.support.as2_world import Entropy, open_message
from tests.support.http_peer import Raw
from tests.support.hubs import FakeClock

from ecluse.exchange.actions import resend
from ecluse.trust.certificates import to_pem
from ecluse.wire import asn1
from ecluse.wire.as2 import disposition as said
from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.build import Part
from ecluse.wire.as2.mdn import Mic
from ecluse.wire.as2.mdn_reader import read_mdn
from ecluse.wire.cms import oids, recipients
from ecluse.wire.cms.writer import CompressedWriter, EnvelopedWriter
from ecluse.wire.smime.headers import Headers, parse_headers

QUICK = 'retry = { attempts = 3, base = "1ms", cap = "2ms" }\n'
OPEN = "require_signed = false\nrequire_encrypted = false\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with aster_hub(tmp_path_factory.mktemp("notes") / "aster") as hub:
        hub.introduce(CEDAR, OPEN, url=f"http://{HOST}:9/as2")
        yield hub


@pytest.fixture
def cedar(hub):
    """Settles what Cedar is for one test; gives back how it usually is."""
    yield lambda *given, **more: hub.introduce(CEDAR, *given, **more)
    hub.introduce(CEDAR, OPEN, url=f"http://{HOST}:9/as2")


def accepted(hub, headers, body, payload=ORDER):
    """Posts, and gives the message that was kept and the receipt, which proves it."""
    got = hub.post(headers, body)
    assert got.status == 200, got
    read = got.mdn(hub.certificate)
    assert read.failure is None
    assert read.mdn.disposition == said.PROCESSED, read.mdn.text
    assert read.mdn.original_message_id == id_of(headers)
    kept = hub.received(id_of(headers))
    assert hub.document(kept) == payload
    return kept, read


def refused(hub, headers, body, disposition, *, kept=True):
    """Posts what can't be accepted: HTTP 200 and a signed receipt that says why; nothing is kept of it."""
    got = hub.post(headers, body)
    assert got.status == 200, got
    read = got.mdn(hub.certificate)
    assert read.signed is not None
    assert read.mdn.disposition == disposition, read.mdn.text
    assert read.mdn.mic is None
    if kept:
        found = hub.received(id_of(headers))
        assert (found.state.value, found.parts, found.wire_blob) == ("rejected", (), "")
        assert hub.kinds(found.id) == ["message.rejected"]
    return got


# --- 1 to 9 ------------------------------------------------------------------------------------------------


def test_point_01_the_receipt_carries_the_mic_of_the_exact_octets(hub):
    payload = b"UNB+ \t two  spaces \r\n\n\rmixed line ends\n"
    headers, body = message(CEDAR, hub, payload, encrypt="")
    kept, read = accepted(hub, headers, body, payload)
    first = body[body.index(b"Content-Type: application/edifact") : body.index(b"\r\n--", 5)]
    assert read.mdn.mic == hashlib.sha256(first).digest()
    with hub.node.hub.blob(kept.wire_blob) as reader:
        assert b"".join(reader.chunks()) == first


@pytest.mark.parametrize("encoding", [None, "binary", "Base64", "BASE64"])
def test_point_02_a_transfer_encoding_in_any_case_and_none_at_all(hub, encoding):
    payload = bytes(range(256)) * 20
    headers, body = message(CEDAR, hub, payload, encrypt="", part=Part("application/octet-stream", "a.bin"))
    headers = [pair for pair in headers if pair[0] != "Content-Transfer-Encoding"]
    if encoding:
        headers.append(("Content-Transfer-Encoding", encoding))
    if encoding and encoding.lower() == "base64":
        body = base64.encodebytes(body)
    accepted(hub, headers, body, payload)


@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("encrypt", ["", "aes-128-gcm"])
@pytest.mark.parametrize("compression", ["none", "before-signing", "after-signing"])
def test_point_03_both_sides_take_the_mic_over_the_same(hub, cedar, sign, encrypt, compression):
    """What one build computes and another opens agree in scope: seen by a partner that is sent to."""
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        cipher = f'"{encrypt}"' if encrypt else "false"
        signature = '"sha-256"' if sign else "false"
        cedar(f'sign = {signature}\nencrypt = {cipher}\ncompress = "{compression}"\n', url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "confirmed")
    assert [r.verdict for r in hub.receipts(sent.id)] == ["ok"]


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_point_04_a_mic_by_any_algorithm_is_compared(hub, cedar, digest):
    def step(request: Received):
        policy = as2.UnwrapPolicy((hub.certificate,), mic_digest=digest)
        opened = open_message(request.headers, request.body, policy, CEDAR).opened
        return confirm(CEDAR, hub.certificate, mic=Mic(digest, opened.mics[digest]))(request)

    with scripted(step) as theirs:
        cedar("", url=theirs.url())
        hub.settled(hub.send("cedar").id, "confirmed")


def test_point_04_a_wrong_mic_is_no_confirmation(hub, cedar):
    with scripted(confirm(CEDAR, hub.certificate, mic=Mic("sha256", bytes(32)))) as theirs:
        cedar("", url=theirs.url())
        sent = hub.send("cedar")
        assert hub.settled(sent.id, "refused").reason_code == "as2.receipt-mic-mismatch"
    assert hub.message(sent.id).state.value == "failed"


def test_point_05_unsupported_mic_algorithms_are_a_receipt_and_no_500(hub):
    headers, body = message(CEDAR, hub, micalgs=("md5", "crc32"))
    refused(hub, headers, body, said.UNSUPPORTED_MIC)


def test_point_05_the_first_supported_algorithm_counts(hub):
    _, read = accepted(hub, *message(CEDAR, hub, micalgs=("md5", "SHA512", "sha-1")))
    assert read.mdn.mic_digest == "sha512"


@pytest.mark.parametrize(("micalg", "name"), [("rfc5751", b"sha-256"), ("rfc3851", b"sha256")])
def test_point_06_micalg_is_written_as_the_partner_wants_it(hub, cedar, micalg, name):
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        cedar(f'encrypt = false\nmicalg = "{micalg}"\n{OPEN}', url=theirs.url())
        hub.settled(hub.send("cedar").id, "confirmed")
        assert b"micalg=" + name in theirs.requests[0].raw
        got = hub.post(*message(CEDAR, hub))
    assert b", " + name + b"\r\n" in got.body


@pytest.mark.parametrize("spelling", ["sha1", "SHA1", "rsa-sha1", "sha-256", "sha_256", "SHA256"])
def test_point_06_any_spelling_is_understood(hub, spelling):
    _, read = accepted(hub, *message(CEDAR, hub, micalgs=(spelling,)))
    assert read.mdn.mic_digest in ("sha1", "sha256")


def test_point_07_and_08_a_receipt_in_its_barest_form_confirms(hub, cedar):
    """No Message-ID, no Date, no Original-Recipient, another Final-Recipient, no space after a comma."""

    def step(request: Received):
        mic = base64.b64encode(receipt_mic(request, hub)).decode()
        fields = (
            f"Final-Recipient: rfc822; SOMEBODY\r\nOriginal-Message-ID: {request.header('Message-ID')}\r\n"
            "disposition: Automatic-Action/MDN-SENT-automatically;PROCESSED\r\n"
            f"received-content-mic: {mic[:20]}\r\n {mic[20:]},SHA_256\r\n"
        )
        body = f"--r\r\nContent-Type: message/disposition-notification\r\n\r\n{fields}\r\n--r--\r\n".encode()
        return answer(200, body, (("Content-Type", "multipart/report; boundary=r"),))

    with scripted(step) as theirs:
        cedar("receipt_signed = false\n", url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "confirmed")


def receipt_mic(request: Received, hub) -> bytes:
    policy = as2.UnwrapPolicy((hub.certificate,))
    return open_message(request.headers, request.body, policy, CEDAR).opened.mics["sha256"]


@pytest.mark.parametrize("id", ["no-brackets-and-no-at", "<a b>", "<" + "y" * 985 + ">"])
def test_point_08_the_message_id_is_echoed_as_it_came(hub, id):
    id = id.replace("y", "z", 1) if hub.received(id) else id
    _, read = accepted(hub, *message(CEDAR, hub, message_id=id))
    assert read.mdn.original_message_id == id


def test_point_08_a_message_id_that_is_too_long_is_no_request(hub):
    headers, body = message(CEDAR, hub)
    headers = [(n, "<" + "y" * 999 + ">" if n == "Message-ID" else v) for n, v in headers]
    before = len(hub.refusals())
    assert hub.post(headers, body).status == 400
    assert hub.refusal(before)["reason"] == "as2.invalid-message-id"


def test_point_09_nothing_is_folded_on_the_wire_and_folds_are_accepted(hub, cedar):
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        cedar(OPEN, url=theirs.url())
        hub.settled(hub.send("cedar", subject="x " * 99).id, "confirmed")
        assert not re.search(rb"\r\n[ \t]", theirs.heads[0])
    headers, body = message(CEDAR, hub)
    folded = [(n, v.replace("; ", ";\r\n\t") if n == "Content-Type" else v) for n, v in headers]
    head = "".join(f"{n}: {v}\r\n" for n, v in folded if n != "Content-Length")
    with dial(hub) as raw:
        raw.send(
            f"POST /as2 HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        raw.until(b"processed")
    assert hub.received(id_of(headers)).state.value in ("accepted", "delivered")
    assert not re.search(rb"\r\n[ \t]", raw.seen.partition(b"\r\n\r\n")[0])


def test_point_09_names_are_quoted_where_needed_and_their_case_counts(hub, cedar):
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        cedar(f'our_id = "Aster Foods"\n{OPEN}', url=theirs.url())
        hub.settled(hub.send("cedar").id, "confirmed")
        assert theirs.requests[0].header("AS2-From") == '"Aster Foods"'
        assert theirs.requests[0].header("AS2-To") == "CEDAR"
        accepted(hub, *message(CEDAR, hub, as2_to="Aster Foods"))
        headers, body = message(CEDAR, hub, as2_to="aster foods")
        refused(hub, headers, body, said.UNKNOWN_PARTNER, kept=False)


# --- 10: content errors ------------------------------------------------------------------------------------


def broken(hub, kind: str):
    """What is wrong with a message's content, and what has to be answered."""
    if kind == "signed by another":
        return message(HAZEL, hub, as2_from="CEDAR"), said.AUTHENTICATION_FAILED
    if kind == "encrypted to another":
        return message(CEDAR, hub, to=HAZEL.certificate), said.DECRYPTION_FAILED
    if kind == "changed after it was signed":
        headers, body = message(CEDAR, hub, encrypt="")
        return (headers, body.replace(b"LIN+1", b"LIN+2")), said.INTEGRITY_CHECK_FAILED
    if kind == "broken compression":
        headers, body = message(CEDAR, hub, sign=False, encrypt="", compression="after-signing")
        middle = body.index(zlib.compress(b"")[:2]) + 8
        return (headers, body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]), (
            said.DECOMPRESSION_FAILED
        )
    headers, body = message(CEDAR, hub)
    return (headers, body[: len(body) // 2]), said.DECRYPTION_FAILED


KINDS = [
    "signed by another",
    "encrypted to another",
    "changed after it was signed",
    "broken compression",
    "cut short",
]


@pytest.mark.parametrize("kind", KINDS)
def test_point_10_content_errors_are_2xx_with_a_signed_receipt_that_says_why(hub, kind):
    (headers, body), disposition = broken(hub, kind)
    refused(hub, headers, body, disposition)


def test_point_10_what_is_not_secure_enough_is_a_content_error(hub, cedar):
    cedar("", url=f"http://{HOST}:9/")
    for more in ({"sign": False, "encrypt": "aes-256-gcm"}, {"encrypt": ""}):
        refused(hub, *message(CEDAR, hub, **more), said.INSUFFICIENT_SECURITY)
    # Without a tag it could be an attacker's garbage: the answer tells nothing.
    refused(hub, *message(CEDAR, hub, sign=False), said.DECRYPTION_FAILED)


def test_point_10_without_a_receipt_asked_for_the_status_says_it(hub):
    (headers, body), _ = broken(hub, "encrypted to another")
    headers = [pair for pair in headers if not pair[0].startswith("Disposition")]
    got = hub.post(headers, body)
    assert got.status == 400
    assert hub.received(id_of(headers)).state.value == "rejected"


# --- 11: asynchronous receipts -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("kind", ["", *KINDS])
def test_point_11_acknowledged_unopened_and_answered_on_a_new_connection(hub, cedar, kind, status):
    if kind and status != 200:
        pytest.skip("one status is enough for refusals")
    with scripted(say(status)) as theirs:
        cedar(OPEN, url=theirs.url())
        if kind:
            (headers, body), disposition = broken(hub, kind)
            headers.append(("Receipt-Delivery-Option", theirs.url("/mdn?x=1")))
        else:
            headers, body = message(CEDAR, hub, url=theirs.url("/mdn?x=1"))
            disposition = said.PROCESSED
        got = hub.post(headers, body)
        assert (got.status, got.body) == (200, b"")
        kept = hub.received(id_of(headers))
        eventually(lambda: "answer.sent" in hub.kinds(kept.id))
        [request] = theirs.requests
    assert request.raw.startswith(b"POST /mdn?x=1 HTTP/1.1\r\n")
    assert (request.header("AS2-From"), request.header("AS2-To")) == ("ASTER", "CEDAR")
    found = receipt_of(request, hub)
    assert found.mdn.disposition == disposition
    assert found.signed is not None
    ended = "message.rejected" if kind else "message.accepted"
    assert hub.kinds(kept.id)[:2] == ["message.received", ended]
    assert hub.answer(kept.id).body == request.body


def receipt_of(request: Received, hub):
    return read_mdn(Headers.of(request.headers), request.body, certificates=(hub.certificate,))


def test_point_11_as2_version_1_3_is_acknowledged_with_204(hub, cedar):
    with scripted(say(200)) as theirs:
        cedar(OPEN, url=theirs.url())
        got = hub.post(*message(CEDAR, hub, url=theirs.url(), version="1.3"))
        assert (got.status, got.body) == (204, b"")
        eventually(lambda: theirs.requests)


def test_point_11_a_return_address_that_was_not_agreed_is_refused_with_an_event(hub, cedar):
    with scripted(say(200)) as elsewhere:
        cedar(f'async_receipt_hosts = ["mdn.cedar.example:8443"]\n{OPEN}', url=f"http://{HOST}:9/")
        for url in (
            elsewhere.url(),
            f"http://{HOST}:9@{HOST}:{elsewhere.port}/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]:22/",
            "file:///etc/passwd",
            "ftp://127.0.0.1:9/",
            "//127.0.0.1:9/",
            f"http://{HOST}:9\\@{HOST}:{elsewhere.port}/",
            "https://mdn.cedar.example:8444/",
        ):
            before = len(hub.refusals())
            headers, body = message(CEDAR, hub)
            got = hub.post([*headers, ("Receipt-Delivery-Option", url)], body)
            assert got.status == 403, url
            assert hub.received(id_of(headers)) is None
            assert hub.refusal(before)["reason"] == "as2.receipt-address-not-agreed"
        assert not elsewhere.heads


def test_point_11_a_private_address_needs_to_be_allowed(hub, cedar):
    """The agreed host name leads nowhere that the partner's file does not allow."""
    with scripted(say(200)) as theirs:
        cedar(f"{OPEN}{QUICK}", url=theirs.url())
        path = hub.node.folder / "partners" / "cedar.toml"
        path.write_text(path.read_text().replace("allow_private_network = true\n", ""))
        hub.apply()
        headers, body = message(CEDAR, hub, url=theirs.url())
        assert hub.post(headers, body).status == 200
        kept = hub.received(id_of(headers))
        eventually(lambda: {"answer.retried", "answer.dead"} & set(hub.kinds(kept.id)))
        assert not theirs.heads


def test_point_11_a_receipt_that_is_not_taken_is_sent_again_unchanged(hub, cedar):
    with scripted(say(503), cut, say(200)) as theirs:
        cedar(f"{OPEN}{QUICK}", url=theirs.url())
        headers, body = message(CEDAR, hub, url=theirs.url())
        assert hub.post(headers, body).status == 200
        kept = hub.received(id_of(headers))
        eventually(lambda: "answer.sent" in hub.kinds(kept.id))
        assert len(theirs.requests) == 3
        assert len({request.raw for request in theirs.requests}) == 1
    assert [kind for kind in hub.kinds(kept.id) if kind.startswith("answer.")] == [
        "answer.retried",
        "answer.retried",
        "answer.sent",
    ]


def test_point_11_our_own_asynchronous_receipts_confirm(hub, cedar):
    with scripted(say(202)) as theirs:
        cedar('receipt = "async"\n', url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "sent")
        [request] = theirs.requests
        assert request.header("Receipt-Delivery-Option")
        mdn = receipt(request, CEDAR, hub.certificate)
        assert confirm_later(hub.port, mdn).status == 200
        assert hub.delivery(sent.id).state.value == "confirmed"
        assert confirm_later(hub.port, mdn).status == 200
        assert hub.kinds(sent.id)[-1] == "receipt.repeated"


def test_point_11_a_receipt_that_is_faster_than_the_end_of_our_request_confirms(hub, cedar):
    def step(request: Received):
        confirm_later(hub.port, receipt(request, CEDAR, hub.certificate))
        return answer(200)

    with scripted(step) as theirs:
        cedar('receipt = "async"\n', url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "confirmed")
        eventually(
            lambda: (
                hub.node.store.read(lambda v: v.job(f"deliver:{hub.delivery(sent.id).id}").state.value)
                == "done"
            )
        )
        assert hub.delivery(sent.id).state.value == "confirmed"


# --- 12: duplicates ----------------------------------------------------------------------------------------


def test_point_12_a_duplicate_gets_the_stored_octets(hub):
    headers, body = message(CEDAR, hub)
    first = hub.post(headers, body)
    again = hub.post(headers, body)
    assert again.stable == first.stable
    [kept] = hub.all_received(id_of(headers))
    assert "message.duplicate" in hub.kinds(kept.id)
    assert hub.answer(kept.id).body == first.body


@pytest.mark.parametrize("body_size", [100, 400_000])
def test_point_12_sixteen_twins_at_once_are_one_message(hub, body_size):
    payload = ORDER + b"x" * body_size
    headers, body = message(CEDAR, hub, payload)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: hub.post(headers, body), range(16)))
    assert len({str(each.stable) for each in answers}) == 1
    assert answers[0].status == 200
    [kept] = hub.all_received(id_of(headers))
    kinds = hub.kinds(kept.id)
    assert (kinds.count("message.accepted"), kinds.count("message.duplicate")) == (1, 15)
    inbox = hub.node.folder / "inbox" / "cedar"
    eventually(lambda: list(inbox.glob(f"{kept.id}*")))
    assert len(list(inbox.glob(f"{kept.id}*"))) == 1


def test_point_12_asynchronous_twins_at_once_are_one_message_and_one_receipt(hub, cedar):
    with scripted(say(200)) as theirs:
        cedar(OPEN, url=theirs.url())
        headers, body = message(CEDAR, hub, url=theirs.url())
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: hub.post(headers, body), range(16)))
        # A twin of what is still unopened is told to come again: nothing proves yet that it is the same.
        assert {each.status for each in answers} <= {200, 503}
        assert 200 in {each.status for each in answers}
        [kept] = hub.all_received(id_of(headers))
        eventually(lambda: "answer.sent" in hub.kinds(kept.id))
        assert hub.post(headers, body).status == 200
        eventually(lambda: hub.kinds(kept.id).count("answer.sent") >= 2)
        assert len({request.raw for request in theirs.requests}) == 1
    assert hub.kinds(kept.id).count("message.accepted") == 1


def test_point_12_a_resend_that_asks_on_the_other_kind_of_connection_gets_the_same_receipt(hub, cedar):
    with scripted(say(200)) as theirs:
        cedar(OPEN, url=theirs.url())
        headers, body = message(CEDAR, hub, url=theirs.url())
        hub.post(headers, body)
        eventually(lambda: theirs.requests)
        now = hub.post([pair for pair in headers if pair[0] != "Receipt-Delivery-Option"], body)
        assert (now.status, now.body) == (200, theirs.requests[0].body)
        headers, body = message(CEDAR, hub)
        first = hub.post(headers, body)
        count = len(theirs.requests)
        later = hub.post([*headers, ("Receipt-Delivery-Option", theirs.url())], body)
        assert later.status == 200
        if not later.body:
            eventually(lambda: len(theirs.requests) > count)
            assert theirs.requests[-1].body == first.body
        else:
            assert later.body == first.body


def test_point_12_an_earlier_failure_stays_retryable(hub, cedar):
    id = fresh_id()
    refused(hub, *message(HAZEL, hub, as2_from="CEDAR", message_id=id), said.AUTHENTICATION_FAILED)
    accepted(hub, *message(CEDAR, hub, message_id=id))
    assert sorted(m.state.value for m in hub.all_received(id)) in (
        ["accepted", "rejected"],
        ["delivered", "rejected"],
    )
    with scripted(say(200)) as theirs:
        cedar(OPEN, url=theirs.url())
        id = fresh_id()
        hub.post(*message(HAZEL, hub, as2_from="CEDAR", message_id=id, url=theirs.url()))
        eventually(lambda: len(theirs.requests) == 1)
        hub.post(*message(CEDAR, hub, message_id=id, url=theirs.url()))
        eventually(lambda: len(theirs.requests) == 2)
        found = [receipt_of(request, hub).mdn.disposition for request in theirs.requests]
        assert found == [said.AUTHENTICATION_FAILED, said.PROCESSED]


# --- 13: retries -------------------------------------------------------------------------------------------


def same_but_for_the_connection(requests) -> bool:
    return len({request.raw for request in requests}) == 1


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([say(500)], id="500"),
        pytest.param([say(503, ("Retry-After", "1"))], id="503"),
        pytest.param([say(408)], id="408"),
        pytest.param([say(429)], id="429"),
        pytest.param([cut], id="cut after the body"),
        pytest.param([say(200)], id="an empty 200"),
        pytest.param(
            [lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf"], id="half an answer"
        ),
        pytest.param([lambda request: b"SSH-2.0-OpenSSH_9.9\r\n"], id="no HTTP"),
    ],
)
@pytest.mark.parametrize("length", [False, True])
def test_point_13_a_retry_has_the_same_octets_id_and_date(hub, cedar, first, length):
    with scripted(*first, confirm(CEDAR, hub.certificate)) as theirs:
        cedar(f"{QUICK}content_length = {str(length).lower()}\n", url=theirs.url())
        sent = hub.send("cedar")
        assert hub.settled(sent.id, "confirmed").attempts == 2
        assert len(theirs.requests) == 2
        assert same_but_for_the_connection(theirs.requests)
        assert theirs.requests[0].header("Message-ID") == sent.protocol_id
        assert theirs.requests[0].header("Date")
    kinds = hub.kinds(sent.id)
    assert kinds.count("message.sealed") == 1
    assert "delivery.retried" in kinds


def test_point_13_half_a_receipt_is_none(hub, cedar):
    def step(request: Received):
        mdn = receipt(request, CEDAR, hub.certificate)
        half = mdn.body[: len(mdn.body) // 3]
        return answer(200, half, tuple(pair for pair in mdn.headers if pair[0] != "Content-Length"))

    with scripted(step, confirm(CEDAR, hub.certificate)) as theirs:
        cedar(QUICK, url=theirs.url())
        sent = hub.send("cedar")
        hub.settled(sent.id, "confirmed")
        assert len(theirs.requests) == 2
        assert same_but_for_the_connection(theirs.requests)


@pytest.mark.parametrize("where", ["before", "inside"])
def test_point_13_a_connection_cut_before_and_in_the_body_is_tried_again(hub, cedar, where):
    with scripted(confirm(CEDAR, hub.certificate), **{where: (0,)}) as theirs:
        cedar(QUICK, url=theirs.url())
        sent = hub.send("cedar", ORDER + b"\0" * 3_000_000, content_type="application/octet-stream")
        assert hub.settled(sent.id, "confirmed").attempts == 2
        assert len(set(theirs.heads)) == 1
        assert len(theirs.heads) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 415])
def test_point_13_what_says_not_like_this_is_not_tried_again(hub, cedar, status):
    with scripted(say(status, ("Location", f"http://{HOST}:1/"))) as theirs:
        cedar(QUICK, url=theirs.url())
        sent = hub.send("cedar")
        delivery = hub.settled(sent.id, "dead")
        assert (delivery.attempts, delivery.reason_code) == (1, "as2.http-status")
        assert str(status) in delivery.reason
        assert len(theirs.heads) == 1
    assert hub.message(sent.id).state.value == "failed"
    with hub.node.hub.document(hub.message(sent.id).parts[0]) as kept:
        assert b"".join(kept.chunks()) == ORDER


def test_point_13_after_the_last_attempt_the_payload_stays_and_a_person_may_resend(hub, cedar):
    with scripted(say(500), say(500), say(500), confirm(CEDAR, hub.certificate)) as theirs:
        cedar(QUICK, url=theirs.url())
        sent = hub.send("cedar")
        assert hub.settled(sent.id, "dead").attempts == 3
        resend(hub.node.hub, sent.id, actor="operator:test", reason="mended")
        hub.settled(sent.id, "confirmed")
        assert len(theirs.requests) == 4
        assert same_but_for_the_connection(theirs.requests)


# --- 14 to 19 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-pkcs7-mime",
        "application/pkcs7-mime; smime-type=Compressed-Data",
        'application/octet-stream; name="smime.p7m"',
    ],
)
def test_point_14_the_kind_of_cms_is_read_from_its_octets(hub, kind):
    headers, body = message(CEDAR, hub)
    accepted(hub, [(n, kind if n == "Content-Type" else v) for n, v in headers], body)


@pytest.mark.parametrize("padding", ["pkcs1", "oaep-sha1", "oaep-sha256"])
@pytest.mark.parametrize(
    "cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"]
)
def test_point_14_ciphers_and_key_transports(hub, cipher, padding):
    inner = b"Content-Type: application/edifact\r\n\r\n" + ORDER
    targets = [
        recipients.for_certificate(HAZEL.certificate),
        recipients.for_certificate(hub.certificate, padding=padding),
    ]
    stage = EnvelopedWriter(targets, cipher, entropy=Entropy(3))
    headers, _ = message(CEDAR, hub)
    accepted(hub, headers, stage.start() + stage.feed(inner) + stage.finish())


def test_point_15_a_layer_that_stays_shut_is_never_processed(hub):
    for kind in ("application/octet-stream", "application/edifact", "text/plain"):
        shut = EnvelopedWriter(
            [recipients.for_certificate(HAZEL.certificate)], "aes-256-cbc", entropy=Entropy(4)
        )
        inner = shut.start() + shut.feed(ORDER) + shut.finish()
        signed, content = message(CEDAR, hub, inner, part=Part("application/pkcs7-mime", "smime.p7m"))
        got = hub.post(signed, content)
        assert got.status == 200
        assert got.mdn(hub.certificate).mdn.disposition == said.DECRYPTION_FAILED, kind
        assert hub.received(id_of(signed)).state.value == "rejected"


def test_point_18_decrypted_content_without_a_header_is_the_document(hub):
    stage = EnvelopedWriter([recipients.for_certificate(hub.certificate)], "aes-256-cbc", entropy=Entropy(5))
    headers, _ = message(CEDAR, hub)
    _, read = accepted(hub, headers, stage.start() + stage.feed(ORDER) + stage.finish())
    assert read.mdn.mic == hashlib.sha256(ORDER).digest()


@pytest.mark.parametrize("compression", ["before-signing", "after-signing"])
def test_point_19_both_orders_of_compression(hub, compression):
    accepted(hub, *message(CEDAR, hub, compression=compression))


def test_point_19_both_at_once_are_refused(hub):
    headers, body = message(CEDAR, hub, encrypt="", compression="before-signing")
    fields = "".join(f"{n}: {v}\r\n" for n, v in headers if n.startswith("Content-")).encode()
    stage = CompressedWriter()
    twice = stage.start() + stage.feed(fields + b"\r\n" + body) + stage.finish()
    kind = "application/pkcs7-mime; smime-type=compressed-data"
    refused(
        hub,
        [(n, kind if n == "Content-Type" else v) for n, v in headers if n != "Content-Transfer-Encoding"],
        twice,
        said.UNEXPECTED_ERROR,
    )


# --- 20: HTTP ----------------------------------------------------------------------------------------------


def dial(hub, timeout: float = 20) -> Raw:
    return Raw(socket.create_connection((HOST, hub.port), timeout=timeout))


def lines(headers, *more: str) -> bytes:
    head = [f"{n}: {v}" for n, v in headers if n != "Content-Length"]
    return "\r\n".join(["POST /as2 HTTP/1.1", "Host: aster.example", *head, *more, "", ""]).encode()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%X;a=b\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("chunks", [0, 5, 5000])
def test_point_20_header_and_body_split_anywhere(hub, step, chunks):
    headers, body = message(CEDAR, hub)
    data = (
        lines(headers, "Transfer-Encoding: chunked") + chunked(body, chunks)
        if chunks
        else (lines(headers, f"Content-Length: {len(body)}") + body)
    )
    with dial(hub) as raw:
        for at in range(0, len(data), step):
            raw.send(data[at : at + step])
        raw.until(b"processed")
    assert hub.document(hub.received(id_of(headers))) == ORDER


def test_point_20_content_length_with_transfer_encoding_is_refused(hub):
    headers, body = message(CEDAR, hub)
    with dial(hub) as raw:
        raw.send(
            lines(headers, "Transfer-Encoding: chunked", f"Content-Length: {len(body)}") + chunked(body, 9)
        )
        assert raw.to_end().startswith(b"HTTP/1.1 400 ")
    assert hub.received(id_of(headers)) is None


def test_point_20_a_length_is_stated_where_the_partner_needs_it(hub, cedar):
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        for wanted in (True, False):
            cedar(f"content_length = {str(wanted).lower()}\n", url=theirs.url())
            hub.settled(hub.send("cedar").id, "confirmed")
            request = theirs.requests[-1]
            assert (request.header("Content-Length") is not None) == wanted
            assert (request.header("Transfer-Encoding") == "chunked") == (not wanted)
            assert request.header("Expect") is None


def test_point_20_expect_is_answered_and_head_too(hub):
    headers, body = message(CEDAR, hub)
    with dial(hub) as raw:
        raw.send(lines(headers, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(body).until(b"processed")
        raw.seen = b""
        raw.send(b"HEAD /as2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = raw.to_end()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\n\r\n")


def test_point_20_preamble_and_epilogue_are_tolerated(hub):
    headers, body = message(CEDAR, hub, encrypt="")
    accepted(hub, headers, b"This is a multi-part message.\r\n" + body + b"\r\nGood bye.\r\n")


# --- 21: names ---------------------------------------------------------------------------------------------


def in_the_inbox(hub, kept) -> list[str]:
    inbox = hub.node.folder / "inbox" / "cedar"
    eventually(lambda: hub.message(kept.id).state.value == "delivered")
    return sorted(path.name.removeprefix(f"{kept.id}-") for path in inbox.glob(f"{kept.id}-*"))


@pytest.mark.parametrize("name", ["orders.edi", "my orders (1).edi", "résumé 2026.edi", "100%.edi"])
def test_point_21_the_file_name_is_kept(hub, cedar, name):
    kept, _ = accepted(hub, *message(CEDAR, hub, part=Part("application/edifact", name)))
    assert kept.parts[0].name == name
    assert in_the_inbox(hub, kept) == [name]


def test_point_21_several_attachments(hub):
    parts = [(b"<a/>", "application/xml", "a.xml"), (b"\x89PNG", "image/png", "b.png")]
    body = b"".join(
        b"--r\r\nContent-Type: %b\r\nContent-Disposition: attachment; filename=%b\r\n\r\n%b\r\n"
        % (kind.encode(), name.encode(), data)
        for data, kind, name in parts
    )
    headers, _ = message(CEDAR, hub, sign=False, encrypt="")
    headers = [
        (n, 'multipart/related; type="application/xml"; boundary=r' if n == "Content-Type" else v)
        for n, v in headers
    ]
    got = hub.post(headers, body + b"--r--\r\n")
    assert got.mdn(hub.certificate).mdn.disposition == said.PROCESSED
    kept = hub.received(id_of(headers))
    assert [hub.document(kept, n) for n in (0, 1)] == [b"<a/>", b"\x89PNG"]
    assert in_the_inbox(hub, kept) == ["1-a.xml", "2-b.png"]


# --- 22: rollover ------------------------------------------------------------------------------------------

DAY = 86_400


def moment(clock: FakeClock, days: float) -> str:
    at = datetime.fromtimestamp(clock.now / 1e6 + days * DAY, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def fingerprint(certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def test_point_22_rollover_in_all_six_places(tmp_path):
    """Two hubs change all keys: each place takes the old ones before, both around, the new ones after."""
    clock = FakeClock()
    with (
        aster_hub(tmp_path / "aster", clock, "Aster") as aster,
        aster_hub(tmp_path / "birch", clock, "Birch") as birch,
    ):
        change = moment(clock, 10)
        for one in (aster, birch):
            for ref in ("new-sign", "new-mdn", "mdn", "new-decrypt"):
                one.node.keyring.generate(ref, "rsa-2048", subject=f"{one.as2_id} {ref}")
            one.edit(
                lambda text: (
                    text
                    + "".join(
                        f'[[organisation.keys]]\nref = "{ref}"\nuse = ["{use}"]\n{more}\n'
                        for ref, use, more in [
                            ("main", "sign", f'until = "{change}"'),
                            ("new-sign", "sign", f'from = "{change}"'),
                            ("mdn", "mdn-sign", f'until = "{change}"'),
                            ("new-mdn", "mdn-sign", f'from = "{change}"'),
                            ("main", "decrypt", f'until = "{change}"'),
                            ("new-decrypt", "decrypt", ""),
                        ]
                    )
                )
            )
        for one, other, id in ((aster, birch, "birch"), (birch, aster, "aster")):
            rest = ""
            early, late = moment(clock, 9), moment(clock, 11)
            for ref, use, window in [
                ("new-sign", "verify", f'from = "{early}"'),
                ("mdn", "mdn-verify", f'until = "{late}"'),
                ("new-mdn", "mdn-verify", f'from = "{early}"'),
                ("new-decrypt", "encrypt", f'from = "{change}"'),
            ]:
                (one.node.folder / "certificates" / f"{id}-{ref}.pem").write_text(
                    to_pem(other.node.keyring.chain(ref))
                )
                rest += f'[[certificates]]\nfile = "certificates/{id}-{ref}.pem"\nuse = ["{use}"]\n{window}\n'
            cards(one, other, id, rest=f'use = ["verify", "encrypt"]\nuntil = "{late}"\n{rest}')

        def exchange(one, other, id, back):
            """Sends, and gives who signed and who could read: certificates of message, reader and receipt."""
            sent = one.send(id)
            one.settled(sent.id, "confirmed")
            got = other.received(sent.protocol_id, back)
            wire = msgspec.json.decode(got.wire)
            signed = next(each for each in wire["protections"] if "signed" in each)["certificate_sha256"]
            [mdn] = one.receipts(sent.id)
            read = read_mdn(
                parse_headers(mdn.headers),
                mdn.body,
                certificates=(
                    other.node.keyring.certificate("mdn"),
                    other.node.keyring.certificate("new-mdn"),
                ),
            )
            return signed, fingerprint(read.signed.certificate)

        def named(one, other, sign, mdn):
            keys = one.node.keyring.certificate(sign), other.node.keyring.certificate(mdn)
            return tuple(fingerprint(each) for each in keys)

        for one, other, id, back in ((aster, birch, "birch", "aster"), (birch, aster, "aster", "birch")):
            assert exchange(one, other, id, back) == named(one, other, "main", "mdn")
        held = aster.send  # a message that is built before the change and opened after it
        with scripted(say(503)) as away:
            cards_url = f"http://{HOST}:{birch.port}/as2"
            path = aster.node.folder / "partners" / "birch.toml"
            text = path.read_text()
            path.write_text(text.replace(cards_url, away.url()))
            aster.apply()
            late_one = held("birch")
            eventually(lambda: away.requests)
        clock.forward(9.5 * DAY)
        for one, other, id, back in ((birch, aster, "aster", "birch"),):
            assert exchange(one, other, id, back) == named(one, other, "main", "mdn")
        clock.forward(1 * DAY)  # half a day after the change, windows of verification still overlap
        path.write_text(text)
        aster.apply()
        clock.forward(3600)
        aster.settled(late_one.id, "confirmed")
        for one, other, id, back in ((aster, birch, "birch", "aster"), (birch, aster, "aster", "birch")):
            assert exchange(one, other, id, back) == named(one, other, "new-sign", "new-mdn")
        clock.forward(5 * DAY)  # the old ones are over
        for one, other, id, back in ((aster, birch, "birch", "aster"), (birch, aster, "aster", "birch")):
            assert exchange(one, other, id, back) == named(one, other, "new-sign", "new-mdn")


# --- 23, 24 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False])
def test_point_23_algorithm_protection_is_the_partners_choice(hub, cedar, kept):
    protection = asn1.oid(oids.ALGORITHM_PROTECTION)
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        cedar(f"encrypt = false\nalgorithm_protection = {str(kept).lower()}\n{OPEN}", url=theirs.url())
        hub.settled(hub.send("cedar").id, "confirmed")
        request = theirs.requests[0]
        policy = as2.UnwrapPolicy((hub.certificate,))
        opened = open_message(request.headers, request.body, policy, CEDAR).opened
        assert (protection in opened.signed.signature) == kept
        read = hub.post(*message(CEDAR, hub)).mdn(hub.certificate)
        assert (protection in read.signed.signature) == kept


@pytest.mark.parametrize("who", ["sender", "recipient", "suspended", "case"])
def test_point_24_strangers_get_a_receipt_that_says_so(hub, cedar, who):
    more = {
        "sender": {"as2_from": "NOBODY"},
        "recipient": {"as2_to": "NOBODY"},
        "case": {"as2_from": "Cedar"},
    }
    if who == "suspended":
        cedar(OPEN, url=f"http://{HOST}:9/")
        path = hub.node.folder / "partners" / "cedar.toml"
        path.write_text('state = "suspended"\n' + path.read_text())
        hub.apply()
    headers, body = message(CEDAR, hub, **more.get(who, {}))
    before = len(hub.refusals())
    got = refused(hub, headers, body, said.UNKNOWN_PARTNER, kept=False)
    assert got.mdn(hub.certificate).mdn.original_message_id == id_of(headers)
    event = hub.refusal(before)
    assert event["reason"] in ("trust.unknown-partner", "trust.unknown-recipient", "trust.suspended")
    assert hub.all_received(id_of(headers)) == []


def test_point_24_a_stranger_without_a_receipt_or_with_one_elsewhere_gets_the_status(hub):
    with scripted(say(200)) as elsewhere:
        for more in ({"receipt": None}, {"url": elsewhere.url()}):
            assert hub.post(*message(ELDER, hub, **more)).status == 403
        assert not elsewhere.heads

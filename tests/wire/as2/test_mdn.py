from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.as2_world import NOW, Entropy, build, open_message, party
from tests.support.as2_world import as2 as events
from tests.support.cms import compressed

from ecluse.wire.as2 import disposition as said
from ecluse.wire.as2.build import BuildOptions, ReceiptOptions
from ecluse.wire.as2.disposition import PROCESSED
from ecluse.wire.as2.errors import MdnError
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.as2.mdn import MdnOptions, Mic, build_mdn, explain
from ecluse.wire.as2.mdn_reader import MAX_MDN, read_mdn
from ecluse.wire.as2.receipt import Verdict, check_receipt
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import Headers

ASTER, BIRCH, CEDAR = party("Aster"), party("Birch"), party("Cedar")
MICS = {"sha256": b"m" * 32}
MIC = Mic("sha256", b"m" * 32)


def request(signed: bool = True, **fields: str):
    base = {"Message-ID": "<1@aster.example>", "AS2-From": "Aster Co", "AS2-To": "Birch"}
    if signed:
        base["Disposition-Notification-To"] = "x"
        base["Disposition-Notification-Options"] = "signed-receipt-protocol=optional, pkcs7-signature"
    return parse_request({**base, **fields}.items())


def receipt(disposition=PROCESSED, *, signer=BIRCH, signed=True, text="", mic=MIC):
    return build_mdn(
        request(signed),
        disposition,
        text=text or explain(disposition, "The cause.", "The remedy."),
        mic=mic,
        message_id="<2@birch.example>",
        now=NOW,
        entropy=Entropy(),
        options=MdnOptions((signer.signer(),) if signer else (), version="1.3", product="Ecluse"),
    )


def judged(mdn, certificates=(BIRCH.certificate,), **more):
    read = read_mdn(Headers.of(mdn.headers), mdn.body, certificates=certificates, recipient="Birch")
    return check_receipt(read, message_id="<1@aster.example>", mics=MICS, **more)


def test_a_signed_receipt_as_rfc_4130_has_it():
    mdn = receipt(text="Grüße\nfrom Birch")
    headers = dict(mdn.headers)
    assert mdn.signed
    assert headers["AS2-From"] == "Birch"
    assert headers["AS2-To"] == '"Aster Co"'
    assert headers["AS2-Version"] == "1.3"
    assert headers["AS2-Product"] == "Ecluse"
    assert headers["Message-ID"] == mdn.message_id
    assert headers["Content-Type"].startswith("multipart/signed; ")
    for line in (
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=",
        b"Content-Type: message/disposition-notification\r\n",
        b"Original-Recipient: rfc822; Birch\r\n",
        b"Final-Recipient: rfc822; Birch\r\n",
        b"Original-Message-ID: <1@aster.example>\r\n",
        b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n",
        b"Received-content-MIC: bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW0=, sha-256\r\n",
    ):
        assert line in mdn.body
    read = read_mdn(Headers.of(mdn.headers), mdn.body, certificates=(BIRCH.certificate,), recipient="Birch")
    assert read.mdn.text == "Grüße\r\nfrom Birch"
    assert read.mdn.reporting_ua == "Ecluse"
    assert read.message_id == "<2@birch.example>"
    assert (read.failure, read.warnings) == (None, ())


def test_a_receipt_is_unsigned_unless_it_was_asked_for():
    assert not receipt(signed=False).signed
    assert not receipt(signer=None).signed
    assert dict(receipt(signer=None).headers)["Content-Type"].startswith("multipart/report")


def test_the_text_says_what_happened_and_what_to_do():
    text = explain(said.DECRYPTION_FAILED, "It could not be decrypted.", "Encrypt to our new certificate.")
    assert text.splitlines() == [
        "Answer: automatic-action/MDN-sent-automatically; processed/error: decryption-failed",
        "It could not be decrypted.",
        "Encrypt to our new certificate.",
    ]
    assert "received" in explain(PROCESSED)


def test_a_signed_receipt_is_known_for_one_when_it_is_opened():
    mdn = receipt()
    result = open_message(list(mdn.headers), mdn.body, events.UnwrapPolicy((BIRCH.certificate,)))
    assert result.opened.is_mdn
    assert parse_request(mdn.headers).may_be_mdn
    headers, body, _ = build(BuildOptions("Aster", "Birch", receipt=ReceiptOptions("x")), b"payload")
    assert not open_message(headers, body, events.UnwrapPolicy()).opened.is_mdn


@pytest.mark.parametrize(
    ("mdn", "more", "verdict"),
    [
        (lambda: receipt(), {}, Verdict.OK),
        (lambda: receipt(said.DUPLICATE_WARNING), {}, Verdict.OK),
        (lambda: receipt(said.DUPLICATE_DOCUMENT), {}, Verdict.DUPLICATE),
        (lambda: receipt(said.AUTHENTICATION_FAILED), {}, Verdict.NEGATIVE),
        (lambda: receipt(said.UNSUPPORTED_FORMAT), {}, Verdict.NEGATIVE),
        (lambda: receipt(signer=None), {}, Verdict.UNSIGNED),
        (lambda: receipt(signer=None), {"signed_wanted": False}, Verdict.OK),
        (lambda: receipt(signer=CEDAR), {}, Verdict.NOT_AUTHENTIC),
        (lambda: receipt(said.DECRYPTION_FAILED, signer=CEDAR), {}, Verdict.NOT_AUTHENTIC),
        (lambda: receipt(mic=None), {}, Verdict.MIC_MISSING),
        (lambda: receipt(mic=None), {"mic_required": False}, Verdict.OK),
        (lambda: receipt(mic=Mic("sha1", b"m" * 20)), {}, Verdict.MIC_MISSING),
        (lambda: receipt(mic=Mic("sha256", b"n" * 32)), {}, Verdict.MIC_MISMATCH),
        (lambda: receipt(mic=Mic("sha256", b"n" * 32)), {"mic_required": False}, Verdict.MIC_MISMATCH),
    ],
)
def test_verdicts(mdn, more, verdict):
    found = judged(mdn(), **more)
    assert found.verdict is verdict
    assert found.ok == (verdict is Verdict.OK)
    assert found.cause
    assert found.ok or found.remedy


def test_a_receipt_for_another_message_is_no_answer_to_this_one():
    read = read_mdn(Headers.of(receipt().headers), receipt().body, certificates=(BIRCH.certificate,))
    assert check_receipt(read, message_id="<9@x>", mics=MICS).verdict is Verdict.WRONG_MESSAGE
    assert check_receipt(read, message_id="1@aster.example", mics=MICS).verdict is Verdict.OK


def test_a_changed_receipt_is_read_but_not_believed():
    mdn = receipt(said.AUTHENTICATION_FAILED)
    changed = mdn.body.replace(b"processed/error: authentication-failed", b"processed" + b" " * 29)
    read = read_mdn(Headers.of(mdn.headers), changed, certificates=(BIRCH.certificate,))
    assert read.signed is None
    assert read.failure.disposition == said.INTEGRITY_CHECK_FAILED
    assert read.mdn.disposition == PROCESSED
    assert check_receipt(read, message_id="<1@aster.example>", mics=MICS).verdict is Verdict.NOT_AUTHENTIC


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], b""),
        ([("Content-Type", "text/html")], b"<html>busy</html>"),
        ([("Content-Type", "multipart/report; boundary=r")], b"--r\r\n\r\nx\r\n--r--\r\n"),
        ([("Content-Type", "multipart/report")], b""),
        ([("Content-Type", "multipart/report; boundary=r")], b"--r\r\n"),
        (
            [("Content-Type", "multipart/report; boundary=r")],
            b"--r\r\nContent-Type: message/disposition-notification\r\n\r\nno field\r\n--r--\r\n",
        ),
        (
            [("Content-Type", "multipart/report; boundary=r")],
            b"--r\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: x\r\n--r--\r\n",
        ),
        ([("Content-Type", "multipart/report; boundary=r")], b"x" * (MAX_MDN + 1)),
    ],
)
def test_what_is_no_receipt_is_refused(headers, body):
    with pytest.raises(MdnError):
        read_mdn(Headers.of(headers), body)


def test_a_value_that_breaks_out_of_its_line_is_refused():
    with pytest.raises(MimeError):
        build_mdn(
            request(),
            PROCESSED,
            text="x",
            mic=None,
            message_id="<2@x>\r\nX: y",
            now=NOW,
            entropy=Entropy(),
        )


@given(st.binary(max_size=300), st.integers(0, 1400), st.booleans())
def test_a_damaged_receipt_gives_our_errors_only(noise, at, signed):
    mdn = _SIGNED if signed else _PLAIN
    body = mdn.body[:at] + noise + mdn.body[at + len(noise) :]
    try:
        read = read_mdn(Headers.of(mdn.headers), body, certificates=(BIRCH.certificate,))
    except MdnError:
        return
    verdict = check_receipt(read, message_id="<1@aster.example>", mics=MICS)
    assert not verdict.ok or body[: len(mdn.body) - 2] == mdn.body[:-2] or signed


_SIGNED, _PLAIN = receipt(), receipt(signer=None)


def compressed_receipt(text):
    mdn = receipt(signed=False, text=text)
    fields = "".join(f"{name}: {value}\r\n" for name, value in mdn.headers if name.startswith("Content-"))
    return compressed(fields.encode() + b"\r\n" + mdn.body)


@pytest.mark.parametrize(("size", "read"), [(MAX_MDN // 2, True), (2 * MAX_MDN, False)])
def test_a_compressed_receipt_may_become_no_larger_than_another(size, read):
    headers = Headers.of([("Content-Type", "application/pkcs7-mime; smime-type=compressed-data")])
    body = compressed_receipt("x" * size)
    assert len(body) < MAX_MDN
    if read:
        assert read_mdn(headers, body).mdn.disposition == PROCESSED
    else:
        with pytest.raises(MdnError, match="can't be opened"):
            read_mdn(headers, body)

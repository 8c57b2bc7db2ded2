"""Against pyas2lib, both ways: what it sends is opened, what is built here it accepts."""

from __future__ import annotations

import pytest
from tests.support import pyas2lib_shim
from tests.support.as2_world import NOW, Entropy, build, open_message, party

from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.build import BuildOptions, ReceiptOptions
from ecluse.wire.as2.disposition import PROCESSED
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.as2.mdn import MdnOptions, Mic, build_mdn, explain
from ecluse.wire.as2.mdn_reader import read_mdn
from ecluse.wire.as2.receipt import Verdict, check_receipt
from ecluse.wire.cms import recipients
from ecluse.wire.smime.headers import Headers

pyas2lib = pyas2lib_shim.load()

PASSWORD = "opened in tests"
PAYLOAD = b"UNB+UNOA:2+ASTER+BIRCH+260101:1200+1'\r\n" + b"LIN+1++4000862141404:SRS'\r\n" * 200
ASTER, BIRCH = party("Aster"), party("Birch")


def organisation(who):
    key = who.pkcs12(PASSWORD.encode())
    return pyas2lib.Organization(
        as2_name=who.name,
        sign_key=key,
        sign_key_pass=PASSWORD,
        decrypt_key=key,
        decrypt_key_pass=PASSWORD,
        domain="test.example",
    )


def partner(who, **options):
    return pyas2lib.Partner(
        as2_name=who.name,
        verify_cert=who.pem_certificate(),
        encrypt_cert=who.pem_certificate(),
        validate_certs=False,
        **options,
    )


def wire(headers, body):
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + body


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("cipher", [None, "aes_128_cbc", "aes_256_cbc"])
@pytest.mark.parametrize("transport", ["rsaes_pkcs1v15", "rsaes_oaep"])
def test_theirs_is_opened_and_their_receipt_check_passes(compress, sign, cipher, transport):
    theirs = organisation(ASTER)
    message = pyas2lib.Message(
        sender=theirs,
        receiver=partner(
            BIRCH,
            compress=compress,
            sign=sign,
            encrypt=cipher is not None,
            enc_alg=cipher or "aes_256_cbc",
            key_enc_alg=transport,
            mdn_mode="SYNC",
            mdn_digest_alg="sha256",
        ),
    )
    message.build(PAYLOAD, filename="orders.edi", content_type="application/edifact")
    request = parse_request(message.headers.items())
    assert (request.as2_from, request.as2_to) == ("Aster", "Birch")
    assert request.receipt is not None
    assert request.receipt.signed
    result = open_message(
        list(message.headers.items()),
        message.content,
        as2.UnwrapPolicy((ASTER.certificate,), mic_digest=request.mic_digest),
        BIRCH,
    )
    assert result.payload == PAYLOAD
    assert result.parts[0][0].file_name == "orders.edi"
    assert bool(result.opened.signed) == sign
    assert result.opened.encrypted == (cipher is not None)
    mdn = build_mdn(
        request,
        PROCESSED,
        text=explain(PROCESSED),
        mic=Mic(result.opened.mic_digest, result.opened.mic),
        message_id="<2@birch.example>",
        now=NOW,
        entropy=Entropy(),
        options=MdnOptions(signers=(BIRCH.signer(),), dashed_micalg=False),
    )
    assert mdn.signed
    status, detail = pyas2lib.Mdn().parse(wire(mdn.headers, mdn.body), lambda *_: message)
    assert (status, detail) == ("processed", None)


@pytest.mark.parametrize("compression", ["none", "before-signing", "after-signing"])
@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("cipher", [None, "aes-128-cbc", "aes-256-cbc"])
@pytest.mark.parametrize("signed_mdn", [False, True])
def test_ours_is_accepted_and_their_receipt_is_read(compression, sign, cipher, signed_mdn):
    options = BuildOptions(
        "Birch",
        "Aster",
        signers=(BIRCH.signer(),) if sign else (),
        recipients=(recipients.for_certificate(ASTER.certificate),) if cipher else (),
        cipher=cipher or "aes-256-cbc",
        compression=compression,
        receipt=ReceiptOptions("as2@birch.example", signed=signed_mdn, micalgs=("sha256",)),
        dashed_micalg=False,
    )
    headers, body, builder = build(options, PAYLOAD)
    message = pyas2lib.Message()
    status, failure, mdn = message.parse(
        wire(headers, body),
        find_org_cb=lambda _: organisation(ASTER),
        find_partner_cb=lambda _: partner(BIRCH, mdn_mode="SYNC"),
    )
    assert status == "processed", failure
    assert message.content == PAYLOAD
    read = read_mdn(
        Headers.of(mdn.headers.items()), mdn.content, certificates=(ASTER.certificate,), recipient="Aster"
    )
    assert (read.signed is not None) == signed_mdn
    assert read.failure is None
    verdict = check_receipt(
        read,
        message_id="<1@aster.example>",
        mics=builder.mics,
        signed_wanted=signed_mdn,
        mic_required=sign,  # pyas2lib gives no MIC for what is not signed
    )
    assert verdict.verdict is Verdict.OK, verdict


def test_their_refusal_of_an_unknown_signer_is_read_as_one():
    options = BuildOptions(
        "Birch", "Aster", signers=(BIRCH.signer(),), receipt=ReceiptOptions("x", micalgs=("sha256",))
    )
    headers, body, builder = build(options, PAYLOAD)
    _, _, mdn = pyas2lib.Message().parse(
        wire(headers, body),
        find_org_cb=lambda _: organisation(ASTER),
        find_partner_cb=lambda _: pyas2lib.Partner(
            as2_name="Birch", verify_cert=ASTER.pem_certificate(), validate_certs=False, mdn_mode="SYNC"
        ),
    )
    read = read_mdn(Headers.of(mdn.headers.items()), mdn.content, certificates=(ASTER.certificate,))
    assert read.mdn.disposition.text == "authentication-failed"
    verdict = check_receipt(read, message_id="<1@aster.example>", mics=builder.mics)
    assert verdict.verdict is Verdict.NEGATIVE

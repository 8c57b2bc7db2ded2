"""Every point at which AS2 programs differ or fail, by its number, as far as octets decide it."""

from __future__ import annotations

import base64
import hashlib
import zlib
from email.utils import formatdate

import pytest
from tests.support.as2_world import NOW, Entropy, build, cek, open_message, party

from ecluse.wire import asn1
from ecluse.wire.as2 import disposition as said
from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.disposition import PROCESSED
from ecluse.wire.as2.errors import As2Failure, As2RequestError
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.as2.mdn import MdnOptions, Mic, build_mdn, explain
from ecluse.wire.as2.mdn_reader import read_mdn
from ecluse.wire.as2.receipt import Verdict, check_receipt
from ecluse.wire.cms import oids, recipients
from ecluse.wire.cms.sign import sign_detached
from ecluse.wire.cms.writer import CompressedWriter, EnvelopedWriter, SignedWriter
from ecluse.wire.smime.filename import file_name
from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.mic import ALL_DIGESTS

ASTER, BIRCH, CEDAR = party("Aster"), party("Birch"), party("Cedar")
PAYLOAD = b"UNB+UNOA:2+ASTER+BIRCH'\r\nLIN+1++4000862141404:SRS'\r\n"
INNER = (
    b"Content-Type: application/edifact\r\nContent-Disposition: attachment; filename=o.edi\r\n\r\n" + PAYLOAD
)
POLICY = as2.UnwrapPolicy((ASTER.certificate,))
P7M = ("Content-Type", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m")


def options(*, sign=False, encrypt="", **more):
    return BuildOptions(
        "Aster",
        "Birch",
        signers=(ASTER.signer(),) if sign else (),
        recipients=(recipients.for_certificate(BIRCH.certificate),) if encrypt else (),
        cipher=encrypt or "aes-256-cbc",
        **more,
    )


def staged(stage, data: bytes) -> bytes:
    return stage.start() + stage.feed(data) + stage.finish()


def encrypted(data: bytes, cipher="aes-256-cbc", to=BIRCH, **more) -> bytes:
    return staged(
        EnvelopedWriter([recipients.for_certificate(to.certificate, **more)], cipher, entropy=Entropy()), data
    )


def clear_signed(
    first: bytes,
    *,
    over: bytes | None = None,
    micalg="; micalg=sha-256",
    by=ASTER,
    digest="sha256",
    end=b"\r\n",
    signature: bytes | None = None,
    encode=False,
    **more,
) -> tuple[list[tuple[str, str]], bytes]:
    """A multipart/signed put together by hand: headers and body."""
    if signature is None:
        hashed = {name: hashlib.new(name, first if over is None else over).digest() for name in ALL_DIGESTS}
        signature = sign_detached(hashed, [by.signer()], digest=digest, now=NOW, **more)
    header = b"Content-Type: application/x-pkcs7-signature" + end
    if encode:
        header += b"Content-Transfer-Encoding: BASE64" + end
        signature = base64.encodebytes(signature).replace(b"\n", end)
    body = end.join([b"--=_b", first, b"--=_b", header, signature, b"--=_b--", b""])
    kind = f'multipart/signed; protocol="application/x-pkcs7-signature"{micalg}; boundary="=_b"'
    return [("Content-Type", kind)], body


def entity(headers: list[tuple[str, str]], body: bytes) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + body


def refused(headers, body, policy=POLICY, holder=BIRCH) -> As2Failure:
    """The failure, which is the same however the body is cut."""
    found = []
    for chunk in (65536, 11):
        with pytest.raises(As2Failure) as failure:
            open_message(headers, body, policy, holder, chunk=chunk)
        found.append(failure.value)
    assert found[0].disposition == found[1].disposition
    assert found[0].remedy
    return found[0]


def request(**fields: str):
    base = {
        "Message-ID": "<1@aster.example>",
        "AS2-From": "Aster",
        "AS2-To": "Birch",
        "Disposition-Notification-To": "x",
        "Disposition-Notification-Options": "signed-receipt-protocol=optional, pkcs7-signature; "
        "signed-receipt-micalg=optional, sha-256",
    }
    return parse_request(
        {**base, **{name.replace("_", "-"): value for name, value in fields.items()}}.items()
    )


def receipt(disposition=PROCESSED, *, of=None, mic=None, by=BIRCH, **more):
    return build_mdn(
        of or request(),
        disposition,
        text=explain(disposition),
        mic=mic or Mic("sha256", hashlib.sha256(PAYLOAD).digest()),
        message_id="<2@birch.example>",
        now=NOW,
        entropy=Entropy(),
        options=MdnOptions(signers=(by.signer(),) if by else (), **more),
    )


def reading(mdn, certificates=(BIRCH.certificate,), **more):
    return read_mdn(Headers.of(mdn.headers), mdn.body, certificates=certificates, **more)


# --- 1, 2: exact octets ------------------------------------------------------------------------------------


# CR LF before a delimiter is its line break, whoever wrote the CR: content in CR needs CR LF after it.
@pytest.mark.parametrize(
    ("first", "end"),
    [
        (first, end)
        for first in (
            INNER,
            INNER + b"\r\n",
            INNER + b"\r",
            b"X:  two  spaces \r\n" + INNER,
            b"\r\n\0\xff" + PAYLOAD,
            INNER[:-1],
        )
        for end in (b"\r\n", b"\n")
        if end == b"\r\n" or not first.endswith(b"\r")
    ],
)
def test_point_01_mic_over_exact_bytes_without_the_delimiters_line_end(end, first):
    headers, body = clear_signed(first, end=end)
    for chunk in (65536, 1):
        result = open_message(headers, b"preamble\r\n" + body + b"epilogue", POLICY, chunk=chunk)
        assert result.exact == first
        assert result.opened.mics["sha256"] == hashlib.sha256(first).digest()
        assert not result.opened.canonical


def test_point_01_canonical_line_ends_are_tried_once_and_recorded():
    changed = INNER.replace(b"\r\n", b"\n")
    headers, body = clear_signed(changed, over=INNER, end=b"\n")
    result = open_message(headers, body, POLICY)
    assert result.opened.canonical
    assert result.opened.signed.canonical
    assert result.opened.mic == hashlib.sha256(INNER).digest()
    assert result.exact == changed
    assert result.opened.warnings


def test_point_02_no_transfer_encoding_is_binary():
    binary = b"Content-Type: application/octet-stream\r\n\r\n" + bytes(range(256)) * 40
    headers, body = clear_signed(binary)
    assert open_message(headers, body, POLICY).payload == bytes(range(256)) * 40


def test_point_02_the_signature_part_is_decoded_in_any_case():
    headers, body = clear_signed(INNER, encode=True)
    assert open_message(headers, body, POLICY).payload == PAYLOAD


@pytest.mark.parametrize("name", ["base64", "Base64", "BASE64"])
def test_point_02_an_outer_base64_is_decoded(name):
    outer = ("Content-Transfer-Encoding", name)
    body = base64.encodebytes(encrypted(INNER))
    assert open_message([P7M, outer], body, POLICY, BIRCH, chunk=100).payload == PAYLOAD
    headers, body = clear_signed(INNER)
    assert open_message([*headers, outer], base64.b64encode(body), POLICY).payload == PAYLOAD
    plain = [("Content-Type", "application/edifact"), outer]
    result = open_message(plain, base64.b64encode(PAYLOAD), POLICY)
    assert result.payload == result.exact == PAYLOAD


def test_point_02_an_inner_encoding_is_undone_after_the_digest():
    first = b"Content-Type: a/b\r\ncontent-transfer-encoding: Base64\r\n\r\n" + base64.b64encode(PAYLOAD)
    result = open_message(*clear_signed(first), POLICY)
    assert result.payload == PAYLOAD
    assert result.exact == first
    assert not result.parts[0][0].in_exact
    assert result.parts[0][2].exact_offset is None


# --- 3, 4, 5, 6: the MIC -----------------------------------------------------------------------------------


def scope_of(comp: str, sign: bool, cipher: str) -> str:
    if sign:
        return "signed"
    return "entity" if comp != "none" or cipher else "body"


@pytest.mark.parametrize("cipher", ["", "aes-128-cbc", "aes-256-gcm"])
@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("compression", ["none", "before-signing", "after-signing"])
def test_point_03_mic_scope(compression, sign, cipher):
    headers, body, builder = build(options(sign=sign, encrypt=cipher, compression=compression), PAYLOAD)
    result = open_message(headers, body, POLICY, BIRCH, chunk=100)
    scope = scope_of(compression, sign, cipher)
    if scope == "body":
        assert result.exact == PAYLOAD
    elif scope == "entity" or compression != "before-signing":
        assert result.exact.startswith(b"Content-Type: application/edifact\r\n")
        assert result.exact.endswith(b"\r\n\r\n" + PAYLOAD)
    else:
        assert result.exact.startswith(b"Content-Type: application/pkcs7-mime; smime-type=compressed-data")
    assert result.opened.mics.items() <= builder.mics.items()
    assert builder.mic_size == result.opened.exact_size == len(result.exact)
    assert result.payload == PAYLOAD
    start, _, end = result.parts[0]
    if start.in_exact:
        assert result.exact[end.exact_offset :][: end.size] == PAYLOAD
    assert start.in_exact == (not (sign and compression == "before-signing"))


def test_point_04_all_digests_of_what_was_sent_are_kept_and_the_named_one_is_compared():
    _, _, builder = build(options(), PAYLOAD)
    assert {name: hashlib.new(name, PAYLOAD).digest() for name in ALL_DIGESTS} == dict(builder.mics)
    for name in ALL_DIGESTS:
        mdn = receipt(mic=Mic(name, builder.mics[name]))
        assert check_receipt(reading(mdn), message_id="<1@aster.example>", mics=builder.mics).ok
    wrong = receipt(mic=Mic("sha512", builder.mics["sha512"][::-1]))
    verdict = check_receipt(reading(wrong), message_id="<1@aster.example>", mics=builder.mics)
    assert verdict.verdict is Verdict.MIC_MISMATCH


def test_point_04_of_big_messages_the_needed_digests_are_kept():
    asked = ReceiptOptions("x", micalgs=("sha-384", "sha1"))
    _, _, builder = build(options(receipt=asked), bytes(1_200_000))
    assert set(builder.mics) == {"sha1", "sha256", "sha384"}
    _, _, builder = build(options(), bytes(1_200_000), mic_digests=ALL_DIGESTS)
    assert set(builder.mics) == set(ALL_DIGESTS)


def test_point_05_micalg_list_is_taken_from_left_to_right():
    lists = (
        "signed-receipt-micalg=optional,\tmd5 , SHA-384,\tsha1",
        "signed-receipt-protocol=required,\tpkcs7-signature",
    )
    for order in (lists, lists[::-1]):
        found = request(Disposition_Notification_Options=";\t".join(order))
        assert found.receipt.digest == "sha384"
        found.check()


def test_point_05_no_supported_micalg_is_answered_by_an_mdn():
    found = request(Disposition_Notification_Options="signed-receipt-micalg=required, md5")
    with pytest.raises(As2Failure) as failure:
        found.check()
    assert failure.value.disposition == said.UNSUPPORTED_MIC
    mdn = receipt(failure.value.disposition, of=found)
    assert b"failed/Failure: unsupported MIC-algorithms" in mdn.body
    assert reading(mdn).mdn.disposition == said.UNSUPPORTED_MIC


@pytest.mark.parametrize(
    "micalg", ["sha1", "sha-1", "SHA1", "rsa-sha1", "sha256", "sha-256", "sha_256", '"sha-256"', "md5", ""]
)
def test_point_06_any_spelling_of_micalg_is_accepted_even_a_wrong_one(micalg):
    headers, body = clear_signed(INNER, micalg=f"; micalg={micalg}" if micalg else "")
    result = open_message(headers, body, POLICY)
    assert result.opened.mic == hashlib.sha256(INNER).digest()


@pytest.mark.parametrize(("dashed", "name"), [(True, "sha-256"), (False, "sha256")])
def test_point_06_micalg_is_emitted_as_the_partner_wants(dashed, name):
    headers, _, _ = build(options(sign=True, dashed_micalg=dashed), PAYLOAD)
    assert f"micalg={name};" in dict(headers)["Content-Type"]
    assert f", {name}\r\n".encode() in receipt(dashed_micalg=dashed).body


# --- 7, 8: reading receipts --------------------------------------------------------------------------------


def by_hand(fields: bytes, *, encode=False, kind="multipart/report", **more):
    machine = b"Content-Type: Message/Disposition-Notification\r\n"
    if encode:
        machine += b"Content-Transfer-Encoding: base64\r\n"
        fields = base64.encodebytes(fields)
    body = (
        b"--r\r\nContent-Type: text/plain\r\n\r\nHello\r\n--r\r\n"
        + machine
        + b"\r\n"
        + fields
        + b"\r\n--r--\r\n"
    )
    return read_mdn(Headers.of([("Content-Type", f"{kind}; boundary=r")]), body, **more)


MINIMAL = b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n"


@pytest.mark.parametrize("separator", [", ", ",", " ,  ", ",\r\n "])
@pytest.mark.parametrize("name", ["sha1", "SHA-512", "sha_256"])
def test_point_07_received_content_mic_in_any_spacing(separator, name):
    digest = {"sha1": "sha1", "SHA-512": "sha512", "sha_256": "sha256"}[name]
    value = base64.b64encode(hashlib.new(digest, PAYLOAD).digest()).decode()
    wrapped = value if len(value) < 60 else value[:60] + "\r\n " + value[60:]
    found = by_hand(MINIMAL + f"Received-content-MIC: {wrapped}{separator}{name}\r\n".encode())
    assert (found.mdn.mic, found.mdn.mic_digest) == (hashlib.new(digest, PAYLOAD).digest(), digest)


@pytest.mark.parametrize(
    "text",
    [
        "automatic-action/MDN-sent-automatically;processed",
        "Automatic-Action/mdn-sent-automatically ; PROCESSED",
        "automatic-action/MDN-sent-automatically;\r\n processed",
        "manual-action / MDN-sent-manually;  processed ",
    ],
)
def test_point_07_disposition_in_any_case_and_spacing(text):
    assert by_hand(f"Disposition: {text}\r\n".encode()).mdn.disposition.is_success


def test_point_08_message_id_date_and_recipient_are_optional_in_a_receipt():
    found = by_hand(MINIMAL, encode=True)
    assert found.message_id is None
    assert found.mdn.original_message_id is None
    assert found.mdn.final_recipient is None
    assert found.mdn.text == "Hello"
    verdict = check_receipt(found, message_id="<1@x>", mics={}, signed_wanted=False, mic_required=False)
    assert verdict.ok
    assert verdict.warnings


def test_point_08_another_final_recipient_is_a_warning():
    fields = MINIMAL + b"Final-Recipient: rfc822; Elder\r\nOriginal-Message-ID: <1@x>\r\n"
    found = by_hand(fields, recipient="Birch")
    assert found.mdn.final_recipient == "Elder"
    assert len(found.warnings) == 1
    assert not by_hand(fields, recipient="Elder").warnings


@pytest.mark.parametrize("message_id", ["<1@x>", "1@x", "no-at", "<" + "y" * 990 + "@x>", "<a b>"])
def test_point_08_the_message_id_is_echoed_verbatim(message_id):
    mdn = receipt(of=request(Message_ID=message_id))
    assert f"Original-Message-ID: {message_id}\r\n".encode() in mdn.body
    assert reading(mdn).mdn.original_message_id == message_id


def test_point_08_message_ids_longer_than_998_are_refused():
    with pytest.raises(As2RequestError):
        request(Message_ID="<" + "y" * 998 + ">")


# --- 9, 10: fields and answers -----------------------------------------------------------------------------


def test_point_09_nothing_emitted_is_folded():
    signer = options(
        sign=True, encrypt="aes-256-gcm", receipt=ReceiptOptions("x" * 200, micalgs=("sha-256",) * 9)
    )
    headers, body, _ = build(signer, PAYLOAD, Part("a/b", "é" * 80))
    assert not any("\r" in value or "\n" in value for _, value in headers)
    mdn = receipt(of=request(AS2_To="x" * 128, Message_ID="<" + "y" * 900 + ">"))
    assert not any("\r" in value or "\n" in value for _, value in mdn.headers)
    assert b"\r\n " not in mdn.body
    assert b"\r\n\t" not in mdn.body
    assert open_message(headers, body, POLICY, BIRCH).parts[0][0].file_name == "é" * 80


def test_point_09_folded_fields_are_accepted():
    folded = INNER.replace(b"attachment; ", b"attachment;\r\n\t")
    result = open_message(*clear_signed(folded), POLICY)
    assert result.parts[0][0].file_name == "o.edi"
    assert request(AS2_From="Aster\r\n Co").as2_from == "Aster Co"


def test_point_09_names_are_quoted_only_when_needed_and_keep_their_case():
    plain = dict(build(options(), PAYLOAD)[0])
    assert (plain["AS2-From"], plain["AS2-To"]) == ("Aster", "Birch")
    spaced = dict(build(BuildOptions('As "t" er', "bIRCH"), PAYLOAD)[0])
    assert (spaced["AS2-From"], spaced["AS2-To"]) == ('"As \\"t\\" er"', "bIRCH")
    assert request(AS2_From=spaced["AS2-From"]).as2_from == 'As "t" er'


@pytest.mark.parametrize(
    "disposition", [d for d in vars(said).values() if isinstance(d, said.Disposition)], ids=str
)
def test_point_10_content_errors_are_answered_by_a_signed_mdn(disposition):
    mdn = receipt(disposition)
    assert mdn.signed
    found = reading(mdn)
    assert found.mdn.disposition == disposition
    assert found.signed is not None
    assert found.mdn.text


def test_point_11_an_asynchronous_receipt_names_its_url_and_nothing_is_opened_before_it():
    url = "https://aster.example/mdn?x=1"
    headers, _, _ = build(options(receipt=ReceiptOptions("x", url=url)), PAYLOAD)
    assert parse_request(headers).receipt.url == url


def test_point_12_a_receipt_is_stored_octets_that_can_be_sent_again():
    mdn = receipt()
    assert isinstance(mdn.body, bytes)
    assert dict(mdn.headers)["Content-Length"] == str(len(mdn.body))
    assert receipt().headers == mdn.headers


def test_point_13_headers_and_body_are_made_once_with_their_date():
    headers, _, builder = build(options(sign=True), PAYLOAD)
    assert dict(headers)["Date"] == formatdate(NOW, usegmt=True)
    assert builder.headers == headers


# --- 14, 15, 16, 17: CMS -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "application/pkcs7-mime",
        "application/x-pkcs7-mime; smime-type=compressed-data",
        "APPLICATION/PKCS7-MIME; SMIME-TYPE=Signed-Data; name=smime.p7z",
        'application/octet-stream; name="smime.p7m"',
    ],
)
def test_point_14_the_type_is_the_cms_oid_not_smime_type(kind):
    headers = [("Content-Type", kind)]
    signed = staged(SignedWriter([ASTER.signer()], now=NOW), INNER)
    for body in (
        encrypted(INNER),
        encrypted(INNER, "aes-192-gcm"),
        staged(CompressedWriter(), INNER),
        signed,
    ):
        result = open_message(headers, body, POLICY, BIRCH, chunk=50)
        assert result.payload == PAYLOAD
        assert result.exact == INNER


def test_point_14_opaque_signed_data_is_verified():
    kind = [("Content-Type", "application/pkcs7-mime; smime-type=signed-data")]
    body = staged(SignedWriter([ASTER.signer()], now=NOW), INNER)
    result = open_message(kind, body, POLICY)
    assert result.opened.signed.certificate == ASTER.certificate
    assert not result.opened.signed.detached
    assert result.parts[0][2].exact_offset == len(INNER) - len(PAYLOAD)
    assert (
        refused(kind, body, as2.UnwrapPolicy((CEDAR.certificate,))).disposition == said.AUTHENTICATION_FAILED
    )
    assert refused(kind, body[:-600], POLICY).disposition == said.AUTHENTICATION_FAILED


@pytest.mark.parametrize("padding", ["pkcs1", "oaep-sha1", "oaep-sha256"])
@pytest.mark.parametrize(
    "cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"]
)
def test_point_14_every_cipher_and_key_transport(padding, cipher):
    body = encrypted(INNER, cipher, padding=padding)
    assert open_message([P7M], body, POLICY, BIRCH).payload == PAYLOAD


@pytest.mark.parametrize(("kind", "scheme"), [("rsa", "rsa-pkcs1"), ("rsa", "rsa-pss"), ("ec", "ecdsa")])
def test_point_14_every_signature_scheme(kind, scheme):
    who = party("Aster", kind)
    signers = (who.signer(scheme),)
    headers, body, _ = build(BuildOptions("Aster", "Birch", signers=signers), PAYLOAD)
    assert open_message(headers, body, as2.UnwrapPolicy((who.certificate,))).payload == PAYLOAD


def test_point_14_every_recipient_is_looked_at():
    both = [recipients.for_certificate(who.certificate) for who in (CEDAR, BIRCH)]
    body = staged(EnvelopedWriter(both, "aes-256-cbc", entropy=Entropy()), INNER)
    for holder in (CEDAR, BIRCH):
        result = open_message([P7M], body, POLICY, holder)
        assert result.payload == PAYLOAD
        assert result.opened.protections[0].recipients == 2


@pytest.mark.parametrize(
    "kind",
    ["application/pkcs7-signature", "application/x-pkcs7-signature", "multipart/encrypted; boundary=x"],
)
def test_point_15_a_layer_that_cannot_be_opened_is_never_processed(kind):
    assert refused([("Content-Type", kind)], encrypted(INNER)).disposition == said.UNEXPECTED_ERROR
    inner = f"Content-Type: {kind}\r\n\r\n".encode() + encrypted(INNER)
    assert refused(*clear_signed(inner)).disposition == said.UNEXPECTED_ERROR


def test_point_15_a_layer_without_a_mime_header_inside_another_is_opened_too():
    body = encrypted(staged(CompressedWriter(), INNER))
    result = open_message([P7M], body, POLICY, BIRCH, chunk=10)
    assert result.payload == PAYLOAD
    assert len(result.opened.protections) == 2


def test_point_15_a_layer_in_a_layer_without_its_content_info_is_no_payload():
    target = [recipients.for_certificate(BIRCH.certificate)]
    for cipher in ("aes-256-cbc", "aes-256-gcm"):
        writer = EnvelopedWriter(target, cipher, entropy=Entropy(), content_type=oids.SIGNED_DATA)
        failure = refused([P7M], staged(writer, asn1.sequence(asn1.integer(1))))
        assert failure.disposition == (said.UNEXPECTED_ERROR if "gcm" in cipher else said.DECRYPTION_FAILED)


def test_point_15_an_unknown_cms_type_is_no_payload():
    digested = asn1.sequence(asn1.oid("1.2.840.113549.1.7.5"), asn1.explicit(0, asn1.octets(b"x")))
    assert refused([P7M], digested).disposition != PROCESSED
    data = asn1.sequence(asn1.oid(oids.DATA), asn1.explicit(0, asn1.octets(INNER)))
    assert refused([P7M], data).disposition == said.UNEXPECTED_ERROR
    assert refused([P7M], INNER).disposition == said.UNEXPECTED_ERROR


def test_point_15_a_protected_document_among_several_is_no_payload():
    part = entity([P7M], encrypted(PAYLOAD))
    body = b"--r\r\nContent-Type: a/b\r\n\r\nx\r\n--r\r\n" + part + b"\r\n--r--\r\n"
    assert (
        refused([("Content-Type", "multipart/related; boundary=r")], body).disposition
        == said.UNEXPECTED_ERROR
    )


def test_point_16_zero_signers_are_refused():
    none = asn1.sequence(asn1.integer(1), asn1.set_of(), asn1.sequence(asn1.oid(oids.DATA)), asn1.set_of())
    signature = asn1.sequence(asn1.oid(oids.SIGNED_DATA), asn1.explicit(0, none))
    failure = refused(*clear_signed(INNER, signature=signature))
    assert failure.disposition == said.AUTHENTICATION_FAILED
    assert failure.code == "as2.no-signer"


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_point_16_other_than_two_parts_are_refused(parts):
    headers, body = clear_signed(INNER)
    delimiter = b"--=_b\r\n"
    if parts == 1:
        body = body[: body.rindex(delimiter)] + b"--=_b--\r\n"
    elif parts == 3:
        body = body[: body.rindex(b"--=_b--")] + delimiter + b"\r\nmore\r\n--=_b--\r\n"
    else:
        body = b"--=_b--\r\n"
    wanted = said.AUTHENTICATION_FAILED if parts else said.UNEXPECTED_ERROR
    assert refused(headers, body).disposition == wanted


def test_point_16_content_type_and_message_digest_attributes_are_checked():
    changed = clear_signed(INNER.replace(b"LIN+1", b"LIN+2"), over=INNER)
    assert refused(*changed).disposition == said.INTEGRITY_CHECK_FAILED
    typed = clear_signed(INNER, content_type=oids.ENVELOPED_DATA)
    assert refused(*typed).disposition == said.AUTHENTICATION_FAILED


def test_point_16_only_a_pinned_certificate_counts():
    assert refused(*clear_signed(INNER, by=CEDAR)).disposition == said.AUTHENTICATION_FAILED
    nobody = as2.UnwrapPolicy()
    assert refused(*clear_signed(INNER), nobody).disposition == said.AUTHENTICATION_FAILED


def test_point_17_nothing_about_a_decryption_can_be_told_apart():
    headers, body, _ = build(options(sign=True, encrypt="aes-256-cbc"), PAYLOAD)
    flipped = body[:-80] + bytes([body[-80] ^ 1]) + body[-79:]
    failures = [
        refused(headers, body, POLICY, CEDAR),
        refused(headers, body, POLICY, None),
        refused(headers, flipped, POLICY),
        refused(headers, body[:-40]),
        refused([P7M], encrypted(b"Content-Type: multipart/signed\r\n\r\nno boundary at all")),
    ]
    headers, body, _ = build(options(sign=True, encrypt="aes-256-gcm"), PAYLOAD)
    failures += [
        refused(headers, body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]),
        refused(headers, body, POLICY, CEDAR),
    ]
    assert {failure.disposition for failure in failures} == {said.DECRYPTION_FAILED}
    whole = {str(failure) for failure in failures if "cms.truncated" not in failure.code}
    assert len(whole) == 1


def test_point_17_a_fault_inside_is_held_until_the_tag_was_checked():
    bad = entity(*clear_signed(INNER.replace(b"LIN+1", b"LIN+2"), over=INNER))
    body = encrypted(bad, "aes-256-gcm")
    assert refused([P7M], body).disposition == said.INTEGRITY_CHECK_FAILED
    forged = body[:-20] + bytes([body[-20] ^ 1]) + body[-19:]
    assert refused([P7M], forged).disposition == said.DECRYPTION_FAILED


def test_point_17_what_follows_the_signature_inside_cbc_is_no_place_to_probe_the_padding():
    inner = entity(*clear_signed(INNER))
    assert open_message([P7M], encrypted(inner), POLICY, BIRCH).payload == PAYLOAD
    assert refused([P7M], encrypted(inner + b"probe")).disposition == said.DECRYPTION_FAILED
    assert open_message([P7M], encrypted(inner + b"x", "aes-256-gcm"), POLICY, BIRCH).payload == PAYLOAD


def badly_padded(data: bytes) -> bytes:
    """CBC for Birch whose padding is whatever ``data`` ends in."""
    whole = encrypted(data)
    size = len(data) + 16  # the last block is padding alone
    end = whole[-10:]
    head = whole[: -10 - len(asn1.octets(bytes(size)))]
    assert whole == head + asn1.octets(whole[-10 - size : -10]) + end
    return head + asn1.octets(whole[-10 - size : -26]) + end


def test_point_17_the_padding_of_a_last_block_cannot_be_probed():
    """Whatever stands before a block of garbage, the answer is one, be it padded right or wrong."""
    cms = b"Content-Type: application/pkcs7-mime\r\n\r\n"
    opaque = staged(SignedWriter([CEDAR.signer()], now=NOW), INNER)
    two = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    policy = as2.UnwrapPolicy((ASTER.certificate,), require_signed=True)
    for before in (
        b"",
        b"Content-A: b\r\n\r\n",
        cms + staged(CompressedWriter(), INNER),
        cms + staged(CompressedWriter(), INNER)[:-9],
        cms + opaque,
        two,
        entity(*clear_signed(INNER)),
        entity(*clear_signed(INNER, by=CEDAR)),
        entity(*clear_signed(INNER.replace(b"LIN+1", b"LIN+2"), over=INNER)),
    ):
        start = before + b" " * (-len(before) % 16)
        answers = {
            str(refused([P7M], badly_padded(start + garbage), policy))
            for garbage in (
                b"garbage garbage\x01",
                b"garbage garbage!",
                b"garbage" * 2 + b"\x02" * 2,
                bytes(16),
            )
        }
        assert len(answers) == 1, before[:60]
        assert "could not be decrypted" in answers.pop()


def test_point_17_every_fault_inside_cbc_can_be_concealed():
    bad = encrypted(entity(*clear_signed(INNER.replace(b"LIN+1", b"LIN+2"), over=INNER)))
    assert refused([P7M], bad).disposition == said.INTEGRITY_CHECK_FAILED
    hidden = as2.UnwrapPolicy((ASTER.certificate,), conceal=True)
    assert refused([P7M], bad, hidden).disposition == said.DECRYPTION_FAILED


def test_point_17_nothing_is_released_before_the_end():
    headers, body, _ = build(options(sign=True, encrypt="aes-256-gcm"), PAYLOAD)
    events = open_message(headers, body, POLICY, BIRCH).events
    assert [type(event) for event in events].index(as2.Opened) == len(events) - 1


# --- 18, 19: bare content, compression ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [PAYLOAD, b"UNA:+.? '\r\n\r\nUNB'", b"", b"\r\n\r\n", bytes(range(256)) * 9]
)
@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-128-gcm"])
def test_point_18_decrypted_content_without_a_header_is_all_payload(payload, cipher):
    for chunk in (65536, 5):
        result = open_message([P7M], encrypted(payload, cipher), POLICY, BIRCH, chunk=chunk)
        assert result.payload == result.exact == payload
        assert result.opened.mic == hashlib.sha256(payload).digest()
        assert result.parts[0][2].exact_offset == 0


@pytest.mark.parametrize("compression", ["before-signing", "after-signing"])
def test_point_19_both_orders_are_accepted(compression):
    headers, body, _ = build(options(sign=True, encrypt="aes-256-cbc", compression=compression), PAYLOAD)
    kinds = [type(layer).__name__ for layer in open_message(headers, body, POLICY, BIRCH).opened.protections]
    order = ["Signed", "Compressed"] if compression == "before-signing" else ["Compressed", "Signed"]
    assert kinds == ["Encrypted", *order]


def compressed_entity(data: bytes) -> bytes:
    header = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n"
    return header + staged(CompressedWriter(), data)


def test_point_19_both_at_once_are_refused():
    signed = entity(*clear_signed(compressed_entity(INNER)))
    assert refused([P7M], staged(CompressedWriter(), signed)).disposition == said.UNEXPECTED_ERROR


@pytest.mark.parametrize("cipher", ["", "aes-256-gcm", "aes-256-cbc"])
def test_point_19_broken_compression_is_decompression_failed(cipher):
    good = staged(CompressedWriter(), INNER)
    middle = good.index(zlib.compress(INNER)[:2]) + 8
    bad = good[:middle] + bytes([good[middle] ^ 0xFF]) + good[middle + 1 :]
    if cipher:
        bad = encrypted(b"Content-Type: application/pkcs7-mime\r\n\r\n" + bad, cipher)
    # Without a tag it may be an attacker's garbage: see point 17.
    wanted = said.DECRYPTION_FAILED if "cbc" in cipher else said.DECOMPRESSION_FAILED
    assert refused([P7M], bad).disposition == wanted


def test_point_19_a_bomb_is_decompression_failed():
    bomb = staged(CompressedWriter(), bytes(3_000_000))
    policy = as2.UnwrapPolicy(limits=as2.Limits(inflated_floor=100_000, inflated_ratio=50))
    failure = refused([P7M], bomb, policy)
    assert failure.disposition == said.DECOMPRESSION_FAILED


@pytest.mark.parametrize(("layers", "accepted"), [(6, True), (7, False)])
def test_point_19_layers_have_a_limit(layers, accepted):
    body = INNER
    for _ in range(layers):
        body = staged(SignedWriter([ASTER.signer()], now=NOW), body)
    if accepted:
        assert open_message([P7M], body, POLICY).payload == PAYLOAD
    else:
        assert refused([P7M], body).disposition == said.UNEXPECTED_ERROR


# --- 20 to 24 ----------------------------------------------------------------------------------------------


def test_point_20_header_and_body_may_be_cut_anywhere():
    headers, body, builder = build(
        options(sign=True, encrypt="aes-128-gcm", compression="after-signing"), PAYLOAD
    )
    whole = open_message(headers, body, POLICY, BIRCH)
    for chunk in (1, 2, 3, 64):
        cut = open_message(headers, body, POLICY, BIRCH, chunk=chunk)
        assert (cut.exact, cut.payload, cut.opened.mic) == (
            whole.exact,
            whole.payload,
            builder.mics["sha256"],
        )


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("attachment; filename=orders.edi", "orders.edi"),
        ('attachment; filename="or ders.edi"', "or ders.edi"),
        ("attachment; filename==?utf-8?q?r=C3=A9.edi?=", "ré.edi"),
        ("attachment; filename*=utf-8''r%C3%A9.edi", "ré.edi"),
        ('attachment; filename="../../../etc/passwd"', "passwd"),
        ("attachment", None),
    ],
)
def test_point_21_the_file_name_is_that_of_the_inner_part_made_safe(field, name):
    first = f"Content-Type: a/b\r\nContent-Disposition: {field}\r\n\r\n".encode() + PAYLOAD
    headers, body = clear_signed(first)
    outer = ("Content-Disposition", "attachment; filename=smime.p7m")
    assert open_message([*headers, outer], body, POLICY).parts[0][0].file_name == name


@pytest.mark.parametrize(
    "name", ["orders.edi", "my orders (1).edi", "résumé 2026.edi", 'quote"d.edi', "100%.edi"]
)
def test_point_21_the_file_name_sent_is_the_one_that_was_given(name):
    headers, body, _ = build(options(sign=True), PAYLOAD, Part("a/b", name))
    header = open_message(headers, body, POLICY).parts[0][0].headers
    assert file_name(header) == name


@pytest.mark.parametrize("compression", ["none", "before-signing", "after-signing"])
@pytest.mark.parametrize(
    ("sign", "cipher"), [(False, ""), (True, ""), (True, "aes-256-cbc"), (False, "aes-128-gcm")]
)
def test_point_21_several_attachments_are_multipart_related_with_type(compression, sign, cipher):
    documents = [
        ("application/xml", "a.xml", b"<a/>"),
        ("image/png", "b.png", b"\x89PNG\r\n"),
        ("text/plain", "c", b""),
    ]
    builder = MessageBuilder(
        options(sign=sign, encrypt=cipher, compression=compression),
        Part("application/xml; charset=utf-8", "a.xml"),
        message_id="<1@x>",
        now=NOW,
        entropy=Entropy(),
        several=True,
    )
    body = builder.start() + builder.feed(documents[0][2])
    for kind, name, data in documents[1:]:
        body += builder.next_part(Part(kind, name, content_id=name)) + builder.feed(data)
    body += builder.finish()
    result = open_message(builder.headers, body, POLICY, BIRCH, chunk=33)
    assert [(start.file_name, data) for start, data, _ in result.parts] == [(n, d) for _, n, d in documents]
    assert result.opened.mics.items() <= builder.mics.items()
    assert result.opened.parts == 3
    for start, data, end in result.parts:
        if start.in_exact:
            assert result.exact[end.exact_offset :][: end.size] == data
    whole = result.exact if sign and compression != "before-signing" else str(builder.headers).encode()
    if compression == "none" and (sign or not cipher):
        assert b'multipart/related; boundary="ecluse-' in whole
        assert b'; type="application/xml"' in whole


def test_point_22_signatures_are_verified_against_a_set_of_certificates():
    old, new = party("Aster"), party("Aster renewed")
    policy = as2.UnwrapPolicy((new.certificate, old.certificate))
    for who in (old, new):
        result = open_message(*clear_signed(INNER, by=who), policy)
        assert result.opened.signed.certificate == who.certificate
        found = reading(receipt(by=who), (new.certificate, old.certificate))
        assert found.signed.certificate == who.certificate


def test_point_22_decryption_and_encrypted_receipts_use_any_key_that_is_held():
    mdn = receipt()
    inner = entity([(n, v) for n, v in mdn.headers if n == "Content-Type"], mdn.body)
    found = read_mdn(
        Headers.of([P7M]),
        encrypted(inner, to=ASTER),
        certificates=(BIRCH.certificate,),
        unlock=lambda needed: cek(needed, ASTER),
    )
    assert found.signed is not None
    assert found.mdn.disposition == PROCESSED


def test_point_23_algorithm_protection_can_be_left_out():
    protection = asn1.oid(oids.ALGORITHM_PROTECTION)
    for kept in (True, False):
        headers, body, _ = build(options(sign=True, algorithm_protection=kept), PAYLOAD)
        assert (protection in open_message(headers, body, POLICY).opened.signed.signature) == kept
        assert (protection in reading(receipt(algorithm_protection=kept)).signed.signature) == kept


def test_point_24_an_unknown_partner_gets_an_mdn_that_says_so():
    text = explain(
        said.UNKNOWN_PARTNER, "No partner has the AS2 name Elder.", "Ask Birch to set the partner up."
    )
    mdn = build_mdn(
        request(AS2_From="Elder"),
        said.UNKNOWN_PARTNER,
        text=text,
        mic=None,
        message_id="<2@birch.example>",
        now=NOW,
        entropy=Entropy(),
        options=MdnOptions(signers=(BIRCH.signer(),)),
    )
    assert dict(mdn.headers)["AS2-To"] == "Elder"
    assert b"processed/error: unknown-trading-relationship" in mdn.body
    assert b"Received-content-MIC" not in mdn.body
    found = reading(mdn)
    assert "Ask Birch to set the partner up." in found.mdn.text
    verdict = check_receipt(found, message_id="<1@aster.example>", mics={})
    assert verdict.verdict is Verdict.NEGATIVE

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.errors import EcluseError
from ecluse.wire.as2.disposition import SENDER_EQUALS_RECEIVER, UNSUPPORTED_FORMAT, UNSUPPORTED_MIC
from ecluse.wire.as2.errors import As2Failure, As2RequestError
from ecluse.wire.as2.headers import parse_receipt_options, parse_request
from ecluse.wire.as2.identity import format_name, parse_message_id, parse_name

BASE = {
    "Message-ID": "<1@aster.example>",
    "AS2-From": "Aster",
    "AS2-To": "Birch",
    "Content-Type": "application/edifact",
}


def request(**fields: str):
    return parse_request(
        {**BASE, **{name.replace("_", "-"): value for name, value in fields.items()}}.items()
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Aster", "Aster"),
        ("ASTER-1_x.y:z", "ASTER-1_x.y:z"),
        ("Aster Co", '"Aster Co"'),
        ('A"b', '"A\\"b"'),
        ("A\\b", '"A\\\\b"'),
        ("(x)", "(x)"),
        ("x" * 128, "x" * 128),
    ],
)
def test_names_are_quoted_only_where_needed(name, written):
    assert format_name(name) == written
    assert parse_name(written, "AS2-From") == name


@pytest.mark.parametrize("text", [None, "", '""', "x" * 129, "é", "a\tb", '" "'])
def test_unusable_names_are_refused(text):
    with pytest.raises(As2RequestError):
        parse_name(text, "AS2-From")


@pytest.mark.parametrize("name", ["", " ", "x" * 129, "é", "a\tb", "a\r\nb"])
def test_unusable_names_are_not_written(name):
    with pytest.raises(As2RequestError):
        format_name(name)


def test_tolerated_names():
    assert parse_name('  "Aster"  ', "AS2-To") == "Aster"
    assert parse_name("Aster Co", "AS2-To") == "Aster Co"
    assert parse_name("aster", "AS2-To") != parse_name("Aster", "AS2-To")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=128))
def test_names_are_read_back(name):
    if name.strip():
        assert parse_name(format_name(name), "AS2-To") == name


@pytest.mark.parametrize("text", ["<1@aster.example>", "1", "no-at-sign", "<" + "x" * 996 + ">", "<a b@c>"])
def test_message_ids_are_kept_exactly(text):
    assert parse_message_id(f" {text} ") == text


@pytest.mark.parametrize("text", [None, "", "<>", "x" * 999, "<é@b>", "<a\tb>"])
def test_unusable_message_ids_are_refused(text):
    with pytest.raises(As2RequestError):
        parse_message_id(text)


@pytest.mark.parametrize(
    ("text", "protocols", "micalgs"),
    [
        (
            "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha1, md5",
            ("pkcs7-signature",),
            ("sha1", "md5"),
        ),
        (
            "signed-receipt-micalg=required,\tSHA-256,sha1 ;"
            "\tSigned-Receipt-Protocol = required,PKCS7-signature",
            ("pkcs7-signature",),
            ("SHA-256", "sha1"),
        ),
        ("signed-receipt-micalg=sha256", (), ("sha256",)),
        ("junk; =; signed-receipt-micalg=", (), ()),
        ("", (), ()),
    ],
)
def test_receipt_options(text, protocols, micalgs):
    assert parse_receipt_options(text) == (protocols, micalgs)


def test_a_whole_request():
    found = request(
        AS2_Version="1.3",
        AS2_Product="Other 2",
        EDIINT_Features="multiple-attachments, CEM",
        Disposition_Notification_To="as2@aster.example",
        Disposition_Notification_Options="signed-receipt-protocol=optional, pkcs7-signature",
        Receipt_Delivery_Option="<https://aster.example/mdn>",
        Subject="Orders",
        Date="Thu, 09 Oct 2025 08:53:20 GMT",
    )
    assert found.version == "1.3"
    assert found.product == "Other 2"
    assert found.features == ("multiple-attachments", "cem")
    assert found.receipt is not None
    assert found.receipt.signed
    assert found.receipt.url == "https://aster.example/mdn"
    assert found.receipt.digest is None
    assert found.mic_digest == "sha256"
    assert found.content_type.value == "application/edifact"
    assert not found.may_be_mdn
    found.check()


def test_without_a_notification_address_no_receipt_is_wanted():
    assert request(Disposition_Notification_Options="signed-receipt-micalg=optional, sha1").receipt is None
    assert request(Content_Type="multipart/report").may_be_mdn


@pytest.mark.parametrize(
    ("options", "to", "disposition"),
    [
        ("signed-receipt-micalg=optional, md5, x", "Birch", UNSUPPORTED_MIC),
        ("signed-receipt-protocol=required, pgp-signature", "Birch", UNSUPPORTED_FORMAT),
        ("", "Aster", SENDER_EQUALS_RECEIVER),
    ],
)
def test_an_exchange_that_cannot_be_done_says_so(options, to, disposition):
    found = request(AS2_To=to, Disposition_Notification_To="x", Disposition_Notification_Options=options)
    with pytest.raises(As2Failure) as failure:
        found.check()
    assert failure.value.disposition == disposition


@given(st.dictionaries(st.sampled_from([*BASE, "Disposition-Notification-To", "X"]), st.text(max_size=50)))
def test_garbage_gives_our_errors_only(fields):
    with contextlib.suppress(EcluseError):
        found = parse_request({**BASE, **fields}.items())
        assert found.message_id
        found.check()

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.smime.parameters import decode_words, encode_parameter, parse_value, quote


@pytest.mark.parametrize(
    ("text", "value", "parameters"),
    [
        (None, "", {}),
        ("", "", {}),
        ("Text/Plain", "text/plain", {}),
        ("text/plain (comment); charset=us-ascii (Plain)", "text/plain", {"charset": "us-ascii"}),
        (
            'multipart/signed; Boundary="a;b"; MICALG = sha1',
            "multipart/signed",
            {"boundary": "a;b", "micalg": "sha1"},
        ),
        ("a/b;boundary=x;;boundary=y;", "a/b", {"boundary": "x"}),
        (";a=b", "", {"a": "b"}),
        (r'a/b; x="q\"q\\q\z"', "a/b", {"x": 'q"q\\q\\z'}),
        ('a/b; x="never closed', "a/b", {"x": "never closed"}),
        ("a/b; junk; =x; y=1", "a/b", {"y": "1"}),
    ],
)
def test_values_and_parameters(text, value, parameters):
    found = parse_value(text)
    assert (found.value, dict(found.parameters)) == (value, parameters)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("attachment; filename=orders.edi", "orders.edi"),
        ("attachment; filename=my orders (1).edi", "my orders (1).edi"),
        ('attachment; filename="my; orders.edi"', "my; orders.edi"),
        (r'attachment; filename="C:\out\orders.edi"', r"C:\out\orders.edi"),
        ("attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.edi", "résumé.edi"),
        ("attachment; filename*=iso-8859-1'fr'r%E9sum%E9.edi", "résumé.edi"),
        ("attachment; filename=plain.edi; filename*=UTF-8''b%C3%A9tter.edi", "bétter.edi"),
        ('attachment; filename*1=tail.edi; filename*0="head-"', "head-tail.edi"),
        ("attachment; filename*0*=UTF-8''%e2%82; filename*1*=%ac; filename*2=.edi", "€.edi"),
        ("attachment; filename*=zip''x%41", "xA"),
        ("attachment; filename*=%41%zz", "A%zz"),
    ],
)
def test_file_name_parameters(text, name):
    assert parse_value(text).get("filename") == name


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?UTF-8?B?csOpc3Vtw6kuZWRp?=", "résumé.edi"),
        ("=?iso-8859-1?q?r=E9sum=E9_1.edi?=", "résumé 1.edi"),
        ("=?utf-8?Q?a?= =?utf-8?Q?b?= c", "ab c"),
        ("=?unicode_escape?Q?a=5C?=", "a\\"),
        ("=?utf-8?B?****?=", "=?utf-8?B?****?="),
        ("=?broken", "=?broken"),
    ],
)
def test_encoded_words(text, decoded):
    assert decode_words(text) == decoded


@pytest.mark.timeout(5)
@pytest.mark.parametrize("filler", [" ", "(", '"', "\\", ";", "a*0=", "=?a?q?", "=?a?q?b?= ", "%", "(a)"])
def test_no_text_takes_long(filler):
    text = "a/b; filename=x" + filler * (60_000 // len(filler)) + "x"
    assert parse_value(text).value == "a/b"
    assert decode_words(text)


@given(st.text(max_size=100))
def test_anything_is_read_without_an_error(text):
    assert isinstance(parse_value(text).value, str)
    assert isinstance(decode_words(text), str)


_printable = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc")), max_size=40)


@given(_printable)
def test_what_is_encoded_is_read_back(text):
    assert parse_value(f"attachment; {encode_parameter('filename', text)}").get("filename") == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_what_is_quoted_is_read_back(text):
    assert parse_value(f"a/b; x={quote(text)}").get("x") == text

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.smime.filename import MAX_NAME, file_name, safe_message_id, safe_name
from ecluse.wire.smime.headers import Headers


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("orders.edi", "orders.edi"),
        ("my orders (1).edi", "my orders (1).edi"),
        ("résumé.edi", "résumé.edi"),
        ("../../etc/passwd", "passwd"),
        (r"C:\out\orders.edi", "orders.edi"),
        ("..\\..\\x", "x"),
        ("a/b/", "b"),
        (".profile", "profile"),
        ("-rf", "rf"),
        ("x\0y\r\n.edi", "xy.edi"),
        ("evil\u202eide.exe", "evilide.exe"),
        ("a:b*c?.edi", "a_b_c_.edi"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("console.txt", "console.txt"),
        ("name. . ", "name"),
        ("", "payload.bin"),
        ("..", "payload.bin"),
        ("/", "payload.bin"),
        (None, "payload.bin"),
        ("~", "payload.bin"),
    ],
)
def test_names_are_made_safe(sent, safe):
    assert safe_name(sent) == safe


def test_a_long_name_keeps_its_extension():
    name = safe_name("é" * 300 + ".edifact")
    assert len(name.encode()) <= MAX_NAME
    assert name.endswith("é.edifact")
    assert len(safe_name("x." + "y" * 400).encode()) <= MAX_NAME


@given(st.one_of(st.text(max_size=300), st.text(st.sampled_from("./\\-~ :NULCOM1\0\u202e"), max_size=30)))
def test_every_safe_name_is_one_harmless_component(text):
    name = safe_name(text)
    assert name
    assert len(name.encode("utf-8")) <= MAX_NAME
    assert not set('/\\\0:*?"<>|') & set(name)
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert not any(unicodedata.category(char).startswith("C") for char in name)
    assert name.partition(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert safe_name(name) == name


def test_content_disposition_comes_before_content_type():
    both = [("Content-Type", "a/b; name=type.edi"), ("Content-Disposition", "attachment; filename=disp.edi")]
    assert file_name(Headers.of(both)) == "disp.edi"
    assert file_name(Headers.of(both[:1])) == "type.edi"
    assert file_name(Headers.of([])) is None
    encoded = [("Content-Disposition", 'attachment; filename="=?utf-8?B?csOpLmVkaQ==?="')]
    assert file_name(Headers.of(encoded)) == "ré.edi"


def test_a_message_id_makes_a_file_name():
    assert safe_message_id("<a/../b@aster.example>") == "a_.._b@aster.example"
    assert safe_message_id("<>") == "message"
    assert len(safe_message_id("<" + "x" * 990 + ">")) <= MAX_NAME

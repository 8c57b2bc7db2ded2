from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.as2 import disposition as known
from ecluse.wire.as2.disposition import Disposition, parse_disposition

ALL = [value for value in vars(known).values() if isinstance(value, Disposition)]


@pytest.mark.parametrize("disposition", ALL, ids=str)
def test_every_disposition_is_read_back_in_any_case_and_spacing(disposition):
    written = str(disposition)
    assert parse_disposition(written) == disposition
    for variant in (
        written.upper(),
        written.lower(),
        written.replace("; ", ";").replace(": ", ":"),
        written.replace(";", " ;\t").replace("/", " / ").replace(":", " :  "),
    ):
        found = parse_disposition(variant)
        assert found is not None
        assert (found.kind, found.modifier) == (disposition.kind, disposition.modifier)
        assert found.text.lower() == disposition.text.lower()
        assert found.is_success == disposition.is_success


def test_the_words_of_rfc_4130():
    prefix = "automatic-action/MDN-sent-automatically; "
    assert str(known.PROCESSED) == prefix + "processed"
    assert str(known.DECRYPTION_FAILED) == prefix + "processed/error: decryption-failed"
    assert str(known.UNSUPPORTED_FORMAT) == prefix + "failed/Failure: unsupported format"
    assert str(known.UNSUPPORTED_MIC) == prefix + "failed/Failure: unsupported MIC-algorithms"
    assert str(known.SENDER_EQUALS_RECEIVER) == prefix + "failed/Failure: sender-equals-receiver"
    assert str(known.DUPLICATE_WARNING) == prefix + "processed/warning: duplicate-document"


def test_only_processed_and_warnings_are_success():
    assert {d for d in ALL if d.is_success} == {known.PROCESSED, known.DUPLICATE_WARNING}
    assert known.DUPLICATE_DOCUMENT.is_duplicate
    assert not known.PROCESSED.is_duplicate


@pytest.mark.parametrize("text", ["", "processed", "a/b", "a/b;", "; processed", "a/b; processed/"])
def test_what_is_no_disposition_gives_none(text):
    assert parse_disposition(text) is None


@given(st.text(max_size=200))
def test_anything_is_read_without_an_error(text):
    found = parse_disposition(text)
    assert found is None or found.kind

"""Signatures: Amazon's published examples, and what stands in a URL."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.s3.sign import EMPTY, Signer, key_path, query_text

# Amazon S3 API Reference, "Signature calculations in the Authorization header", examples.
SIGNER = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
NOW = int(datetime(2013, 5, 24, tzinfo=UTC).timestamp()) * 1_000_000
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "digest", "signature"),
    [
        (
            *("GET", "/test.txt", {}, [("Range", "bytes=0-9")], EMPTY),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test$file.text", {}),
            [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/", {"lifecycle": ""}, [], EMPTY),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/", {"max-keys": "2", "prefix": "J"}, [], EMPTY),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_amazons_examples(method, path, query, headers, digest, signature) -> None:  # type: ignore[no-untyped-def]
    sent = SIGNER.headers(method, HOST, key_path(path), query_text(query), headers, digest, NOW)
    assert dict(sent)["Authorization"].endswith(f"Signature={signature}")
    assert dict(sent)["x-amz-date"] == "20130524T000000Z"


@given(st.text())
def test_a_path_is_ascii_and_comes_back(text: str) -> None:
    from urllib.parse import unquote

    encodable = text.encode("utf-8", "ignore").decode()
    path = key_path(encodable)
    assert path.isascii()
    assert not set(path) & set(" ?#&\r\n\"'<>+")
    assert unquote(path) == encodable


def test_the_secret_is_not_shown() -> None:
    assert "wJalr" not in repr(SIGNER)
    headers = SIGNER.headers("GET", HOST, "/", "", [], EMPTY, NOW)
    assert "wJalr" not in repr(headers)

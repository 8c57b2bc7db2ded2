"""What stores answer: read where it is right, refused with our own errors where it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.s3.answers import completion, error_code, read_page, upload_id, value_of
from ecluse.wire.xml import MAX_DEPTH, MAX_TEXT, XmlError, XmlReader

PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>in/</Prefix>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>
<Contents><Key>in/a+b%2B%C3%A9%0A</Key><LastModified>2026-11-22T03:00:00.250Z</LastModified>
<ETag>&quot;abc-2&quot;</ETag><Size>5</Size><Owner><ID>Size</ID></Owner></Contents>
<Contents><Key>in/c</Key><LastModified>yesterday</LastModified><ETag>d</ETag><Size>0</Size></Contents>
<CommonPrefixes><Prefix>in/deep/</Prefix></CommonPrefixes></ListBucketResult>"""


def test_a_page_is_read() -> None:
    page = read_page(PAGE)
    one, two = page.objects
    assert (one.key, one.size, one.etag, one.modified) == ("in/a b+é\n", 5, "abc-2", 1_795_316_400_250_000)
    assert (two.key, two.size, two.modified) == ("in/c", 0, None)
    assert page.after == "t&1"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b"not xml",
        PAGE[:-10],
        PAGE.replace(b"<Size>5</Size>", b""),
        PAGE.replace(b"<Size>5</Size>", b"<Size>-5</Size>"),
        PAGE.replace(b"<Size>5</Size>", b"<Size>" + b"9" * 40 + b"</Size>"),
        PAGE.replace(b"<NextContinuationToken>t&amp;1</NextContinuationToken>", b""),
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
        b"<ListBucketResult>&unknown;</ListBucketResult>",
        b'<?xml version="1.0" encoding="klingon"?><ListBucketResult/>',
        b"<a>" * (MAX_DEPTH + 1),
        b"<ListBucketResult><Name>" + b"x" * (MAX_TEXT + 1) + b"</Name></ListBucketResult>",
    ],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(XmlError):
        read_page(body)


@given(st.binary())
def test_garbage_raises_our_error_alone(body: bytes) -> None:
    with pytest.raises(XmlError):
        read_page(body)
    assert error_code(body) == ""


@given(st.data())
def test_a_damaged_page_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(PAGE) - 1))
    page = bytearray(PAGE)
    page[at] = data.draw(st.integers(0, 255))
    try:
        assert len(read_page(bytes(page)).objects) <= 2
    except XmlError:
        assert bytes(page) != PAGE


@given(st.lists(st.integers(1, 200), max_size=5))
def test_any_pieces_give_the_same(cuts: list[int]) -> None:
    def read(pieces: list[bytes]) -> list[tuple[tuple[str, ...], str]]:
        seen: list[tuple[tuple[str, ...], str]] = []
        reader = XmlReader(lambda path, text: seen.append((path, text)))
        for piece in pieces:
            reader.feed(piece)
        reader.feed(b"", last=True)
        return seen

    pieces, at = [], 0
    for cut in cuts:
        pieces.append(PAGE[at : at + cut])
        at += cut
    assert read([*pieces, PAGE[at:]]) == read([PAGE])


def test_errors_and_uploads() -> None:
    error = b"\n  <?xml version='1.0'?><Error><Code>SlowDown</Code><Message>x</Message></Error>"
    assert error_code(error) == "SlowDown"
    assert error_code(b"<Error><Code>a b; drop</Code></Error>") == ""
    assert upload_id(
        b"<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"
    )
    with pytest.raises(XmlError):
        upload_id(b"<Error/>")
    done = completion([(1, '"a"'), (2, "<&>")])
    assert value_of(done, "Part") == ""
    assert b"<PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag>" in done

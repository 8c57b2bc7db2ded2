"""Listings of WebDAV servers: read as they come, whatever else is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.http1.dates import http_date
from ecluse.wire.webdav.multistatus import Listed, Multistatus, bare_etag
from ecluse.wire.xml import XmlError

ANSWER = b"""<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">
<D:response><D:href>/dav/in/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype>
<D:getlastmodified>Sun, 22 Nov 2026 03:00:00 GMT</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status>
</D:propstat><D:propstat><D:prop><D:getcontentlength/><D:getetag/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>
</D:propstat></D:response>
<D:response><D:href>http://host:80/dav/in/a%20%23%C3%A9.txt</D:href><D:propstat><D:prop><D:getcontentlength>12
</D:getcontentlength><D:getetag>W/"x-1"</D:getetag><D:resourcetype/></D:prop><D:status>HTTP/1.1 200 OK</D:status>
</D:propstat></D:response>
<D:response><D:href>/dav/in/%FF</D:href></D:response><D:response/>
</D:multistatus>"""


def read(*pieces: bytes) -> list[Listed]:
    reader = Multistatus()
    found = [each for piece in pieces for each in reader.feed(piece)]
    return [*found, *reader.feed(b"", last=True)]


def test_resources_are_read_and_what_is_none_is_left_out() -> None:
    folder, file = read(ANSWER)
    assert (folder.path, folder.folder, folder.size) == ("/dav/in/", True, None)
    assert (file.path, file.folder, file.size, file.etag) == ("/dav/in/a #é.txt", False, 12, "x-1")
    assert folder.modified == 1_795_316_400_000_000


@given(st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER)))
def test_any_pieces_give_the_same(one: int, two: int) -> None:
    first, second = sorted((one, two))
    assert read(ANSWER[:first], ANSWER[first:second], ANSWER[second:]) == read(ANSWER)


@given(st.binary())
def test_garbage_raises_our_error_alone(data: bytes) -> None:
    with pytest.raises(XmlError):
        read(data)


@given(st.text())
def test_tags_and_dates_never_raise(text: str) -> None:
    assert not bare_etag(text).startswith('"')
    assert http_date(text) is None or isinstance(http_date(text), int)


@pytest.mark.parametrize("href", ["http://[::1", "//", "", "?", "%", "/a%zz"])
def test_odd_addresses_never_raise(href: str) -> None:
    answer = f"<multistatus xmlns='DAV:'><response><href>{href}</href></response></multistatus>"
    assert len(read(answer.encode())) <= 1

"""What only S3 can do, well or badly: errors by their words, cuts in the middle, TLS, copies in parts, loops."""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from tests.support import tls_certs
from tests.support.buckets import access_to, peer_access, put_object, s3_objects
from tests.support.relay import Relay

from ecluse.channels.bucket import multipart, s3
from ecluse.channels.bucket.s3 import S3Objects
from ecluse.channels.bucket.store import Changed, Taken, Upload
from ecluse.channels.http.tls import client_tls, server_context
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import system_clock


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[S3Objects]:
    """A store that gives these answers, one for each connection, and the last of them for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = list(answers)
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                with client:
                    client.settimeout(60)
                    client.recv(1 << 16)
                    client.sendall(left.pop(0) if len(left) > 1 else left[0])

    threading.Thread(target=serve, daemon=True).start()
    access = access_to(f"http://127.0.0.1:{server.getsockname()[1]}", "b", "k", "hunter2")
    try:
        yield S3Objects(access, system_clock)
    finally:
        server.close()


def reply(status: int, body: bytes = b"", fields: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>hunter2 is not your secret</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "code", "fault"),
    [
        (reply(500, error("InternalError")), "bucket.unavailable", Fault.TRANSIENT),
        (reply(503, error("SlowDown")), "bucket.unavailable", Fault.TRANSIENT),
        (reply(503), "bucket.unavailable", Fault.TRANSIENT),
        (reply(400, error("BadDigest")), "bucket.damaged", Fault.TRANSIENT),
        (reply(403, error("AccessDenied")), "bucket.denied", Fault.PARTNER),
        (reply(403, error("RequestTimeTooSkewed")), "bucket.clock", Fault.OURS),
        (reply(404, error("NoSuchBucket")), "bucket.missing", Fault.PARTNER),
        (reply(301, b"", "x-amz-bucket-region: eu-west-3\r\n"), "bucket.wrong-settings", Fault.USAGE),
        (reply(501, error("NotImplemented")), "bucket.wrong-settings", Fault.PARTNER),
        (reply(200, b"<html>Sign in to the guest network</html>"), "xml.malformed", Fault.PARTNER),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http.reply-malformed", Fault.PARTNER),
        (reply(200)[:-30], "http.reply-malformed", Fault.PARTNER),
        (b"", "http.doubtful", Fault.TRANSIENT),
    ],
)
def test_an_error_is_ours_and_says_whose_fault(answer: bytes, code: str, fault: Fault) -> None:
    with answering(answer) as store, pytest.raises(EcluseError) as caught:
        list(store.list("", deep=True))
    if code == "http.reply-malformed" and caught.value.code == "http.doubtful":
        code, fault = "http.doubtful", Fault.TRANSIENT  # it ended before a whole line had come
    assert (caught.value.code, caught.value.fault) == (code, fault)
    assert "hunter2" not in str(caught.value)


def test_a_completion_may_fail_with_a_positive_status() -> None:
    begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    upload = Upload(
        multipart.PART_SIZE + 1, "0" * 64, "m", "text/plain", lambda step: iter([b"a" * 100, b"b" * 100])
    )
    part = reply(200, b"", 'ETag: "x"\r\n')
    for last, kind in ((error("PreconditionFailed"), Taken), (error("InternalError"), EcluseError)):
        answers = (reply(200, begun), part, reply(200, b"  \n" + last), reply(204))
        with answering(*answers) as store, pytest.raises(kind):
            store.create("k", upload, replace=False)


def test_a_listing_that_goes_in_circles_ends() -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"</ListBucketResult>"
    )
    with answering(reply(200, page)) as store, pytest.raises(EcluseError) as caught:
        list(store.list("", deep=True))
    assert caught.value.code == "bucket.unavailable"


def test_a_read_that_is_cut_is_never_taken_for_whole() -> None:
    answer = reply(200, bytes(5000), 'ETag: "e"\r\n')
    with answering(answer[:-10]) as store:
        reading = store.read("k", "e")
        with pytest.raises(EcluseError) as caught:
            list(reading)
    assert caught.value.fault is Fault.TRANSIENT


def test_another_object_is_seen_where_conditions_are_ignored() -> None:
    with answering(reply(200, b"other", 'ETag: "f"\r\n')) as store, pytest.raises(Changed):
        list(store.read("k", "e"))


@pytest.mark.peer("s3")
def test_only_the_store_of_its_own_authority_is_spoken_to() -> None:
    direct = peer_access("s3")
    put_object(direct, "a.txt", b"hello")
    authority = tls_certs.make("store authority", authority=True)
    other = tls_certs.make("other authority", authority=True)
    leaf = tls_certs.make("127.0.0.1", issuer=authority)
    with Relay(urlsplit(direct.endpoint).port or 0, server_context(leaf.pem, leaf.key_pem)) as relay:
        endpoint = f"https://127.0.0.1:{relay.port}"
        access = replace(direct, endpoint=endpoint, tls=client_tls(anchors=[authority.pem]))
        assert [each.key for each in s3_objects(access).list("", deep=True)] == ["a.txt"]
        for tls in (client_tls(anchors=[other.pem]), client_tls(system=True)):
            with pytest.raises(EcluseError) as caught:
                list(s3_objects(replace(access, tls=tls)).list("", deep=True))
            assert caught.value.code == "http.tls"


@pytest.mark.parametrize(
    "peer", [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("s3", "moto_server")]
)
def test_a_large_object_is_copied_in_parts(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "MAX_COPY", 1 << 20)
    monkeypatch.setattr(multipart, "_COPY_PART", 5 << 20)
    access = peer_access(peer)
    data = hashlib.shake_128(b"copy").digest((11 << 20) + 3)
    put_object(access, "a.bin", data)
    store = s3_objects(access)
    found = store.look("a.bin")
    assert found is not None
    store.copy("a.bin", "b.bin", found.etag)
    copied = store.look("b.bin")
    assert copied is not None
    assert b"".join(store.read("b.bin", copied.etag)) == data
    with pytest.raises(Taken):
        store.copy("a.bin", "b.bin", found.etag)
    with pytest.raises(Changed):
        store.copy("a.bin", "c.bin", "0" * 32)


@pytest.mark.peer("moto_server")
def test_a_bucket_in_the_host_name() -> None:
    access = replace(peer_access("moto_server"), path_style=False)
    assert S3Objects(replace(access, endpoint="https://s3.example"), system_clock)._host.startswith(
        f"{access.bucket}."
    )

"""Azure Blob Storage against Azurite, and the shape of what is sent to Google Cloud Storage."""

from __future__ import annotations

import hashlib
import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.support.azure import make_container
from tests.support.buckets import BucketFar
from tests.support.outbound import Sender, files_of, receipt_of
from tests.support.remotes import RemoteConformance
from tests.support.stores import azurite

from ecluse.channels.bucket.channel import UNCONDITIONAL, BucketChannel
from ecluse.channels.bucket.multipart import PART_SIZE
from ecluse.channels.bucket.native import NativeObjects, open_azure, open_gcs
from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.store import Upload
from ecluse.errors import EcluseError
from ecluse.exchange.remote import NameTaken
from ecluse.trust.settings.places import Bucket

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SMALL = b"UNB+UNOC:3+ASTER+BIRCH'" * 10
LARGE = hashlib.shake_128(b"large").digest(2 * PART_SIZE + 12345)


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


def container(key: str = KEY, name: str = "") -> NativeObjects:
    """A fresh container, opened as the hub does."""
    endpoint = f"{azurite().endpoint}/{ACCOUNT}"
    if not name:
        name = f"c{secrets.token_hex(6)}"
        make_container(endpoint, ACCOUNT, KEY, name)
    return open_azure(Bucket(bucket=name, account=ACCOUNT), endpoint, key, b"")


@pytest.mark.peer("azurite")
class TestAzure(RemoteConformance):
    @pytest.fixture
    def far(self) -> BucketFar:
        store = container()
        return BucketFar(lambda: BucketPlace(store, prefix="from/aster/"))


@pytest.mark.peer("azurite")
@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_a_document_arrives_whole_once(sender: Sender, data: bytes) -> None:
    store = container()
    to = BucketChannel("azure", sender.hub, lambda name: BucketPlace(store, "in/"))
    message = sender.message(("order 4711.edi", data))
    outcome = sender.deliver(to, "azure:birch", message)
    (file,) = files_of(outcome)
    assert (file["path"], file["size"], file["checked"]) == ("order 4711.edi", len(data), "size")
    assert file["tag"]
    assert (UNCONDITIONAL in receipt_of(outcome).get("notes", ())) == (data is LARGE)  # type: ignore[operator]
    assert files_of(sender.deliver(to, "azure:birch", message))[0]["before"] is True
    other = sender.message(("order 4711.edi", b"another"))
    with pytest.raises(NameTaken):
        sender.deliver(to, "azure:birch", other)
    found = store.look("in/order 4711.edi")
    assert found is not None
    assert b"".join(store.read(found.key, found.etag)) == data


@pytest.mark.peer("azurite")
def test_an_object_that_comes_between_looking_and_writing_wins(sender: Sender) -> None:
    store = container()
    looks = []

    class Late(NativeObjects):
        def look(self, key: str):  # type: ignore[no-untyped-def]
            found = super().look(key)
            if not looks:
                looks.append(key)
                theirs = Upload(6, "0" * 64, "m", "text/plain", lambda step: iter([b"theirs"]))
                store.create(key, theirs, replace=True)
            return found

    late = Late(store._store, store.where, tags=False)
    to = BucketChannel("azure", sender.hub, lambda name: BucketPlace(late))
    with pytest.raises(NameTaken):
        sender.deliver(to, "azure:birch", sender.message(("a.txt", SMALL)))
    found = store.look("a.txt")
    assert found is not None
    assert found.size == 6


@pytest.mark.peer("azurite")
def test_what_is_wrong_is_said(sender: Sender) -> None:
    message = sender.message(("a.txt", SMALL))
    wrong = "A" * 86 + "=="
    for store, code in (
        (container(wrong, "nonesuch"), "bucket.denied"),
        (container(name="nonesuch"), "bucket.missing"),
    ):
        to = BucketChannel("azure", sender.hub, lambda name, store=store: BucketPlace(store))  # type: ignore[misc]
        with pytest.raises(EcluseError) as caught:
            sender.deliver(to, "azure:birch", message)
        assert caught.value.code == code
        assert wrong not in str(caught.value)
        with pytest.raises(EcluseError) as caught:
            list(store.list("", deep=True))
        assert caught.value.code == code


class Recorder:
    """Answers as a small Google Cloud Storage, and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.held: dict[str, tuple[bytes, dict[str, str]]] = {}
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                return

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                recorder.asked.append((self.command, self.path, headers, body))
                status, fields, data = recorder.serve(self.command, self.path, headers, body)
                self.send_response(status)
                for field in fields.items():
                    self.send_header(*field)
                if "Content-Length" not in fields:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if method == "PUT":
            if headers.get("x-goog-if-generation-match") == "0" and path in self.held:
                return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
            self.held[path] = (body, {k: v for k, v in headers.items() if k.startswith("x-goog-meta-")})
            return 200, {"ETag": '"e1"', "x-goog-generation": "7"}, b""
        if path not in self.held:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        data, meta = self.held[path]
        facts = {"ETag": '"e1"', "Last-Modified": "Sun, 22 Nov 2026 03:00:00 GMT", "x-goog-generation": "7"}
        return 200, {**facts, **meta, "Content-Length": str(len(data))}, data

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def test_google_is_asked_to_create_only(sender: Sender, recorder: Recorder) -> None:
    account = {
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
        "gcs_base_url": "",
    }
    settings = Bucket(bucket="orders", endpoint=recorder.endpoint)
    store = open_gcs(settings, recorder.endpoint, json.dumps(account), b"")
    to = BucketChannel("gcs", sender.hub, lambda name: BucketPlace(store, "in/"))
    message = sender.message(("order.edi", SMALL))
    (file,) = files_of(sender.deliver(to, "gcs:birch", message))
    assert (file["version"], file["tag"], file["size"]) == ("7", "e1", len(SMALL))
    (put,) = [each for each in recorder.asked if each[0] == "PUT"]
    assert unquote(put[1]) == "/orders/in/order.edi"
    assert put[2]["x-goog-if-generation-match"] == "0"
    assert put[2]["x-goog-meta-ecluse_sha256"] == hashlib.sha256(SMALL).hexdigest()
    assert put[3] == SMALL
    assert files_of(sender.deliver(to, "gcs:birch", message))[0]["before"] is True
    with pytest.raises(NameTaken):
        sender.deliver(to, "gcs:birch", sender.message(("order.edi", b"other")))


def test_a_secret_that_is_no_service_account_is_said() -> None:
    with pytest.raises(EcluseError) as caught:
        open_gcs(Bucket(bucket="orders"), "https://storage.googleapis.com", "hunter2", b"")
    assert caught.value.code == "bucket.wrong-settings"
    assert "hunter2" not in str(caught.value)

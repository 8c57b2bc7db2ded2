"""What only S3 can do wrong: doubtful answers, denied keys, absent servers and buckets."""

import secrets

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError
from tests.support.s3 import ACCESS_KEY, REGION, SECRET, needs_s3, s3_server

from ecluse.blobs import s3
from ecluse.blobs.port import BlobMissing, BlobUnavailable
from ecluse.blobs.s3 import PART_SIZE, S3Place
from ecluse.errors import Fault


def place(bucket: str = "", **options: object) -> S3Place:
    server = s3_server()
    if not bucket:
        bucket = f"b{secrets.token_hex(6)}"
        server.make_bucket(bucket)
    given = {
        "endpoint": server.endpoint,
        "region": REGION,
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET,
        "retries": 0,
        **options,
    }
    return S3Place(bucket, **given)  # type: ignore[arg-type]


def put(where: S3Place, id: str, data: bytes) -> None:
    writer = where.create(id)
    writer.write(data)
    writer.commit()


@needs_s3
def test_ones_own_write_after_a_doubtful_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    where = place()
    real = obstore.put

    def answer_lost(*args, **options):
        real(*args, **options)
        raise AlreadyExistsError("the second try met the first")

    monkeypatch.setattr(s3.obstore, "put", answer_lost)
    put(where, "b1", b"mine")
    monkeypatch.undo()
    assert where.open("b1").read(0, 9) == b"mine"


@needs_s3
def test_prefixes_keep_hubs_apart() -> None:
    one = place(prefix="one")
    two = place(one.store.config["bucket"], prefix="two")
    put(one, "b1", b"one")
    put(two, "b2", b"two")
    assert (list(one.ids()), list(two.ids())) == (["b1"], ["b2"])


@needs_s3
def test_reading_on_asks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    where = place()
    data = bytes(range(256)) * (20 * 4096)
    put(where, "b1", data)
    asked = []
    real = obstore.get_range
    monkeypatch.setattr(s3.obstore, "get_range", lambda *a, **o: asked.append(o) or real(*a, **o))
    reader = where.open("b1")
    step = 1_000_003
    assert b"".join(reader.read(at, step) for at in range(0, len(data), step)) == data
    assert len(asked) <= 4


@needs_s3
@pytest.mark.parametrize("data", [b"small", bytes(3 * PART_SIZE)])
def test_a_wrong_secret_is_denied_and_never_shown(data: bytes) -> None:
    where = place(place().store.config["bucket"], secret_access_key="hunter2-wrong")
    with pytest.raises(BlobUnavailable) as caught:
        put(where, "b1", data)
    assert caught.value.code == "blobs.denied"
    assert caught.value.fault == Fault.OURS
    assert "SignatureDoesNotMatch" in caught.value.cause
    for reading in (lambda: where.open("b1"), lambda: list(where.ids()), lambda: where.delete("b1")):
        with pytest.raises(BlobUnavailable):
            reading()
    assert "hunter2" not in str(caught.value) + repr(where) + repr(where.create("b2"))


@needs_s3
def test_an_absent_bucket_is_not_a_missing_blob() -> None:
    where = place("nowhere")
    for each in (lambda: put(where, "b1", b"x"), lambda: where.open("b1"), lambda: list(where.ids())):
        with pytest.raises(BlobUnavailable):
            each()


def test_an_absent_server_is_unavailable() -> None:
    where = S3Place("b", endpoint="http://127.0.0.1:9", access_key_id="a", secret_access_key="s", retries=0)
    for each in (
        lambda: put(where, "b1", b"x"),
        lambda: put(where, "b1", bytes(3 * PART_SIZE)),
        lambda: where.open("b1"),
        lambda: list(where.ids()),
        lambda: where.delete("b1"),
    ):
        with pytest.raises(BlobUnavailable, match="no answer"):
            each()


def test_what_is_no_id_never_becomes_a_key() -> None:
    where = S3Place("b", endpoint="http://127.0.0.1:9", access_key_id="a", secret_access_key="s", retries=0)
    with pytest.raises(BlobMissing):
        where.create("../b")

"""Object Lock against a store that has it: locked copies stay, others go, and a repair is a version more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.hubs import FakeClock
from tests.support.stores import moto

from ecluse.archive.place import CopyLocked
from ecluse.blobs.port import BlobMissing
from ecluse.channels.bucket.locked import BucketSecond, LockMode
from ecluse.channels.bucket.multipart import PART_SIZE
from ecluse.channels.bucket.s3 import S3Access, S3Objects
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, system_clock
from ecluse.wire.s3.sign import Signer
from ecluse.wire.s3.versions import Versions, read_versions
from ecluse.wire.xml import XmlError

pytestmark = pytest.mark.peer("moto_server")
HOUR = 3_600_000_000
ID = "b0123456789"


def objects(endpoint: str, bucket: str) -> S3Objects:
    limits = ClientLimits(stall=10, reply_time=10, reply_bytes=1 << 24)
    egress = Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS)
    access = S3Access(endpoint, bucket, True, Signer("key", "secret", "us-east-1"), egress, None, limits)
    return S3Objects(access, system_clock, Pool())


def made(bucket: str, *, lock: bool) -> S3Objects:
    """A new bucket."""
    store = objects(moto().endpoint, bucket)
    headers = [("x-amz-bucket-object-lock-enabled", "true")] if lock else []
    with store.call("PUT", "", None, headers) as answer:
        store.ok(answer)
    return store


class Locked:
    def __init__(self, name: str, mode: LockMode) -> None:
        self.clock = FakeClock(system_clock())
        self.store = made(name, lock=mode != "none")
        self.place = BucketSecond("far", self.store, "copies/", mode, self.clock)

    def put(self, data: bytes, until: Instant | None = None, id: str = ID) -> None:
        self.place.put(id, len(data), lambda: iter([data[:5], data[5:]]), until)

    def versions(self) -> list[Any]:
        with self.store.call("GET", "", {"versions": ""}) as answer:
            return list(read_versions(self.store.ok(answer)).versions)


@pytest.fixture
def governed(request: pytest.FixtureRequest) -> Locked:
    return Locked(f"gov-{abs(hash(request.node.name))}", "governance")


@pytest.mark.parametrize("mode", ["governance", "compliance"])
@pytest.mark.parametrize("size", [100, PART_SIZE + 100], ids=["whole", "in parts"])
def test_a_locked_copy_stays_until_its_time(mode: LockMode, size: int) -> None:
    place = Locked(f"{mode}-{size}", mode)
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    until = Instant(place.clock() + HOUR)
    place.put(data, until)
    assert b"".join(place.place.read(ID)) == data
    locked = place.place.locked_until(ID)
    assert locked is not None
    assert 0 <= locked - until < 1_000_000
    with pytest.raises(CopyLocked) as raised:
        place.place.forget([ID])
    assert raised.value.until == locked
    assert b"".join(place.place.read(ID)) == data
    assert len(place.versions()) == 1


def test_the_store_itself_refuses_to_delete_what_is_locked(governed: Locked) -> None:
    governed.put(b"some sealed octets", Instant(governed.clock() + HOUR))
    governed.clock.forward(7200)  # our clock alone says that it is over
    with pytest.raises(EcluseError):
        governed.place.forget([ID])
    assert b"".join(governed.place.read(ID)) == b"some sealed octets"


def test_a_lock_is_made_longer(governed: Locked) -> None:
    governed.put(b"some sealed octets", Instant(governed.clock() + HOUR))
    later = Instant(governed.clock() + 2 * HOUR)
    governed.place.lock(ID, later)
    locked = governed.place.locked_until(ID)
    assert locked is not None
    assert locked >= later


def test_a_copy_that_was_put_without_a_lock_gets_one(governed: Locked) -> None:
    governed.put(b"some sealed octets")
    assert governed.place.locked_until(ID) is None
    until = Instant(governed.clock() + HOUR)
    governed.place.lock(ID, until)
    assert (governed.place.locked_until(ID) or 0) >= until


def test_a_legal_hold_keeps_what_no_lock_does(governed: Locked) -> None:
    governed.put(b"some sealed octets")
    governed.place.hold(ID, True)
    governed.place.hold(ID, True)
    with pytest.raises(EcluseError):
        governed.place.forget([ID])
    assert b"".join(governed.place.read(ID)) == b"some sealed octets"
    governed.place.hold(ID, False)
    governed.place.forget([ID])
    with pytest.raises(BlobMissing):
        list(governed.place.read(ID))


def test_a_repair_writes_a_version_more_and_all_of_them_go(governed: Locked) -> None:
    governed.put(b"damaged octets")
    governed.put(b"some sealed octets")
    assert b"".join(governed.place.read(ID)) == b"some sealed octets"
    assert len(governed.versions()) == 2
    governed.put(b"another", id="b0123456789x")
    governed.place.forget([ID, "b999"])
    with pytest.raises(BlobMissing):
        list(governed.place.read(ID))
    assert {key for key, _ in governed.versions()} == {"copies/b0123456789x"}


def test_a_bucket_without_locks_is_a_second_place_too() -> None:
    place = Locked("plain", "none")
    place.put(b"some sealed octets", Instant(place.clock() + HOUR))
    assert place.place.locked_until(ID) is None
    place.place.forget([ID])
    place.place.forget([ID])
    with pytest.raises(BlobMissing):
        list(place.place.read(ID))


def test_pages_of_versions() -> None:
    page = (
        b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker>"
        b"<NextVersionIdMarker>2</NextVersionIdMarker><Version><Key>a</Key><VersionId>1</VersionId><Owner><ID>x</ID>"
        b"</Owner></Version><DeleteMarker><Key>b</Key><VersionId>2</VersionId></DeleteMarker></ListVersionsResult>"
    )
    assert read_versions(page) == Versions((("a", "1"), ("b", "2")), "b", "2")
    for bad in (
        b"",
        b"<Other/>",
        b"<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>",
    ):
        with pytest.raises(XmlError):
            read_versions(bad)


@given(st.binary(max_size=300) | st.text("<>/=&;abLVK ", max_size=200).map(str.encode))
def test_garbage_is_no_page_of_versions(data: bytes) -> None:
    with pytest.raises(XmlError):
        read_versions(data)

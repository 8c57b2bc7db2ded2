"""Collecting from buckets: the suite, against real stores."""

import tracemalloc

import pytest
from tests.support.buckets import BucketFar, peer_access, put_object, s3_objects
from tests.support.remotes import RemoteConformance
from tests.support.stores import rclone_s3

from ecluse.channels.bucket.places import BucketPlace


@pytest.mark.peer("s3")
class TestSwift(RemoteConformance):
    @pytest.fixture
    def far(self) -> BucketFar:
        access = peer_access("s3")
        odd = ("new\nline", "back\\slash", "e\u0301", "\u202etxt.exe", 'a:b*c?"<x>', "nul")
        return BucketFar(lambda: BucketPlace(s3_objects(access)), odd)


@pytest.mark.peer("s3")
class TestSwiftBelowAPrefix(RemoteConformance):
    @pytest.fixture
    def far(self) -> BucketFar:
        access = peer_access("s3")
        put_object(access, "other.txt", b"not ours")
        put_object(access, "from/aster-in/not.txt", b"not ours")
        return BucketFar(lambda: BucketPlace(s3_objects(access), prefix="from/aster/"))


@pytest.mark.peer("rclone")
class TestRclone(RemoteConformance):
    @pytest.fixture
    def far(self) -> BucketFar:
        access = peer_access("rclone")
        return BucketFar(lambda: BucketPlace(s3_objects(access), prefix="aster/"))


@pytest.mark.peer("moto_server")
class TestMoto(RemoteConformance):
    @pytest.fixture
    def far(self) -> BucketFar:
        access = peer_access("moto_server")
        return BucketFar(lambda: BucketPlace(s3_objects(access)), many=0)


@pytest.mark.peer("rclone")
def test_a_huge_bucket_is_listed_page_by_page() -> None:
    access = peer_access("rclone")
    folder = rclone_s3().folder / access.bucket / "in"
    folder.mkdir()
    for number in range(3500):
        (folder / f"{number:06}-{'n' * 80}.txt").touch()
    with BucketFar(lambda: BucketPlace(s3_objects(access))).open() as remote:
        tracemalloc.start()
        try:
            names = {file.name for file in remote.files("in")}
            grown = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(names) == 3500
    assert grown < 6 << 20


@pytest.mark.peer("s3")
def test_a_key_that_no_folder_could_have_stops_nothing() -> None:
    access = peer_access("s3")
    for key in ("in/a//b.txt", "in//c.txt", "in/d/", "in/e.txt"):
        put_object(access, key, b"x")
    with BucketFar(lambda: BucketPlace(s3_objects(access))).open() as remote:
        assert [file.path for file in remote.files("in")] == ["in/e.txt"]
        found = {file.path: file for file in remote.files("in", recursive=True)}
        assert set(found) == {"in/a//b.txt", "in//c.txt", "in/e.txt"}
        assert b"".join(remote.read(found["in/a//b.txt"])) == b"x"
        remote.delete(found["in//c.txt"])

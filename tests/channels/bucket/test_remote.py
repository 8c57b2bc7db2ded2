"""Collecting from buckets: the suite, against real stores."""

import pytest
from tests.support.buckets import BucketFar, peer_access, put_object, s3_objects
from tests.support.remotes import RemoteConformance

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

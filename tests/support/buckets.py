"""Buckets at test peers, as the hub opens them and as their owner sees them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.support.s3 import ACCESS_KEY, REGION, SECRET, s3_server
from tests.support.stores import moto, rclone_s3

from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.remote import BucketRemote
from ecluse.channels.bucket.s3 import S3Access, S3Objects
from ecluse.channels.bucket.store import Changed, Upload
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.exchange.remote import Remote
from ecluse.model.basics import Clock, system_clock
from ecluse.wire.s3.sign import Signer

__all__ = ["BucketFar", "access_to", "make_bucket", "peer_access", "put_object", "s3_objects"]

POOL = Pool()


def access_to(endpoint: str, bucket: str, key: str, secret: str, **more: object) -> S3Access:
    """How the hub reaches a bucket of a local store."""
    access = S3Access(
        endpoint=endpoint,
        bucket=bucket,
        path_style=True,
        signer=Signer(key, secret, REGION),
        egress=Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS),
        tls=None,
        limits=ClientLimits(connect=5, stall=10, reply_time=20, reply_bytes=16 << 20),
    )
    return replace(access, **more)  # type: ignore[arg-type]


def peer_access(peer: str, bucket: str = "", **more: object) -> S3Access:
    """A fresh bucket at ``s3`` (Swift), ``rclone`` or ``moto_server``."""
    name = bucket or f"b{secrets.token_hex(6)}"
    endpoint, key, secret = {
        "s3": lambda: (s3_server().endpoint, ACCESS_KEY, SECRET),
        "rclone": lambda: (rclone_s3().endpoint, "test", "testing"),
        "moto_server": lambda: (moto().endpoint, "test", "testing"),
    }[peer]()
    if peer == "rclone":
        more.setdefault("conditional", False)
    access = access_to(endpoint, name, key, secret, **more)
    if not bucket:
        make_bucket(access)
    return access


def s3_objects(access: S3Access, clock: Clock = system_clock) -> S3Objects:
    """The hub's own view."""
    return S3Objects(access, clock, POOL)


def make_bucket(access: S3Access) -> None:
    """What the partner does."""
    with s3_objects(access).call("PUT", "") as answer:
        assert answer.status == 200, answer.read()


def put_object(access: S3Access, key: str, data: bytes) -> None:
    """What anybody does who knows nothing of the hub: a plain PUT, over what is there."""
    with s3_objects(access).call("PUT", key, body=data) as answer:
        assert answer.status == 200, answer.read()


@dataclass
class BucketFar:
    """A bucket as a far side of the suite."""

    place: Callable[[], BucketPlace]
    odd_names: tuple[str, ...] = ()
    many: int = 0

    def open(self) -> Remote:
        """See the port."""
        return BucketRemote(self.place())

    def put(self, path: str, data: bytes) -> None:
        """See the port."""
        place = self.place()
        content = Upload(len(data), "0" * 64, "m1", "text/plain", lambda step: _pieces(data, step))
        place.store.create(place.prefix + path, content, replace=True)

    def content(self, path: str) -> bytes | None:
        """See the port."""
        place = self.place()
        found = place.store.look(place.prefix + path)
        if found is None:
            return None
        try:
            return b"".join(place.store.read(found.key, found.etag))
        except Changed:
            return None


def _pieces(data: bytes, step: int):  # type: ignore[no-untyped-def]
    yield from (data[at : at + step] for at in range(0, len(data), step))

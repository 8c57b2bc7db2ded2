"""Delivering into buckets: whole, once, never over another's, whatever happens on the way."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.buckets import access_to, peer_access, put_object, s3_objects
from tests.support.outbound import Sender, files_of, receipt_of
from tests.support.relay import FAULTS, Relay
from tests.support.relay import Fault as WireFault

from ecluse.channels.bucket.channel import UNCONDITIONAL, BucketChannel
from ecluse.channels.bucket.multipart import PART_SIZE, part_size
from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.s3 import S3Access, S3Objects
from ecluse.channels.bucket.store import ObjectStore
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import UnfitName
from ecluse.model.basics import Instant, system_clock
from ecluse.wire.s3.sign import Signer

SMALL = b"UNB+UNOC:3+ASTER+BIRCH'" * 10
LARGE = hashlib.shake_128(b"large").digest(2 * PART_SIZE + 12345)

STORES = [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("s3", "rclone", "moto_server")]
EXACT = [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("s3", "moto_server")]


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


def channel(sender: Sender, access: S3Access, **place: object) -> BucketChannel:
    return BucketChannel("s3", sender.hub, lambda name: BucketPlace(s3_objects(access), **place))  # type: ignore[arg-type]


def content(access: S3Access, key: str) -> bytes | None:
    store = s3_objects(access)
    found = store.look(key)
    return None if found is None else b"".join(store.read(key, found.etag))


def keys(access: S3Access) -> list[str]:
    return [each.key for each in s3_objects(access).list("", deep=True)]


def uploads(access: S3Access) -> bytes:
    with s3_objects(access).call("GET", "", {"uploads": ""}) as answer:
        return answer.read()


@pytest.mark.parametrize("peer", STORES)
@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_a_document_arrives_whole_once(sender: Sender, peer: str, data: bytes) -> None:
    access = peer_access(peer)
    to = channel(sender, access, prefix="from-aster/")
    message = sender.message(("Bestellung 4711.edi", data), folder="orders/2026")
    outcome = sender.deliver(to, "s3:birch", message)
    (file,) = files_of(outcome)
    key = "from-aster/orders/2026/Bestellung 4711.edi"
    assert (file["path"], file["size"]) == ("orders/2026/Bestellung 4711.edi", len(data))
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert file["checked"] == "size md5"
    assert file["tag"]
    assert "before" not in file
    assert (UNCONDITIONAL in receipt_of(outcome).get("notes", ())) == (peer == "rclone")  # type: ignore[operator]
    assert content(access, key) == data
    again = files_of(sender.deliver(to, "s3:birch", message))
    assert again[0]["before"] is True
    assert keys(access) == [key]
    with pytest.raises(NameTaken):
        sender.deliver(to, "s3:birch", sender.message(("Bestellung 4711.edi", data), folder="orders/2026"))


@pytest.mark.parametrize("peer", STORES)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_never_over_another_object(sender: Sender, peer: str, data: bytes) -> None:
    access = peer_access(peer)
    put_object(access, "order.edi", b"theirs")
    to = channel(sender, access)
    with pytest.raises(NameTaken):
        sender.deliver(to, "s3:birch", sender.message(("order.edi", data)))
    assert content(access, "order.edi") == b"theirs"
    sender.deliver(to, "s3:birch", sender.message(("order.edi", data), replace=True))
    assert content(access, "order.edi") == data


@pytest.mark.parametrize("peer", EXACT)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("store_class", [S3Objects, "mutant"], ids=["ours", "mutant"])
def test_an_object_that_comes_between_looking_and_writing_wins(
    sender: Sender, peer: str, data: bytes, store_class: object
) -> None:
    access = peer_access(peer)

    class Late(S3Objects):
        """Somebody else writes right after we looked for the first time."""

        looked = False

        def look(self, key: str):  # type: ignore[no-untyped-def]
            found = super().look(key)
            if not self.looked:
                self.looked = True
                put_object(access, key, b"theirs")
            return found

    store = Late(access, system_clock)
    if store_class == "mutant":
        store.conditional = False
    to = BucketChannel("s3", sender.hub, lambda name: BucketPlace(store))
    message = sender.message(("order.edi", data))
    if store_class == "mutant":
        sender.deliver(to, "s3:birch", message)
        assert content(access, "order.edi") == data  # what the condition is there for: theirs is lost
        return
    with pytest.raises(NameTaken):
        sender.deliver(to, "s3:birch", message)
    assert content(access, "order.edi") == b"theirs"
    assert b"<UploadId>" not in uploads(access)


@pytest.mark.peer("s3")
@pytest.mark.parametrize(
    "data, faults", [(SMALL, FAULTS), (LARGE[: PART_SIZE + 999], ("middle", "after"))], ids=["small", "large"]
)
def test_cut_at_each_step(sender: Sender, data: bytes, faults: tuple[WireFault, ...]) -> None:
    """Every request of a delivery fails in every way; the next attempt finds out how far it came."""
    direct = peer_access("s3")
    port = urlsplit(direct.endpoint).port
    assert port is not None
    with Relay(port) as relay:
        access = replace(direct, endpoint=f"http://127.0.0.1:{relay.port}")
        store = S3Objects(access, system_clock)  # without a pool: what fails is not sent again by itself
        to = BucketChannel("s3", sender.hub, lambda name: BucketPlace(store))
        sender.deliver(to, "s3:birch", sender.message(("dry.edi", data)))
        steps = len(relay.requests)
        assert steps == (4 if data is SMALL else 5)
        failed = 0
        for step in range(steps):
            for fault in faults:
                name = f"{step}-{fault}.edi"
                message = sender.message((name, data))
                relay.fail(fault, step)
                with pytest.raises(EcluseError) as caught:
                    sender.deliver(to, "s3:birch", message)
                assert caught.value.fault is Fault.TRANSIENT, name
                failed += 1
                (file,) = files_of(sender.deliver(to, "s3:birch", message))
                assert (file["path"], file["size"]) == (name, len(data))
                assert content(direct, name) == data
        assert failed == steps * len(faults)
    assert len(keys(direct)) == failed + 1


@pytest.mark.peer("s3")
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_damaged_on_the_way_is_refused(sender: Sender, data: bytes) -> None:
    direct = peer_access("s3")
    port = urlsplit(direct.endpoint).port
    assert port is not None
    with Relay(port) as relay:
        store = S3Objects(replace(direct, endpoint=f"http://127.0.0.1:{relay.port}"), system_clock)
        to = BucketChannel("s3", sender.hub, lambda name: BucketPlace(store))
        message = sender.message(("order.edi", data))
        relay.fail("damage", 2)
        with pytest.raises(EcluseError) as caught:
            sender.deliver(to, "s3:birch", message)
        assert (caught.value.code, caught.value.fault) == ("bucket.damaged", Fault.TRANSIENT)
        assert keys(direct) == []
        sender.deliver(to, "s3:birch", message)
    assert content(direct, "order.edi") == data


@pytest.mark.peer("s3")
def test_a_store_that_is_away_and_comes_back(sender: Sender) -> None:
    direct = peer_access("s3")
    port = urlsplit(direct.endpoint).port
    assert port is not None
    with Relay(port) as relay:
        relay.away = True
        store = S3Objects(replace(direct, endpoint=f"http://127.0.0.1:{relay.port}"), system_clock)
        to = BucketChannel("s3", sender.hub, lambda name: BucketPlace(store))
        message = sender.message(("order.edi", SMALL))
        with pytest.raises(EcluseError) as caught:
            sender.deliver(to, "s3:birch", message)
        assert caught.value.fault is Fault.TRANSIENT
        relay.away = False
        sender.deliver(to, "s3:birch", message)
    with pytest.raises(EcluseError) as caught:
        sender.deliver(channel(sender, access_to("http://127.0.0.1:9", "b", "k", "s")), "s3:birch", message)
    assert (caught.value.code, caught.value.fault) == ("http.unreachable", Fault.TRANSIENT)


WRONG: dict[str, tuple[Callable[[S3Access], ObjectStore], str]] = {
    "secret": (
        lambda access: s3_objects(
            replace(access, signer=Signer(access.signer.access_key, "hunter2", "us-east-1"))
        ),
        "bucket.denied",
    ),
    "clock": (
        lambda access: s3_objects(access, lambda: Instant(system_clock() - 7200 * 1_000_000)),
        "bucket.clock",
    ),
    "bucket": (lambda access: s3_objects(replace(access, bucket="nonesuch")), "bucket.missing"),
}


@pytest.mark.peer("s3")
@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_wrong_is_said(sender: Sender, what: str, data: bytes) -> None:
    make, code = WRONG[what]
    store = make(peer_access("s3"))
    to = BucketChannel("s3", sender.hub, lambda name: BucketPlace(store))
    with pytest.raises(EcluseError) as caught:
        sender.deliver(to, "s3:birch", sender.message(("order.edi", data)))
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value) + repr(store) + repr(WRONG)
    with pytest.raises(EcluseError) as caught:
        list(store.list("", deep=True))
    assert caught.value.code == code


@pytest.mark.peer("moto_server")
def test_tags_and_types_and_versions_are_kept(sender: Sender) -> None:
    access = peer_access("moto_server")
    with s3_objects(access).call(
        "PUT",
        "",
        {"versioning": ""},
        body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    ) as answer:
        assert answer.status == 200
    to = channel(sender, access, tags={"from": "Aster Foods", "kind": "a+b/c"})
    for name, data in (("small.xml", SMALL), ("large.xml", LARGE)):
        (file,) = files_of(
            sender.deliver(to, "s3:birch", sender.message((name, data), content_type="application/xml"))
        )
        assert file["version"]
        with s3_objects(access).call("GET", name, {"tagging": ""}) as answer:
            assert b"Aster Foods" in answer.read()
        with s3_objects(access).call("HEAD", name) as answer:
            assert answer.header("content-type") == "application/xml"


@pytest.mark.parametrize("name", ["", "a/b", "..", "nul", "trailing.", "new\nline", "a" * 300, "/etc"])
def test_a_name_that_is_none_never_becomes_a_key(sender: Sender, name: str) -> None:
    to = channel(sender, access_to("http://127.0.0.1:9", "b", "k", "s"))
    with pytest.raises(UnfitName) as caught:
        sender.deliver(to, "s3:birch", sender.message((name, SMALL)))
    assert caught.value.fault is Fault.PERMANENT


def test_parts_are_as_many_as_a_store_takes() -> None:
    assert part_size(7 << 30) == PART_SIZE
    for gib in (8, 10, 15):
        assert (gib << 30) / part_size(gib << 30) < 1_000, "Swift takes no more"
    assert part_size(20 << 30) == part_size(100 << 30) == 16 << 20
    assert (5 << 40) / part_size(5 << 40) <= 10_000
    assert part_size(5 << 40) <= 5 << 30


def test_nothing_is_sent_to_an_address_that_is_not_allowed(sender: Sender) -> None:
    access = replace(
        access_to("http://127.0.0.1:9", "b", "k", "s"),
        egress=replace(access_to("http://127.0.0.1:9", "b", "k", "s").egress, networks=()),
    )
    with pytest.raises(EcluseError) as caught:
        sender.deliver(channel(sender, access), "s3:birch", sender.message(("a.txt", SMALL)))
    assert caught.value.code == "http.egress-denied"


@pytest.mark.peer("s3")
def test_two_documents_of_one_message(sender: Sender) -> None:
    access = peer_access("s3")
    outcome = sender.deliver(
        channel(sender, access), "s3:birch", sender.message(("a.txt", b"a"), ("b.txt", b"bb"))
    )
    assert [(file["path"], file["size"]) for file in files_of(outcome)] == [("a.txt", 1), ("b.txt", 2)]

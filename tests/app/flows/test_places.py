"""A hub with places in its configuration: what it delivers to, collects from, refuses, and says in ``doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.buckets import peer_access, put_object, s3_objects
from tests.support.outbound import Sender, files_of
from tests.support.s3 import ACCESS_KEY, SECRET
from tests.support.webdav import dav_far

from ecluse.app.folder import make_hub
from ecluse.app.health import check_hub
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.errors import EcluseError
from ecluse.trust.configuration import read_folder

S3 = """[s3]
bucket = "{bucket}"
prefix = "from-aster/"
endpoint = "{endpoint}"
access_key = "file:access"
secret_key = "file:secret"
allow_private_network = {private}
conditional = {conditional}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with make_hub(tmp_path / "hub", name="Aster Foods", as2_id="ASTER", key_kind="rsa-2048") as made:
        yield made


def partner(node: Node, text: str, hub: str = "") -> None:
    """Birch, as its file says; applied."""
    (node.folder / "partners" / "birch.toml").write_text(f'name = "Birch Packaging"\n{text}')
    if hub:
        with open(node.folder / "ecluse.toml", "a") as out:
            out.write(hub)
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")


def secret(node: Node, name: str, text: str) -> None:
    (node.folder / name).write_text(text)
    (node.folder / name).chmod(0o600)


def send(node: Node, channel: str, tmp_path: Path) -> dict[str, object]:
    """Deliver one document by the node's own channel; gives the file of its receipt."""
    sender = Sender(tmp_path / "sender")
    outcome_of = node.channels[channel.partition(":")[0]]
    outcome_of._hub = sender.hub  # type: ignore[attr-defined]
    return dict(files_of(sender.deliver(outcome_of, channel, sender.message(("a.txt", b"hello"))))[0])


def doctor(node: Node, check: str) -> list[tuple[str, str]]:
    """Level and text of what it says of one check."""
    return [(each.level, each.observed) for each in check_hub(node.folder) if each.check == check]


def s3(access, private: str = "true", conditional: str = "true") -> str:  # type: ignore[no-untyped-def]
    return S3.format(bucket=access.bucket, endpoint=access.endpoint, private=private, conditional=conditional)


@pytest.mark.peer("s3")
def test_a_bucket_of_a_partners_file(node: Node, tmp_path: Path) -> None:
    access = peer_access("s3")
    secret(node, "access", ACCESS_KEY)
    secret(node, "secret", SECRET)
    partner(node, s3(access))
    assert send(node, "s3:birch", tmp_path)["path"] == "a.txt"
    assert s3_objects(access).look("from-aster/a.txt") is not None
    put_object(access, "from-aster/in/b.txt", b"theirs")
    with node.sources["s3"].open("birch") as remote:
        (file,) = remote.files("in")
        assert (file.path, b"".join(remote.read(file))) == ("in/b.txt", b"theirs")
    ((level, text),) = doctor(node, "s3:birch")
    assert level == "ok", text
    assert "never over another" in text
    assert not any("doctor" in each.key for each in s3_objects(access).list("", deep=True))
    secret(node, "secret", "wrong")
    ((level, text),) = doctor(node, "s3:birch")
    assert (level, "denies" in text) == ("failed", True)
    partner(node, 'state = "suspended"\n' + s3(access))
    for use in (lambda: send(node, "s3:birch", tmp_path), lambda: node.sources["s3"].open("birch")):
        with pytest.raises(EcluseError) as caught:
            use()
        assert caught.value.code == "trust.suspended"


@pytest.mark.peer("s3")
def test_a_private_address_needs_leave(node: Node, tmp_path: Path) -> None:
    secret(node, "access", ACCESS_KEY)
    secret(node, "secret", SECRET)
    partner(node, s3(peer_access("s3"), private="false"))
    with pytest.raises(EcluseError) as caught:
        send(node, "s3:birch", tmp_path)
    assert caught.value.code == "http.egress-denied"


@pytest.mark.peer("rclone")
def test_doctor_finds_a_store_that_ignores_conditions(node: Node) -> None:
    access = peer_access("rclone")
    secret(node, "access", "test")
    secret(node, "secret", "testing")
    partner(node, s3(access))
    ((level, text),) = doctor(node, "s3:birch")
    assert (level, "ignores conditions" in text) == ("warning", True)
    partner(node, s3(access, conditional="false"))
    ((level, text),) = doctor(node, "s3:birch")
    assert (level, "without conditions" in text) == ("ok", True)


@pytest.mark.peer("wsgidav")
def test_a_webdav_server_of_a_partners_file(node: Node, tmp_path: Path) -> None:
    far = dav_far("wsgidav")
    partner(node, f'[webdav]\nurl = "{far.access.url}/"\nfolder = "in"\nallow_private_network = true\n')
    assert send(node, "webdav:birch", tmp_path)["path"] == "in/a.txt"
    assert far.content("in/a.txt") == b"hello"
    far.put("out/b.txt", b"theirs")
    with node.sources["webdav"].open("birch") as remote:
        assert [file.path for file in remote.files("out")] == ["out/b.txt"]
    ((level, text),) = doctor(node, "webdav:birch")
    assert level == "ok", text
    assert [path.name for path in far.folder.rglob("*") if path.is_file()] in (
        ["a.txt", "b.txt"],
        ["b.txt", "a.txt"],
    )


def test_folders_of_the_hub(node: Node, tmp_path: Path) -> None:
    partner(
        node,
        '[as2]\nid = "BIRCH"\nrequire_signed = false\nrequire_encrypted = false\n',
        f'\n[folders.orders]\npath = "{tmp_path}/orders"\ncreate = true\n[folders.gone]\npath = "gone"\n',
    )
    assert send(node, "folder:orders", tmp_path)["path"] == "a.txt"
    assert (tmp_path / "orders" / "a.txt").read_text() == "hello"
    with node.sources["folder"].open("orders") as remote:
        assert [file.path for file in remote.files("")] == ["a.txt"]
    assert doctor(node, "folder:orders")[0][0] == "ok"
    assert doctor(node, "folder:gone")[0][0] == "failed"
    with pytest.raises(EcluseError) as caught:
        node.sources["folder"].open("nowhere")
    assert caught.value.code == "folder.unknown"


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('[s3]\nbucket = "b"\n', "config.missing-field", "s3.access_key"),
        ('[azure]\nbucket = "b"\nsecret_key = "env:K"\n', "config.missing-field", "azure.account"),
        ('[gcs]\nbucket = "b"\n', "config.missing-field", "gcs.secret_key"),
        (
            '[gcs]\nbucket = "b"\nsecret_key = "env:K"\nendpoint = "http://store.example"\n',
            "config.clear-text",
            "gcs.endpoint",
        ),
        ('[gcs]\nbucket = "b"\nsecret_key = "env:K"\nprefix = "/a"\n', "config.bad-value", "gcs.prefix"),
        ('[webdav]\nurl = "http://dav.example/x"\n', "config.clear-text", "webdav.url"),
        ('[webdav]\nurl = "https://u:p@dav.example/x"\n', "config.bad-value", "webdav.url"),
        ('[webdav]\nurl = "https://dav.example"\nuser = "u"\n', "config.missing-field", "webdav.password"),
        (
            '[s3]\nbucket = "b"\naccess_key = "AKIA"\nsecret_key = "x"\n',
            "config.literal-secret",
            "s3.access_key",
        ),
    ],
)
def test_what_a_file_may_not_say(node: Node, text: str, code: str, field: str) -> None:
    with pytest.raises(EcluseError) as caught:
        partner(node, text)
    problems = [(each.code, each.field) for each in caught.value.problems]  # type: ignore[attr-defined]
    assert (code, field) in problems


def test_the_inbox_is_no_folder_of_ones_own(node: Node) -> None:
    with pytest.raises(EcluseError) as caught:
        partner(node, '[s3]\nbucket = "b"\n', '\n[folders.inbox]\npath = "x"\n')
    assert "folders.inbox" in [each.field for each in caught.value.problems]  # type: ignore[attr-defined]

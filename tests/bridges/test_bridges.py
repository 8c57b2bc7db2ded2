"""What came by any channel leaves by any other: the same octets, once, in one trace, each side with its receipt.

Real clients and servers on both sides of a served hub. The tests of this file share one town.
"""

from __future__ import annotations

import gzip
import io
import os
import time
import zipfile
from collections.abc import Iterator
from hashlib import sha256

import obstore
import pytest
from tests.support.bridge_town import Town, flow
from tests.support.bridges import facts_of, until
from tests.support.sites import content_of

from ecluse.app.flows.views import pause_flow, resume_flow
from ecluse.exchange.actions import release, resend
from ecluse.exchange.trace import Branch, Trace
from ecluse.model.states import DeliveryState, MessageState

pytestmark = [pytest.mark.peer("sshd"), pytest.mark.peer("sftp"), pytest.mark.peer("gpg")]

SOON = 'stable = "300ms"\nevery = "500ms"'


def uploaded(names: str, user: str = "cedar") -> str:
    return f'channel = "account:{user}"\nnames = ["{names}"]'


def by_as2(names: str) -> str:
    return f'channel = "as2:birch"\nnames = ["{names}"]'


ARCHIVE, BIRCH, CEDAR = (
    f'channel = "{channel}"' for channel in ("folder:archive", "as2:birch", "sftp:cedar")
)

FLOWS = {
    "up": flow(uploaded("up-*"), f'{BIRCH}\nsubject = "{{stem}} of {{partner}}"'),
    "down": flow(
        by_as2("down-*"), f'{CEDAR}\nfolder = "in"\nname = "{{stem}}-{{reference}}-{{counter:4}}{{suffix}}"'
    ),
    "pick": flow(by_as2("pick-*"), 'channel = "account:gale"'),
    "to-bucket": flow(uploaded("bucket-*"), 'channel = "s3:elder"\nfolder = "from-cedar"'),
    "from-bucket": flow(f'channel = "s3:elder"\nfolder = "outgoing"\n{SOON}', f'{ARCHIVE}\nfolder = "elder"'),
    "dropped": flow('channel = "folder:drop"\nstable = "300ms"', 'channel = "ftps:dahlia"'),
    "fetched": flow(
        f'channel = "sftp:cedar"\nfolder = "outgoing"\nafter = "move"\nmove_to = "outgoing/done"\n{SOON}',
        BIRCH,
    ),
    "opened": flow(uploaded("*.pgp"), BIRCH, open="openpgp = true"),
    "sealed": flow(by_as2("seal-*"), f'{CEDAR}\nfolder = "in"\nopenpgp = "sign-and-encrypt"'),
    "gunzip": flow(uploaded("*.gz"), BIRCH, open='unpack = "gzip"'),
    "unzip": flow(uploaded("*.zip"), f'{ARCHIVE}\nfolder = "zip"', open='unpack = "zip"'),
    "many": flow(uploaded("many-*"), BIRCH, f'{ARCHIVE}\nfolder = "many"', f'{CEDAR}\nfolder = "many"'),
    "skip": flow(
        uploaded("skip-*"), f'{ARCHIVE}\nfolder = "skip"', duplicates='window = "1h"\naction = "skip"'
    ),
    "twice": flow(
        uploaded("twice-*"),
        f'{ARCHIVE}\nfolder = "twice"',
        duplicates='window = "1h"\naction = "quarantine"',
    ),
    "ordered": flow(
        uploaded("ord-*"),
        f'{ARCHIVE}\nfolder = "ordered"\nname = "{{counter:4}}-{{name}}"',
        f'{CEDAR}\nfolder = "ordered"',
        order='key = "{partner}"',
    ),
    "paused": flow(uploaded("pause-*"), f'{ARCHIVE}\nfolder = "paused"'),
    "asked": flow(
        f'channel = "sftp:cedar"\nfolder = "asked"\n{SOON}',
        f'{ARCHIVE}\nfolder = "asked"\nname = "{{partner}}-{{name}}"',
        top='trigger = "command"',
    ),
    "to-dav": flow(uploaded("dav-*"), 'channel = "webdav:fir"'),
    "from-dav": flow(f'channel = "webdav:fir"\nfolder = "outgoing"\n{SOON}', 'channel = "account:gale"'),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("town"), FLOWS) as town:
        yield town


def one_branch(town: Town, life: Trace, channel: str, data: bytes) -> Branch:
    """The only child of a message: confirmed by that channel, with a receipt, and the octets that came."""
    (branch,) = life.branches
    (delivery,) = branch.deliveries
    assert (delivery.channel, delivery.state) == (channel, DeliveryState.CONFIRMED)
    assert [each.state for each in life.deliveries] == [DeliveryState.CONFIRMED]
    assert branch.message.origin == life.message.id
    assert branch.message.state is MessageState.DELIVERED
    assert [part.sha256 for part in branch.message.parts] == [sha256(data).hexdigest()]
    (receipt,) = branch.receipts
    assert receipt.positive
    if receipt.kind == "file":
        assert sha256(data).hexdigest() in receipt.body.decode()
    # One trace, whichever of the two is asked for.
    assert {step.message for step in life.steps} == {life.message.id, branch.message.id}
    kinds = [step.kind for step in life.steps]
    assert kinds.index("delivery.relayed") < kinds.index("delivery.confirmed")
    other = town.aster.trace(branch.message)
    assert (other.message.id, other.asked) == (life.message.id, branch.message.id)
    assert {step.id for step in other.steps} >= {step.id for step in life.steps}
    return branch


def test_sftp_to_as2(town: Town) -> None:
    data = content_of("up", 2_000_000)
    town.cedar.put("up-1.edi", data)
    life = town.aster.delivered("up-1.edi")
    branch = one_branch(town, life, "as2:birch", data)
    assert branch.receipts[0].kind == "mdn"
    assert branch.message.subject == "up-1 of cedar"
    assert until(lambda: town.at_birch("up-1.edi")) == [data]

    def receipts() -> bytes:
        said = town.cedar.run("ls -1 receipts")
        return said if b"up-1.edi" in said and b".mdn" in said else b""

    # Cedar finds in its receipts what Birch signed.
    name = next(
        line for line in until(receipts).decode().split() if "up-1.edi" in line and line.endswith(".mdn")
    )
    held = branch.receipts[0]
    assert town.cedar.get(f"receipts/{name.rpartition('/')[2]}") == held.headers + b"\r\n" + held.body


def test_as2_to_sftp_under_a_collected_name(town: Town) -> None:
    data = content_of("D1", 1_500_000)
    (town.sshd.files / "in").mkdir(exist_ok=True)
    town.birch_sends("down-1.edi", data)
    life = town.aster.delivered("down-1.edi")
    branch = one_branch(town, life, "sftp:cedar", data)
    name = f"down-1-{life.message.reference}-0001.edi"
    assert life.message.reference == "D1"
    assert (town.sshd.files / "in" / name).read_bytes() == data
    (file,) = facts_of(branch.receipts[0])["files"]
    assert (file["size"], file["path"].rpartition("/")[2]) == (len(data), name)
    sent = town.birch.delivered("down-1.edi")
    assert sent.receipts[0].positive


@pytest.mark.parametrize("client", ["sftp", pytest.param("curl", marks=pytest.mark.peer("curl"))])
def test_as2_to_an_account_where_it_is_picked_up(town: Town, client: str) -> None:
    name, data = f"pick-{client}.edi", content_of(client, 400_000)
    town.birch_sends(name, data)
    until(lambda: name in town.gale.run("ls -1 outbound").decode())
    waiting = town.aster.trace(town.aster.came(name)[0])
    assert waiting.deliveries[0].state is DeliveryState.SENT
    assert waiting.branches[0].deliveries[0].state is DeliveryState.SENT
    if client == "sftp":
        assert town.gale.get(f"outbound/{name}") == data
    else:
        assert town.curl(f"/outbound/{name}", user="gale") == data
    branch = one_branch(town, town.aster.delivered(name), "account:gale", data)
    assert branch.receipts[0].verdict == "picked-up"
    (document,) = facts_of(branch.receipts[0])["documents"]
    assert document["sha256"] == sha256(data).hexdigest()


@pytest.mark.peer("curl")
@pytest.mark.peer("s3")
def test_ftps_to_a_bucket(town: Town) -> None:
    data = content_of("bucket", 700_000)
    path = town.base / "bucket-1.edi"
    path.write_bytes(data)
    town.curl("-T", path, "/inbound/")
    one_branch(town, town.aster.delivered("bucket-1.edi"), "s3:elder", data)
    assert town.object("from-cedar/bucket-1.edi") == data


@pytest.mark.peer("s3")
def test_a_bucket_to_a_folder(town: Town) -> None:
    data = content_of("elder", 300_000)
    obstore.put(town.bucket, "outgoing/prices.edi", data)
    life = town.aster.delivered("prices.edi")
    one_branch(town, life, "folder:archive", data)
    assert (town.aster.folder / "archive/elder/prices.edi").read_bytes() == data
    until(lambda: not obstore.list(town.bucket, "outgoing/").collect())


@pytest.mark.peer("vsftpd")
def test_a_watched_folder_to_ftps(town: Town) -> None:
    data = content_of("drop", 300_000)
    (town.aster.folder / "drop/drop-1.edi").write_bytes(data)
    branch = one_branch(town, town.aster.delivered("drop-1.edi"), "ftps:dahlia", data)
    assert [(path.name, path.read_bytes()) for path in town.vsftpd.folder.iterdir()] == [("drop-1.edi", data)]
    assert facts_of(branch.receipts[0])["tls"].startswith("TLSv1")
    until(lambda: not list((town.aster.folder / "drop").iterdir()))


def test_a_partners_server_to_as2_and_moved(town: Town) -> None:
    outgoing = town.sshd.files / "outgoing"
    outgoing.mkdir()
    data = {f"fetch-{number}.edi": content_of(f"F{number}", 50_000) for number in range(3)}
    for name, octets in data.items():
        (outgoing / name).write_bytes(octets)
    for name, octets in data.items():
        one_branch(town, town.aster.delivered(name), "as2:birch", octets)
        assert until(lambda name=name: town.at_birch(name)) == [octets]  # type: ignore[misc]
    until(lambda: [path.name for path in outgoing.iterdir()] == ["done"])
    assert {path.name: path.read_bytes() for path in (outgoing / "done").iterdir()} == data


def test_openpgp_comes_in_and_goes_on_by_as2(town: Town) -> None:
    data = content_of("pgp", 200_000)
    how = ("--local-user", "cedar@cedar.example", "--recipient", "edi@aster.example", "--sign", "--encrypt")
    town.cedar.put("order.edi.pgp", town.gpg.run(*how, data=data))
    branch = one_branch(town, town.aster.delivered("order.edi.pgp"), "as2:birch", data)
    assert branch.message.parts[0].name == "order.edi"
    assert until(lambda: town.at_birch("order.edi")) == [data]


def test_what_is_not_signed_by_its_sender_goes_nowhere(town: Town) -> None:
    town.cedar.put(
        "bare.edi.pgp", town.gpg.run("--recipient", "edi@aster.example", "--encrypt", data=b"UNB+'")
    )
    life = until(
        lambda: next(
            (
                life
                for life in map(town.aster.trace, town.aster.came("bare.edi.pgp"))
                if life.deliveries and life.deliveries[0].state is DeliveryState.DEAD
            ),
            None,
        )
    )
    assert life.branches == []
    assert life.deliveries[0].reason_code.startswith("openpgp.")


def test_as2_in_and_sealed_with_openpgp(town: Town) -> None:
    data = content_of("seal", 200_000)
    (town.sshd.files / "in").mkdir(exist_ok=True)
    town.birch_sends("seal-1.edi", data)
    life = town.aster.delivered("seal-1.edi")
    (branch,) = life.branches
    sealed = (town.sshd.files / "in" / branch.message.parts[0].name).read_bytes()
    assert branch.message.parts[0].name == "seal-1.edi.pgp"
    assert data[:50] not in sealed
    assert sha256(sealed).hexdigest() == branch.message.parts[0].sha256
    status = town.base / "gpg-status"
    assert town.gpg.run("--status-file", str(status), "--decrypt", data=sealed) == data
    assert "GOODSIG" in status.read_text()


def test_gzip_and_zip_are_unpacked(town: Town) -> None:
    data = content_of("gz", 900_000)
    town.cedar.put("packed.edi.gz", gzip.compress(data))
    one_branch(town, town.aster.delivered("packed.edi.gz"), "as2:birch", data)
    assert until(lambda: town.at_birch("packed.edi")) == [data]

    files = {f"z{number}.edi": content_of(f"z{number}", 5000) for number in range(4)}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(f"below/{name}", octets)
    town.cedar.put("many.zip", written.getvalue())
    town.aster.delivered("many.zip")
    folder = town.aster.folder / "archive/zip"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_one_of_several_targets_fails_and_is_resent(town: Town) -> None:
    data = content_of("many", 20_000)
    taken = town.sshd.files / "many" / "many-1.edi"
    taken.parent.mkdir()
    taken.write_bytes(b"somebody's")
    town.cedar.put("many-1.edi", data)

    def failed() -> Trace | None:
        found = [town.aster.trace(message) for message in town.aster.came("many-1.edi")]
        if not found:
            return None
        states = {delivery.channel: delivery.state for delivery in found[0].deliveries}
        whole = {"as2:birch": DeliveryState.CONFIRMED, "folder:archive": DeliveryState.CONFIRMED}
        return found[0] if {**whole, "sftp:cedar": DeliveryState.DEAD} == states else None

    life = until(failed)
    assert town.at_birch("many-1.edi") == [data]
    assert (town.aster.folder / "archive/many/many-1.edi").read_bytes() == data
    assert taken.read_bytes() == b"somebody's"
    assert life.message.state is MessageState.FAILED
    taken.unlink()
    resend(town.aster.node.hub, life.message.id, actor="operator:test", reason="the name is free")
    life = town.aster.delivered("many-1.edi")
    assert taken.read_bytes() == data
    assert len(life.branches) == 3
    assert town.at_birch("many-1.edi") == [data]
    assert [path.name for path in (town.aster.folder / "archive/many").iterdir()] == ["many-1.edi"]


def test_the_same_content_again_is_skipped(town: Town) -> None:
    data = content_of("skip")
    town.cedar.put("skip-1.edi", data)
    town.aster.delivered("skip-1.edi")
    town.cedar.put("skip-2.edi", data)
    until(lambda: [m for m in town.aster.came("skip-2.edi") if m.state is MessageState.GIVEN_UP])
    life = town.aster.trace(town.aster.came("skip-2.edi")[0])
    assert life.branches == []
    assert "flow.duplicate" in [step.kind for step in life.steps]
    assert [path.name for path in (town.aster.folder / "archive/skip").iterdir()] == ["skip-1.edi"]


def test_the_same_content_again_waits_for_a_person(town: Town) -> None:
    data = content_of("twice")
    town.cedar.put("twice-1.edi", data)
    town.aster.delivered("twice-1.edi")
    town.cedar.put("twice-2.edi", data)
    held = town.aster.delivered("twice-2.edi", MessageState.QUARANTINED)
    assert held.branches == []
    release(town.aster.node.hub, held.message.id, actor="operator:test", reason="they mean it")
    town.aster.delivered("twice-2.edi")
    names = sorted(path.name for path in (town.aster.folder / "archive/twice").iterdir())
    assert names == ["twice-1.edi", "twice-2.edi"]


def test_order_is_kept_for_each_target(town: Town) -> None:
    far = town.sshd.files / "ordered"
    far.mkdir()
    (far / "ord-2.edi").write_bytes(b"somebody's")
    names = [f"ord-{number}.edi" for number in range(1, 9)]
    for name in names:
        (town.cedar.folder / name).write_bytes(content_of(name))
    town.cedar.run(*(f"put {name} inbound/{name}" for name in names))
    near = town.aster.folder / "archive/ordered"
    until(lambda: near.is_dir() and len(list(near.iterdir())) == 8)
    # One target's trouble stops what comes behind it there, and nothing elsewhere.
    assert [path.name[5:] for path in sorted(near.iterdir())] == names
    message = town.aster.came("ord-2.edi")[0]
    until(lambda: any(d.state is DeliveryState.DEAD for d in town.aster.deliveries(message)))
    assert sorted(path.name for path in far.iterdir()) == names[:2]
    (far / "ord-2.edi").unlink()
    resend(town.aster.node.hub, message.id, actor="operator:test", reason="the name is free")
    for name in names:
        town.aster.delivered(name)
    files = {path.name: path for path in far.iterdir() if not path.name.startswith(".")}
    assert {name: path.read_bytes() for name, path in files.items()} == {
        name: content_of(name) for name in names
    }
    assert sorted(files, key=lambda name: files[name].stat().st_ctime_ns) == names


def test_a_paused_flow_keeps_what_comes(town: Town) -> None:
    pause_flow(town.aster.node, "paused", actor="operator:test", reason="the warehouse moves")
    data = content_of("pause")
    town.cedar.put("pause-1.edi", data)
    (message,) = town.aster.came("pause-1.edi")
    until(lambda: "flow.paused" in {each.reason_code for each in town.aster.deliveries(message)})
    folder = town.aster.folder / "archive/paused"
    assert not folder.exists()
    resume_flow(town.aster.node, "paused", actor="operator:test", reason="it has moved")
    one_branch(town, town.aster.delivered("pause-1.edi"), "folder:archive", data)
    assert (folder / "pause-1.edi").read_bytes() == data


def test_a_trial_says_what_would_happen_and_changes_nothing(town: Town) -> None:
    folder = town.sshd.files / "asked"
    folder.mkdir()
    (folder / "ask-1.edi").write_bytes(content_of("ask"))
    time.sleep(0.5)
    before = (len(town.aster.messages()), (folder / "ask-1.edi").stat())
    (trial,) = town.aster.say("flow", "test", "asked")["files"]
    assert (trial["name"], trial["taken"]) == ("asked/ask-1.edi", True)
    (way,) = trial["ways"]
    assert (way["channel"], way["folder"], way["names"]) == ("folder:archive", "asked", [["cedar-ask-1.edi"]])
    after = (len(town.aster.messages()), (folder / "ask-1.edi").stat())
    assert after[0] == before[0]
    assert (after[1].st_ino, after[1].st_mtime_ns) == (before[1].st_ino, before[1].st_mtime_ns)
    assert not (town.aster.folder / "archive/asked").exists()
    # Nothing came of it; only the command brings it in.
    ran = town.aster.say("flow", "run", "asked")
    assert ran["kept"] == 1
    town.aster.delivered("ask-1.edi")
    assert os.listdir(town.aster.folder / "archive/asked") == ["cedar-ask-1.edi"]


@pytest.mark.peer("wsgidav")
def test_webdav_both_ways(town: Town) -> None:
    data = content_of("dav", 100_000)
    town.cedar.put("dav-1.edi", data)
    one_branch(town, town.aster.delivered("dav-1.edi"), "webdav:fir", data)
    fir = town.dav.folder / "fir"
    assert (fir / "dav-1.edi").read_bytes() == data
    (fir / "outgoing").mkdir()
    (fir / "outgoing/answer.edi").write_bytes(data)
    until(lambda: "answer.edi" in town.gale.run("ls -1 outbound").decode())
    assert town.gale.get("outbound/answer.edi") == data
    one_branch(town, town.aster.delivered("answer.edi"), "account:gale", data)
    until(lambda: not list((fir / "outgoing").iterdir()))


def test_at_the_end_all_is_settled_and_the_logs_verify(town: Town) -> None:
    left = [line for line in town.aster.unfinished() if "bare.edi.pgp" not in line]
    assert left == []
    assert town.birch.unfinished() == []
    parts = [
        path for path in town.sshd.files.rglob("*") if path.name.startswith(".") or path.suffix == ".part"
    ]
    assert parts == []
    town.aster.check_log()
    town.birch.check_log()
    assert (town.aster.stop(), town.birch.stop()) == (0, 0)

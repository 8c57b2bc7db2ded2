"""Export, check and import: what was archived in one hub is archived in another, and nothing else ever is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support import documents as samples
from tests.support.archives import INVOICE, ArchiveWorld, drop_bytes, profile
from tests.support.postgres import PostgresServer, postgres_server

from ecluse.archive.holding import place_hold, release_hold
from ecluse.archive.holds import Criteria, obstacles
from ecluse.archive.signing import NotAllowed
from ecluse.archive.transfer import BadExport, Scope, check_export, export_archive, load_export
from ecluse.archive.transfer.export import Exported, Owner, WrongFolder
from ecluse.archive.transfer.load import NotLoadable
from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.memory import MemoryPlace
from ecluse.blobs.vault import Vault
from ecluse.evidence.sequencer import Sequencer
from ecluse.model.archive import Archived
from ecluse.model.basics import system_entropy
from ecluse.model.nouns import Answer, Receipt

__all__ = ["postgres_server"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = _world(tmp_path / "one", 1)
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = _world(tmp_path / "two", 2, start="2027-01-01")
    yield made
    made.close()


def _world(folder: Path, key: int, **more: Any) -> ArchiveWorld:
    folder.mkdir()
    made = ArchiveWorld(folder, **more)
    made.hub.vault = Vault(MemoryPlace(), AesKeyWrap(bytes([key]) * 32), system_entropy, made.clock, 1024)
    return made


def sequence(world: ArchiveWorld) -> None:
    """Put what is waiting into the log, and sign its head."""
    sequencer = Sequencer(world.hub.store, world.clock, world.note_key, world.log_sign)
    while sequencer.seal():
        pass
    sequencer.checkpoint()


def export(world: ArchiveWorld, folder: Path, scope: Scope | None = None, **more: Any) -> Exported:
    owner = Owner("Aster Foods SAS", (str(world.note_key),), "ecluse test")
    signing = {"operator": "anne", "sign": world.anne.sign}
    return export_archive(
        world.room,
        folder,
        owner,
        scope or Scope(),
        reason="hand over",
        actor="operator:os",
        **{**signing, **more},
    )


def load(world: ArchiveWorld, folder: Path, **more: Any) -> Any:
    return load_export(world.room, folder, reason="taken over", actor="operator:os", **more)


def filled(world: ArchiveWorld) -> list[Archived]:
    """Some messages of several kinds; in the log, but for the last event."""
    rows = [
        world.archived(INVOICE),
        world.archived(samples.ORDERS, samples.INVOIC),
        world.archived(samples.UBL_INVOICE * 1, partner="cedar"),
        world.archived(b"%PDF-1.7 " + os.urandom(300_000)),
    ]
    for row in rows:
        world.ended(row)
    message = rows[0].message
    answer = Answer(message, 200, (("Content-Type", "text/plain"),), b"received\r\n", True, world.clock())
    receipt = Receipt("r1", "d1", message, "mdn", True, "confirmed", b"A: b\r\n", b"mdn", world.clock())  # type: ignore[arg-type]
    world.hub.store.write(lambda tx: (tx.put_answer(answer), tx.add_receipt(receipt)))
    sequence(world)
    place_hold(
        world.room, Criteria(ids=(rows[0].id,)), reason="audit", reference="F-1", actor="operator:anne"
    )
    other = place_hold(
        world.room, Criteria(partner="cedar"), reason="audit", reference="F-2", actor="operator:anne"
    )
    release_hold(world.room, other.id, reason="over", actor="operator:anne")
    return [
        row
        for each in rows
        for row in world.hub.store.read(lambda view, each=each: view.archived_of(each.message))
    ]  # type: ignore[misc]


def told(folder: Path) -> dict[str, bytes]:
    """What an export says of documents, and these: without the journals and the evidence of former hubs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("data/messages/**/*"))
        if path.is_file() and not {"journal", "former"} & {*path.parts}
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_there_and_there_again(world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path) -> None:
    rows = filled(world)
    done = export(world, tmp_path / "a")
    assert (done.messages, done.documents, done.lacking, done.resumed) == (4, 5, [], False)
    checked = check_export(tmp_path / "a", [world.note_key])
    assert (checked.messages, checked.documents, checked.receipts, checked.claimed) == (4, 5, 5, False)
    assert checked.proofs > 8
    assert checked.unproven > 0
    assert checked.manifest == done.manifest

    loaded = load(fresh, tmp_path / "a", keys=[world.note_key])
    assert (loaded.messages, loaded.documents, loaded.there, loaded.holds, loaded.left_out) == (
        4,
        5,
        0,
        2,
        [],
    )
    for row in rows:
        mine = fresh.row(row)
        assert msgspec.structs.replace(mine, blob=row.blob, body=row.body) == row
        [(kind, facts)] = [each for each in fresh.events(row.id) if each[0] == "archive.imported"]
        assert kind == "archive.imported"
        assert (facts["manifest"], facts["sha256"]) == (done.manifest, row.sha256.hex())
        with fresh.hub.blob(mine.blob) as reader:
            assert len(b"".join(reader.chunks())) >= row.size
    kinds = {each.kind for each in fresh.hub.store.read(lambda view: obstacles(view, rows[0].message))}
    assert kinds == {"hold", "retention"}
    assert all(look.primary == "sound" for look in fresh.care())

    sequence(fresh)
    again = export(fresh, tmp_path / "b")
    assert again.lacking == []
    before, after = told(tmp_path / "a"), told(tmp_path / "b")
    moved = {name for name in before if "/protocol/r1." in name}
    assert {name: data for name, data in before.items() if name not in moved} == after
    former = tmp_path / "b" / next(iter(sorted(moved))).replace("/protocol/", "/former/1/protocol/")
    assert former.read_bytes() == b"mdn"
    both = check_export(tmp_path / "b", [fresh.note_key, world.note_key])
    assert (both.receipts, both.foreign) == (5, 0)
    alone = check_export(tmp_path / "b")
    assert (alone.claimed, alone.receipts, alone.foreign) == (True, 0, 5)


def test_a_third_hub_has_the_evidence_of_both(
    world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path
) -> None:
    row = world.archived(INVOICE)
    world.ended(row)
    sequence(world)
    export(world, tmp_path / "a")
    load(fresh, tmp_path / "a")
    sequence(fresh)
    export(fresh, tmp_path / "b")
    third = _world(tmp_path / "three", 3, start="2028-01-01")
    try:
        load(third, tmp_path / "b")
        export(third, tmp_path / "c")
    finally:
        third.close()
    names = set(tree(tmp_path / "c"))
    assert any("/former/1/journal/" in name for name in names)
    assert any("/former/2/journal/" in name for name in names)
    assert told(tmp_path / "a") == told(tmp_path / "c")


def test_sha256sum_alone_checks_it(world: ArchiveWorld, tmp_path: Path) -> None:
    filled(world)
    export(world, tmp_path / "a")
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        command = ["sha256sum", "--quiet", "--strict", "-c", manifest]
        assert subprocess.run(command, cwd=tmp_path / "a", check=False).returncode == 0
    info = (tmp_path / "a/bag-info.txt").read_text()
    oxum = next(line for line in info.splitlines() if line.startswith("Payload-Oxum")).split()[1]
    payload = [path for path in (tmp_path / "a/data").rglob("*") if path.is_file()]
    assert oxum == f"{sum(path.stat().st_size for path in payload)}.{len(payload)}"


def test_every_changed_missing_or_added_file_is_named(
    world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path
) -> None:
    row = world.archived(INVOICE)
    answer = Answer(row.message, 200, (), b"received\r\n", True, world.clock())
    world.hub.store.write(lambda tx: tx.put_answer(answer))
    sequence(world)
    place_hold(world.room, Criteria(ids=(row.id,)), reason="audit", reference="F-1", actor="operator:anne")
    good, bad = tmp_path / "a", tmp_path / "bad"
    export(world, good)
    files = sorted(tree(good), key=lambda name: not name.startswith("data/"))
    seen: set[str] = set()
    for name in files:
        kind = "/".join(name.split("/")[4:-1]) + name.rpartition(".")[2]
        if kind in seen:
            continue
        seen.add(kind)
        for harm in ("flip", "cut", "gone", "link"):
            shutil.rmtree(bad, ignore_errors=True)
            shutil.copytree(good, bad, copy_function=os.link)
            path = bad / name
            data = path.read_bytes()
            path.unlink()
            if harm == "flip":
                path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            elif harm == "cut":
                path.write_bytes(data[: len(data) // 2])
            elif harm == "link":
                path.symlink_to(good / name)
            with pytest.raises(BadExport) as caught:
                load(fresh, bad)
            if name.startswith("data/"):
                assert caught.value.path == name, harm
    for added in ("data/extra", "data/messages/m00000/x", "extra"):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad, copy_function=os.link)
        (bad / added).parent.mkdir(parents=True, exist_ok=True)
        (bad / added).write_text("x")
        with pytest.raises(BadExport) as caught:
            load(fresh, bad)
        assert caught.value.path == added
    assert fresh.hub.store.read(lambda view: view.archive_list()) == []
    assert fresh.hub.store.read(lambda view: view.messages()) == []


def resealed(world: ArchiveWorld, bag: Path) -> None:
    """Make the manifests anew over what is there, and sign them: what somebody with the key of the log can do."""
    paths = sorted(
        (str(p.relative_to(bag)) for p in (bag / "data").rglob("*") if p.is_file()),
        key=lambda p: p.split("/"),
    )
    manifest = "".join(f"{sha256((bag / p).read_bytes()).hexdigest()}  {p}\n" for p in paths).encode()
    (bag / "manifest-sha256.txt").write_bytes(manifest)
    digest = sha256(manifest).hexdigest()
    (bag / "export.note").write_bytes(
        world.room.sign(f"ecluse.export/1\n{digest}\n2026-04-01T00:00:00.000Z\n")
    )
    tags = ("bag-info.txt", "bagit.txt", "export.note", "manifest-sha256.txt")
    lines = "".join(f"{sha256((bag / name).read_bytes()).hexdigest()}  {name}\n" for name in tags)
    (bag / "tagmanifest-sha256.txt").write_text(lines)


def test_manifests_made_anew_do_not_help(world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path) -> None:
    row = world.archived(INVOICE)
    world.ended(row)
    sequence(world)
    good, bad = tmp_path / "a", tmp_path / "bad"
    export(world, good)
    base = next(good.glob("data/messages/*/*"))
    place = base.relative_to(good)

    def changed(name: str, change: Any) -> BadExport:
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)
        path = bad / place / name
        if name.endswith(".json") and callable(change):
            facts = json.loads(path.read_text())
            change(facts)
            path.write_text(json.dumps(facts))
        elif change is None:
            path.unlink()
        else:
            path.write_bytes(change)
        resealed(world, bad)
        with pytest.raises(BadExport) as caught:
            load(fresh, bad)
        assert caught.value.path.startswith(str(place)), caught.value
        return caught.value

    doc = "documents/0"
    changed(f"{doc}/document", b"another")
    changed(f"{doc}/metadata.json", lambda facts: facts.update(sha256="0" * 64))
    changed(f"{doc}/metadata.json", lambda facts: facts.update(id="a" + "0" * 26))
    changed(f"{doc}/metadata.json", lambda facts: facts.update(size=10**30))
    changed(f"{doc}/metadata.json", lambda facts: facts.update(state="glowing"))
    changed(f"{doc}/metadata.json", lambda facts: facts["body"]["receipt"].update(text="{}"))
    changed(f"{doc}/receipt.json", b"{}")
    changed(f"{doc}/document", None)
    changed(f"{doc}/metadata.json", b"\xff{")
    changed("message.json", lambda facts: facts.update(id="m" + "1" * 26))
    changed("message.json", lambda facts: facts.update(parts=[]))
    changed("message.json", None)
    record = sorted((base / "journal").glob("*.tlog-proof"))[0]
    changed(f"journal/{record.name}", record.read_bytes().replace(b"index", b"indez"))
    assert fresh.hub.store.read(lambda view: view.archive_list()) == []


def rewritten(world: ArchiveWorld, bag: Path, lines: Sequence[bytes]) -> None:
    """Sign a manifest of these lines, whatever they say."""
    (bag / "manifest-sha256.txt").write_bytes(b"".join(lines))
    digest = sha256(b"".join(lines)).hexdigest()
    (bag / "export.note").write_bytes(
        world.room.sign(f"ecluse.export/1\n{digest}\n2026-04-01T00:00:00.000Z\n")
    )
    tags = ("bag-info.txt", "bagit.txt", "export.note", "manifest-sha256.txt")
    text = "".join(f"{sha256((bag / name).read_bytes()).hexdigest()}  {name}\n" for name in tags)
    (bag / "tagmanifest-sha256.txt").write_text(text)


class TestAForgerWithTheKey:
    """Names that lead out of the export, or to something that is no file of it, in a manifest that is signed well."""

    @pytest.fixture
    def good(self, world: ArchiveWorld, tmp_path: Path) -> Path:
        world.ended(world.archived(INVOICE))
        sequence(world)
        export(world, tmp_path / "in" / "good")
        (tmp_path / "secret").write_bytes(b"secret")
        return tmp_path / "in" / "good"

    @pytest.fixture
    def refused(self, fresh: ArchiveWorld, tmp_path: Path) -> Callable[[Path], BadExport]:
        def refused(bag: Path) -> BadExport:
            def seen() -> list[Path]:
                return sorted([*tmp_path.iterdir(), *(tmp_path / "in").rglob("*")])

            before = seen()
            with pytest.raises(BadExport) as caught:
                load(fresh, bag)
            assert fresh.hub.store.read(lambda view: view.archive_list()) == []
            assert fresh.hub.store.read(lambda view: view.messages()) == []
            assert seen() == before
            return caught.value

        return refused

    @pytest.mark.parametrize(
        "name",
        [
            b"data/../../../secret",
            b"data/messages/../../../../secret",
            b"../../secret",
            b"/etc/hostname",
            b"data//etc/hostname",
            b"data/./bag",
            b"data/..",
            b"data/",
            b"data/.hidden",
            b"data/a\0b",
            b"data/a\nb",
            b"data\\..\\..\\secret",
            b"data/c:\\secret",
            b"data/secret:stream",
            b"data/%2e%2e/%2e%2e/secret",
            b"data/~root",
            b"data/\xc0\xae\xc0\xae/secret",
            "data/\u2025/secret".encode(),
            b"data/" + b"a" * 300,
            b"data/" + b"a/" * 90 + b"a",
            b"data/CON",
            b"data/nul.txt",
        ],
    )
    @pytest.mark.parametrize("inside", [False, True])
    def test_a_name_that_leads_elsewhere(
        self, world: ArchiveWorld, good: Path, refused: Any, name: bytes, inside: bool
    ) -> None:
        lines = (good / "manifest-sha256.txt").read_bytes().splitlines(keepends=True)
        if inside:  # of a message's own folder
            folder = next(line for line in lines if b"/messages/" in line)[66:].split(b"/")[:4]
            name = b"/".join((*folder, name.removeprefix(b"data/")))
        with suppress(ValueError, OSError):  # what can be a file of the export is one, with the right digest
            path = good / os.fsdecode(name)
            if path.resolve().is_relative_to(good) and ".." not in path.parts:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"secret")
        lines.append(sha256(b"secret").hexdigest().encode() + b"  " + name + b"\n")
        lines.sort(key=lambda line: line[66:-1].split(b"/"))
        rewritten(world, good, lines)
        refused(good)

    def test_names_that_differ_in_case_alone(self, world: ArchiveWorld, good: Path, refused: Any) -> None:
        names = [name for name in tree(good) if name.startswith("data/messages/") and name.endswith(".json")]
        assert names
        for name in names:
            folder, _, last = name.rpartition("/")
            twin = good / folder / last.upper()
            twin.write_bytes((good / name).read_bytes())
            resealed(world, good)
            assert refused(good).path.lower() == name.lower()
            twin.unlink()

    @pytest.mark.parametrize("what", ["file", "folder", "data", "dangling", "device", "fifo"])
    def test_what_is_no_file_of_its_own(
        self, world: ArchiveWorld, good: Path, refused: Any, tmp_path: Path, what: str
    ) -> None:
        document = next(path for path in good.rglob("document") if path.is_file())
        away = tmp_path / "away"
        harmed = {"folder": document.parent, "data": good / "data"}.get(what, document)
        harmed.rename(away)
        if what == "fifo":
            os.mkfifo(harmed)
        elif what in ("dangling", "device"):
            harmed.symlink_to("/dev/null" if what == "device" else tmp_path / "nowhere")
        else:
            harmed.symlink_to(away)
        # The manifest says just what is found behind the link.
        assert refused(good).path in (str(harmed.relative_to(good)), str(document.relative_to(good)))


def test_manifests_of_somebody_else_are_only_claimed(world: ArchiveWorld, tmp_path: Path) -> None:
    world.archived(INVOICE)
    sequence(world)
    export(world, tmp_path / "a")
    other = _world(tmp_path / "other", 9)
    try:
        resealed(other, tmp_path / "a")
    finally:
        other.close()
    with pytest.raises(BadExport) as caught:
        check_export(tmp_path / "a", [world.note_key])
    assert caught.value.path == "export.note"


def test_an_export_goes_on_where_it_was_cut(
    world: ArchiveWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(world)
    monkeypatch.setattr("ecluse.archive.transfer.manifest.BATCH", 1)
    whole = tmp_path / "whole"
    export(world, whole)
    for count in range(1, 5):
        cut = tmp_path / f"cut{count}"

        def stop(done: int, count: int = count) -> None:
            if done == count:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export(world, cut, progress=stop)
        with pytest.raises(BadExport) as caught:
            check_export(cut)
        assert caught.value.path == "bagit.txt"
        with (cut / "manifest-sha256.txt").open("ab") as manifest:
            manifest.write(b"0123")  # a torn line
        (cut / "data/messages/left").mkdir(parents=True, exist_ok=True)
        shutil.rmtree(cut / "data/messages/left")
        done = export(world, cut)
        assert done.resumed
        assert check_export(cut).documents == 5
        assert told(cut) == told(whole)


def test_a_folder_with_something_else_is_left_alone(world: ArchiveWorld, tmp_path: Path) -> None:
    world.archived(INVOICE)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/letter.txt").write_text("keep")
    with pytest.raises(WrongFolder):
        export(world, tmp_path / "a")
    assert (tmp_path / "a/letter.txt").read_text() == "keep"
    export(world, tmp_path / "b")
    with pytest.raises(WrongFolder):
        export(world, tmp_path / "b")


def test_an_import_goes_on_where_it_was_cut(world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path) -> None:
    filled(world)
    export(world, tmp_path / "a")

    def stop(step: str, count: int) -> None:
        if (step, count) == ("import", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(fresh, tmp_path / "a", progress=stop)
    fresh.hub.store.write(lambda tx: None)  # what was under way is durable before this is
    loaded = load(fresh, tmp_path / "a")
    assert (loaded.messages, loaded.there) == (2, 2)
    again = load(fresh, tmp_path / "a")
    assert (again.messages, again.there, again.holds) == (0, 4, 0)


def test_what_is_here_already_is_not_taken_twice(
    world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path
) -> None:
    row = world.archived(INVOICE)
    world.ended(row)
    export(world, tmp_path / "a")
    with pytest.raises(NotLoadable):
        load(world, tmp_path / "a")
    load(fresh, tmp_path / "a")
    place_hold(world.room, Criteria(ids=(row.id,)), reason="audit", reference="F-1", actor="operator:anne")
    export(world, tmp_path / "b")
    with pytest.raises(NotLoadable, match="with the export"):
        load(fresh, tmp_path / "b")


def test_a_profile_that_is_not_in_force_stops_it(world: ArchiveWorld, tmp_path: Path) -> None:
    world.archived(INVOICE)
    export(world, tmp_path / "a")
    assert 'retention = "10y"' in (tmp_path / "a/data/system/profiles/invoices.toml").read_text()
    (tmp_path / "two").mkdir()
    other = ArchiveWorld(tmp_path / "two", contracts=profile())
    try:
        with pytest.raises(NotLoadable, match="invoices"):
            load(other, tmp_path / "a")
        assert other.hub.store.read(lambda view: view.messages()) == []
    finally:
        other.close()


def test_a_part_of_the_archive(world: ArchiveWorld, tmp_path: Path) -> None:
    filled(world)
    export(world, tmp_path / "a", Scope(partner="cedar"))
    assert check_export(tmp_path / "a").messages == 1
    export(world, tmp_path / "b", Scope(type="invoice", since="2026-11-01", until="2026-12-31"))
    assert check_export(tmp_path / "b").messages == 2


def test_only_who_may_exports_and_the_log_has_it_first(world: ArchiveWorld, tmp_path: Path) -> None:
    world.archived(INVOICE)
    with pytest.raises(NotAllowed):
        export(world, tmp_path / "a", operator="", sign=None)
    assert not list((tmp_path / "a").glob("data"))
    done = export(world, tmp_path / "a")
    (begun, facts), (ended, last) = world.events(f"export:{done.id}")
    assert (begun, ended) == ("archive.export-begun", "archive.exported")
    assert facts["reason"] == "hand over"
    assert "ecluse archive export 1" in facts["statement"]
    assert last["manifest"] == done.manifest


def test_a_damaged_document_is_told_and_left_out(
    world: ArchiveWorld, fresh: ArchiveWorld, tmp_path: Path
) -> None:
    row = world.archived(b"%PDF-1.7 " + os.urandom(5000))
    whole = world.archived(INVOICE)
    drop_bytes(world, row.blob)
    done = export(world, tmp_path / "a")
    assert len(done.lacking) >= 1
    checked = check_export(tmp_path / "a")
    assert len(checked.lacking) == 1
    loaded = load(fresh, tmp_path / "a")
    assert len(loaded.left_out) == 1
    assert fresh.row(whole).sha256 == whole.sha256
    assert fresh.hub.store.read(lambda view: view.archived(row.id)) is None


@pytest.mark.peer("postgresql")
def test_into_the_other_database_and_back(
    world: ArchiveWorld, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    rows = filled(world)
    export(world, tmp_path / "a")
    grown = _world(tmp_path / "grown", 4, start="2027-01-01", url=postgres_server.new_database())
    back = _world(tmp_path / "back", 5, start="2028-01-01")
    try:
        assert load(grown, tmp_path / "a").documents == len(rows)
        assert load(grown, tmp_path / "a").there == 4
        sequence(grown)
        export(grown, tmp_path / "b")
        assert load(back, tmp_path / "b").documents == len(rows)
        export(back, tmp_path / "c")
    finally:
        grown.close()
        back.close()
    assert told(tmp_path / "b") == told(tmp_path / "c")

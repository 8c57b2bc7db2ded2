"""An export and an import are killed at calls that change the disk: each goes on, and nothing is half there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.archives import ArchiveWorld
from tests.support.children import ROOT, child_env, needs_strace
from tests.support.transfer_worker import DOCUMENTS, export, filled, opened

from ecluse.archive.transfer import BadExport, check_export, load_export

SAMPLE = 3
"""Points of each kind; each takes a second."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "one"
    filled(folder)
    return folder


def killed(what: str, folder: Path, bag: Path, call: str, watched: Path, when: int = 0) -> int:
    """Run the worker, killed at the ``when``th of these calls on a file; give how many there were."""
    log = folder.with_suffix(".strace")
    inject = ("-e", f"inject={call}:signal=KILL:when={when}") if when else ()
    worker = [sys.executable, "-m", "tests.support.transfer_worker", what, str(folder), str(bag)]
    watching = ["strace", "-f", "-qq", "-P", str(watched), "-o", str(log), "-e", f"trace={call}", *inject]
    subprocess.run(
        [*watching, *worker],
        env=child_env(),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return sum(f"{call}(" in line for line in log.read_text().splitlines())


def whole(world: ArchiveWorld) -> int:
    """Documents in the archive; each with its message, its event, and its bytes."""
    rows = world.hub.store.read(lambda view: view.archive_from("", 100))
    for row in rows:
        assert world.kinds(row.id) == ["archive.imported"]
        with world.hub.blob(row.blob) as reader:
            assert len(b"".join(reader.chunks())) == row.size
        assert world.hub.store.read(lambda view, row=row: view.message(row.message)) is not None  # type: ignore[misc]
    messages = world.hub.store.read(lambda view: view.messages())
    assert {each.id for each in messages} == {each.message for each in rows}
    return len(rows)


@needs_strace
def test_an_import_that_is_killed_goes_on(source: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    world = opened(source)
    export(world, bag)
    world.close()
    first = tmp_path / "first"
    opened(first).close()
    writes = killed("import", first, bag, "pwrite64", first / "state.db-wal")
    assert writes > SAMPLE
    seen = set()
    for each in range(SAMPLE):
        folder = tmp_path / f"killed{each}"
        opened(folder).close()
        killed(
            "import",
            folder,
            bag,
            "pwrite64",
            folder / "state.db-wal",
            1 + writes * (2 * each + 1) // (2 * SAMPLE),
        )
        after = opened(folder)
        try:
            seen.add(whole(after))
            load_export(after.room, bag, reason="again", actor="operator:os")
            assert whole(after) == len(DOCUMENTS)
        finally:
            after.close()
    assert seen - {0, len(DOCUMENTS)}, "some were killed in the middle"


@needs_strace
def test_an_export_that_is_killed_goes_on(source: Path, tmp_path: Path) -> None:
    for number, (call, name) in enumerate(
        (
            ("write", "manifest-sha256.txt"),
            ("fsync", "export.note"),
            ("write", "bagit.txt"),
            ("unlink", "export.state"),
        )
    ):
        bag = tmp_path / f"bag{number}"
        bag.mkdir()
        killed("export", source, bag, call, bag / name, 1)
        with pytest.raises(BadExport):
            check_export(bag)
        world = opened(source)
        try:
            export(world, bag)
            checked = check_export(bag, [world.note_key])
        finally:
            world.close()
        assert (checked.documents, checked.receipts, checked.lacking) == (3, 3, [])

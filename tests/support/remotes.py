"""The in-memory twin of a place that files are collected from, and what every such place must do.

:class:`MemorySource` is a place in a dictionary, with faults that can be switched on. :class:`RemoteConformance` is the
suite that every :class:`~ecluse.exchange.remote.Remote` passes: subclass it as ``TestSomething`` and give it a fixture
``far`` (a :class:`FarSide`).
"""

from __future__ import annotations

import hashlib
import itertools
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Protocol, Self

import pytest

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import FileGone, NameTaken, Remote, RemoteFile
from ecluse.model.basics import Instant

__all__ = ["FarSide", "Faults", "LineCut", "MemoryFar", "MemorySource", "RemoteConformance", "take"]

STEP = 1 << 20


class LineCut(EcluseError):
    """What the twin raises where its faults say so."""

    code = "twin.cut"
    fault = Fault.TRANSIENT
    remedy = "Try again."


@dataclass
class Faults:
    """What goes wrong at a :class:`MemorySource`; each stays on until it is switched off.

    Attributes:
        away: Opening fails.
        cut_reading: A read raises after so many octets.
        cut_listing: A listing raises after so many files.
        cut_delete: A deletion raises, ``before`` or ``after`` it was done (then nobody knows).
        cut_move: The same of a move.
        slow: Seconds that every step takes.
        page: Files that a listing has looked up at once; what changes while it goes on is seen from the next page.
    """

    away: bool = False
    cut_reading: int | None = None
    cut_listing: int | None = None
    cut_delete: str = ""
    cut_move: str = ""
    slow: float = 0.0
    page: int = 1000


@dataclass
class _Held:
    data: bytes
    modified: Instant
    tag: str


@dataclass
class MemorySource:
    """A :class:`~ecluse.exchange.remote.Source` whose places are dictionaries.

    Attributes:
        kind: First word of its channels' names.
        places: Path to file, by name of the place. A place that is not there is made when it is opened.
        faults: What goes wrong.
        now: Time of the far side, microseconds; moves by a second at each :meth:`put`.
        opened: How often a connection was made.
        closed: How often one was closed.
        calls: What was asked, in order: ``list FOLDER``, ``read PATH``, ``delete PATH``, ``move PATH FOLDER``.
    """

    kind: str = "memory"
    places: dict[str, dict[str, _Held]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    now: int = 1_790_000_000_000_000
    opened: int = 0
    closed: int = 0
    calls: list[str] = field(default_factory=list)

    def open(self, name: str) -> Remote:
        """See the port."""
        time.sleep(self.faults.slow)
        if self.faults.away:
            raise LineCut("The place does not answer.")
        self.opened += 1
        return _MemoryRemote(self, self.places.setdefault(name, {}))

    def put(self, name: str, path: str, data: bytes) -> None:
        """What the other side does: write a file, over one of that name."""
        self.now += 1_000_000
        tag = hashlib.sha256(data + str(self.now).encode()).hexdigest()[:16]
        self.places.setdefault(name, {})[path] = _Held(data, Instant(self.now), tag)

    def content(self, name: str, path: str) -> bytes | None:
        """What lies there."""
        held = self.places.get(name, {}).get(path)
        return None if held is None else held.data


class _MemoryRemote:
    def __init__(self, source: MemorySource, files: dict[str, _Held]) -> None:
        self._source = source
        self._files = files
        self._closed = False

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        faults = self._begin(f"list {folder}")
        head = f"{folder}/" if folder else ""
        count = 0
        after = ""
        while True:
            page = sorted(p for p in self._files if p > after and p.startswith(head))[: faults.page]
            if not page:
                return
            for path in page:
                if not recursive and "/" in path[len(head) :]:
                    continue
                if faults.cut_listing is not None and count >= faults.cut_listing:
                    raise LineCut("The listing was cut.")
                count += 1
                held = self._files.get(path)
                if held is not None:
                    yield RemoteFile(path, len(held.data), held.modified, held.tag)
            after = page[-1]
            time.sleep(faults.slow)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        faults = self._begin(f"read {file.path}")
        data = self._listed(file).data
        for at in range(0, len(data), STEP):
            end = at + STEP
            if faults.cut_reading is not None and end > faults.cut_reading:
                if faults.cut_reading > at:
                    yield data[at : faults.cut_reading]
                raise LineCut("The connection was cut.")
            yield data[at:end]
            time.sleep(faults.slow)
            self._listed(file)

    def delete(self, file: RemoteFile) -> None:
        faults = self._begin(f"delete {file.path}")
        if file.path in self._files:
            self._listed(file)
        if faults.cut_delete == "before":
            raise LineCut("The connection was cut.")
        self._files.pop(file.path, None)
        if faults.cut_delete == "after":
            raise LineCut("The connection was cut.")

    def move(self, file: RemoteFile, folder: str) -> None:
        faults = self._begin(f"move {file.path} {folder}")
        held = self._listed(file)
        to = f"{folder}/{file.name}"
        if to in self._files:
            raise NameTaken(f"There is a file {to} already.")
        if faults.cut_move == "before":
            raise LineCut("The connection was cut.")
        self._files[to] = held
        del self._files[file.path]
        if faults.cut_move == "after":
            raise LineCut("The connection was cut.")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._source.closed += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, call: str) -> Faults:
        assert not self._closed, "used after it was closed"
        self._source.calls.append(call)
        time.sleep(self._source.faults.slow)
        return self._source.faults

    def _listed(self, file: RemoteFile) -> _Held:
        held = self._files.get(file.path)
        if held is None or held.tag != file.tag:
            raise FileGone(f"{file.path} is not the file that was listed.")
        return held


class FarSide(Protocol):
    """What the other side can do at its own end, for the suite.

    Attributes:
        odd_names: Names beside the suite's own that the place can hold.
        many: How many files it can make in a second or so, for the huge listing; 0 to leave that out.
    """

    odd_names: tuple[str, ...]
    many: int

    def open(self) -> Remote:
        """Connect as the hub does."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file, over one of that name; folders are made."""

    def content(self, path: str) -> bytes | None:
        """What lies there, or ``None``."""


@dataclass
class MemoryFar:
    """A :class:`MemorySource` as a far side."""

    source: MemorySource = field(default_factory=MemorySource)
    odd_names: tuple[str, ...] = ("back\\slash", "new\nline", "e\u0301 and \u00e9", "\u202etxt.exe")
    many: int = 30_000

    def open(self) -> Remote:
        """See the port."""
        return self.source.open("far")

    def put(self, path: str, data: bytes) -> None:
        """See the port."""
        self.source.put("far", path, data)

    def content(self, path: str) -> bytes | None:
        """See the port."""
        return self.source.content("far", path)


def take(remote: Remote, path: str) -> RemoteFile:
    """The file of that path as a listing of its folder gives it."""
    folder = path.rpartition("/")[0]
    return next(file for file in remote.files(folder) if file.path == path)


class RemoteConformance:
    """What every :class:`~ecluse.exchange.remote.Remote` does."""

    ODD: ClassVar[tuple[str, ...]] = (
        "two words.txt",
        "-rf",
        "Möbel – Größe.csv",
        "注文書.xml",
        "100% #1 a+b&c=d;e@f!(g)~[h]{i}'j.txt",
        ".hidden",
        "%2e%2e%2f",
        "a" * 200,
    )
    FLAT: ClassVar[int] = 6 << 20
    """Octets that a listing or a read may cost, however long it is: a page, a piece, and what the library keeps."""

    def test_a_folder_lists_its_files_alone(self, far: FarSide) -> None:
        far.put("in/one.txt", b"1")
        far.put("in/two.txt", b"22")
        far.put("in/deep/three.txt", b"333")
        far.put("other.txt", b"4444")
        with far.open() as remote:
            assert {(file.path, file.size) for file in remote.files("in")} == {
                ("in/one.txt", 1),
                ("in/two.txt", 2),
            }
            assert [file.path for file in remote.files("")] == ["other.txt"]
            assert [file.name for file in remote.files("in/deep")] == ["three.txt"]

    def test_recursion_goes_all_the_way_down(self, far: FarSide) -> None:
        paths = {"in/a.txt", "in/b/c.txt", "in/b/d/e/f.txt"}
        for path in (*paths, "out/not.txt", "inside.txt", "in2/not.txt"):
            far.put(path, b"x")
        with far.open() as remote:
            assert {file.path for file in remote.files("in", recursive=True)} == paths
            assert {file.path for file in remote.files("", recursive=True)} == {
                *paths,
                "out/not.txt",
                "inside.txt",
                "in2/not.txt",
            }

    def test_a_folder_that_is_not_there_has_no_files(self, far: FarSide) -> None:
        far.put("in/one.txt", b"1")
        with far.open() as remote:
            assert list(remote.files("in/nowhere")) == []
            assert list(remote.files("nowhere", recursive=True)) == []

    def test_times_are_those_of_writing(self, far: FarSide) -> None:
        before = time.time()
        far.put("one.txt", b"1")
        with far.open() as remote:
            modified = take(remote, "one.txt").modified
        if modified is not None and not isinstance(far, MemoryFar):
            assert abs(modified / 1_000_000 - before) < 120

    @pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, 3 * STEP + 17])
    def test_a_file_is_read_in_pieces(self, far: FarSide, size: int) -> None:
        data = hashlib.shake_128(b"data").digest(size)
        far.put("in/file.bin", data)
        with far.open() as remote:
            pieces = list(remote.read(take(remote, "in/file.bin")))
        assert b"".join(pieces) == data
        assert all(0 < len(piece) <= STEP for piece in pieces)

    def test_a_reader_may_stop_halfway(self, far: FarSide) -> None:
        far.put("in/file.bin", bytes(4 * STEP))
        far.put("in/next.bin", b"next")
        with far.open() as remote:
            file = take(remote, "in/file.bin")
            reading = iter(remote.read(file))
            next(reading)
            getattr(reading, "close", lambda: None)()
            assert b"".join(remote.read(take(remote, "in/next.bin"))) == b"next"
            assert sum(len(piece) for piece in remote.read(file)) == 4 * STEP

    def test_a_file_may_be_read_while_it_is_listed(self, far: FarSide) -> None:
        for number in range(5):
            far.put(f"in/{number}.txt", str(number).encode())
        with far.open() as remote:
            found = {}
            for file in remote.files("in"):
                found[file.name] = b"".join(remote.read(file))
                remote.delete(file)
            assert found == {f"{number}.txt": str(number).encode() for number in range(5)}
            assert list(remote.files("in")) == []

    def test_what_was_written_over_is_gone(self, far: FarSide) -> None:
        far.put("in/file.txt", b"first")
        with far.open() as remote:
            file = take(remote, "in/file.txt")
            far.put("in/file.txt", b"second one")
            with pytest.raises(FileGone):
                b"".join(remote.read(file))
            with pytest.raises(FileGone):
                remote.delete(file)
            with pytest.raises(FileGone):
                remote.move(file, "done")
            assert far.content("in/file.txt") == b"second one"
            assert far.content("done/file.txt") is None
            assert b"".join(remote.read(take(remote, "in/file.txt"))) == b"second one"

    def test_what_is_not_there_any_more_is_gone(self, far: FarSide) -> None:
        far.put("in/file.txt", b"first")
        with far.open() as remote:
            file = take(remote, "in/file.txt")
            remote.delete(file)
            assert far.content("in/file.txt") is None
            with pytest.raises(FileGone):
                b"".join(remote.read(file))
            with pytest.raises(FileGone):
                remote.move(file, "done")
            remote.delete(file)  # once more is no error

    def test_only_the_listed_one_is_deleted(self, far: FarSide) -> None:
        for name in ("a", "a.b", "a/b", "aa"):
            far.put(f"in/{name}" if name != "a" else "in/a.", name.encode())
        with far.open() as remote:
            remote.delete(take(remote, "in/a.b"))
            assert {file.path for file in remote.files("in", recursive=True)} == {"in/a.", "in/a/b", "in/aa"}

    def test_a_file_moves_into_a_folder_that_is_made(self, far: FarSide) -> None:
        far.put("in/file.txt", b"content")
        with far.open() as remote:
            remote.move(take(remote, "in/file.txt"), "done/2026/11")
            assert far.content("in/file.txt") is None
            assert far.content("done/2026/11/file.txt") == b"content"
            moved = take(remote, "done/2026/11/file.txt")
            assert moved.size == 7
            remote.move(moved, "again")
            assert far.content("again/file.txt") == b"content"

    def test_a_move_is_never_over_another(self, far: FarSide) -> None:
        far.put("in/file.txt", b"newer")
        far.put("done/file.txt", b"older")
        with far.open() as remote:
            file = take(remote, "in/file.txt")
            with pytest.raises(NameTaken):
                remote.move(file, "done")
            assert far.content("in/file.txt") == b"newer"
            assert far.content("done/file.txt") == b"older"
            remote.delete(take(remote, "done/file.txt"))
            remote.move(file, "done")
            assert far.content("done/file.txt") == b"newer"

    def test_odd_names_are_names(self, far: FarSide) -> None:
        names = (*self.ODD, *far.odd_names)
        for name in names:
            far.put(f"in/{name}", name.encode())
        with far.open() as remote:
            files = {file.name: file for file in remote.files("in")}
            assert sorted(files) == sorted(names)
            for name, file in files.items():
                assert file.path == f"in/{name}"
                assert b"".join(remote.read(file)) == name.encode()
                remote.move(file, "done")
                assert far.content(f"done/{name}") == name.encode()
                remote.delete(take(remote, f"done/{name}"))
            assert list(remote.files("", recursive=True)) == []

    def test_a_huge_folder_is_listed_in_flat_memory(self, far: FarSide) -> None:
        if not far.many:
            pytest.skip("files are made too slowly here")
        for number in range(far.many):
            far.put(f"in/{number:06}-{'n' * 80}.txt", b"")
        with far.open() as remote:
            tracemalloc.start()
            try:
                count = sum(1 for _ in remote.files("in"))
                grown = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert count == far.many
            assert (
                grown < self.FLAT + far.many * 40
            )  # a whole listing held takes 400 octets and more for each
            few = list(itertools.islice(remote.files("in"), 3))
            assert len({file.path for file in few}) == 3

    def test_it_closes_as_often_as_asked(self, far: FarSide) -> None:
        remote = far.open()
        with remote as entered:
            assert entered is remote
        remote.close()

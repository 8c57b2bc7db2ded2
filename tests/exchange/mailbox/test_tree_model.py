"""The real folders and their twin in memory do the same, whatever several sessions do in whatever order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.support.hubs import FakeClock, bare_hub
from tests.support.tree_worlds import MemoryWorld, RealWorld, assert_tidy

from ecluse.errors import EcluseError
from ecluse.exchange.tree import Tree
from ecluse.model.paths import VirtualPath

FOLDERS = ["/inbound", "/inbound/sub", "/done", "/outbound", "/"]
OFTEN = ["/inbound/a"] * 6 + ["/inbound/a.tmp"] * 4 + ["/outbound/o"] * 3
SELDOM = ["/inbound/b", "/inbound/sub", "/inbound/sub/a", "/done/a", "/outbound/p", "/outbound", "/a"]
PATHS = st.sampled_from([VirtualPath.parse(path) for path in OFTEN + SELDOM])
DATA = st.binary(min_size=0, max_size=5).map(lambda octets: octets * 500)
Pair = tuple[Any, Any]


class Folders(RuleBasedStateMachine):
    """Every call goes to both; what they give, or what they raise, is the same."""

    writers = Bundle("writers")
    readers = Bundle("readers")

    @initialize(replace=st.booleans(), remove=st.booleans())
    def begin(self, replace: bool, remove: bool) -> None:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.real = RealWorld(bare_hub(Path(self.folder.name), FakeClock()))
        self.twin = MemoryWorld()
        terms = {"replace": replace, "remove_after_pickup": remove, "folders": ("done",), "files": 50}
        self.trees: list[tuple[Tree, Tree]] = [
            (self.real.open(**terms), self.twin.open(**terms)) for _ in range(2)
        ]

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.real.hub.store.close()
            self.folder.cleanup()

    def both(self, pair: Pair, verb: str, *given: Any, **how: Any) -> Pair:
        """What both give: equal, or two objects to go on with. Fails where one raises what the other does not."""
        results: list[Any] = []
        for each in pair:
            try:
                results.append(getattr(each, verb)(*given, **how))
            except EcluseError as error:
                results.append(type(error))
        wrong = [isinstance(result, type) for result in results]
        assert wrong[0] == wrong[1], (verb, given, how, results)
        if wrong[0]:
            assert results[0] is results[1], (verb, given, how, results)
        return results[0], results[1]

    @rule(
        target=writers,
        session=st.integers(0, 1),
        path=PATHS,
        resume=st.booleans(),
        exclusive=st.sampled_from([False, False, False, True]),
    )
    def open(self, session: int, path: VirtualPath, resume: bool, exclusive: bool) -> Any:
        pair = self.both(self.trees[session], "write", path, resume=resume, exclusive=exclusive)
        return multiple() if isinstance(pair[0], type) else pair

    @rule(pair=writers, data=DATA, back=st.sampled_from([0, 0, 0, 1, 600]), far=st.sampled_from([0, 0, 0, 7]))
    def write(self, pair: Pair, data: bytes, back: int, far: int) -> None:
        assert pair[0].size == pair[1].size
        self.both(pair, "write", max(0, pair[0].size - back) + far, data)

    @rule(pair=writers)
    def sync(self, pair: Pair) -> None:
        self.both(pair, "sync")

    @rule(pair=consumes(writers), how=st.sampled_from(["commit", "commit", "commit", "suspend", "abort"]))
    def end(self, pair: Pair, how: str) -> None:
        self.both(pair, how)

    @rule(session=st.integers(0, 1), path=PATHS, data=DATA)
    def put(self, session: int, path: VirtualPath, data: bytes) -> None:
        pair = self.both(self.trees[session], "write", path)
        if not isinstance(pair[0], type):
            self.both(pair, "write", 0, data)
            self.both(pair, "commit")

    @rule(name=st.sampled_from(["o", "p"]), data=DATA)
    def offer(self, name: str, data: bytes) -> None:
        if VirtualPath(("outbound", name)) not in self.twin.box.files:
            self.real.offer(name, data)
            self.twin.offer(name, data)

    @rule(target=readers, session=st.integers(0, 1), path=PATHS)
    def read(self, session: int, path: VirtualPath) -> Any:
        pair = self.both(self.trees[session], "read", path)
        return multiple() if isinstance(pair[0], type) else pair

    @rule(pair=readers, offset=st.integers(0, 3000), size=st.integers(1, 3000))
    def take(self, pair: Pair, offset: int, size: int) -> None:
        found = self.both(pair, "read", offset, size)
        assert found[0] == found[1]

    @rule(pair=consumes(readers), whole=st.booleans(), how=st.sampled_from(["close", "abandon"]))
    def let_go(self, pair: Pair, whole: bool, how: str) -> None:
        if whole:
            found = self.both(pair, "read", 0, 10_000)
            assert found[0] == found[1]
        self.both(pair, how)

    @rule(session=st.integers(0, 1), path=PATHS, to=PATHS, replace=st.booleans())
    def rename(self, session: int, path: VirtualPath, to: VirtualPath, replace: bool) -> None:
        self.both(self.trees[session], "rename", path, to, replace=replace)

    @rule(
        session=st.integers(0, 1), path=PATHS, how=st.sampled_from(["remove", "make_folder", "remove_folder"])
    )
    def change(self, session: int, path: VirtualPath, how: str) -> None:
        self.both(self.trees[session], how, path)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "trees"):
            return
        assert self.real.documents() == self.twin.documents()
        assert self.real.picked_up() == self.twin.picked_up()
        real, twin = self.trees[0]
        assert real.space() == twin.space()
        for folder in FOLDERS:
            found = self.both(self.trees[0], "list", VirtualPath.parse(folder))
            if isinstance(found[0], list):
                shown = [
                    [(e.name, e.folder, e.size, e.writable) for e in entries if e.name] for entries in found
                ]
                assert shown[0] == shown[1]
        assert_tidy(self.real, unfinished=True)


Folders.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
test_folders = Folders.TestCase

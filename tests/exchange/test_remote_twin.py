"""The in-memory twin of a place is one: it passes the suite, and its faults are what they say."""

import pytest
from tests.support.remotes import LineCut, MemoryFar, MemorySource, RemoteConformance, take

from ecluse.errors import Fault


class TestMemory(RemoteConformance):
    @pytest.fixture
    def far(self) -> MemoryFar:
        return MemoryFar()


def test_a_cut_comes_after_as_many_octets_as_were_said() -> None:
    source = MemorySource()
    source.put("birch", "a.bin", bytes(3 << 20))
    source.faults.cut_reading = (1 << 20) + 5
    with source.open("birch") as remote:
        pieces: list[bytes] = []
        with pytest.raises(LineCut) as caught:
            pieces.extend(remote.read(take(remote, "a.bin")))
    assert (sum(map(len, pieces)), caught.value.fault) == ((1 << 20) + 5, Fault.TRANSIENT)


@pytest.mark.parametrize(("when", "left"), [("before", b"x"), ("after", None)])
def test_a_doubtful_deletion_was_done_or_not(when: str, left: bytes | None) -> None:
    source = MemorySource()
    source.put("birch", "a", b"x")
    source.faults.cut_delete = when
    with source.open("birch") as remote, pytest.raises(LineCut):
        remote.delete(take(remote, "a"))
    assert source.content("birch", "a") == left
    assert (source.opened, source.closed) == (1, 1)

"""What a download has at hand: octets of what is in memory are had without waiting, and are the same octets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hubs import FakeClock, bare_hub

from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.exchange.mailbox.download import WINDOW, Download
from ecluse.exchange.mailbox.octets import Octets, Piece
from ecluse.model.basics import system_entropy
from ecluse.model.files import FileRow, FileState
from ecluse.model.paths import VirtualPath

SIZE = 3 * WINDOW + 777
DATA = os.urandom(1 << 16) * (SIZE // (1 << 16) + 1)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vault, object]:
    # On a disk: a file system in memory may not tell what it has at hand.
    folder = tmp_path_factory.mktemp("blobs", numbered=True)
    vault = Vault(LocalPlace(folder), AesKeyWrap(bytes(32)), system_entropy, FakeClock())
    writer = vault.create()
    writer.write(DATA[:SIZE])
    return vault, writer.finish()


def download(sealed: tuple[Vault, object]) -> Download:
    vault, blob = sealed
    row, key = blob  # type: ignore[misc]
    octets = Octets([vault.open(row, key)], [Piece(row, key, 0, row.size)])
    file = FileRow("birch", "/outbound", "a", "f1", FileState.PICKED_UP, SIZE, 0)  # type: ignore[arg-type]
    return Download(None, file, octets)  # type: ignore[arg-type]  # nothing is picked up


def all_of(reader: Download, step: int) -> tuple[bytes, int]:
    """Everything, and how often it was at hand."""
    got, at_hand = bytearray(), 0
    for offset in range(0, SIZE, step):
        at_hand += reader.at_hand(offset, step)
        got += reader.read(offset, step)
    return bytes(got), at_hand


@pytest.mark.parametrize("step", [32 << 10, 255 << 10, WINDOW, 2 * WINDOW])
def test_all_of_it_whether_at_hand_or_not(sealed: tuple[Vault, object], step: int) -> None:
    reader = download(sealed)
    got, at_hand = all_of(reader, step)
    assert got == DATA[:SIZE]
    assert at_hand <= -(-SIZE // step)
    reader._octets.close()


def test_a_place_that_never_has_anything_at_hand(
    sealed: tuple[Vault, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecluse.blobs.local.LocalReader.read_now", lambda *_: None)
    reader = download(sealed)
    assert not reader.at_hand(0, 1000)
    got, at_hand = all_of(reader, WINDOW)
    assert got == DATA[:SIZE]
    assert at_hand == 0


def test_what_is_past_the_end_is_at_hand(sealed: tuple[Vault, object]) -> None:
    reader = download(sealed)
    assert reader.at_hand(SIZE, 10)
    assert bytes(reader.read(SIZE, 10)) == b""


@settings(max_examples=40, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, SIZE + 10), st.integers(1, 300_000), st.booleans()), min_size=1, max_size=12
    )
)
def test_any_order_gives_the_same_octets(
    sealed: tuple[Vault, object], asked: list[tuple[int, int, bool]]
) -> None:
    reader = download(sealed)
    views = []
    for offset, size, ask in asked:
        if ask:
            reader.at_hand(offset, size)
        views.append((offset, size, reader.read(offset, size)))
    # What was given before does not change by what is asked later.
    for offset, size, view in views:
        assert bytes(view) == DATA[:SIZE][offset : offset + size]
    reader._octets.close()


def test_a_local_file_that_is_cut_is_not_at_hand(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    writer = place.create("b" + "0" * 26)
    writer.write(b"x" * 1000)
    writer.commit()
    reader = place.open("b" + "0" * 26)
    assert reader.read_now(0, 1000) in (None, b"x" * 1000)
    assert reader.read_now(500, 1000) is None
    reader.close()


def test_a_small_file_is_at_hand(tmp_path: Path) -> None:
    from tests.support.tree_worlds import RealWorld, put

    hub = bare_hub(tmp_path, FakeClock())
    hub.vault.inline_limit = 1000
    tree = RealWorld(hub).open()
    put(tree, "/inbound/a", b"hello")
    reader = tree.read(VirtualPath.parse("/inbound/a"))
    assert reader.at_hand(0, 9)
    assert bytes(reader.read(0, 9)) == b"hello"
    reader.close()

"""A process that delivers one document into a folder, to be traced and killed.

Run as ``python -m tests.support.folder_worker FOLDER [MUTANT]``; it prints ``durable`` or the code of its error. What
it remembers is a file two folders up, which a later one reads. ``plain`` is a mutant that opens the file by its name
and writes, as programs do that lose documents; ``forgetful`` one that remembers nothing.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from ecluse.blobs.behind import Behind  # noqa: F401 - imported before the first call that is counted
from ecluse.channels.folder.beneath import open_root
from ecluse.channels.folder.spot import FolderSpot
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document
from ecluse.exchange.once import Staged, deliver_once
from ecluse.model.nouns import Part

DATA = b"0123456789abcdef" * 8192
MUTANT = "plain"
FORGETFUL = "forgetful"


class _Reader:
    """A document's bytes without a vault."""

    def chunks(self, offset: int, size: int, step: int):  # type: ignore[no-untyped-def]
        for at in range(offset, offset + size, 50_000):
            yield DATA[at : at + 50_000]


class _Memory:
    """A file that is whole or not there, outside of what is traced."""

    def __init__(self, folder: Path, *, forgetful: bool) -> None:
        self._file = folder.parents[1] / f"memory-{folder.parent.name}"
        self._forgetful = forgetful

    def remember(self, path: str, staged: Staged) -> None:
        fresh = self._file.with_name(f"{self._file.name}.fresh")
        fresh.write_text(json.dumps([staged.mark, staged.safe]))
        fresh.rename(self._file)

    def withdraw(self, path: str, mark: str) -> None:
        self._file.unlink(missing_ok=True)

    def left(self, path: str) -> Staged | None:
        if self._forgetful or not self._file.exists():
            return None
        return Staged(*json.loads(self._file.read_text()))

    def appeared(self, path: str) -> bool:
        return self.left(path) is not None


def main(folder: str, mutant: str = "") -> None:
    if mutant == MUTANT:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "order.edi"), "wb", buffering=0) as out:
            for at in range(0, len(DATA), 50_000):
                out.write(DATA[at : at + 50_000])
            os.fsync(out.fileno())
        return
    part = Part("b1", 0, len(DATA), hashlib.sha256(DATA).hexdigest(), "text/plain", "order.edi")
    with open_root(Path(folder), create=True) as handle:
        spot = FolderSpot(handle, "order.edi", Document(part, _Reader()), replace=False, work="w0")  # type: ignore[arg-type]
        deliver_once(spot, _Memory(Path(folder), forgetful=mutant == FORGETFUL), again=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EcluseError as error:
        print(error.code)
        raise SystemExit(3) from None
    print("durable")

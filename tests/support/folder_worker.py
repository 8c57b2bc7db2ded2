"""A process that delivers one document into a folder, to be traced and killed.

Run as ``python -m tests.support.folder_worker FOLDER [plain]``; it prints ``durable`` or the code of its error.
``plain`` is the mutant: it opens the file by its name and writes, as programs do that lose documents.
"""

import hashlib
import os
import sys

from ecluse.blobs.behind import Behind  # noqa: F401 - imported before the first call that is counted
from ecluse.channels.folder.beneath import open_root
from ecluse.channels.folder.channel import OneFolder
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document
from ecluse.model.nouns import Part

DATA = b"0123456789abcdef" * 8192
MUTANT = "plain"


class _Reader:
    """A document's bytes without a vault."""

    def chunks(self, offset: int, size: int, step: int):  # type: ignore[no-untyped-def]
        for at in range(offset, offset + size, 50_000):
            yield DATA[at : at + 50_000]


def main(folder: str, mutant: str = "") -> None:
    if mutant:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "order.edi"), "wb", buffering=0) as out:
            for at in range(0, len(DATA), 50_000):
                out.write(DATA[at : at + 50_000])
            os.fsync(out.fileno())
        return
    from pathlib import Path

    part = Part("b1", 0, len(DATA), hashlib.sha256(DATA).hexdigest(), "text/plain", "order.edi")
    with open_root(Path(folder), create=True) as handle:
        OneFolder(handle, replace=False, again=True).put("order.edi", Document(part, _Reader()))  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EcluseError as error:
        print(error.code)
        raise SystemExit(3) from None
    print("durable")

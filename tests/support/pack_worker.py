"""Makes a pack in a process of its own, to be killed or measured: ``python -m tests.support.pack_worker HUB ID OUT``.

It says ``durable`` and the largest resident size that it had, in KiB. With ``MUTANT=name-first`` the file appears
before the log is told of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ecluse.app.opening import open_node
from ecluse.app.packs import export
from ecluse.model.basics import MessageId


def name_first() -> None:
    """A wrong export: what a test that does not fail on it would not see."""
    tell = export._tell
    give = export.NewFile.give_name

    def told_later(*arguments: object) -> None:
        held.append(arguments)

    def given(self: export.NewFile) -> None:
        give(self)
        tell(*held.pop())  # type: ignore[arg-type]

    held: list[tuple[object, ...]] = []
    export._tell = told_later
    export.NewFile.give_name = given  # type: ignore[method-assign]


def main(folder: str, id: str, out: str) -> None:
    if os.environ.get("MUTANT") == "name-first":
        name_first()
    with open_node(Path(folder)) as node:
        export.export_pack(node, [MessageId(id)], Path(out), actor="operator:test", patience=0.0)
    status = Path("/proc/self/status").read_text()  # getrusage counts the parent's size in
    print("durable", status.partition("VmHWM:")[2].split()[0], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

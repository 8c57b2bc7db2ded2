"""Approves a change in a process of its own, to be killed: ``python -m tests.support.approve_worker HUB ID NAME``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.operators import person

from ecluse.app.changes import approve, statement
from ecluse.app.opening import open_node


def main(folder: str, id: str, name: str) -> None:
    with open_node(Path(folder)) as node:
        armored = person(name).sign(statement(node, id, "approve", name))
        approve(node, id, name, armored)
        print("durable", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

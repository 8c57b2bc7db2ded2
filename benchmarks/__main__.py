"""``python -m benchmarks``: every figure beside its limit, measured in the same run.

Prints one table and writes its rows to ``build/bench.json``. The exit status says only whether everything ran.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import (
    archive,
    backup,
    buckets,
    codec,
    commits,
    evidence,
    flat,
    ftps,
    hub,
    inventory,
    keystores,
    openpgp,
    posture,
    sftp_client,
    sftp_server,
    transfer,
    witnesses,
)
from benchmarks.limits import Row
from rich.console import Console
from rich.table import Table

WIDTH: Final = 140
"""Columns where the output is no terminal."""
RESULT: Final = Path("build/bench.json")
MODULES: Final[dict[str, Callable[[], list[Row]]]] = {
    "codec": codec.run,
    "commits": commits.run,
    "evidence": evidence.run,
    "hub": hub.run,
    "inventory": inventory.run,
    "keystores": keystores.run,
    "openpgp": openpgp.run,
    "transfer": transfer.run,
    "sftp-server": sftp_server.run,
    "sftp-client": sftp_client.run,
    "buckets": buckets.run,
    "posture": posture.run,
    "archive": archive.run,
    "backup": backup.run,
    "flat": flat.run,
    "ftps": ftps.run,
    "witnesses": witnesses.run,
}


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    shown = Table(box=None, header_style="bold")
    shown.add_column("what", no_wrap=True)
    for title in ("value", "unit", "limit", "of it", "goal", "the limit is"):
        shown.add_column(title, justify="right" if title in ("value", "limit", "of it") else "left")
    for row in rows:
        verdict = {None: "", True: "met", False: "NOT MET"}[row["met"]]  # type: ignore[index]
        if row["goal"] not in (None, 1.0):
            verdict += f" ({row['goal']:.0%})"
        numbers = f"{row['value']:g}", str(row["unit"]), f"{row['limit']:g}", f"{row['ratio']:.0%}"
        style = "bold red" if row["met"] is False else None
        shown.add_row(str(row["name"]), *numbers, verdict, str(row["against"]), style=style)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MODULES, action="append", help="run this module alone")
    parser.add_argument("--full", action="store_true", help="also 10 GiB: minutes of time, 45 GiB of disk")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    rows: list[Row] = []
    for name in arguments.only or MODULES:
        began = time.perf_counter()
        rows += flat.run(full=True) if name == "flat" and arguments.full else MODULES[name]()
        console.print(f"{name}: {time.perf_counter() - began:.0f} s", style="dim")
    console.print(table(rows))
    RESULT.parent.mkdir(exist_ok=True)
    openssl = subprocess.run(
        ["openssl", "version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    RESULT.write_text(json.dumps(rows, indent=1) + "\n")
    console.print(f"Python {platform.python_version()}, {openssl}. Written to {RESULT}.", style="dim")


if __name__ == "__main__":
    main()

"""An SFTP subsystem that cuts itself off at one request: before it reaches the real server, or before its answer.

Run by sshd as ``python sftp_cut.py PLAN FILES``. PLAN is a file with ``<number> <before|after> [take]``: at the
request of that number (1 is the first after Init) the session ends, and PLAN is removed, so that the next session
goes well. ``take`` has what then lies under a final name fetched by the partner at once. The requests that came are
counted in PLAN.count.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

SERVER = "/usr/lib/openssh/sftp-server"
RENAME, EXTENDED = 18, 200


def packet(stream) -> bytes:
    head = stream.read(4)
    if len(head) < 4:
        return b""
    return head + stream.read(int.from_bytes(head, "big"))


def with_parent() -> None:
    """See :mod:`tests.support.dying`, which sshd's environment does not find."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    plan, files = Path(sys.argv[1]), Path(sys.argv[2])
    words = plan.read_text().split() if plan.exists() else []
    at, when = (int(words[0]), words[1]) if words else (0, "")
    server = subprocess.Popen(
        [SERVER, "-d", str(files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=with_parent
    )
    up, down = sys.stdin.buffer, sys.stdout.buffer
    number = 0
    while asked := packet(up):
        cut = bool(words) and number == at
        if cut and when == "before":
            break
        server.stdin.write(asked)
        server.stdin.flush()
        answer = packet(server.stdout)
        if asked[4] in (RENAME, EXTENDED) and "take" in words:
            take(files)
        if cut:
            break
        down.write(answer)
        down.flush()
        number += 1
    else:
        count = plan.with_suffix(".count")
        count.write_text(str(max(number - 1, int(count.read_text()) if count.exists() else 0)))
        words = []
    if words:
        plan.unlink()
    server.kill()
    os._exit(1)


def take(files: Path) -> None:
    """The partner's own program fetches what has appeared."""
    taken = files.parent / "taken"
    taken.mkdir(exist_ok=True)
    for path in files.iterdir():
        if path.is_file() and not path.name.startswith("."):
            path.rename(taken / f"{path.name}.{len(list(taken.iterdir()))}")


if __name__ == "__main__":
    main()

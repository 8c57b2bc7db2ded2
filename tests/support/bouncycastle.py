"""Evidence records by Bouncy Castle, in a process of its own (see ``tests/peers/EvidenceRecords.java``)."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["JARS", "BouncyCastle", "Refused"]

JARS: Final = tuple(f"/usr/share/java/{name}.jar" for name in ("bcpkix", "bcprov", "bcutil"))
_SOURCE: Final = Path(__file__).parents[1] / "peers" / "EvidenceRecords.java"


class Refused(Exception):
    """What Bouncy Castle says against it."""


class BouncyCastle:
    """A running peer; ends with the context."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", ":".join(JARS), str(_SOURCE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def __call__(self, verb: str, *given: bytes | str) -> list[bytes]:
        """Give a command, get what it made. Raises :class:`Refused`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        octets = [each.encode() if isinstance(each, str) else each for each in given]
        self._process.stdin.write(
            " ".join([verb, *(base64.b64encode(each).decode() for each in octets)]) + "\n"
        )
        self._process.stdin.flush()
        word, *made = self._process.stdout.readline().rstrip("\n").split(" ")
        if word != "ok":
            raise Refused(" ".join(made))
        return [base64.b64decode(each) for each in made]

"""Serving hubs in temporary folders, each in a process of its own that is measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from tests.support.hubs import introduce

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.channels.as2.sender import message_id_for
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.model.states import DeliveryState

PATIENCE: Final = 1800.0
"""Seconds until a delivery that does not come to its end fails the run."""
_LIVE: Final = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.SENT)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for hubs, in ``ECLUSE_BENCH_DIR`` where that is set."""
    with tempfile.TemporaryDirectory(
        prefix="ecluse-bench-", dir=os.environ.get("ECLUSE_BENCH_DIR")
    ) as folder:
        yield Path(folder)


def make(folder: Path, name: str, key_kind: str = "rsa-2048") -> Node:
    """A hub of the company ``name``, opened, that keeps what it receives and gives it to no folder."""
    node = make_hub(folder / name.lower(), name=name, as2_id=name.upper(), key_kind=key_kind)
    toml = node.folder / "ecluse.toml"
    toml.write_text(toml.read_text() + "\n[inbox]\nfolder = false\n")
    return node


class Serving:
    """A process that serves the hub in ``folder``; ended with the context."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hub_server", str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def url(self) -> str:
        """Where partners send to."""
        return f"http://127.0.0.1:{self.port}/as2"

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Count the peak from here: opening a keyring takes 64 MiB for a moment, which would hide much."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def peak_memory(self) -> float:
        """The most MiB that were resident at once (VmHWM)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


class Pair:
    """Aster sends to Birch, each a serving process; documents are handed in at Aster from this process."""

    def __init__(self, node: Node, aster: Serving, birch: Serving) -> None:
        self.node = node
        self.aster = aster
        self.birch = birch

    def send(self, chunks: Iterable[bytes]) -> float:
        """Hand a document in; give the seconds from there until Aster holds Birch's signed receipt."""
        hub = self.node.hub
        message = hand_in(
            hub,
            PartnerId("birch"),
            "as2:birch",
            [HandIn("data.bin", "application/octet-stream", chunks)],
            protocol="as2",
            protocol_id=message_id_for(hub.new_id("o"), "ASTER"),
        )
        began = time.perf_counter()
        while time.perf_counter() - began < PATIENCE:
            (delivery,) = hub.store.read(lambda view: view.deliveries(message.id))
            if delivery.state is DeliveryState.CONFIRMED:
                return time.perf_counter() - began
            if delivery.state not in _LIVE or delivery.reason_code:
                raise RuntimeError(
                    f"not delivered: {delivery.state} {delivery.reason_code} {delivery.reason}"
                )
            time.sleep(0.05)
        raise TimeoutError("the delivery did not end")


@contextmanager
def pair(settings: str = "") -> Iterator[Pair]:
    """Two hubs that know each other; ``settings`` are more lines of ``[as2]`` for Aster's side."""
    with ExitStack() as stack:
        folder = stack.enter_context(place())
        aster, birch = make(folder, "Aster"), make(folder, "Birch")
        introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
        birch.close()
        receiving = stack.enter_context(Serving(birch.folder))
        birch = open_node(birch.folder)
        introduce(aster, birch, "birch", receiving.url, settings)
        birch.close()
        sending = stack.enter_context(Serving(aster.folder))
        stack.callback(aster.close)
        yield Pair(aster, sending, receiving)

"""A serving node that a test kills: ``python -m tests.support.bridge_node FOLDER [listen=H:P] [ahead=S] [mutant=X]
[dies=POINT,POINT]``.

Its leases are short, so that nobody waits for those of a killed node. With ``dies`` it kills itself the first time that
it passes each of those :data:`POINTS`, over all its lives; ``deaths/`` in its folder tells which it has passed.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support import wrong_hubs

from ecluse.app import service as app
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.cli.serving import set_up_log
from ecluse.engine.runner import Runner
from ecluse.evidence import sequencer
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.flows.relay import _Relay
from ecluse.exchange.mailbox.upload import Upload
from ecluse.model.basics import Instant, system_clock

__all__ = ["POINTS"]

LEASE: Final = 2.0

POINTS: Final = (
    "upload commit",
    "upload committed",
    "collect keep",
    "collect kept",
    "collect done",
    "relay made as2",
    "relay kept as2",
    "relay made account",
    "relay kept account",
    "deliver as2",
    "delivered as2",
    "deliver sftp",
    "delivered sftp",
    "deliver account",
    "delivered account",
    "delivered folder",
)
"""Before and after what the outside sees, or what is durable."""


class Deaths:
    """Where this process ends, once for each point.

    Args:
        folder: Of the markers.
        points: Which.
    """

    def __init__(self, folder: Path, points: Collection[str]) -> None:
        assert set(points) <= set(POINTS), points
        self._folder = folder
        self._points = points
        folder.mkdir(exist_ok=True)

    def at(self, point: str) -> None:
        if point not in self._points:
            return
        try:
            os.close(os.open(self._folder / point, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, before: str, after: str) -> Iterator[None]:
        self.at(before)
        yield
        self.at(after)

    def wrap(self, owner: type, name: str, before: str, after: str) -> None:
        work: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(work)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            with self.around(before, after):
                return work(*arguments, **named)

        setattr(owner, name, wrapped)

    def arm(self, node: Node) -> None:
        self.wrap(Upload, "_commit", "upload commit", "upload committed")
        self.wrap(Collector, "_keep", "collect keep", "collect kept")
        self.wrap(Collector, "_afterwards", "", "collect done")
        for channel in node.channels.values():
            self._arm_channel(type(channel))
        relay = _Relay._relay

        def relayed(this: Any, plan: Any, target: Any, *rest: Any) -> Any:
            finish = this._context.finish

            def ending(work: Any = None) -> Any:
                with self.around(f"relay made {target.kind}", f"relay kept {target.kind}"):
                    return finish(work)

            this._context.finish = ending
            return relay(this, plan, target, *rest)

        _Relay._relay = relayed  # type: ignore[method-assign]

    def _arm_channel(self, kind: type) -> None:
        deliver = kind.deliver  # type: ignore[attr-defined]

        def delivering(this: Any, *arguments: Any) -> Any:
            with self.around(f"deliver {this.kind}", f"delivered {this.kind}"):
                return deliver(this, *arguments)

        kind.deliver = delivering  # type: ignore[attr-defined]


async def serve(node: Node, listen: str | None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service = app.Service(node, listen=listen)
    await service.start()
    print(f"ready {service.port}", flush=True)
    await stop.wait()
    await service.stop()


def main(folder: Path, *words: str) -> None:
    said = dict(word.partition("=")[::2] for word in words)
    set_up_log("warning")
    assert Runner.__init__.__kwdefaults__ is not None
    Runner.__init__.__kwdefaults__["lease"] = LEASE
    sequencer.LEASE = int(LEASE * 1_000_000)  # type: ignore[misc]
    app.OVERDUE_EVERY = 1  # type: ignore[misc]
    ahead = int(float(said.get("ahead", "0")) * 1_000_000)
    with open_node(folder, clock=lambda: Instant(system_clock() + ahead)) as node:
        if mutant := said.get("mutant"):
            wrong_hubs.MUTANTS[mutant]()
        if "dies" in said:
            Deaths(folder / "deaths", said["dies"].split(",")).arm(node)
        asyncio.run(serve(node, said.get("listen")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

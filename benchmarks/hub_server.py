"""The server under measurement: one hub, its listener, and nothing beside it. Prints its port."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from ecluse.app.opening import open_node
from ecluse.app.service import Service


async def main(folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    node = open_node(folder)
    service = Service(node, listen="127.0.0.1:0")
    await service.start()
    print(service.port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await service.stop()
    node.close()


if __name__ == "__main__":
    profile = os.environ.get("ECLUSE_PROFILE")
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        with contextlib.suppress(KeyboardInterrupt):
            profiler.runcall(uvloop.run, main(Path(sys.argv[1])))
        profiler.dump_stats(profile)
    else:
        uvloop.run(main(Path(sys.argv[1])))

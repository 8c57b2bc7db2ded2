"""A hub in a process of its own: ``python -m tests.support.hub_worker FOLDER``.

Writes its port, serves until its standard input ends, and logs to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from ecluse.app.opening import open_node
from ecluse.app.service import Service


async def main(folder: Path) -> None:
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with open_node(folder) as node:
        service = Service(node, listen="127.0.0.1:0")
        await service.start()
        print(service.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await service.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

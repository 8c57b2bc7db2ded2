"""What stands in front of several nodes: a port that hands each connection to one that is up, in turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

__all__ = ["Front"]


class Front:
    """Listens on a port of loopback, in a thread of its own.

    Args:
        ports: Gives the ports of the nodes at this moment.
    """

    def __init__(self, ports: Callable[[], Iterable[int]]) -> None:
        self._ports = ports
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        ports = sorted(port for port in self._ports() if port)
        for offset in range(len(ports)):
            try:
                inner = await asyncio.open_connection("127.0.0.1", ports[(self._turn + offset) % len(ports)])
                break
            except OSError:
                continue
        else:
            writer.close()
            return
        await asyncio.gather(_pump(reader, inner[1]), _pump(inner[0], writer))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

"""A TCP proxy on loopback that delays, slows down, stalls or cuts the connections through it."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

__all__ = ["Cutting"]


class Cutting:
    """Forwards to a port of loopback.

    Attributes:
        port: Where it listens.
        cut_up: Octets from the client after which the next connection is cut; once.
        cut_down: The same of octets from the server.
        stall: After ``cut_up`` or ``cut_down`` nothing more is forwarded, and the connection stays.
        delay: Seconds that everything takes in each direction.
        connections: How many came.
    """

    def __init__(self, to: int, *, delay: float = 0.0) -> None:
        self._to = to
        self.delay = delay
        self.cut_up: int | None = None
        self.cut_down: int | None = None
        self.stall = False
        self.connections = 0
        self.forwarded = [0, 0]
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.connections += 1
        limits = [self.cut_up, self.cut_down]
        self.cut_up = self.cut_down = None
        try:
            far, onward = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            back.close()
            return
        over = asyncio.Event()
        ways = [
            asyncio.create_task(self._pump(near, onward, limits[0], over, 0)),
            asyncio.create_task(self._pump(far, back, limits[1], over, 1)),
        ]
        try:
            await over.wait()
        except asyncio.CancelledError:
            pass
        for way in ways:
            way.cancel()
        for writer in (back, onward):
            writer.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None,
        over: asyncio.Event,
        way: int,
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(queue, writer))
        try:
            count = 0
            while data := await reader.read(1 << 18):
                if limit is not None and count + len(data) >= limit:
                    await self._put(queue, data[: limit - count])
                    if self.stall:
                        await asyncio.sleep(3600)
                    await asyncio.sleep(0.01 + 2 * self.delay)
                    break
                count += len(data)
                self.forwarded[way] += len(data)
                await self._put(queue, data)
        except OSError:
            pass
        finally:
            sending.cancel()
            over.set()

    async def _put(self, queue: asyncio.Queue[tuple[float, bytes]], data: bytes) -> None:
        await queue.put((self._loop.time() + self.delay, data))

    async def _send(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await queue.get()
            wait = due - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(data)
            await writer.drain()

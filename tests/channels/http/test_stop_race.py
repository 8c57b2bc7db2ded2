"""A connection that comes in while the server stops neither holds it up nor is left with nobody to close it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
import structlog
import uvloop

from ecluse.channels.http.limits import Limits
from ecluse.channels.http.message import Response
from ecluse.channels.http.server import Listener, Server


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("turns", range(8))
def test_a_connection_at_the_moment_of_the_stop(loop, turns):
    async def handler(request):
        return Response(200)

    async def scene():
        server = Server(handler, [Listener("127.0.0.1", 0)], Limits(), structlog.get_logger())
        [port] = await server.start()
        await asyncio.sleep(0.05)
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))):
            for _ in range(turns):
                await asyncio.sleep(0)
            begun = time.monotonic()
            await server.stop(grace=3)
            return time.monotonic() - begun

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(scene()) < 1.5

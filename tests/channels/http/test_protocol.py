"""One connection against a transport that does what a real one does only now and then."""

import asyncio

import structlog

from ecluse.channels.http import BodyTruncated, Limits, Peer, Response
from ecluse.channels.http.protocol import Connection, Shared


class FakeTransport(asyncio.Transport):
    """Keeps what is written; delivers what the test says, paused or not."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data):
        self.written += data

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    abort = close


def test_the_end_may_come_while_a_pipelined_request_waits():
    seen = []

    async def handler(request):
        await asyncio.sleep(0)
        try:
            return Response(200, body=await request.read(100))
        except BodyTruncated as error:
            seen.append(error)
            raise

    async def scenario():
        shared = Shared(handler, Limits(), structlog.get_logger(), asyncio.get_running_loop())
        assert shared.take("127.0.0.1")
        connection = Connection(shared, Peer("127.0.0.1", 1))
        transport = FakeTransport()
        connection.connection_made(transport)
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        connection.data_received(request + request[:-2])
        assert connection.eof_received()
        while shared.tasks:
            await asyncio.sleep(0)
        assert transport.written.count(b"HTTP/1.1 200 OK") == 1
        connection.connection_lost(None)
        assert shared.taken == 0

    asyncio.run(scenario())
    assert len(seen) == 1

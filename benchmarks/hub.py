"""A whole hub: 4 KB signed and encrypted, a signed synchronous MDN, everything durable on SQLite FULL."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from typing import Final

from benchmarks import hubs, limits
from benchmarks.limits import Row, row
from tests.support.hubs import introduce

from ecluse.app.node import Node
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.cms.recipients import for_certificate

CONNECTIONS: Final = 16
PAYLOAD: Final = 4096
COUNT: Final = 3000
CPU_GOAL: Final = 1.5
"""Milliseconds of CPU for one message, its durable record and its signed receipt."""


def build(sender: Node, receiver: Node, count: int) -> list[bytes]:
    """Whole HTTP requests, each a message of its own."""
    options = BuildOptions(
        as2_from="ASTER",
        as2_to="BIRCH",
        signers=(sender.keyring.signer("main"),),
        recipients=(for_certificate(receiver.keyring.certificate("main")),),
        receipt=ReceiptOptions("receipts@aster.example"),
    )
    payload = os.urandom(PAYLOAD)
    requests = []
    for _ in range(count):
        builder = MessageBuilder(
            options,
            Part("application/octet-stream", "data.bin"),
            message_id=f"<{secrets.token_hex(12)}@aster.example>",
            now=int(time.time()),
            entropy=os.urandom,
        )
        body = builder.start() + builder.feed(payload) + builder.finish()
        head = "".join(f"{name}: {value}\r\n" for name, value in builder.headers)
        start = f"POST /as2 HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        requests.append(start.encode("latin-1") + body)
    return requests


async def load(port: int, requests: list[bytes]) -> list[float]:
    """Send everything over the connections; give the seconds of each message."""
    waiting = list(reversed(requests))
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            request = waiting.pop()
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            body = await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
            assert head.startswith(b"HTTP/1.1 200"), head
            assert b"processed\r\n" in body, body
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return latencies


def bare() -> float:
    """CPU seconds of a message's bare work.

    RSA: decrypting the key, checking the signature, signing the receipt. The payload: the cipher and SHA-256
    to open it, SHA-256 once more as the document's digest, and AES-GCM to seal it at rest.
    """
    return (
        2 * limits.rsa().private
        + limits.rsa().public
        + PAYLOAD / limits.octets_a_second("aes-256-cbc", PAYLOAD, decrypt=True)
        + 2 * PAYLOAD / limits.octets_a_second("sha256", PAYLOAD)
        + PAYLOAD / limits.octets_a_second("aes-256-gcm", PAYLOAD)
    )


def run() -> list[Row]:
    """CPU a message, rate and latencies of one serving process."""
    with hubs.place() as folder:
        aster, birch = hubs.make(folder, "Aster"), hubs.make(folder, "Birch")
        introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
        warm, requests = build(aster, birch, 200), build(aster, birch, COUNT)
        aster.close()
        birch.close()
        with hubs.Serving(birch.folder) as server:
            asyncio.run(load(server.port, warm))
            time.sleep(0.5)
            before, began = server.cpu_seconds(), time.perf_counter()
            latencies = sorted(asyncio.run(load(server.port, requests)))
            wall = time.perf_counter() - began
            time.sleep(0.5)
            used = (server.cpu_seconds() - before) / COUNT
    least = bare()
    queue = "all connections waiting for the bare operations on one core"
    return [
        row("hub.cpu", used * 1e3, "ms", CPU_GOAL, "the goal for one message", 1.0),
        row("hub.cpu.bare", used * 1e3, "ms", least * 1e3, "the bare operations"),
        row("hub.rate", COUNT / wall, "messages/s", 1 / least, "the bare operations on one core"),
        row("hub.p50", latencies[COUNT // 2] * 1e3, "ms", CONNECTIONS * least * 1e3, queue),
        row("hub.p99", latencies[COUNT * 99 // 100] * 1e3, "ms", CONNECTIONS * least * 1e3, queue),
    ]

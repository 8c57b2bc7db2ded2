"""A whole hub: 4 KB signed and encrypted, a signed synchronous MDN, everything durable on SQLite FULL."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.cms.recipients import for_certificate

CONNECTIONS = 16
PAYLOAD = 4096


def introduce(me: Node, other: Node, id: str, url: str, *lines: str) -> None:
    """Add ``other`` to the partners of ``me``."""
    (me.folder / "certificates" / f"{id}.pem").write_text(to_pem(other.keyring.chain("main")))
    organisation = other.directory.organisation
    text = "\n".join(
        [
            f'name = "{organisation.name}"',
            "[as2]",
            f'id = "{organisation.as2_id}"',
            f'url = "{url}"',
            "allow_private_network = true",
            *lines,
            "[[certificates]]",
            f'file = "certificates/{id}.pem"',
        ]
    )
    (me.folder / "partners" / f"{id}.toml").write_text(text + "\n")
    apply_files(me, read_folder(me.folder), actor="operator:bench", reason="benchmark")


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


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(count: int = 3000, key_kind: str = "rsa-2048") -> dict[str, float]:
    """Run one server and one load; give CPU a message, rate and latencies."""
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-", dir=os.environ.get("ECLUSE_BENCH_DIR")) as place:
        base = Path(place)
        aster = make_hub(base / "aster", name="Aster", as2_id="ASTER", key_kind=key_kind)
        birch = make_hub(base / "birch", name="Birch", as2_id="BIRCH", key_kind=key_kind)
        toml = base / "birch" / "ecluse.toml"
        toml.write_text(toml.read_text() + "\n[inbox]\nfolder = false\n")
        introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
        warm, requests = build(aster, birch, 200), build(aster, birch, count)
        aster.close()
        birch.close()
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hub_server", str(base / "birch")],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            asyncio.run(load(port, warm))
            time.sleep(0.5)
            before, began = cpu_seconds(server.pid), time.perf_counter()
            latencies = sorted(asyncio.run(load(port, requests)))
            wall = time.perf_counter() - began
            time.sleep(0.5)
            used = cpu_seconds(server.pid) - before
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
    return {
        "cpu_ms": used / count * 1000,
        "rate": count / wall,
        "p50_ms": latencies[count // 2] * 1000,
        "p99_ms": latencies[count * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    print(measure())

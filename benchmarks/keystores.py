"""A signature and a decryption by OpenBao's transit engine, beside the same by a key in files: how many a second.

The server is OpenBao itself, over TLS on loopback; without its program (``build/peers/bao/bao``, or on the PATH) there
is nothing to measure. One thread at a time, then eight: a hub works on many messages at once. CPU time is that of
the client alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.limits import Row, row
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.support.openbao import openbao
from tests.support.peers import missing

from ecluse.trust.keystores.remote import remote_key

__all__ = ["run"]

SECONDS: Final = float(os.environ.get("BENCH_KEYSTORE_SECONDS", "3"))
THREADS: Final = 8
TIMES: Final = 200
SHA256: Final = hashes.SHA256()
OAEP: Final = padding.OAEP(padding.MGF1(SHA256), SHA256, None)


def run() -> list[Row]:
    """Measure; one row for each figure, none without the server."""
    if missing("bao"):
        return []
    rows: list[Row] = []
    held = rsa.generate_private_key(65537, 2048)
    with tempfile.TemporaryDirectory() as name, openbao(Path(name)) as server:
        device = server.device()
        device.generate("bench", "rsa-2048")
        key: Any = remote_key(device.public_key("bench@1"), device, "bench@1")
        for operation, by in (("sign", _sign), ("decrypt", _decrypt)):
            for threads in (1, THREADS):
                limit, value = _rate(by(held), threads), _rate(by(key), threads)
                name = f"keystores.{operation} by OpenBao, RSA 2048, {threads} at once"
                rows.append(row(name, value, "/s", limit, "the same by a key in files"))
            name = f"keystores.CPU of ours to {operation} by OpenBao"
            rows.append(row(name, _cpu(by(key)), "ms", _cpu(by(held)), "the same by a key in files"))
        device.close()
    return rows


def _sign(key: Any) -> Callable[[], object]:
    return lambda: key.sign(b"attributes", padding.PKCS1v15(), SHA256)


def _decrypt(key: Any) -> Callable[[], object]:
    sealed = key.public_key().encrypt(b"k" * 32, OAEP)
    return lambda: key.decrypt(sealed, OAEP)


def _cpu(work: Callable[[], object]) -> float:
    """Milliseconds of this process's CPU for one."""
    work()
    begun = time.process_time()
    for _ in range(TIMES):
        work()
    return (time.process_time() - begun) / TIMES * 1000


def _rate(work: Callable[[], object], threads: int) -> float:
    """How often a second ``threads`` do it together."""
    work()
    end = time.perf_counter() + SECONDS

    def many() -> int:
        count = 0
        while time.perf_counter() < end:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        return sum(future.result() for future in [pool.submit(many) for _ in range(threads)]) / SECONDS

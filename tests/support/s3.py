"""The S3 peer of tests: OpenStack Swift out of ``build/peers/s3``, started once per run.

``make peers`` installs it; where it is missing, its tests are skipped by name.
"""

import atexit
import contextlib
import functools
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import obstore
import pytest
from obstore.store import S3Store

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "build" / "peers" / "s3" / "bin" / "python"
SERVER: Final = ROOT / "tests" / "peers" / "s3_server.py"

ACCESS_KEY, SECRET, REGION = "test:tester", "testing", "us-east-1"


class S3Server(NamedTuple):
    """Where it listens."""

    endpoint: str

    def make_bucket(self, name: str) -> None:
        store = S3Store(
            name,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        url = obstore.sign(store, "PUT", "", timedelta(minutes=1))
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10) as answer:
            assert answer.status == 200


def needs_s3(test: Callable[..., None]) -> Callable[..., None]:
    """Skip by name where the peer is not installed."""
    return pytest.mark.peer("s3")(missing_s3(test))


missing_s3 = pytest.mark.skipif(not PYTHON.exists(), reason="peer s3 is not installed (make peers)")


@functools.cache
def s3_server() -> S3Server:
    """The server of this run; it ends with the run."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.TemporaryDirectory(prefix="s3-peer-")
    process = subprocess.Popen(
        [str(PYTHON), "-W", "ignore", str(SERVER), folder.name, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)
        folder.cleanup()

    atexit.register(stop)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return S3Server(f"http://127.0.0.1:{port}")

"""Foreign clients on our server: curl, lftp, Python's ftplib."""

from __future__ import annotations

import ftplib
import io
import os
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.ftps_server import PASSWORD, USER, Serving, identity, serving

from ecluse.model.paths import VirtualPath


@pytest.fixture(scope="module")
def ca(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(identity().pem)
    return str(path)


@pytest.fixture
def server():
    with serving() as it:
        yield it


def curl(ca: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["curl", "-sS", "--cacert", ca, "--ssl-reqd", "-u", f"{USER}:{PASSWORD}", *arguments],
        capture_output=True,
        timeout=30,
        check=False,
    )


def lftp(ca: str, port: int, commands: str, scheme: str = "ftp") -> subprocess.CompletedProcess[bytes]:
    settings = (
        f"set ssl:ca-file {ca}; set ftp:ssl-force true; set ftp:ssl-protect-data true; set net:max-retries 1; "
        "set net:timeout 5; set cmd:fail-exit true;"
    )
    return subprocess.run(
        ["lftp", "-c", f"{settings} open -u {USER},{PASSWORD} {scheme}://127.0.0.1:{port}; {commands}"],
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.peer("curl")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
def test_curl(server: Serving, ca: str, tmp_path: Path, scheme: str, version: str) -> None:
    url = f"{scheme}://127.0.0.1:{server.port if scheme == 'ftp' else server.implicit}"
    versions = (f"--tlsv{version}", "--tls-max", version)
    data, order = os.urandom(3_000_000), tmp_path / "order"
    order.write_bytes(data)
    assert curl(ca, *versions, "-T", str(order), f"{url}/inbound/").returncode == 0
    assert server.box.documents == [("/inbound/order", data)]
    server.box.offer("invoice", data)
    assert curl(ca, *versions, f"{url}/outbound/invoice").stdout == data
    assert server.box.picked_up == ["invoice"]
    assert b"invoice" in curl(ca, *versions, f"{url}/outbound/").stdout
    assert {tls for tls, _ in server.gate.secured} == {f"TLSv{version}"}


@pytest.mark.peer("curl")
def test_curl_resumes_up_and_down(server: Serving, ca: str, tmp_path: Path) -> None:
    url = f"ftp://127.0.0.1:{server.port}"
    data, order = os.urandom(4_000_000), tmp_path / "order"
    order.write_bytes(data)
    assert (
        curl(ca, "--limit-rate", "2M", "-m", "1", "-T", str(order), f"{url}/inbound/order").returncode == 28
    )
    until = time.monotonic() + 60
    while not server.box.suspended and time.monotonic() < until:
        time.sleep(0.01)
    assert server.box.documents == []  # curl ended its connections properly, and yet it is no document
    assert curl(ca, "-C", "-", "-T", str(order), f"{url}/inbound/order").returncode == 0
    assert server.box.documents == [("/inbound/order", data)]
    server.box.offer("invoice", data)
    got = tmp_path / "invoice"
    got.write_bytes(data[:1_234_567])
    assert curl(ca, "-C", "-", "-o", str(got), f"{url}/outbound/invoice").returncode == 0
    assert got.read_bytes() == data


@pytest.mark.peer("curl")
def test_curl_with_several_files_and_a_wrong_password(server: Serving, ca: str, tmp_path: Path) -> None:
    """curl before 8.12 uses a TLS 1.3 session once and keeps only one: several uploads in a row want TLS 1.2."""
    for number in range(10):
        (tmp_path / f"{number}").write_bytes(bytes([number]) * 100_000)
    url = f"ftp://127.0.0.1:{server.port}/inbound/"
    assert curl(ca, "--tls-max", "1.2", "-T", f"{tmp_path}/[0-9]", url).returncode == 0
    assert len(server.box.documents) == 10
    assert curl(ca, "-u", f"{USER}:wrong", url).returncode == 67


@pytest.mark.peer("curl")
def test_curl_never_loses_the_end_of_an_upload_over_tls_1_3(server: Serving, ca: str, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for size in (1, 50_000, 2_000_000):
        order.write_bytes(b"x" * size)
        for number in range(5):
            path = f"inbound/{size}-{number}"
            url = f"ftp://127.0.0.1:{server.port}/{path}"
            assert curl(ca, "--tlsv1.3", "-T", str(order), url).returncode == 0
            assert server.box.documents[-1] == (f"/{path}", b"x" * size)


@pytest.mark.peer("lftp")
@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
def test_lftp_mirrors_both_ways(server: Serving, ca: str, tmp_path: Path, scheme: str) -> None:
    port = server.port if scheme == "ftp" else server.implicit
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for number in range(20):
        (source / f"{number}.xml").write_bytes(os.urandom(10_000))
    assert lftp(ca, port, f"mirror -R {source} /inbound/one", scheme).returncode == 0
    assert lftp(ca, port, f"mirror -R -P 4 {source} /inbound/two", scheme).returncode == 0
    assert len(server.box.documents) == 40
    for number in range(20):
        server.box.offer(f"{number}.xml", bytes([number]) * 10_000)
    assert lftp(ca, port, f"mirror -P 4 /outbound {target}", scheme).returncode == 0
    assert sorted(server.box.picked_up) == sorted(f"{number}.xml" for number in range(20))
    assert all((target / f"{n}.xml").read_bytes() == bytes([n]) * 10_000 for n in range(20))


@pytest.mark.peer("lftp")
def test_lftp_resumes(server: Serving, ca: str, tmp_path: Path) -> None:
    data, order = os.urandom(3_000_000), tmp_path / "order"
    order.write_bytes(data)
    writer = server.box.open().write(VirtualPath.parse("/inbound/order"))
    writer.write(0, data[:1_500_000])
    writer.suspend()
    assert lftp(ca, server.port, f"put -c {order} -o /inbound/order").returncode == 0
    assert server.box.documents == [("/inbound/order", data)]


@pytest.mark.peer("lftp")
def test_lftp_uploads_under_a_temporary_name(server: Serving, ca: str, tmp_path: Path) -> None:
    (tmp_path / "order").write_bytes(b"x")
    commands = f"set xfer:use-temp-file true; put {tmp_path}/order -o /inbound/order; ls /inbound"
    assert lftp(ca, server.port, commands).returncode == 0
    assert server.box.documents == [("/inbound/order", b"x")]


class _Reusing(ftplib.FTP_TLS):
    """What everybody writes to have ftplib resume the session."""

    def ntransfercmd(self, cmd, rest=None):
        sock, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        sock = self.context.wrap_socket(sock, server_hostname=self.host, session=self.sock.session)
        return sock, size


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_ftplib(server: Serving, ca: str, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    with _Reusing(context=context, timeout=10) as client:
        client.connect("127.0.0.1", server.port)
        client.login(USER, PASSWORD)
        client.prot_p()
        for number in range(3):
            client.storbinary(f"STOR inbound/{number}", io.BytesIO(b"x" * 500_000))
        assert client.nlst("inbound") == ["0", "1", "2"]
        assert {name for name, _ in client.mlsd("inbound")} == {"0", "1", "2"}
        assert client.size("inbound/1") == 500_000
        got: list[bytes] = []
        client.retrbinary("RETR inbound/1", got.append)
        assert b"".join(got) == b"x" * 500_000
    assert len(server.box.documents) == 3


def test_ftplib_without_session_reuse_is_refused(server: Serving, ca: str) -> None:
    context = ssl.create_default_context(cafile=ca)
    client = ftplib.FTP_TLS(context=context, timeout=10)
    client.connect("127.0.0.1", server.port)
    client.login(USER, PASSWORD)
    client.prot_p()
    with pytest.raises((ftplib.Error, OSError, EOFError)):
        client.storbinary("STOR inbound/a", io.BytesIO(b"x"))
    client.close()
    assert server.box.documents == []

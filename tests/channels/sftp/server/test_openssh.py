"""OpenSSH's own programs at the listener."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.support.sftp_site import Site, serve

from ecluse.model.paths import VirtualPath
from ecluse.trust.settings.listeners import SftpListener

pytestmark = pytest.mark.peer("sftp")


def test_batch_of_everything(site: Site) -> None:
    data = os.urandom(3_000_000)  # larger than the window, so that reading pauses and goes on
    (site.folder / "a.bin").write_bytes(data)
    site.box.offer("order.edi", b"ORDERS" * 1000)
    done = site.sftp(
        "pwd\nput a.bin inbound/a.bin\nput -f a.bin inbound/.b.part\nrename inbound/.b.part inbound/b.bin\n"
        "mkdir inbound/sub\nput -p a.bin inbound/sub/c.bin\nls -la inbound\nget inbound/a.bin back.bin\n"
        "get outbound/order.edi\ndf\nrm inbound/a.bin\nrm inbound/sub/c.bin\nrmdir inbound/sub\nls inbound\n"
    )
    assert (site.folder / "back.bin").read_bytes() == data
    assert (site.folder / "order.edi").read_bytes() == b"ORDERS" * 1000
    assert [name for name, _ in site.box.documents] == [
        "/inbound/a.bin",
        "/inbound/b.bin",
        "/inbound/sub/c.bin",
    ]
    assert all(kept == data for _, kept in site.box.documents)
    assert site.box.picked_up == ["order.edi"]
    assert "Remote working directory: /\n" in done.stdout
    assert "drwx------" in done.stdout
    assert "-r--------" in done.stdout


def test_errors_are_told_in_words(site: Site) -> None:
    done = site.sftp(
        "-get inbound/none\n-put batch outbound/x\n-rm /inbound\n-ln batch x\n-symlink a b\n-rename inbound/n o\n"
    )
    assert "not found" in done.stderr
    assert "Permission denied" in done.stderr
    assert done.stderr.count("\n") >= 5
    assert not site.box.documents


def test_large_files_keep_their_order(site: Site) -> None:
    data = os.urandom(40_000_000)
    (site.folder / "big").write_bytes(data)
    site.sftp("put big inbound/big\nget inbound/big back\n", "-R", "64", "-B", "200000")
    assert site.box.documents == [("/inbound/big", data)]
    assert (site.folder / "back").read_bytes() == data


def test_cut_upload_is_resumed(site: Site) -> None:
    data = os.urandom(2_000_000)
    (site.folder / "half").write_bytes(data[:700_000])
    (site.folder / "whole").write_bytes(data)
    box = site.box
    writer = box.open().write(VirtualPath.parse("/inbound/w"))
    writer.write(0, data[:700_000])
    writer.suspend()
    assert not box.documents
    site.sftp("reput whole inbound/w\n")
    assert box.documents == [("/inbound/w", data)]


def test_download_is_resumed(site: Site) -> None:
    data = os.urandom(2_000_000)
    site.box.offer("doc", data)
    (site.folder / "doc").write_bytes(data[:500_000])
    site.sftp("reget outbound/doc doc\n")
    assert (site.folder / "doc").read_bytes() == data


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"])
def test_every_cipher_survives_rekeying(site: Site, cipher: str) -> None:
    data = os.urandom(3_000_000)
    (site.folder / "a").write_bytes(data)
    site.sftp("put a inbound/a\nget inbound/a b\n", "-c", cipher, "-o", "RekeyLimit=500K")
    assert (site.folder / "b").read_bytes() == data


def test_our_own_rekeying(tmp_path: Path) -> None:
    data = os.urandom(4_000_000)
    with serve(tmp_path / "site", listener=SftpListener(address="127.0.0.1:0", rekey="500 KiB")) as site:
        (site.folder / "a").write_bytes(data)
        site.sftp("put a inbound/a\nget inbound/a b\n")
        assert (site.folder / "b").read_bytes() == data


@pytest.mark.peer("scp")
def test_scp_in_its_sftp_way(site: Site) -> None:
    data = os.urandom(500_000)
    (site.folder / "a").write_bytes(data)
    for pair in (("a", "birch@127.0.0.1:inbound/a"), ("birch@127.0.0.1:inbound/a", "b")):
        subprocess.run(["scp", "-s", *site.openssh(), *pair], cwd=site.folder, check=True, timeout=30)
    assert (site.folder / "b").read_bytes() == data


@pytest.mark.peer("scp")
def test_scp_writes_over_what_is_there(tmp_path: Path) -> None:
    """It does not cut the file when it opens it: it says at the end how long it is."""
    with serve(tmp_path, account="replace = true") as site:
        versions = [os.urandom(500_000), os.urandom(90_000), b"", os.urandom(300_000)]
        for data in versions:
            (site.folder / "a").write_bytes(data)
            for name in ("order.edi", "order.part"):
                command = ["scp", "-s", *site.openssh(), "a", f"birch@127.0.0.1:inbound/{name}"]
                subprocess.run(command, cwd=site.folder, check=True, timeout=30)
        assert site.box.documents == [("/inbound/order.edi", data) for data in versions]
        site.sftp("rename inbound/order.part inbound/last.edi\n")
        assert site.box.documents[-1] == ("/inbound/last.edi", versions[-1])


@pytest.mark.peer("scp")
def test_scp_writes_over_no_document_unless_agreed(site: Site) -> None:
    for data in (b"first", b"second"):
        (site.folder / "a").write_bytes(data)
        command = ["scp", "-s", *site.openssh(), "a", "birch@127.0.0.1:inbound/order.edi"]
        done = subprocess.run(command, cwd=site.folder, capture_output=True, timeout=30, check=False)
        assert (done.returncode == 0) is (data == b"first")
    assert site.box.documents == [("/inbound/order.edi", b"first")]


@pytest.mark.peer("lftp")
def test_lftp_that_goes_on_with_a_whole_upload_is_content(site: Site) -> None:
    """As after an answer that was lost."""
    data = os.urandom(100_000)
    (site.folder / "a").write_bytes(data)
    ssh = " ".join(["ssh", "-a", "-x", *site.openssh()[:-2], "-p", str(site.port)])
    script = (
        f'set sftp:connect-program "{ssh}"; set net:max-retries 1; open -u birch, sftp://127.0.0.1; '
        "put a -o inbound/a; put -c a -o inbound/a; bye"
    )
    subprocess.run(["lftp", "-c", script], cwd=site.folder, timeout=40, check=True)
    assert site.box.documents == [("/inbound/a", data)]


@pytest.mark.peer("lftp")
def test_lftp_puts_and_continues(site: Site) -> None:
    data = os.urandom(1_500_000)
    (site.folder / "a").write_bytes(data)
    ssh = " ".join(["ssh", "-a", "-x", *site.openssh()[:-2], "-p", str(site.port)])
    script = (
        f'set sftp:connect-program "{ssh}"; set net:max-retries 1; set xfer:clobber yes; '
        "open -u birch, sftp://127.0.0.1; put a -o inbound/a; "
        "get inbound/a -o b; mkdir inbound/m; mput -O inbound/m a; ls inbound; mv inbound/m/a inbound/m/z; bye"
    )
    done = subprocess.run(
        ["lftp", "-c", script], cwd=site.folder, capture_output=True, text=True, timeout=40, check=False
    )
    assert (site.folder / "b").read_bytes() == data, done.stderr
    assert ("/inbound/a", data) in site.box.documents


@pytest.mark.peer("lftp")
def test_lftp_resumes(site: Site) -> None:
    data = os.urandom(1_500_000)
    (site.folder / "a").write_bytes(data)
    writer = site.box.open().write(VirtualPath.parse("/inbound/a"))
    writer.write(0, data[:600_000])
    writer.suspend()
    ssh = " ".join(["ssh", "-a", "-x", *site.openssh()[:-2], "-p", str(site.port)])
    script = (
        f'set sftp:connect-program "{ssh}"; set net:max-retries 1; open -u birch, sftp://127.0.0.1; '
        "put -c a -o inbound/a; bye"
    )
    done = subprocess.run(
        ["lftp", "-c", script], cwd=site.folder, capture_output=True, text=True, timeout=40, check=False
    )
    assert site.box.documents == [("/inbound/a", data)], done.stderr


@pytest.mark.peer("ssh")
@pytest.mark.parametrize("words", [["true"], [], ["-s", "netconf"], ["-N", "-W", "127.0.0.1:80"]])
def test_nothing_but_sftp(site: Site, words: list[str]) -> None:
    options = site.openssh()[:-2]
    done = subprocess.run(
        ["ssh", *options, "-p", str(site.port), "-T", "-o", "ExitOnForwardFailure=yes", "birch@127.0.0.1", *words],
        capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.peer("ssh")
def test_no_remote_forwarding(site: Site) -> None:
    options = site.openssh()[:-2]
    done = subprocess.run(
        ["ssh", *options, "-p", str(site.port), "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9",
         "birch@127.0.0.1"],
        capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode != 0
    assert "forward" in done.stderr


@pytest.mark.peer("ssh-keygen")
def test_user_certificates(tmp_path: Path) -> None:
    with serve(tmp_path / "site") as site:
        folder = site.folder
        run = lambda *words: subprocess.run(words, check=True, capture_output=True, cwd=folder)  # noqa: E731
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ca")
        site.accounts["birch"] = f'authorities = ["{(folder / "ca.pub").read_text().strip()}"]'
        site.configure()
        cases = {
            "good": (["-n", "birch", "-V", "+1h"], True),
            "other": (["-n", "cedar", "-V", "+1h"], False),
            "nobody": (["-V", "+1h"], False),
            "ended": (["-n", "birch", "-V", "-2h:-1h"], False),
            "early": (["-n", "birch", "-V", "+1h:+2h"], False),
            "elsewhere": (["-n", "birch", "-O", "source-address=192.0.2.0/24"], False),
            "here": (["-n", "birch", "-O", "source-address=127.0.0.0/8"], True),
            "forced": (["-n", "birch", "-O", "force-command=true"], False),
            "host": (["-n", "birch", "-h"], False),
        }
        (folder / "batch").write_text("pwd\n")
        for name, (options, allowed) in cases.items():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
            run("ssh-keygen", "-q", "-s", "ca", "-I", name, *options, f"{name}.pub")
            words = site.openssh()
            words[words.index(str(folder / "birch_key"))] = str(folder / name)
            done = subprocess.run(
                ["sftp", "-b", "batch", *words, "birch@127.0.0.1"],
                cwd=folder, capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
            assert (done.returncode == 0) is allowed, (name, done.stderr)

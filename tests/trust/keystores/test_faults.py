"""Key stores that are away, refuse, or are spoken to by somebody who should not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.keystores import MODULE, TOKEN, served_signer, soft_hsm, transit_service, with_token

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.making import make_key
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keystores import vault
from ecluse.trust.keystores.pkcs11 import Pkcs11Device
from ecluse.trust.keystores.remote import remote_key
from ecluse.trust.keystores.signer import SignerKeyring, SignerService, service
from ecluse.trust.keystores.signer.frames import MAX_FRAME
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.secrets import Secret

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@pytest.fixture(scope="module")
def held() -> MemoryKeyring:
    keyring = MemoryKeyring()
    keyring.generate("main", "ec-p256", subject="Aster")
    return keyring


def told(call, *arguments) -> KeyringError:
    with pytest.raises(KeyringError) as caught:
        call(*arguments)
    return caught.value


def test_a_signer_that_is_away_is_told_and_found_again(held, tmp_path) -> None:
    path = tmp_path / "signer.sock"
    assert told(SignerKeyring, path).code == "keyring.signer-away"
    with served_signer(held, path) as asking:
        signer = asking.signer("main")
        signer.sign(b"a", "sha256")
    error = told(signer.sign, b"b", "sha256")
    assert (error.code, error.fault) == ("keyring.signer-away", Fault.TRANSIENT)
    with served_signer(held, path):
        assert signer.sign(b"c", "sha256")


def test_two_signers_do_not_share_a_socket(held, tmp_path) -> None:
    path = tmp_path / "signer.sock"
    with served_signer(held, path):
        assert told(SignerService, held, path).code == "keyring.signer-taken"
    path.write_bytes(b"")  # what a process that was killed leaves
    SignerService(held, path).close()
    assert not path.exists()


def test_the_socket_is_its_owner_s_alone(held, tmp_path) -> None:
    path = tmp_path / "signer.sock"
    with served_signer(held, path):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.peer("root")
def test_another_account_is_not_answered(held) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "signer.sock"
        with served_signer(held, path):
            path.chmod(0o666)  # even where the file would let them in
            work = (
                "import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(60)\n"
                f"s.connect({str(path)!r})\ntry:\n s.sendall(b'\\0\\0\\0\\x0c[\"Describe\"]')\n"
                " sys.exit(len(s.recv(10)))\nexcept ConnectionError:\n sys.exit(0)"
            )
            assert subprocess.run([sys.executable, "-c", work], timeout=20).returncode == 0


@pytest.fixture(scope="module")
def path(held, tmp_path_factory):
    path = tmp_path_factory.mktemp("signer") / "signer.sock"
    with served_signer(held, path):
        yield path


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.sampled_from([b'["Sign"]', b'["LogSign","x"]', b"[" * 100_000, b"null"])
    )
)
def test_garbage_is_answered_with_an_error(path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(path))
        line.sendall(len(data).to_bytes(4, "big") + data)
        answer = line.recv(65536)
    assert b"keyring.bad-request" in answer


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff", (MAX_FRAME + 1).to_bytes(4, "big"), b"\0\0"])
def test_a_frame_that_can_not_be_ends_the_connection(path, held, head: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(path))
        line.sendall(head)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(10) == b""
    assert SignerKeyring(path).references() == ("main",)


def test_a_client_that_stops_inside_a_frame_does_not_hold_its_place(held, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(service, "SILENCE", 0.2)
    monkeypatch.setattr(service, "MAX_CONNECTIONS", 1)
    path = tmp_path / "signer.sock"
    others = set(threading.enumerate())
    with served_signer(held, path) as asking, socket.socket(socket.AF_UNIX) as line:
        asking.close()
        for thread in set(threading.enumerate()) - others:
            if thread.name == "signer":
                thread.join(10)
        line.settimeout(10)
        line.connect(str(path))
        line.sendall(b"\0\0\0\x0c[")
        assert line.recv(10) == b"", "it is cut"
        assert SignerKeyring(path).references() == ("main",)


def test_a_signer_short_of_descriptors_or_threads_goes_on(held, tmp_path, monkeypatch) -> None:
    path = tmp_path / "signer.sock"
    with served_signer(held, path) as asking:
        asking.close()
        start = threading.Thread.start
        failing = [RuntimeError("can't start new thread")] * 2

        def begin(self: threading.Thread) -> None:
            if self.name == "signer" and failing:
                raise failing.pop()
            start(self)

        monkeypatch.setattr(threading.Thread, "start", begin)
        assert told(SignerKeyring, path).code == "keyring.signer-away"
        assert SignerKeyring(path).references() == ("main",)
        accept = socket.socket.accept
        short = [OSError(24, "Too many open files")]

        def take(self: socket.socket) -> tuple[socket.socket, object]:
            if short:
                raise short.pop()
            return accept(self)

        monkeypatch.setattr(socket.socket, "accept", take)
        for _ in range(2):  # the first is taken by the call that waits already
            assert SignerKeyring(path).references() == ("main",)


def test_errors_of_the_keyring_come_through(path) -> None:
    asking = SignerKeyring(path)
    for call in (lambda: asking.ssh_sign("main", b"", "ssh-rsa"), lambda: asking.unwrap_key(b"\1x")):
        error = told(call)
        assert error.code in ("keyring.bad-request", "keyring.not-ours")
        assert error.remedy


def test_a_service_that_is_sealed_or_away_is_tried_again() -> None:
    with transit_service() as (transit, url):
        device = TransitDevice(url, with_token())
        key = remote_key(device.generate("main", "ed25519"), device, "main@1")
        assert key.sign(b"data")
        transit.sealed = True
        error = told(key.sign, b"data")
        assert (error.code, error.fault) == ("keystore.sealed", Fault.TRANSIENT)
        transit.sealed = False
        assert key.sign(b"data")
        assert told(TransitDevice(url, with_token("wrong")).names).code == "keystore.denied"
        assert TOKEN not in repr(device)
        device.close()
    error = told(key.sign, b"data")
    assert (error.code, error.fault) == ("keystore.away", Fault.TRANSIENT)


@pytest.mark.parametrize("status", [307, 412, 429, 472, 473, 500, 502, 503, 504])
def test_what_a_service_can_not_do_now_is_tried_again(status: int) -> None:
    with transit_service() as (transit, url):
        device = TransitDevice(url, with_token())
        key = remote_key(device.generate("main", "rsa-2048"), device, "main@1")
        sealed = key.public_key().encrypt(b"k" * 32, OAEP)
        transit.broken = (status, "1 error occurred:\n\t* something\x1b[31m else\n\n")
        for call in (
            lambda: key.sign(b"data", padding.PKCS1v15(), hashes.SHA256()),
            lambda: key.decrypt(sealed, OAEP),
        ):
            error = told(call)
            assert (error.code, error.fault) == ("keystore.away", Fault.TRANSIENT)
            assert "\x1b" not in str(error)
        transit.broken = None
        assert key.decrypt(sealed, OAEP) == b"k" * 32


def test_a_service_that_does_not_answer_is_asked_once(monkeypatch) -> None:
    monkeypatch.setattr(vault, "TIMEOUT", 0.2)
    with transit_service() as (transit, url):
        device = TransitDevice(url, with_token())
        assert device.names() == ()
        transit.gate.clear()
        error = told(device.names)
        assert (error.code, error.fault) == ("keystore.away", Fault.TRANSIENT)
        assert "no answer" in error.cause
        assert len(transit.requests) == 2
        transit.gate.set()


def test_what_is_no_answer_of_the_service_is_told() -> None:
    with transit_service() as (transit, url):
        device = TransitDevice(f"{url}/elsewhere", with_token())
        assert told(device.public_key, "main").code == "keystore.no-key"
        for said, code in (
            ("no handler for route 'transit/keys/'", "keystore.refused"),
            ("", "keystore.no-key"),
        ):
            transit.broken = (404, said)
            assert told(device.public_key, "main").code == code
        transit.broken = (
            400,
            "requested version for signing is less than the minimum encryption key version",
        )
        error = told(device.public_key, "main")
        assert error.code == "keystore.refused"
        assert "minimum encryption key version" in error.cause
        for secret in ("two\nlines", "h\u00e4"):
            assert told(TransitDevice(url, with_token(secret)).names).code == "keystore.denied"
        assert told(device.public_key, "main@x").code == "keystore.refused"


def test_a_name_that_means_another_key_by_now_is_found_out() -> None:
    with transit_service() as (transit, url):
        device = TransitDevice(url, with_token())
        key = remote_key(device.generate("main", "ed25519"), device, "main@1")
        transit.keys["main"] = [make_key("ed25519")]
        assert told(key.sign, b"data").code == "keystore.other-key"


@pytest.mark.peer("softhsm2-util")
def test_a_device_that_refuses_is_told(tmp_path) -> None:
    device = soft_hsm(tmp_path / "hsm", "faults")
    assert device.names() == ()
    device.close()
    assert device.names() == (), "another session is opened"
    device.close()
    for wrong, code in (
        (Pkcs11Device(MODULE, "faults", Secret("9999")), "keystore.wrong-pin"),
        (Pkcs11Device(MODULE, "no such token", Secret("1234")), "keystore.away"),
        (Pkcs11Device(Path("/nowhere.so"), "faults", Secret("1234")), "keystore.away"),
    ):
        assert told(wrong.names).code == code
    assert told(device.public_key, "nothing").code == "keystore.no-key"

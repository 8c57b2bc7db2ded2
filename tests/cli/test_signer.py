"""A hub that serves without any key: another process has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.commands import free_port, say, serving
from tests.support.keystores import MODULE, soft_hsm

from ecluse.app.keys.uses import key_uses, note_key_uses
from ecluse.app.opening import open_node
from ecluse.errors import EcluseError
from ecluse.trust.keystores.signer import SignerKeyring


@contextmanager
def signing(hub: Path) -> Iterator[int]:
    """``ecluse signer`` in a process of its own."""
    command = [sys.executable, "-m", "ecluse", "signer", "--hub", str(hub), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        yield facts["pid"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def split(hub: Path, tmp_path: Path) -> Path:
    """A hub whose keys are in a signer, and that is its own partner."""
    port = free_port()
    toml = hub / "ecluse.toml"
    text = toml.read_text().replace("127.0.0.1:1", f"127.0.0.1:{port}")
    toml.write_text(text.replace("[keyring]", '[keyring]\nsigner = "state/signer.sock"'))
    say("apply", "--yes", "--reason", "a signer", hub=hub)
    return hub


def test_a_message_goes_out_and_in_without_a_key_in_the_hub(split: Path, tmp_path: Path) -> None:
    other = tmp_path / "birch"
    address = f"127.0.0.1:{free_port()}"
    say("init", other, "--name", "Birch", "--as2-id", "BIRCH", "--address", address, "--key-kind", "ec-p256")
    for hub, name in ((split, "cedar"), (other, "birch")):
        say("partner", "card", "--out", tmp_path / f"{name}.card", hub=hub)
    for hub, name in ((split, "birch"), (other, "cedar")):
        say("partner", "add", tmp_path / f"{name}.card", "--yes", *TRUSTED, hub=hub)
        path = hub / "partners" / f"{name}.toml"
        path.write_text(path.read_text().replace("[as2]\n", "[as2]\nallow_private_network = true\n"))
        say("apply", "--yes", "--reason", "one machine", hub=hub)
    order = tmp_path / "order.edi"
    order.write_bytes(b"UNB+UNOC:3+CEDAR:ZZ+BIRCH:ZZ+261103:0915+1++ORDERS'UNZ+0+1'")
    with signing(split) as pid:
        passphrase = (split / "passphrase").rename(tmp_path / "taken-away")
        with serving(split), serving(other):
            sent = say("send", "cedar", order, "--json", hub=other).data["id"]
            until(lambda: state(other, sent) == "delivered")
        passphrase.rename(split / "passphrase")
        status = Path(f"/proc/{pid}/status").read_text()
        assert "ecluse" in Path(f"/proc/{pid}/cmdline").read_text()
        assert status
    with open_node(split) as node:
        uses = {(use.ref, use.operation): use.count for use in node.store.read(key_uses)}
    assert uses[("main", "sign")] >= 1, "the receipt was signed by the signer"
    assert uses[("main", "decrypt")] >= 1


TRUSTED = ("--trust-on-first-use", "a test")


def state(hub: Path, id: str) -> str:
    return say("message", "show", id, "--json", hub=hub).data["state"]  # type: ignore[no-any-return]


def until(holds) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def test_serving_without_its_signer_is_told(split: Path) -> None:
    command = [sys.executable, "-m", "ecluse", "serve", "--hub", str(split)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "keyring.signer-away" in done.stderr


def test_a_hub_without_a_signer_has_none_to_start(hub: Path) -> None:
    assert "keyring.no-signer" in say("signer", hub=hub, code=2).err


@pytest.mark.peer("root")
def test_nobody_else_reads_the_signer_s_memory(split: Path) -> None:
    """Not even its own account: the process is not dumpable (prctl(2)), which makes its /proc entries root's."""
    with signing(split) as pid:
        entry = os.stat(f"/proc/{pid}/mem")
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert entry.st_uid == 0
        assert "Max core file size        0                    0" in limits
        probe = (
            "import ctypes, os, sys; os.setuid(65534);"
            f"sys.exit(ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == 0)"
        )
        assert subprocess.run([sys.executable, "-c", probe], timeout=20).returncode == 0


@pytest.mark.peer("softhsm2-util")
def test_a_key_in_a_device_is_made_bound_and_used(hub: Path, tmp_path: Path) -> None:
    soft_hsm(tmp_path / "hsm", "cedar")
    (hub / "pin").write_text("1234\n")
    (hub / "pin").chmod(0o600)
    toml = hub / "ecluse.toml"
    store = f'\n[keyring.stores.hsm]\nkind = "pkcs11"\nmodule = "{MODULE}"\ntoken = "cedar"\nsecret = "file:pin"\n'
    toml.write_text(toml.read_text() + store)
    say("apply", "--yes", "--reason", "a device", hub=hub)
    assert say("keyring", "stores", "--json", hub=hub).data["stores"][0]["keys"] == []
    bound = say("keyring", "bind", "orders", "--store", "hsm", "--make", "rsa-2048", "--json", hub=hub).data
    assert bound["key"] == "RSA 2048"
    assert say("keyring", "stores", "--json", hub=hub).data["stores"][0]["keys"] == ["orders"]
    toml.write_text(toml.read_text().replace("[organisation]", '[organisation]\nkeys = [{ref = "orders"}]'))
    say("apply", "--yes", "--reason", "the device's key", hub=hub)
    with open_node(hub) as node:
        node.keyring.signer("orders").sign(b"data", "sha256")
        assert note_key_uses(node) == 1
        assert note_key_uses(node) == 0
        (use,) = node.store.read(key_uses)
        assert (use.ref, use.operation, use.count, use.told) == ("orders", "sign", 1, 1)
        kinds = [each.event.kind for each in node.store.read(lambda view: view.events("key:orders"))]
    assert kinds == ["key.bound", "key.used"]
    again = say("keyring", "bind", "orders", "--store", "hsm", hub=hub, code=2)
    assert "keyring.exists" in again.err
    assert "keystore.unknown" in say("keyring", "bind", "x", "--store", "no", hub=hub, code=2).err
    assert "1234" not in say("export", tmp_path / "out", "--json", hub=hub).text


@pytest.mark.parametrize(
    ("store", "field"),
    [
        ('kind = "pkcs11"\nsecret = "env:X"\ntoken = "a"\n', "module"),
        ('kind = "transit"\nsecret = "env:X"\n', "url"),
        ('kind = "transit"\nsecret = "env:X"\nurl = "http://vault.example"\n', "url"),
        ('kind = "transit"\nsecret = "keyring:x"\nurl = "https://vault.example"\n', "secret"),
        ('kind = "transit"\nsecret = "hunter2"\nurl = "https://vault.example"\n', "secret"),
    ],
)
def test_a_store_that_is_not_right_is_refused(hub: Path, store: str, field: str) -> None:
    toml = hub / "ecluse.toml"
    toml.write_text(f"{toml.read_text()}\n[keyring.stores.hsm]\n{store}")
    said = say("plan", hub=hub, code=2).err
    assert f"keyring.stores.hsm.{field}" in said
    assert "hunter2" not in said


def test_only_what_tls_shows_leaves_the_signer(split: Path) -> None:
    (split / "partners").mkdir(exist_ok=True)
    cedar = split / "partners" / "cedar.toml"
    say("cert", "generate", "shown", "--kind", "ec-p256", hub=split)
    with signing(split):
        keyring = SignerKeyring(split / "state" / "signer.sock")
        with pytest.raises(EcluseError) as caught:
            keyring.tls_key("main")
        assert caught.value.code == "keyring.key-stays"
        with pytest.raises(EcluseError):
            keyring.tls_key("shown")
        # Whoever took the serving process over can write files, and gets no key that signs by it.
        cedar.write_text('[as2.tls]\nclient_key = "main"\n[webdav.tls]\nclient_key = "shown"\n')
        with pytest.raises(EcluseError):
            keyring.tls_key("main")
        assert b"PRIVATE KEY" in keyring.tls_key("shown"), "a key that came meanwhile, for TLS"
    cedar.unlink()

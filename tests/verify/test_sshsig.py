"""Signatures of SSH keys, as the hub takes them: each kind of key, and everything that is none."""

from __future__ import annotations

import base64
import shutil
import subprocess
from hashlib import sha256, sha512
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.operators import Person

from ecluse_verify.sshsig import SshSignature, key_of_line, read_signature, read_signers
from ecluse_verify.text import Bad

ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(sha256(b"ada").digest())
PRIVATE = {
    "ed25519": ED25519,
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
ARMOR = Person("ada", ED25519).sign("text\n")


def string(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


@pytest.mark.parametrize("kind", PRIVATE)
def test_each_kind_of_key(kind: str) -> None:
    who = Person("ada", PRIVATE[kind])  # type: ignore[arg-type]
    signature = read_signature(who.sign("text\n"))
    assert signature.key == key_of_line(who.line)
    assert signature.fits(b"text\n", "ecluse-change")
    assert not signature.fits(b"texts\n", "ecluse-change")
    assert not signature.fits(b"text\n", "file")
    for other in PRIVATE.values():
        if other is not PRIVATE[kind]:
            blob = key_of_line(Person("ada", other).line)  # type: ignore[arg-type]
            assert not SshSignature(blob, signature.namespace, signature.hash, signature.value).fits(
                b"text\n", "ecluse-change"
            )


@pytest.mark.parametrize("flags", [0, 1, 5])
def test_a_token_has_to_have_been_touched(flags: int) -> None:
    """PROTOCOL.u2f: the digest of the application, flags, counter, and the digest of the data."""
    public = ED25519.public_key().public_bytes_raw()
    key = string(b"sk-ssh-ed25519@openssh.com", public, b"ssh:")
    data = b"SSHSIG" + string(b"ecluse-change", b"", b"sha256", sha256(b"text\n").digest())
    more = bytes((flags,)) + (7).to_bytes(4, "big")
    made = ED25519.sign(sha256(b"ssh:").digest() + more + sha256(data).digest())
    value = string(b"sk-ssh-ed25519@openssh.com", made) + more
    signature = SshSignature(key, b"ecluse-change", b"sha256", value)
    assert signature.fits(b"text\n", "ecluse-change") is bool(flags & 1)


def test_a_token_with_an_ecdsa_key() -> None:
    private = PRIVATE["p256"]
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    _, curve, point = fields_of(key_of_line(Person("ada", private).line))
    key = string(b"sk-ecdsa-sha2-nistp256@openssh.com", curve, point, b"ssh:")
    data = b"SSHSIG" + string(b"ecluse-change", b"", b"sha512", sha512(b"x").digest())
    more = b"\1\0\0\0\1"
    made = private.sign(sha256(b"ssh:").digest() + more + sha256(data).digest(), ec.ECDSA(hashes.SHA256()))
    numbers = [number.to_bytes(33, "big").lstrip(b"\0") for number in decode_dss_signature(made)]
    numbers = [b"\0" + each if each[0] & 0x80 else each for each in numbers]
    value = string(b"sk-ecdsa-sha2-nistp256@openssh.com", string(*numbers)) + more
    assert SshSignature(key, b"ecluse-change", b"sha512", value).fits(b"x", "ecluse-change")


def fields_of(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_sha1_is_no_signature() -> None:
    who = Person("ada", PRIVATE["rsa"])  # type: ignore[arg-type]
    signature = read_signature(who.sign("text\n"))
    value = string(b"ssh-rsa", fields_of(signature.value)[1])
    assert not SshSignature(signature.key, signature.namespace, signature.hash, value).fits(
        b"text\n", "ecluse-change"
    )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_no_signature_is_refused_in_our_words(data: st.DataObject) -> None:
    lines = ARMOR.splitlines()
    blob = bytearray(base64.b64decode("".join(lines[1:-1])))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(blob)))
    body = base64.b64encode(bytes(blob[: cut or None])).decode()
    try:
        found = read_signature(f"{lines[0]}\n{body}\n{lines[-1]}\n")
        assert not (
            found.key == key_of_line(Person("ada", ED25519).line) and found.fits(b"text\n", "ecluse-change")
        )
    except Bad:
        pass


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.binary(max_size=300))
def test_garbage(text: str, octets: bytes) -> None:
    for read, value in ((read_signature, text), (key_of_line, text), (read_signers, octets)):
        with pytest.raises(Bad):
            read(value)  # type: ignore[operator]
    assert not SshSignature(octets, b"n", b"sha256", octets).fits(b"", "n")


@pytest.mark.peer("ssh-keygen")
@pytest.mark.parametrize(("kind", "bits"), [("ed25519", "256"), ("ecdsa", "384"), ("rsa", "3072")])
def test_what_ssh_keygen_makes(tmp_path: Path, kind: str, bits: str) -> None:
    tool = shutil.which("ssh-keygen")
    assert tool is not None
    key, text = tmp_path / "key", tmp_path / "text"
    text.write_bytes(b"text\n")
    subprocess.run([tool, "-q", "-t", kind, "-b", bits, "-N", "", "-f", key], check=True, timeout=60)
    sign = [tool, "-q", "-Y", "sign", "-f", key, "-n", "ecluse-change", text]
    subprocess.run(sign, check=True, timeout=60, capture_output=True)
    signature = read_signature((tmp_path / "text.sig").read_text())
    line = key.with_suffix(".pub").read_text()
    assert signature.fits(b"text\n", "ecluse-change")
    assert signature.key in dict(read_signers(f"ada {line}".encode())).values()
    shown = subprocess.run([tool, "-l", "-f", key], check=True, timeout=60, capture_output=True, text=True)
    assert signature.fingerprint in shown.stdout

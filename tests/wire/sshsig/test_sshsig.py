"""SSHSIG: what is made is read again, what is changed does not fit, garbage gives our errors, ssh-keygen agrees."""

from __future__ import annotations

import base64
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.trust.keys.ssh import key_blob, public_line, ssh_algorithms, ssh_sign
from ecluse.trust.operators import public_key
from ecluse.wire.sshsig import (
    MAX_ARMOR,
    BadSshSignature,
    SshSignature,
    make_signature,
    parse_key,
    read_signature,
)
from ecluse.wire.sshsig.fields import string
from ecluse.wire.sshsig.signature import to_sign

PRIVATE = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-sha2-nistp521": ec.generate_private_key(ec.SECP521R1()),
    "ssh-rsa": rsa.generate_private_key(65537, 2048),
}
ALGORITHMS = [(kind, name) for kind, private in PRIVATE.items() for name in ssh_algorithms(private)]
TEXT = b"approve: all of it\n"


def made(kind: str, algorithm: str, text: bytes = TEXT, namespace: str = "test", hash: str = "sha512"):
    private = PRIVATE[kind]
    key = parse_key(key_blob(public_line(private)))
    return make_signature(text, namespace, key, lambda data: ssh_sign(private, data, algorithm), hash)


@pytest.mark.parametrize(("kind", "algorithm"), ALGORITHMS)
@pytest.mark.parametrize("hash", ["sha256", "sha512"])
def test_what_is_made_is_read_again(kind: str, algorithm: str, hash: str) -> None:
    signature = made(kind, algorithm, hash=hash)
    again = read_signature(signature.armored())
    assert (again.key.kind, again.key.blob, again.namespace) == (kind, signature.key.blob, "test")
    again.check(TEXT, "test")
    for text, namespace, code in (
        (TEXT + b" ", "test", "sshsig.bad-signature"),
        (TEXT, "other", "sshsig.wrong-namespace"),
    ):
        with pytest.raises(BadSshSignature) as raised:
            again.check(text, namespace)
        assert raised.value.code == code


def test_a_signature_of_one_namespace_says_nothing_in_another() -> None:
    signature = made("ssh-ed25519", "ssh-ed25519")
    moved = SshSignature(signature.key, "other", signature.hash, signature.value)
    with pytest.raises(BadSshSignature):
        moved.check(TEXT, "other")


def test_another_key_in_its_place_does_not_fit() -> None:
    signature = made("ssh-ed25519", "ssh-ed25519")
    other = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    key = parse_key(string(b"ssh-ed25519") + string(other))
    with pytest.raises(BadSshSignature):
        SshSignature(key, "test", signature.hash, signature.value).check(TEXT, "test")


def test_sha_1_is_never_taken() -> None:
    signature = made("ssh-rsa", "rsa-sha2-512")
    old = SshSignature(signature.key, "test", "sha512", string(b"ssh-rsa") + signature.value[16:])
    with pytest.raises(BadSshSignature, match="makes no signature"):
        old.check(TEXT, "test")


def token(flags: int, *, application: bytes = b"ssh:", signed_application: bytes = b"ssh:") -> SshSignature:
    """A signature as a token makes it (PROTOCOL.u2f)."""
    private = PRIVATE["ssh-ed25519"]
    name = b"sk-ssh-ed25519@openssh.com"
    key = parse_key(string(name) + string(private.public_key().public_bytes_raw()) + string(application))
    tail = bytes([flags]) + (7).to_bytes(4, "big")
    data = sha256(signed_application).digest() + tail + sha256(to_sign(TEXT, "test", "sha512")).digest()
    return SshSignature(key, "test", "sha512", string(name) + string(private.sign(data)) + tail)


def test_keys_on_tokens() -> None:
    read_signature(token(1).armored()).check(TEXT, "test")
    with pytest.raises(BadSshSignature, match="without anybody touching"):
        token(0).check(TEXT, "test")
    with pytest.raises(BadSshSignature):
        token(1, signed_application=b"web:").check(TEXT, "test")


def test_ecdsa_keys_on_tokens() -> None:
    private = PRIVATE["ecdsa-sha2-nistp256"]
    name = b"sk-ecdsa-sha2-nistp256@openssh.com"
    blob = key_blob(public_line(private))
    key = parse_key(string(name) + blob[4 + len("ecdsa-sha2-nistp256") :] + string(b"ssh:"))
    tail = b"\x01" + (9).to_bytes(4, "big")
    data = sha256(b"ssh:").digest() + tail + sha256(to_sign(TEXT, "test", "sha512")).digest()
    inner = ssh_sign(private, data, "ecdsa-sha2-nistp256")[4 + len("ecdsa-sha2-nistp256") :]
    SshSignature(key, "test", "sha512", string(name) + inner + tail).check(TEXT, "test")


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        string(b"ssh-dss") + string(b"\x01"),
        string(b"ssh-ed25519") + string(bytes(31)),
        string(b"ssh-ed25519") + string(bytes(32)) + b"\x00",
        string(b"ssh-ed25519") + (2**32 - 1).to_bytes(4, "big"),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp384") + string(bytes(65)),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x04" + bytes(64)),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x02" + bytes(32)),
        string(b"ssh-rsa") + string(b"\x01") + string(b"\x7f" * 256),
        string(b"ssh-rsa") + string(b"\x03") + string(b"\x7f" * 64),
        string(b"ssh-rsa") + string(b"\x03") + string(b"\x7f" * 4096),
        string(b"ssh-rsa") + string(b"\x7f" * 200) + string(b"\x7f" * 256),
        string(b"ssh-rsa") + string(b"\x00\x03") + string(b"\x7f" * 256),
        string(b"ssh-rsa") + string(b"\xff") + string(b"\x7f" * 256),
        string(b"\xff\xfe") + string(b""),
    ],
)
def test_what_is_no_key_is_refused(blob: bytes) -> None:
    with pytest.raises(BadSshSignature) as raised:
        parse_key(blob)
    assert raised.value.code == "sshsig.bad-key"


GOOD = made("ssh-ed25519", "ssh-ed25519").armored()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no signature",
        GOOD.replace("BEGIN SSH", "BEGIN PGP"),
        GOOD.replace("\n", ""),
        GOOD + GOOD,
        "x" + GOOD,
        GOOD + "x",
        GOOD.replace("U1NIU0lH", "U1NIU0lI"),
        GOOD.replace("U1NIU0lH", "U1NIU0l"),
        "-----BEGIN SSH SIGNATURE-----\n" + "A" * MAX_ARMOR + "\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\n" + "A\n" * 8000 + "\n-----END SSH SIGNATURE-----",
    ],
)
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(BadSshSignature):
        read_signature(text)


def test_line_ends_of_mail_and_spaces_around_are_read() -> None:
    read_signature("\n " + GOOD.replace("\n", "\r\n") + "\n\n").check(TEXT, "test")


def armored(blob: bytes) -> str:
    text = base64.b64encode(blob).decode()
    lines = "".join(f"{text[at : at + 70]}\n" for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n"


BLOB = base64.b64decode("".join(GOOD.splitlines()[1:-1]))


def test_a_reserved_field_and_a_second_form_are_refused() -> None:
    assert armored(BLOB) == GOOD
    with_reserved = BLOB.replace(string(b"test") + string(b""), string(b"test") + string(b"x"))
    for blob in (with_reserved, BLOB + b"\x00", BLOB[:6] + b"\x00\x00\x00\x02" + BLOB[10:]):
        with pytest.raises(BadSshSignature):
            read_signature(armored(blob))


@given(st.text(max_size=200) | st.binary(max_size=400).map(armored))
def test_garbage_gives_our_errors(text: str) -> None:
    with pytest.raises(BadSshSignature):
        read_signature(text)


@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_no_octet_may_be_changed(at: int, change: int) -> None:
    changed = bytearray(BLOB)
    changed[at] ^= change
    with pytest.raises(BadSshSignature):
        read_signature(armored(bytes(changed))).check(TEXT, "test")


@given(st.integers(0, len(BLOB) - 1), st.binary(max_size=8))
def test_no_octets_may_come_or_go(at: int, octets: bytes) -> None:
    for changed in (BLOB[:at] + octets + BLOB[at:], BLOB[:at]):
        if changed != BLOB:
            with pytest.raises(BadSshSignature):
                read_signature(armored(changed)).check(TEXT, "test")


@given(st.binary(max_size=200), st.sampled_from(["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"]))
def test_garbage_keys_give_our_errors(tail: bytes, kind: str) -> None:
    for blob in (tail, string(kind.encode()) + tail):
        try:
            parse_key(blob)
        except BadSshSignature:
            continue
        assert blob == string(b"ssh-ed25519") + string(blob[19:])


@given(st.binary(max_size=300))
def test_garbage_in_the_signature_gives_our_errors(value: bytes) -> None:
    for kind, private in PRIVATE.items():
        key = parse_key(key_blob(public_line(private)))
        for given_value in (value, string(key.signatures[0].encode()) + string(value)):
            with pytest.raises(BadSshSignature):
                SshSignature(key, "test", "sha512", given_value).check(TEXT, "test")
        assert key.kind == kind


KEYGEN = [
    ("ed25519", []),
    ("ecdsa", ["-b", "256"]),
    ("ecdsa", ["-b", "384"]),
    ("ecdsa", ["-b", "521"]),
    ("rsa", []),
]


@pytest.mark.peer("ssh-keygen")
@pytest.mark.parametrize(("kind", "more"), KEYGEN)
def test_against_ssh_keygen(tmp_path: Path, kind: str, more: list[str]) -> None:
    """It checks what we make, and we check what it makes."""
    key, text = tmp_path / "key", tmp_path / "text"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-f", key], check=True)
    text.write_bytes(TEXT)
    line = (tmp_path / "key.pub").read_text()
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "test", text], check=True)
    theirs = read_signature((tmp_path / "text.sig").read_text())
    theirs.check(TEXT, "test")
    assert theirs.key.blob == public_key(line).blob
    assert theirs.armored() == (tmp_path / "text.sig").read_text(), "we write as it does"

    private = load_ssh_private_key(key.read_bytes(), None)
    for number, algorithm in enumerate(ssh_algorithms(private)):  # type: ignore[arg-type]
        hash = ("sha512", "sha256")[number % 2]
        ours = make_signature(
            TEXT,
            "test",
            theirs.key,
            lambda data, algorithm=algorithm: ssh_sign(private, data, algorithm),
            hash,
        )
        (tmp_path / "ours.sig").write_text(ours.armored())
        (tmp_path / "allowed").write_text(f'ada namespaces="test" {line}')
        asked = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "ada", "-n", "test"]
        found = subprocess.run([*asked, "-s", tmp_path / "ours.sig"], input=TEXT, capture_output=True)
        assert found.returncode == 0, found.stderr
        wrong = subprocess.run([*asked, "-s", tmp_path / "ours.sig"], input=b"x" + TEXT, capture_output=True)
        assert wrong.returncode != 0

"""What an opaque signature proves is proven without its content around it, also to OpenSSL."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest
from tests.support.cms_keys import NOW, certificate, private_key

from ecluse.wire.cms.detach import detached_again
from ecluse.wire.cms.events import Signers
from ecluse.wire.cms.keys import signer_for
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import Reader, read_detached
from ecluse.wire.cms.verify import verify
from ecluse.wire.cms.writer import SignedWriter

CONTENT = b"Content-Type: text/plain\r\n\r\norder 4711\r\n" * 3


def signers_of(data: bytes) -> Signers:
    reader = Reader(Limits(), frozenset())
    events = [*reader.feed(data), *reader.close()]
    return next(event for event in events if isinstance(event, Signers))


def opaque(*kinds: str) -> bytes:
    writer = SignedWriter([signer_for(private_key(kind), certificate(kind)) for kind in kinds], now=NOW)
    return writer.start() + writer.feed(CONTENT) + writer.finish()


@pytest.mark.parametrize("kinds", [("rsa",), ("p256",), ("ed25519",), ("rsa", "p256"), ("ml-dsa-44",)])
def test_it_verifies_over_the_content(kinds: tuple[str, ...]) -> None:
    before = signers_of(opaque(*kinds))
    found = read_detached(detached_again(before), Limits())
    assert found is not None
    assert found.detached
    assert sorted(found.certificates) == sorted(before.certificates)
    assert {signer.signature for signer in found.signers} == {signer.signature for signer in before.signers}
    for signer in before.signers:
        kind = next(kind for kind in kinds if certificate(kind).serial_number == signer.serial)
        verify(signer, found.content_type, before.digests, certificate(kind))


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("by_key", [False, True])
def test_openssl_made_it_and_openssl_verifies_it(tmp_path: Path, by_key: bool) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = private_key("rsa").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    cert = certificate("rsa", key_id=True).public_bytes(Encoding.PEM)
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "content").write_bytes(CONTENT)
    words = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256"]
    words += ["-in", "content", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "opaque.der"]
    run([*words, *(["-keyid"] if by_key else [])], cwd=tmp_path, check=True, capture_output=True)
    found = signers_of((tmp_path / "opaque.der").read_bytes())
    assert found.digests["sha256"] == sha256(CONTENT).digest()
    (tmp_path / "detached.der").write_bytes(detached_again(found))
    check = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "detached.der", "-content"]
    done = run(
        [*check, "content", "-noverify", "-out", "out"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "content").write_bytes(CONTENT + b"!")
    done = run(
        [*check, "content", "-noverify", "-out", "out"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0

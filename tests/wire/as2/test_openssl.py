"""Against `openssl smime` and `openssl cms` at the level of whole MIME messages."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess

import pytest
from tests.support.as2_world import build, open_message, party

from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.build import BuildOptions
from ecluse.wire.as2.disposition import INSUFFICIENT_SECURITY
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.cms import recipients
from ecluse.wire.smime.headers import parse_headers

pytestmark = [
    pytest.mark.peer("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

ASTER, BIRCH = party("Aster"), party("Birch")
PAYLOAD = b"UNB+UNOA:2+ASTER+BIRCH'\r\n" + b"LIN+1++4000862141404:SRS'\r\n" * 300
INNER = b"Content-Type: application/edifact\r\n\r\n" + PAYLOAD
POLICY = as2.UnwrapPolicy((ASTER.certificate,))


@pytest.fixture
def openssl(tmp_path):
    for who in (ASTER, BIRCH):
        (tmp_path / f"{who.name}.key").write_bytes(who.pem_key())
        (tmp_path / f"{who.name}.pem").write_bytes(who.pem_certificate())

    def run(*arguments: str, data: bytes) -> bytes:
        done = subprocess.run(
            ["openssl", *arguments], input=data, capture_output=True, cwd=tmp_path, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def split(message: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """What openssl writes is a mail: its header becomes that of the request."""
    head, body = re.split(rb"\r?\n\r?\n", message, maxsplit=1)
    return list(parse_headers(head)), body


def joined(headers, body: bytes) -> bytes:
    wanted = [(n, v) for n, v in headers if n.lower().startswith(("content-", "mime-"))]
    return "".join(f"{name}: {value}\r\n" for name, value in wanted).encode() + b"\r\n" + body


SIGN = ("-sign", "-signer", "Aster.pem", "-inkey", "Aster.key", "-binary")


@pytest.mark.parametrize("program", ["smime", "cms"])
@pytest.mark.parametrize(
    "more",
    [(), ("-md", "sha512"), ("-noattr",), ("-nodetach",), ("-crlfeol",), ("-nocerts", "-md", "sha384")],
)
def test_what_openssl_signs_is_opened(openssl, program, more):
    headers, body = split(openssl(program, *SIGN, *more, data=INNER))
    result = open_message(headers, body, POLICY, chunk=1000)
    assert result.payload == PAYLOAD
    assert result.exact == INNER
    assert result.opened.signed.detached == ("-nodetach" not in more)


@pytest.mark.parametrize("more", [("-keyid",), ("-keyopt", "rsa_padding_mode:pss"), ("-md", "sha256")])
def test_what_openssl_cms_signs_in_its_own_ways_is_opened(openssl, more):
    headers, body = split(openssl("cms", *SIGN, *more, data=INNER))
    assert open_message(headers, body, POLICY).payload == PAYLOAD


def test_a_sha_1_signature_is_refused_unless_it_is_allowed_by_name(openssl):
    headers, body = split(openssl("cms", *SIGN, "-md", "sha1", data=INNER))
    with pytest.raises(As2Failure) as failure:
        open_message(headers, body, POLICY)
    assert failure.value.disposition == INSUFFICIENT_SECURITY
    allowed = as2.UnwrapPolicy((ASTER.certificate,), allowed=frozenset({"sha-1"}))
    opened = open_message(headers, body, allowed).opened
    assert opened.mic_digest == "sha1"


@pytest.mark.parametrize("cipher", ["-aes-128-cbc", "-aes-256-cbc", "-aes-256-gcm"])
@pytest.mark.parametrize(
    "more", [(), ("-stream",), ("-recip", "Birch.pem", "-keyopt", "rsa_padding_mode:oaep")]
)
def test_what_openssl_encrypts_is_opened(openssl, cipher, more):
    target = () if "-recip" in more else ("Birch.pem",)
    message = openssl("cms", "-encrypt", "-binary", cipher, *more, *target, data=INNER)
    headers, body = split(message)
    result = open_message(headers, body, POLICY, BIRCH, chunk=777)
    assert result.payload == PAYLOAD
    assert result.opened.encrypted


def test_what_openssl_signs_and_encrypts_is_opened(openssl):
    signed = openssl("cms", *SIGN, data=INNER)
    headers, body = split(openssl("cms", "-encrypt", "-binary", "-aes-256-cbc", "Birch.pem", data=signed))
    result = open_message(headers, body, POLICY, BIRCH, chunk=100)
    assert result.payload == PAYLOAD
    assert [type(layer) for layer in result.opened.protections] == [as2.Encrypted, as2.Signed]


@pytest.mark.parametrize("program", ["smime", "cms"])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_openssl_verifies_what_is_signed_here(openssl, program, digest):
    options = BuildOptions("Aster", "Birch", signers=(ASTER.signer(),), digest=digest)
    headers, body, _ = build(options, PAYLOAD)
    more = ("-verify", "-CAfile", "Aster.pem", "-purpose", "any")
    assert openssl(program, *more, data=joined(headers, body)).endswith(b"\r\n\r\n" + PAYLOAD)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "aes-256-gcm"])
@pytest.mark.parametrize("padding", ["pkcs1", "oaep-sha256"])
def test_openssl_decrypts_what_is_encrypted_here(openssl, cipher, padding):
    target = recipients.for_certificate(BIRCH.certificate, padding=padding)
    headers, body, _ = build(BuildOptions("Aster", "Birch", recipients=(target,), cipher=cipher), PAYLOAD)
    # A mail reader takes binary for text: base64 is what carries it through.
    headers = [(n, "base64" if n == "Content-Transfer-Encoding" else v) for n, v in headers]
    mail = joined(headers, base64.encodebytes(body))
    out = openssl("cms", "-decrypt", "-recip", "Birch.pem", "-inkey", "Birch.key", data=mail)
    assert out.endswith(b"\r\n\r\n" + PAYLOAD)

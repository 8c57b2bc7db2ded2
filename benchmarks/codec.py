"""Building and opening AS2 messages, signed (SHA-256) and encrypted (AES-256) with RSA-2048 keys: CPU time.

The limit is the sum of the bare operations. To build: a signature, the encryption of the key, digest and cipher
over the payload. To open: the decryption of the key, a check of the signature, digest and cipher again. Octets
go through in pieces of 1 MiB, as the hub reads them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from statistics import median
from typing import Any, Final

from benchmarks import limits
from benchmarks.limits import Row, row
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID

from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.events import KeyNeeded, UnwrapPolicy
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms.keys import signer_for, unwrap
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.smime.headers import Headers

SMALL: Final = 4096
LARGE: Final = 500_000_000
PIECE: Final = 1 << 20
NOW: Final = 1_790_000_000
AGAINST: Final = "the bare operations"

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aster")])
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, datetime(2025, 1, 1), datetime(2045, 1, 1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(KEY, hashes.SHA256())
)
SIGNERS = (signer_for(KEY, CERTIFICATE),)
RECIPIENTS = (for_certificate(CERTIFICATE),)
POLICY = UnwrapPolicy(certificates=(CERTIFICATE,), require_signed=True, require_encrypted=True)
PAYLOAD = os.urandom(PIECE)


def build(size: int, cipher: str = "aes-256-cbc") -> tuple[Headers, Iterator[bytes]]:
    """The header and the pieces of a message with ``size`` octets of payload."""
    builder = MessageBuilder(
        BuildOptions(
            as2_from="ASTER",
            as2_to="BIRCH",
            signers=SIGNERS,
            recipients=RECIPIENTS,
            cipher=cipher,
            receipt=ReceiptOptions("receipts@aster.example"),
        ),
        Part("application/octet-stream", "data.bin"),
        message_id="<1@aster.example>",
        now=NOW,
        entropy=os.urandom,
    )

    def pieces() -> Iterator[bytes]:
        yield builder.start()
        for at in range(0, size, PIECE):
            yield builder.feed(PAYLOAD[: size - at])
        yield builder.finish()
        assert builder.mics

    return Headers.of(builder.headers), pieces()


def building(size: int, cipher: str) -> float:
    """CPU seconds of building a message."""
    began = time.thread_time()
    _, pieces = build(size, cipher)
    for _ in pieces:
        pass
    return time.thread_time() - began


def opening(headers: Headers, pieces: Iterator[bytes]) -> float:
    """CPU seconds of opening a message, without what giving the pieces takes."""
    used, began = 0.0, time.thread_time()
    unwrapper = Unwrapper(headers, POLICY)
    used += time.thread_time() - began
    for piece in pieces:
        began = time.thread_time()
        for event in unwrapper.iterate(piece):
            if isinstance(event, KeyNeeded):
                unwrapper.supply_key(unwrap(event.recipients[0], KEY))
        used += time.thread_time() - began
    began = time.thread_time()
    unwrapper.close()
    return used + time.thread_time() - began


def bare(size: int, cipher: str, *, decrypt: bool) -> float:
    """CPU seconds of the operations that a message of ``size`` octets can't do without."""
    piece = min(size, limits.BULK)
    return (
        limits.rsa().private
        + limits.rsa().public
        + size / limits.octets_a_second("sha256", piece)
        + size / limits.octets_a_second(cipher, piece, decrypt=decrypt)
    )


def small() -> Iterator[Row]:
    """4 KB, with twice the limit as the goal."""
    cipher = "aes-256-cbc"
    headers, pieces = build(SMALL)
    body = b"".join(pieces)
    made = median(building(SMALL, cipher) for _ in range(500))
    opened = median(opening(headers, iter([body])) for _ in range(500))
    yield row("codec.build.4-KB", made * 1e3, "ms", bare(SMALL, cipher, decrypt=False) * 1e3, AGAINST, 0.5)
    yield row("codec.open.4-KB", opened * 1e3, "ms", bare(SMALL, cipher, decrypt=True) * 1e3, AGAINST, 0.5)


def large() -> Iterator[Row]:
    """500 MB, in both modes."""
    for cipher, goals in (("aes-256-cbc", (0.85, 0.6)), ("aes-256-gcm", (None, None))):
        made = min(building(LARGE, cipher) for _ in range(3))
        opened = min(opening(*build(LARGE, cipher)) for _ in range(3))
        mode = cipher.rpartition("-")[2]
        for what, value, decrypt, goal in (
            ("build", made, False, goals[0]),
            ("open", opened, True, goals[1]),
        ):
            limit = bare(LARGE, cipher, decrypt=decrypt)
            yield row(f"codec.{what}.500-MB.{mode}", value, "s", limit, AGAINST, goal)


def peer() -> Iterator[Row]:
    """pyas2lib with the same keys and algorithms, for comparison."""
    try:
        from tests.support import pyas2lib_shim

        pyas2lib = pyas2lib_shim.load()
    except ImportError:
        print("codec.peer: skipped, pyas2lib is not installed")
        return
    key = serialize_key_and_certificates(b"main", KEY, CERTIFICATE, None, BestAvailableEncryption(b"opened"))
    certificate = CERTIFICATE.public_bytes(Encoding.PEM)
    here = pyas2lib.Organization(
        as2_name="ASTER", sign_key=key, sign_key_pass="opened", decrypt_key=key, decrypt_key_pass="opened"
    )
    there = pyas2lib.Partner(
        as2_name="ASTER",
        verify_cert=certificate,
        encrypt_cert=certificate,
        validate_certs=False,
        sign=True,
        encrypt=True,
        enc_alg="aes_256_cbc",
        digest_alg="sha256",
    )

    def make(payload: bytes) -> Any:
        message = pyas2lib.Message(here, there)
        message.build(payload, filename="data.bin", content_type="application/octet-stream")
        return message

    def read(raw: bytes) -> None:
        status, *_ = pyas2lib.Message().parse(raw, lambda _: here, lambda _: there)
        assert status == "processed", status

    for label, size, times in (("4-KB", SMALL, 50), ("5-MB", 5_000_000, 1)):
        payload = (PAYLOAD * 5)[:size]
        message = make(payload)
        raw = message.headers_str + b"\r\n" + message.content
        made = median(cpu(lambda p=payload: make(p)) for _ in range(times))
        opened = median(cpu(lambda r=raw: read(r)) for _ in range(times))
        for what, value, decrypt in (("build", made, False), ("open", opened, True)):
            limit = bare(size, "aes-256-cbc", decrypt=decrypt)
            yield row(f"codec.pyas2lib.{what}.{label}", value * 1e3, "ms", limit * 1e3, AGAINST)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of ``work``."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def run() -> list[Row]:
    """Rows for 4 KB, 500 MB, and another implementation."""
    return [*small(), *large(), *peer()]

"""Building and parsing AS2 messages, signed (SHA-256) and encrypted (AES-256-CBC) with RSA-2048 keys.

The limit of a small message is the sum of its bare operations: a signature, an encryption of the key, the
digest and the cipher over the payload to build it; a decryption of the key, a verification, the same digest and
cipher to parse it. That of a large one is digest and cipher alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from benchmarks.limits import Row, octets_a_second, rsa as rsa_limit, row
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

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aster")])
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, datetime(2025, 1, 1), datetime(2045, 1, 1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(KEY, hashes.SHA256())
)
OPTIONS = BuildOptions(
    as2_from="ASTER",
    as2_to="BIRCH",
    signers=(signer_for(KEY, CERTIFICATE),),
    recipients=(for_certificate(CERTIFICATE),),
    receipt=ReceiptOptions("receipts@aster.example"),
)
POLICY = UnwrapPolicy(certificates=(CERTIFICATE,), require_signed=True, require_encrypted=True)


def build(size: int) -> tuple[Headers, Iterator[bytes]]:
    """The header and the pieces of a message with ``size`` octets of payload."""
    builder = MessageBuilder(
        OPTIONS,
        Part("application/octet-stream", "data.bin"),
        message_id="<1@aster.example>",
        now=NOW,
        entropy=os.urandom,
    )

    def pieces() -> Iterator[bytes]:
        yield builder.start()
        for at in range(0, size, PIECE):
            yield builder.feed(PAYLOAD[: min(PIECE, size - at)])
        yield builder.finish()
        assert builder.mics

    return Headers.of(builder.headers), pieces()


PAYLOAD = os.urandom(PIECE)


def parse(headers: Headers, pieces: Iterator[bytes]) -> float:
    """Open a message; CPU seconds of that alone, not of what gives the pieces."""
    used, began = 0.0, time.thread_time()
    unwrapper = Unwrapper(headers, POLICY)
    given = 0
    used += time.thread_time() - began
    for piece in pieces:
        began = time.thread_time()
        events = unwrapper.feed(piece)
        while events and isinstance(events[-1], KeyNeeded):
            events = unwrapper.supply_key(unwrap(events[-1].recipients[0], KEY))
        used += time.thread_time() - began
    began = time.thread_time()
    unwrapper.close()
    return used + time.thread_time() - began


def built(size: int) -> float:
    """CPU seconds of building a message."""
    began = time.thread_time()
    _, pieces = build(size)
    for _ in pieces:
        pass
    return time.thread_time() - began


if __name__ == "__main__":
    import sys

    small = [build(SMALL) for _ in range(1)]
    N = 300
    lim_b = (
        rsa_limit().sign
        + rsa_limit().verify
        + SMALL / octets_a_second("sha256", SMALL)
        + SMALL / octets_a_second("aes-256-cbc", SMALL)
    )
    lim_p = (
        rsa_limit().sign
        + rsa_limit().verify
        + SMALL / octets_a_second("sha256", SMALL)
        + SMALL / octets_a_second("aes-256-cbc", SMALL, decrypt=True)
    )
    b = sorted(built(SMALL) for _ in range(N))
    h, p = build(SMALL)
    p = [b"".join(p)]
    q = sorted(parse(h, p) for _ in range(N))
    print(
        f"4K build {b[N // 2] * 1e3:.3f} (min {b[0] * 1e3:.3f}) limit {lim_b * 1e3:.3f} parse {q[N // 2] * 1e3:.3f} (min {q[0] * 1e3:.3f}) limit {lim_p * 1e3:.3f}"
    )
    if len(sys.argv) > 1:
        size = int(sys.argv[1]) * 1_000_000
        print(
            "big build",
            t := built(size),
            (size / octets_a_second("sha256") + size / octets_a_second("aes-256-cbc")) / t,
        )
        print(
            "big parse",
            t := parse(*build(size)),
            (size / octets_a_second("sha256") + size / octets_a_second("aes-256-cbc", decrypt=True)) / t,
        )

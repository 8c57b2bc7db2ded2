"""Building and opening AS2 messages (signed and encrypted): CPU time against the bare primitives.

Run with ``PYTHONPATH=src python benchmarks/as2_messages.py [megabytes]``.
"""

import hashlib
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part
from ecluse.wire.as2.events import KeyNeeded, Opened, UnwrapPolicy
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms.keys import signer_for, unwrap
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.smime.headers import Headers

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aster")])
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, datetime(2025, 1, 1), datetime(2045, 1, 1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(KEY, hashes.SHA256())
)
SIGNER = signer_for(KEY, CERTIFICATE)
RECIPIENT = for_certificate(CERTIFICATE)
WRAPPED = KEY.public_key().encrypt(bytes(32), padding.PKCS1v15())
POLICY = UnwrapPolicy((CERTIFICATE,))


def builder(cipher: str) -> MessageBuilder:
    options = BuildOptions("Aster", "Birch", signers=(SIGNER,), recipients=(RECIPIENT,), cipher=cipher)
    return MessageBuilder(options, Part(), message_id="<1@x>", now=1_790_000_000, entropy=os.urandom)


def take(unwrapper: Unwrapper, data: bytes) -> None:
    for event in unwrapper.feed(data):
        if isinstance(event, KeyNeeded):
            unwrapper.supply_key(unwrap(event.recipients[0], KEY))


def both(piece: bytes, times: int, cipher: str) -> tuple[float, float]:
    """CPU seconds to build and to open one message, side by side, so that neither is kept."""
    building = opening = 0.0
    made = builder(cipher)
    unwrapper = Unwrapper(Headers.of(made.headers), POLICY)
    steps: list[Callable[[], bytes]] = [made.start, *[lambda: made.feed(piece)] * times, made.finish]
    for step in steps:
        before = time.process_time()
        data = step()
        between = time.process_time()
        take(unwrapper, data)
        building += between - before
        opening += time.process_time() - between
    before = time.process_time()
    if not isinstance(unwrapper.close()[-1], Opened):
        raise SystemExit("the message was not opened")
    return building, opening + time.process_time() - before


def limits(piece: bytes, times: int, cipher: str) -> tuple[float, float]:
    """The same by the primitives alone."""
    mode = modes.CBC(bytes(16)) if cipher.endswith("cbc") else modes.GCM(bytes(12))
    out = bytearray(len(piece) + 15)
    found = []
    for crypt in (
        Cipher(algorithms.AES(bytes(32)), mode).encryptor(),
        Cipher(algorithms.AES(bytes(32)), mode).decryptor(),
    ):
        before = time.process_time()
        digest = hashlib.sha256()
        for _ in range(times):
            digest.update(piece)
            crypt.update_into(piece, out)
        if found:
            KEY.decrypt(WRAPPED, padding.PKCS1v15())
        else:
            KEY.sign(digest.digest(), padding.PKCS1v15(), hashes.SHA256())
        found.append(time.process_time() - before)
    return found[0], found[1]


def best(run: Callable[[], tuple[float, float]], rounds: int) -> tuple[float, float]:
    found = [run() for _ in range(rounds)]
    return min(one for one, _ in found), min(other for _, other in found)


def line(label: str, piece: bytes, times: int, cipher: str, rounds: int) -> str:
    """One line of the result."""
    mine = best(partial(both, piece, times, cipher), rounds)
    bare = best(partial(limits, piece, times, cipher), rounds)
    return (
        f"{cipher}, {label}: build {mine[0] * 1e3:.2f} ms ({bare[0] / mine[0]:.0%} of the limit), "
        f"open {mine[1] * 1e3:.2f} ms ({bare[1] / mine[1]:.0%})"
    )


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    piece = os.urandom(65536)
    for cipher in ("aes-256-cbc", "aes-256-gcm"):
        print(line("4 KB", piece[:4096], 1, cipher, 200))
        print(line(f"{megabytes} MB", piece, megabytes * 1_000_000 // len(piece), cipher, 2))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()

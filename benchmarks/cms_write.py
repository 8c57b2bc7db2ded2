"""Signing and encrypting (SHA-256, AES-256-CBC, RSA-2048): CPU time against the bare primitives.

Run with ``PYTHONPATH=src python benchmarks/cms_write.py [megabytes]``.
"""

import hashlib
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from ecluse.wire.cms.keys import signer_for
from ecluse.wire.cms.recipients import for_certificate
from ecluse.wire.cms.sign import sign_detached
from ecluse.wire.cms.writer import EnvelopedWriter

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Aster")])
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = (
    x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, datetime(2025, 1, 1), datetime(2045, 1, 1))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(KEY, hashes.SHA256())
)
SIGNER = signer_for(KEY, CERTIFICATE)
RECIPIENT = for_certificate(CERTIFICATE)
PIECE = os.urandom(1 << 20)


def build(piece: bytes, times: int, cipher: str) -> None:
    """A multipart/signed message in an envelope, as AS2 sends it."""
    envelope = EnvelopedWriter([RECIPIENT], cipher, entropy=os.urandom)
    digest = hashlib.sha256()
    envelope.start()
    envelope.feed(b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n")
    for _ in range(times):
        digest.update(piece)
        envelope.feed(piece)
    signature = sign_detached({"sha256": digest.digest()}, [SIGNER], now=1_790_000_000)
    envelope.feed(b"\r\n--b\r\n\r\n" + signature + b"\r\n--b--\r\n")
    envelope.finish()


def primitives(piece: bytes, times: int) -> None:
    """The same work without a format."""
    cipher = Cipher(algorithms.AES(bytes(32)), modes.CBC(bytes(16))).encryptor()
    out = bytearray(len(piece) + 15)
    digest = hashlib.sha256()
    for _ in range(times):
        digest.update(piece)
        cipher.update_into(piece, out)
    KEY.sign(digest.digest(), padding.PKCS1v15(), hashes.SHA256())
    KEY.public_key().encrypt(bytes(32), padding.PKCS1v15())


def seconds(work: Callable[[], None], times: int = 1) -> float:
    """The best of three, CPU time of one."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for name, piece, pieces, times in (("4 KB", PIECE[:4096], 1, 300), (f"{size} MiB", PIECE, size, 1)):
        limit = seconds(lambda p=piece, n=pieces: primitives(p, n), times)
        cbc = seconds(lambda p=piece, n=pieces: build(p, n, "aes-256-cbc"), times)
        gcm = seconds(lambda p=piece, n=pieces: build(p, n, "aes-256-gcm"), times)
        print(
            f"{name}: primitives {limit * 1e3:.2f} ms, CBC {cbc * 1e3:.2f} ms ({limit / cbc:.0%}), "
            f"GCM {gcm * 1e3:.2f} ms"
        )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()

"""1 GiB from hub to hub over loopback, signed and encrypted on the wire, sealed at rest on both sides.

The limit is the rate of one core that does nothing but the cipher and hash work that each octet needs::

    1 / rate = 2/sha256 + 4/aes-256-gcm + 1/aes-256-cbc(encrypt) + 1/aes-256-cbc(decrypt)

The sender opens the document at rest (GCM), digests it for the MIC (SHA-256), encrypts it (CBC), seals the exact
octets for a retry (GCM) and opens them to send them (GCM); the receiver decrypts (CBC), digests (SHA-256) and
seals (GCM). The clock runs from the durable hand-in to the receipt in the sender's hub. Two cores, and two hubs
at work at once, can pass the limit; the network, the disk and a second digest of the document are not in it.
"""

from __future__ import annotations

from typing import Final

from benchmarks.flat import payload
from benchmarks.hubs import pair
from benchmarks.limits import Row, octets_a_second, row

SIZE: Final = 1 << 30
GOAL: Final = 0.5
"""Of the limit."""


def possible() -> float:
    """Octets a second by the formula above."""
    cipher = "aes-256-cbc"
    each = (
        2 / octets_a_second("sha256")
        + 4 / octets_a_second("aes-256-gcm")
        + 1 / octets_a_second(cipher)
        + 1 / octets_a_second(cipher, decrypt=True)
    )
    return 1 / each


def run() -> list[Row]:
    """One row: megabytes a second."""
    with pair() as hubs:
        hubs.send(payload(10_240))
        seconds = hubs.send(payload(SIZE))
    against = "cipher and hash alone, on one core"
    return [row("transfer.1-GiB", SIZE / seconds / 1e6, "MB/s", possible() / 1e6, against, GOAL)]

"""A large document that nobody has to keep: the keystream of AES in counter mode, made as it is read.

It does not compress, has no holes, and any piece of it can be made again to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

__all__ = ["filler", "same_as_filler"]

_STEP: Final = 1 << 20
_ZEROS: Final = bytes(_STEP)


def filler(size: int, seed: int) -> Iterator[bytes]:
    """``size`` octets, the same for the same ``seed`` (0 to 255), a mebibyte at a time."""
    stream = Cipher(AES(bytes([seed]) * 16), CTR(bytes(16))).encryptor()
    for start in range(0, size, _STEP):
        yield stream.update(_ZEROS[: min(_STEP, size - start)])


def same_as_filler(path: Path, size: int, seed: int) -> bool:
    """Whether the file holds exactly what :func:`filler` makes."""
    with path.open("rb") as file:
        return all(file.read(len(chunk)) == chunk for chunk in filler(size, seed)) and not file.read(1)

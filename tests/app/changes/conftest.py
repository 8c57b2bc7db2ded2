"""Keyrings that open at once: these tests make dozens of hubs."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.secrets import Secret


@pytest.fixture(autouse=True)
def little_stretching(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(self: Stretching, passphrase: Secret, salt: bytes) -> bytes:
        return sha256(salt + passphrase.reveal()).digest()

    monkeypatch.setattr(Stretching, "key", key)

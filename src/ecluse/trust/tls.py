"""Handing a key of the keyring to TLS."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ecluse.model.basics import system_entropy
from ecluse.trust.certificates import to_pem
from ecluse.trust.errors import KeyringError
from ecluse.trust.keyring import Keyring

__all__ = ["use_identity"]


def use_identity(context: ssl.SSLContext, keyring: Keyring, ref: str) -> None:
    """Let a TLS context show the certificate of a key, with its chain, and prove it with the key.

    Python's ``ssl`` reads keys from files only. The file that it gets holds the key under a one-time password
    that never leaves memory, and is gone when this returns: the key is never on a disk in clear.

    Raises:
        KeyringError: ``keyring.no-key``, or ``keyring.no-tls`` where TLS can't use a key of this kind.
    """
    password = system_entropy(32).hex().encode("ascii")
    private = load_pem_private_key(keyring.tls_key(ref), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    handle, path = tempfile.mkstemp(prefix="ecluse-tls-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(to_pem(keyring.chain(ref)).encode() + locked)
        context.load_cert_chain(path, password=password)
    except (ssl.SSLError, OSError) as error:
        raise KeyringError(
            f"The key {ref} can't be used for TLS.",
            code="keyring.no-tls",
            remedy="Take an RSA or EC key with its certificate for TLS.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)

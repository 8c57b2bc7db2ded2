"""The armour and the fields of a signature, and the octets that the key signs."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Final

from ecluse.wire.sshsig.errors import BadSshSignature
from ecluse.wire.sshsig.fields import Reader, string
from ecluse.wire.sshsig.keys import PublicKey, fits, parse_key

__all__ = ["MAX_ARMOR", "SshSignature", "make_signature", "read_signature", "to_sign"]

MAX_ARMOR: Final = 16_384
"""Octets of an armoured signature: that of the longest RSA key takes less than 6,000."""

_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
_END: Final = "-----END SSH SIGNATURE-----"
_LINE: Final = 70
"""Characters of a line, as OpenSSH writes it."""
_HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha512": lambda data: sha512(data).digest(),
    "sha256": lambda data: sha256(data).digest(),
}
_NAMESPACE: Final = re.compile(r"[!-~]{1,255}")
_ARMOR: Final = re.compile(
    rf"\s*{_BEGIN}\r?\n((?:[A-Za-z0-9+/=]{{1,200}}\r?\n)+){_END}\s*",
)


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A signature over a message.

    Attributes:
        key: The public key that came with it. It is whoever's it is: ask a list before believing.
        namespace: What it was made for.
        hash: ``sha512`` or ``sha256``: of the message.
        value: The signature: the algorithm's name and what it made.
    """

    key: PublicKey
    namespace: str
    hash: str
    value: bytes

    def check(self, message: bytes, namespace: str) -> None:
        """Return where it is the signature of :attr:`key` over ``message`` for ``namespace``.

        Raises:
            BadSshSignature: ``sshsig.bad-signature`` or ``sshsig.wrong-namespace``.
        """
        if self.namespace != namespace:
            raise BadSshSignature(
                f"The signature was made for {self.namespace[:60]!a}, and not for {namespace!a}.",
                code="sshsig.wrong-namespace",
                remedy=f"Sign with `ssh-keygen -Y sign -n {namespace}`.",
            )
        if not fits(self.key, self.value, to_sign(message, namespace, self.hash)):
            raise BadSshSignature("The signature is not the key's over this text.")

    def armored(self) -> str:
        """The text that ``ssh-keygen -Y verify`` takes."""
        blob = b"".join(
            (
                _MAGIC,
                _VERSION.to_bytes(4, "big"),
                string(self.key.blob),
                string(self.namespace.encode("ascii")),
                string(b""),
                string(self.hash.encode("ascii")),
                string(self.value),
            )
        )
        text = base64.b64encode(blob).decode("ascii")
        lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
        return "\n".join((_BEGIN, *lines, _END, ""))


def to_sign(message: bytes, namespace: str, hash: str) -> bytes:
    """The octets that the key signs."""
    fields = (namespace.encode("ascii"), b"", hash.encode("ascii"), _HASHES[hash](message))
    return _MAGIC + b"".join(string(field) for field in fields)


def read_signature(armored: str) -> SshSignature:
    """Read an armoured signature.

    Raises:
        BadSshSignature: It is none. Whether it is anybody's over anything :meth:`SshSignature.check` says.
    """
    if len(armored) > MAX_ARMOR:
        raise BadSshSignature(f"It has more than {MAX_ARMOR} characters.")
    match = _ARMOR.fullmatch(armored)
    if match is None:
        raise BadSshSignature(f"There is no armoured signature between {_BEGIN!a} and {_END!a}.")
    try:
        blob = base64.b64decode("".join(match.group(1).split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadSshSignature("Its armour is not base 64.") from None
    reader = Reader(blob)
    if reader.octets(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
        raise BadSshSignature("It is not of version 1 of the format SSHSIG.")
    key = parse_key(reader.string())
    namespace = reader.text()
    if not _NAMESPACE.fullmatch(namespace):
        raise BadSshSignature("Its namespace is empty, or has characters that none has.")
    reader.string()  # reserved: it must be signed as it is, and an empty one is all that is ever made
    hash = reader.text()
    if hash not in _HASHES:
        raise BadSshSignature(f"It is over a digest {hash[:40]!a}; only sha512 and sha256 are.")
    value = reader.string()
    reader.end()
    signature = SshSignature(key, namespace, hash, value)
    if "".join(match.group(1).split()) != "".join(signature.armored().splitlines()[1:-1]):
        raise BadSshSignature("It has a second form, or uses the reserved field.")
    return signature


def make_signature(
    message: bytes, namespace: str, key: PublicKey, sign: Callable[[bytes], bytes], hash: str = "sha512"
) -> SshSignature:
    """Make a signature, and check it.

    Args:
        message: What is signed.
        namespace: What for.
        key: The public key.
        sign: Makes the signature (the algorithm's name and what it made) with its private key.
        hash: ``sha512`` or ``sha256``.

    Raises:
        BadSshSignature: What ``sign`` gave is not that key's signature.
    """
    signature = SshSignature(key, namespace, hash, sign(to_sign(message, namespace, hash)))
    signature.check(message, namespace)
    return signature

"""Signatures that ``ssh-keygen -Y sign`` makes (PROTOCOL.sshsig of OpenSSH), and lists of who may sign.

The key signs a magic, a namespace, and a digest of the text: what was signed for one purpose says nothing for another.
Keys are Ed25519 (RFC 8709), ECDSA (RFC 5656), RSA with SHA-2 (RFC 8332), and those of security tokens (PROTOCOL.u2f),
which sign with the text a flag that somebody touched the token, and a counter.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from ecluse_verify.text import Bad, base64_octets, pem_blocks

__all__ = ["Signers", "SshSignature", "key_of_line", "read_signature", "read_signers"]

Signers = frozenset[tuple[str, bytes]]
"""Names with the octets of a key that is theirs."""

_MAGIC: Final = b"SSHSIG\0\0\0\x01"
_HASHES: Final = (b"sha256", b"sha512")
_MAX: Final = 16_384
_TOUCHED: Final = 0x01
_TOKENS: Final = {
    b"sk-ssh-ed25519@openssh.com": b"ssh-ed25519",
    b"sk-ecdsa-sha2-nistp256@openssh.com": b"ecdsa-sha2-nistp256",
}
_RSA: Final[dict[bytes, hashes.HashAlgorithm]] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}
_CURVES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    b"ecdsa-sha2-nistp256": hashes.SHA256(),
    b"ecdsa-sha2-nistp384": hashes.SHA384(),
    b"ecdsa-sha2-nistp521": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A signature taken apart, with the octets of the public key that came with it; nothing of it is believed yet."""

    key: bytes
    namespace: bytes
    hash: bytes
    value: bytes

    @property
    def fingerprint(self) -> str:
        """The key as ``ssh-keygen -l`` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.key).digest())
        return f"SHA256:{digest.decode().rstrip('=')}"

    def fits(self, text: bytes, namespace: str) -> bool:
        """Whether its key signed the text for this purpose."""
        digest = hashlib.new(self.hash.decode(), text).digest()
        data = _MAGIC[:6] + b"".join(map(_string, (self.namespace, b"", self.hash, digest)))
        try:
            return self.namespace == namespace.encode() and _fits(self.key, self.value, data)
        except (Bad, InvalidSignature, UnsupportedAlgorithm, ValueError, LookupError, OverflowError):
            return False


def read_signature(armored: str) -> SshSignature:
    """Read an armoured signature. Raises :class:`Bad`."""
    blocks = pem_blocks(armored.encode(), "SSH SIGNATURE") if len(armored) <= _MAX else []
    if len(blocks) != 1 or not blocks[0].startswith(_MAGIC):
        raise Bad("sshsig")
    fields = _fields(blocks[0][len(_MAGIC) :])
    if len(fields) != 5 or fields[2] or fields[3] not in _HASHES:
        raise Bad("sshsig")
    return SshSignature(fields[0], fields[1], fields[3], fields[4])


def key_of_line(line: str) -> bytes:
    """The octets of the key in a line of a ``.pub`` file. Raises :class:`Bad`."""
    kind, *rest = line.split()[:2] or [""]
    blob = base64_octets(rest[0]) if rest else b""
    if blob[: len(kind) + 4] != _string(kind.encode()):
        raise Bad("sshsig")
    return blob


def read_signers(data: bytes) -> Signers:
    """Who may sign, by an ``allowed_signers`` file (ssh-keygen(1)): names, options, a key. Raises :class:`Bad`."""
    found = set()
    for line in data.decode("utf-8", "replace").split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        at = next((n for n, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-", "sk-"))), 0)
        if not at or any("cert-authority" in word for word in words[1:at]):
            raise Bad("sshsig")
        blob = key_of_line(" ".join(words[at:]))
        found |= {(name, blob) for name in words[0].split(",")}
    if not found:
        raise Bad("sshsig")
    return frozenset(found)


def _fits(key: bytes, value: bytes, data: bytes) -> bool:
    kind, *parts = _fields(key)
    if kind in _TOKENS:
        value, more = value[:-5], value[-5:]
        if not more[0] & _TOUCHED:
            return False
        data = hashlib.sha256(parts.pop()).digest() + more + hashlib.sha256(data).digest()
        key = b"".join(map(_string, (_TOKENS[kind], *parts)))
    public = load_ssh_public_key(_fields(key)[0] + b" " + base64.b64encode(key))
    algorithm, signature = _fields(value)
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, data, padding.PKCS1v15(), _RSA[algorithm])
    elif algorithm != kind:
        return False
    elif isinstance(public, Ed25519PublicKey):
        public.verify(signature, data)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        r, s = (int.from_bytes(number, "big") for number in _fields(signature))
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(_CURVES[_TOKENS.get(kind, kind)]))
    else:
        return False
    return True


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _fields(data: bytes) -> list[bytes]:
    """Strings one after the other (RFC 4251 s5), each behind its length. Raises :class:`Bad`."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            raise Bad("sshsig")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found

"""A message's content: its digests, plain and with canonical line ends, and the documents that are inside it.

The MIC and a signature are over an entity, the user's documents are inside it. An entity may be larger than memory: it
is digested in pieces, and looked into whole only up to a limit.
"""

from __future__ import annotations

import hashlib
from typing import Final

from ecluse_verify.mime import documents_in, read_entity
from ecluse_verify.pack import Pack
from ecluse_verify.text import Bad

__all__ = ["Content"]

_MAX_WHOLE: Final = 128 << 20
"""Octets of an entity that is looked into whole."""
_MAX_HEAD: Final = 64 << 10
_PLAIN: Final = ("", "binary", "8bit", "7bit")


class Content:
    """The entity of a message, in the pack.

    Args:
        pack: Where.
        path: Which file.
        canonical: Its sender signed it with a CR before every LF (RFC 8551 s3.1.1).
    """

    def __init__(self, pack: Pack, path: str, *, canonical: bool = False) -> None:
        self._pack, self._path, self._canonical = pack, path, canonical
        self._digests: dict[str, bytes] = {}

    def digest(self, name: str) -> bytes:
        """The digest by its ``hashlib`` name, each computed once."""
        if name not in self._digests:
            digest, held = hashlib.new(name), b""
            for piece in self._pack.chunks(self._path):
                data = held + piece
                held = b"\r" if self._canonical and data.endswith(b"\r") else b""  # it may be half a line end
                data = data.removesuffix(held)
                digest.update(
                    data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if self._canonical else data
                )
            digest.update(held)
            self._digests[name] = digest.digest()
        return self._digests[name]

    def documents(self) -> set[str]:
        """SHA-256 of every document inside, hexadecimal. Raises :class:`Bad` where it can't be looked into."""
        head = b""
        for piece in self._pack.chunks(self._path):
            head += piece
            if len(head) >= _MAX_HEAD:
                break
        entity = read_entity(head)
        plain = entity.fields.get("content-transfer-encoding", "").lower() in _PLAIN
        if plain and not entity.media_type.startswith(
            ("multipart/", "application/pkcs7", "application/x-pkcs7")
        ):
            return {self._body_digest(len(head) - len(entity.body))}
        if self._pack.size(self._path) > _MAX_WHOLE:
            raise Bad("file.large", file=self._path, limit=_MAX_WHOLE)
        return {
            hashlib.sha256(each).hexdigest() for each in documents_in(self._pack.read(self._path, _MAX_WHOLE))
        }

    def _body_digest(self, skip: int) -> str:
        digest = hashlib.sha256()
        for piece in self._pack.chunks(self._path):
            digest.update(piece[skip:])
            skip = max(0, skip - len(piece))
        return digest.hexdigest()

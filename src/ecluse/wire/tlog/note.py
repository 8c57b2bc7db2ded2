"""C2SP signed-note: a text, an empty line, and one line for each signature.

Source: <https://c2sp.org/signed-note>. A note is believed only by what its known keys signed: signatures of
unknown keys (a witness, a former key, another algorithm) are carried along and never looked at. Ed25519 (type 0x01)
is here; the keys of :mod:`ecluse.wire.tlog.cosignature` sign what a checkpoint says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ecluse.wire.tlog._text import decode_base64, encode_base64
from ecluse.wire.tlog.errors import BadSignature, Malformed

__all__ = [
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "Note",
    "NoteKey",
    "Sign",
    "Signature",
    "Verifier",
    "check_name",
    "key_id",
    "open_note",
    "parse_note",
    "sign_note",
]

MAX_NOTE: Final = 1_000_000
"""Octets of a note; the limit of golang.org/x/mod/sumdb/note."""

MAX_SIGNATURES: Final = 100
"""Signature lines of a note; the same source. The format asks for at least 16."""

_ED25519: Final = b"\x01"
_KEY_SIZE: Final = 32
_SIGNATURE_SIZE: Final = 64
_ID_SIZE: Final = 4
_PREFIX: Final = "— "

Sign = Callable[[bytes], bytes]
"""Makes a signature over a message (64 octets of Ed25519, 2,420 of ML-DSA-44); the key stays behind it."""


class Verifier(Protocol):
    """A public key that signature lines may be of."""

    @property
    def name(self) -> str:
        """Key name."""

    @property
    def id(self) -> bytes:
        """Four octets."""

    def fits(self, message: bytes, signature: bytes) -> bool:
        """True where ``signature``, as it stands after the key id, is this key's for a note of that text."""


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """The four octets that lead a signature to its key (a hint, never a proof): by name, type and public key."""
    return sha256(name.encode() + b"\n" + kind + public).digest()[:_ID_SIZE]


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: a name and an Ed25519 public key.

    Args:
        name: Key name: not empty, without spaces and ``+``; best a URL without its scheme.
        public: 32 octets (RFC 8032 section 5.1.5).

    Raises:
        Malformed: where the name or the key is not as described.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _KEY_SIZE:
            raise Malformed("An Ed25519 public key has 32 octets.")

    @classmethod
    def of(cls, name: str, public: Ed25519PublicKey) -> NoteKey:
        """The verifier key of a public key."""
        return cls(name, public.public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """Read ``name+hash+base64``. Raise :class:`Malformed` where it is not the text of an Ed25519 key."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Malformed("A verifier key has a name, a key id and a key, joined by plus signs.")
        material = decode_base64(parts[2], "verifier key")
        if material[:1] != _ED25519:
            raise Malformed("The verifier key is not an Ed25519 key.")
        key = cls(parts[0], material[1:])
        if parts[1] != key.id.hex():
            raise Malformed("The id of the verifier key does not fit its name and key.")
        return key

    @property
    def id(self) -> bytes:
        """The four octets that lead a signature to its key; a hint, never a proof."""
        return key_id(self.name, _ED25519, self.public)

    def __str__(self) -> str:
        """The text ``name+hash+base64``, to be given to who verifies."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(_ED25519 + self.public)}"

    def fits(self, message: bytes, signature: bytes) -> bool:
        """True where ``signature`` is this key's over ``message``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line.

    Attributes:
        name: Key name.
        key_id: 4 octets.
        value: What follows them; its meaning is the key's.
    """

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> bytes:
        """The line, with its newline."""
        return f"{_PREFIX}{self.name} {encode_base64(self.key_id + self.value)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note.

    Attributes:
        text: What is signed, with its last newline.
        signatures: All of them (:func:`parse_note`), or only those that were verified (:func:`open_note`).
    """

    text: str
    signatures: tuple[Signature, ...]


def sign_note(text: str, key: NoteKey, sign: Sign) -> bytes:
    """The signed note of ``text``, which ends in a newline and holds no other control character.

    Raises:
        Malformed: where the text can't be that of a note.
        BadSignature: where ``sign`` does not belong to ``key``; such a note must not go out.
    """
    message = text.encode("utf-8", "surrogatepass")
    _check_text(message)
    if not text.endswith("\n"):
        raise Malformed("The text of a note ends with a newline.")
    value = sign(message)
    if len(value) != _SIGNATURE_SIZE or not key.fits(message, value):
        raise BadSignature("The signing key is not the one that the note would name.")
    return message + b"\n" + Signature(key.name, key.id, value).line


def parse_note(data: bytes) -> Note:
    """Take a note apart without believing it. Raise :class:`Malformed` where it isn't one."""
    decoded = _check_text(data)
    text, gap, lines = decoded.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Malformed("A note is a text, an empty line and whole lines of signatures.")
    rows = lines[:-1].split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise Malformed(f"The note has more than {MAX_SIGNATURES} signatures.")
    return Note(text + "\n", tuple(map(_parse_signature, rows)))


def open_note(data: bytes, keys: Iterable[Verifier]) -> Note:
    """The note with those signatures that known keys made.

    Raises:
        Malformed: where it isn't a note.
        BadSignature: where no known key signed it, or the signature of a known key is wrong.
    """
    note = parse_note(data)
    known = {(key.name, key.id): key for key in keys}
    message = note.text.encode()
    verified = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.fits(message, signature.value):
            raise BadSignature(f"The signature of {key.name} does not fit the note.")
        verified.append(signature)
    if not verified:
        raise BadSignature("No known key signed the note.")
    return Note(note.text, tuple(verified))


def _check_text(data: bytes) -> str:
    if len(data) > MAX_NOTE:
        raise Malformed(f"The note is longer than {MAX_NOTE} octets.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The note is not UTF-8.") from None
    if any(char < " " and char != "\n" for char in text):
        raise Malformed("The note holds a control character.")
    return text


def check_name(name: str) -> None:
    """Raise :class:`Malformed` where it can't be the name of a key."""
    if not name or "+" in name or any(char.isspace() or char < " " for char in name) or not _encodable(name):
        raise Malformed("A key name is not empty and holds neither spaces nor plus signs.")


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_signature(line: str) -> Signature:
    name, gap, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not gap:
        raise Malformed("A signature line is a dash, a key name and base64.")
    check_name(name)
    value = decode_base64(encoded, "signature")
    if len(value) <= _ID_SIZE:
        raise Malformed("A signature line holds a key id and a signature.")
    return Signature(name, value[:_ID_SIZE], value[_ID_SIZE:])

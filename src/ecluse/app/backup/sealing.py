r"""Sealed objects: octets that recipients open with their OpenPGP keys, and the hub that wrote them does not.

An object is a line that says what it is, an OpenPGP message to the recipients whose document is the object's key (32
random octets), and the octets, sealed under that key as a blob is (:mod:`ecluse.blobs.sealed`)::

    "ecluse.backup/1\n" | length of the message (2, big-endian) | OpenPGP message | salt | commitment | chunks

The id of the object is what the sealing is bound to: an object in the place of another does not open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ecluse.app.backup.errors import BackupDamaged, NoPrivateKey, NoRecipient
from ecluse.blobs.sealed import HEADER_SIZE, KEY_SIZE, SALT_SIZE, Damaged, Opener, Sealer
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Entropy
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.secrets import Secret
from ecluse.wire.openpgp.armor import ArmorKind
from ecluse.wire.openpgp.certificate import Certificate, read_packets
from ecluse.wire.openpgp.errors import DecryptionFailed, NotForUs, OpenPgpError, WrongPassphrase
from ecluse.wire.openpgp.names import Tag
from ecluse.wire.openpgp.pkesk import DecryptionKey, SessionKey, WrappedKey, unwrap
from ecluse.wire.openpgp.reader import Content, Unlock, read_message
from ecluse.wire.openpgp.secret import SecretKey, read_secret_key
from ecluse.wire.openpgp.writer import protection_for, write_message

__all__ = ["MAGIC", "PrivateKeys", "Recipients", "open_object"]

MAGIC: Final = b"ecluse.backup/1\n"
_MOST_KEYS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom objects are sealed for.

    Attributes:
        certificates: Theirs.
        clock: Time.
        entropy: Randomness.
    """

    certificates: Sequence[Certificate]
    clock: Clock
    entropy: Entropy

    @property
    def fingerprints(self) -> list[str]:
        """Of the certificates."""
        return [each.fingerprint for each in self.certificates]

    def seal(self, id: str, data: bytes | bytearray) -> bytes:
        """The object. Raises :class:`NoRecipient` where one of the certificates can't be encrypted to."""
        when = seconds(self.clock())
        views = [each.at(when) for each in self.certificates]
        keys = tuple(key for view in views for key in view.encryption_keys())
        if not views or not all(view.encryption_keys() for view in views):
            raise NoRecipient("A recipient of the backup has no valid certificate to encrypt to.")
        key = self.entropy(KEY_SIZE)
        message = b"".join(
            bytes(piece)
            for piece in write_message(
                [key],
                recipients=keys,
                protection=protection_for(views, rfc4880=False),
                signer=None,
                now=when,
                entropy=self.entropy,
            )
        )
        sealer = Sealer(key, self.entropy(SALT_SIZE), id)
        parts = (
            MAGIC,
            len(message).to_bytes(2, "big"),
            message,
            sealer.header,
            sealer.seal(data),
            sealer.finish(),
        )
        return b"".join(parts)


class PrivateKeys:
    """The private keys of a recipient, out of a file that OpenPGP programs export.

    Args:
        data: The export, armoured or not.
        passphrase: What it is locked with.

    Raises:
        NoPrivateKey: It holds none, or does not open.
    """

    def __init__(self, data: bytes, passphrase: Secret | None = None) -> None:
        secret = passphrase.reveal() if passphrase is not None else None
        try:
            packets = list(read_packets(data, frozenset({ArmorKind.PRIVATE_KEY})))
            found = [
                read_secret_key(body, tag, secret)
                for tag, body in packets
                if tag in (Tag.SECRET_KEY, Tag.SECRET_SUBKEY)
            ]
        except WrongPassphrase as error:
            raise NoPrivateKey(error.cause) from None
        except OpenPgpError as error:
            raise NoPrivateKey(f"The file holds no private OpenPGP key: {error.cause}") from None
        self._keys: list[SecretKey] = [each for each in found if each is not None and each.key.encrypts]
        if not self._keys:
            raise NoPrivateKey("The file holds no private OpenPGP key that decrypts.")

    def __call__(self, recipients: Sequence[WrappedKey]) -> SessionKey:
        """As :class:`~ecluse.wire.openpgp.reader.Unlock`."""
        meant = False
        for recipient in recipients:
            for each in self._keys:
                if recipient.meant_for(each.key) and isinstance(each.private, DecryptionKey):
                    meant = True
                    try:
                        return unwrap(recipient, each.key, each.private)
                    except OpenPgpError:
                        continue
        raise DecryptionFailed if meant else NotForUs("The backup is sealed for others.")


def open_object(id: str, data: bytes, unlock: Unlock) -> bytes:
    """The octets of an object.

    Raises:
        BackupDamaged: It is not what was sealed under this id.
        NoPrivateKey: It was sealed for others.
    """
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "big")
    start = len(MAGIC) + 2
    body = start + size
    if not data.startswith(MAGIC) or len(data) < body + HEADER_SIZE + 16 or not 0 < size < _MOST_KEYS:
        raise _damaged(id)
    try:
        key = b"".join(
            bytes(event.data)
            for event in read_message([data[start:body]], unlock)
            if isinstance(event, Content)
        )
        opener = Opener(key, data[body : body + HEADER_SIZE], id)
        return bytes(opener.open(0, memoryview(data)[body + HEADER_SIZE :]))
    except NotForUs:
        raise NoPrivateKey(f"{id} is sealed for other keys than the one that was given.") from None
    except (OpenPgpError, Damaged):
        raise _damaged(id) from None


def _damaged(id: str) -> EcluseError:
    return BackupDamaged(f"The object {id} of the backup is not what was sealed.", fault=Fault.OURS)

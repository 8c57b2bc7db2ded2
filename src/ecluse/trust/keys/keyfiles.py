"""A keyring of files: each private key encrypted, its certificate in the open beside it.

    keyring.json      how the passphrase opens the master key
    storage.keys      keys that blobs' keys are wrapped under        sealed
    log.seed          key of the evidence log                        sealed
    notes.seeds       its second key, and those of our witness       sealed
    <ref>.key         a private key                                  sealed
    <ref>.bound       where a key is that stays in a key store       sealed
    <ref>.pem         its certificate and chain
    <ref>.former      certificates that it had before
    <ref>.openpgp     an OpenPGP key                                 sealed
    <ref>.asc         its certificate
    <name>.secret     a secret                                       sealed

The passphrase is stretched once by Argon2id into a key that opens the master key; the master key seals every
file with AES-256-GCM, the file's name being part of what is authenticated. So a file can't stand in for
another, and a new passphrase rewrites one file.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ecluse import durable
from ecluse.errors import Fault
from ecluse.model.basics import Clock, system_clock, system_entropy
from ecluse.trust.certificates import load_certificates
from ecluse.trust.errors import CertificateError, KeyringError
from ecluse.trust.keys.held import NOTE_FILE, STORAGE_KEY, Held, HeldKeys
from ecluse.trust.keys.notes import NoteKeys
from ecluse.trust.keys.openpgp import HeldOpenPgp
from ecluse.trust.keystores.remote import Device, remote_key
from ecluse.trust.secrets import Secret
from ecluse.typed import from_json

__all__ = ["MIN_PASSPHRASE", "FileKeyring", "Stretching"]

MIN_PASSPHRASE: Final = 8
"""Octets. NIST SP 800-63B s5.1.1.2 asks for 8 characters at least."""

MAX_FILE: Final = 1 << 20
"""Octets of one file of a keyring; the largest, a chain of ML-DSA certificates, takes a tenth."""

Stores = Mapping[str, Device]
"""Key stores by name."""

_HEADER: Final = "keyring.json"
_FORMAT: Final = "ecluse.keyring/1"
_SEALED: Final = b"ecluse.sealed/1\n"
_NONCE: Final = 12


class Stretching(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a passphrase is stretched: Argon2id (RFC 9106).

    The defaults are the second choice of RFC 9106 s4 (64 MiB, 3 passes, 4 lanes): 0.12 to 0.15 s on one
    server core of 2024.

    Attributes:
        memory_kib: Memory, in KiB.
        passes: Passes over it.
        lanes: Lanes.
    """

    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4

    def sane(self) -> bool:
        """Whether a keyring that asks for this may be opened: a hostile one could ask for all memory."""
        return (
            8 * self.lanes <= self.memory_kib <= 1 << 20 and 1 <= self.passes <= 64 and 1 <= self.lanes <= 16
        )

    def key(self, passphrase: Secret, salt: bytes) -> bytes:
        """The key of 32 octets."""
        kdf = Argon2id(
            salt=salt, length=32, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory_kib
        )
        return kdf.derive(passphrase.reveal())


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: str
    argon2id: Stretching
    salt: str
    master: str

    def associated(self) -> bytes:
        """What the master key's seal authenticates besides."""
        return msgspec.json.encode([self.format, self.salt, self.argon2id])


class FileKeyring(HeldKeys):
    """A keyring of files. Use :meth:`create` and :meth:`open`."""

    def __init__(self, folder: Path, master: bytes, clock: Clock, stores: Stores | None = None) -> None:
        super().__init__(clock)
        self.stores: Stores = stores if stores is not None else {}
        self._folder = folder
        self._seal = AESGCM(master)
        self._master = master

    @classmethod
    def create(
        cls,
        folder: Path,
        passphrase: Secret,
        *,
        clock: Clock = system_clock,
        stretching: Stretching | None = None,
    ) -> Self:
        """Make a keyring in a folder, with a storage key and a key for the log.

        Raises:
            KeyringError: ``keyring.exists``, ``keyring.weak-passphrase``.
            BlobUnavailable: The disk does not take it.
        """
        if (folder / _HEADER).exists() or (folder / "storage.keys").exists():
            raise KeyringError(
                f"There is a keyring in {folder} already.",
                code="keyring.exists",
                remedy=f"Open it (with {_HEADER} from the backup if that is missing), or choose another.",
                fault=Fault.USAGE,
            )
        _check_strength(passphrase)
        durable.make_folder(folder, 0o700)
        keyring = cls(folder, system_entropy(32), clock)
        keyring._begin()
        keyring._write_header(passphrase, stretching or Stretching())
        return keyring

    @classmethod
    def open(
        cls, folder: Path, passphrase: Secret, *, clock: Clock = system_clock, stores: Stores | None = None
    ) -> Self:
        """Open a keyring: one stretching of the passphrase, whatever the number of keys.

        Args:
            folder: Where it is.
            passphrase: What opens it.
            clock: When certificates that are made begin.
            stores: Key stores by name, for the keys that stay in one; none of them is asked yet.

        Raises:
            KeyringError: ``keyring.missing``, ``keyring.wrong-passphrase``, ``keyring.exposed`` (others may
                use its files), ``keyring.damaged`` (with the file's name), ``keyring.unreadable``.
        """
        if folder.is_dir() and folder.stat().st_mode & 0o022:
            raise _exposed(f"Others than its owner may change the keyring's folder {folder}.", "go-w")
        data = _read(folder / _HEADER)
        if data is None:
            raise KeyringError(
                f"There is no keyring in {folder}.",
                code="keyring.missing",
                remedy="Make one with `ecluse init`, or restore its folder from the backup.",
            )
        try:
            header = from_json(data, _Header)
            salt = base64.b64decode(header.salt, validate=True)
            sealed = base64.b64decode(header.master, validate=True)
        except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
            raise _damaged(_HEADER) from None
        if header.format != _FORMAT or not header.argon2id.sane() or len(salt) != 16:
            raise _damaged(_HEADER)
        stretched = header.argon2id.key(passphrase, salt)
        try:
            master = AESGCM(stretched).decrypt(sealed[:_NONCE], sealed[_NONCE:], header.associated())
            keyring = cls(folder, master, clock, stores)
        except (InvalidTag, ValueError):
            raise KeyringError(
                "The keyring does not open: the passphrase is wrong.",
                code="keyring.wrong-passphrase",
                remedy="Look at what keyring.passphrase refers to.",
            ) from None
        keyring.reload()
        return keyring

    def reload(self) -> None:
        """Read every file again, so that keys which another process made are seen. All or nothing."""
        with self._lock:
            self._load()

    def _load(self) -> None:
        keys: dict[str, Held] = {}
        openpgp: dict[str, HeldOpenPgp] = {}
        secrets: dict[str, Secret] = {}
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError as error:
            raise _unreadable(self._folder, error) from None
        for name in names:
            stem, _, ending = name.rpartition(".")
            if ending == "key":
                keys[stem] = self._read_key(stem)
            elif ending == "bound":
                keys[stem] = self._read_bound(stem)
            elif ending == "openpgp":
                openpgp[stem] = self._read_openpgp(stem)
            elif ending == "secret":
                secrets[stem] = Secret(self._open_sealed(name))
        storage = self._open_sealed("storage.keys")
        seed = self._open_sealed("log.seed")
        if not storage or len(storage) % STORAGE_KEY or len(seed) != 32:
            raise _damaged("storage.keys")
        self._keys, self._openpgp, self._secrets = keys, openpgp, secrets
        self._storage = tuple(storage[at : at + STORAGE_KEY] for at in range(0, len(storage), STORAGE_KEY))
        self._log = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        if NOTE_FILE in names and self._notes is None:
            self._notes = NoteKeys(self._open_sealed(NOTE_FILE))

    def change_passphrase(self, passphrase: Secret, *, stretching: Stretching | None = None) -> None:
        """Let another passphrase open the keyring from here on.

        Whoever has an old copy of the folder and the old passphrase still opens that copy.

        Raises:
            KeyringError: ``keyring.weak-passphrase``.
        """
        _check_strength(passphrase)
        with self._lock:
            self._write_header(passphrase, stretching or Stretching())

    # --- files ----------------------------------------------------------------------------------------------

    def _write_header(self, passphrase: Secret, stretching: Stretching) -> None:
        salt, nonce = system_entropy(16), system_entropy(_NONCE)
        header = _Header(
            format=_FORMAT, argon2id=stretching, salt=base64.b64encode(salt).decode("ascii"), master=""
        )
        sealed = AESGCM(stretching.key(passphrase, salt)).encrypt(nonce, self._master, header.associated())
        header = msgspec.structs.replace(header, master=base64.b64encode(nonce + sealed).decode("ascii"))
        durable.replace(
            self._folder / _HEADER, msgspec.json.format(msgspec.json.encode(header)) + b"\n", 0o600
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time among all processes, made to what is on the disk.

        Without it two processes could each add a storage key in the same place, and what was wrapped under
        the first would be lost.
        """
        with self._lock:
            try:
                handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise _unreadable(self._folder, error) from None
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if (self._folder / _HEADER).exists():
                    self._load()
                yield
            finally:
                os.close(handle)

    def _keep(self, name: str, data: bytes | None, *, sealed: bool) -> None:
        path = self._folder / name
        if data is None:
            durable.remove(path)
        elif sealed:
            nonce = system_entropy(_NONCE)
            durable.replace(path, _SEALED + nonce + self._seal.encrypt(nonce, data, _bound(name)), 0o600)
        else:
            durable.replace(path, data, 0o600)

    def _read_key(self, ref: str) -> Held:
        der = self._open_sealed(f"{ref}.key")
        chain = _read(self._folder / f"{ref}.pem", secret=False)
        former = _read(self._folder / f"{ref}.former", secret=False)
        if chain is None:
            raise _damaged(f"{ref}.pem")
        try:
            private = load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _damaged(f"{ref}.key") from None
        return self._check_held(ref, private, chain, former or b"")

    def _read_bound(self, ref: str) -> Held:
        store, _, name = self._open_sealed(f"{ref}.bound").decode("utf-8", "replace").partition("/")
        chain = _read(self._folder / f"{ref}.pem", secret=False)
        former = _read(self._folder / f"{ref}.former", secret=False)
        if chain is None or not name:
            raise _damaged(f"{ref}.pem" if name else f"{ref}.bound")
        device = self.stores.get(store)
        if device is None:
            raise KeyringError(
                f"The key {ref} is in the key store {store}, which the configuration does not name.",
                code="keystore.unknown",
                remedy="Add it under [keyring.stores] in ecluse.toml.",
            )
        try:
            public = load_certificates(chain)[0].public_key()
        except (CertificateError, ValueError, UnsupportedAlgorithm):
            raise _damaged(f"{ref}.pem") from None
        return self._check_held(ref, remote_key(public, device, name), chain, former or b"")

    def _read_openpgp(self, ref: str) -> HeldOpenPgp:
        secret = self._open_sealed(f"{ref}.openpgp")
        certificate = _read(self._folder / f"{ref}.asc", secret=False)
        if certificate is None:
            raise _damaged(f"{ref}.asc")
        return self._check_openpgp(ref, certificate, secret)

    def _open_sealed(self, name: str) -> bytes:
        data = _read(self._folder / name)
        if data is None or not data.startswith(_SEALED):
            raise _damaged(name)
        body = data[len(_SEALED) :]
        try:
            return self._seal.decrypt(body[:_NONCE], body[_NONCE:], _bound(name))
        except (InvalidTag, ValueError):
            raise _damaged(name) from None


def _check_strength(passphrase: Secret) -> None:
    if len(passphrase.reveal()) < MIN_PASSPHRASE:
        raise KeyringError(
            f"The passphrase has fewer than {MIN_PASSPHRASE} characters.",
            code="keyring.weak-passphrase",
            remedy="Take a longer one: five random words, or 20 random characters.",
            fault=Fault.USAGE,
        )


def _bound(name: str) -> bytes:
    """What a seal authenticates besides the content: which file it is."""
    return f"{_FORMAT}\0{name}".encode()


def _read(path: Path, *, secret: bool = True) -> bytes | None:
    """A file's bytes; ``None`` where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if secret and stat.S_IMODE(mode) & 0o077:
                raise _exposed(f"Others than its owner may use the key file {path}.", "go-rwx")
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > MAX_FILE:
        raise _damaged(path.name)
    return data


def _exposed(cause: str, mode: str) -> KeyringError:
    remedy = f"Run chmod {mode} on it; if others could use it, change the passphrase and replace the keys."
    return KeyringError(cause, code="keyring.exposed", remedy=remedy)


def _damaged(name: str) -> KeyringError:
    return KeyringError(
        f"The keyring's file {name} is damaged or missing.",
        code="keyring.damaged",
        remedy="Restore the keyring's folder from its backup.",
    )


def _unreadable(path: Path, error: OSError) -> KeyringError:
    return KeyringError(
        f"The keyring's file {path} can't be read: {error.strerror}.",
        code="keyring.unreadable",
        remedy="Let the hub's user own the folder and read it.",
    )

"""Operators with keys, and hubs that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ecluse.app.changes import ChangeHeld, Proposal, Signer
from ecluse.app.changes.signing import FileSigner
from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.model.basics import Clock, system_clock
from ecluse.trust.configuration import read_folder
from ecluse.trust.keys.ssh import ssh_algorithms, ssh_sign
from ecluse.trust.operators import public_key

__all__ = ["Person", "four_eyed", "operators_toml", "person", "propose", "put_field", "write_key"]

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Person:
    """Somebody with a key.

    Attributes:
        name: Of the operator.
        private: Their private key.
    """

    name: str
    private: Private

    @property
    def line(self) -> str:
        """Their public key, as in a .pub file."""
        return self.private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def signer(self, name: str = "") -> Signer:
        """Signs as ``name``, themselves by default."""
        algorithm = ssh_algorithms(self.private)[0]
        make: Callable[[bytes], bytes] = lambda data: ssh_sign(self.private, data, algorithm)  # noqa: E731
        return FileSigner(name or self.name, public_key(self.line), make)

    def sign(self, text: str) -> str:
        """An armoured signature."""
        return self.signer().sign(text)


def person(name: str, key: str = "") -> Person:
    """Somebody whose key is made of a word, their name by default."""
    seed = sha256((key or name).encode()).digest()
    return Person(name, ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def write_key(path: Path, who: Person) -> Path:
    """Their private key in a file, as ssh-keygen writes it."""
    path.write_bytes(who.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    path.with_name(path.name + ".pub").write_text(f"{who.line} {who.name}@aster\n")
    return path


def operators_toml(people: Sequence[Person], roles: str = '"trust"') -> str:
    """The lines of ecluse.toml."""
    return "".join(
        f'\n[[operators]]\nname = "{each.name}"\nkeys = ["{each.line}"]\nroles = [{roles}]\n'
        for each in people
    )


def four_eyed(
    folder: Path, names: Sequence[str] = ("ada", "berta"), *, more: str = "", clock: Clock = system_clock
) -> Node:
    """A hub with operators of role trust, opened."""
    node = make_hub(folder, name="Aster", as2_id="ASTER", key_kind="ec-p256", clock=clock)
    hub = folder / "ecluse.toml"
    hub.write_text(hub.read_text() + more + operators_toml([person(name) for name in names]))
    apply_files(node, read_folder(folder), actor="operator:test", reason="operators")
    return node


def put_field(node: Node, old: str, new: str, path: str = "ecluse.toml") -> dict[str, str]:
    """The files in force with a text replaced in one of them."""
    files = dict(node.directory.configuration.files)
    assert old in files[path], f"{old!r} is not in {path}"
    return {**files, path: files[path].replace(old, new)}


def propose(node: Node, files: dict[str, str], by: Person | None = None, reason: str = "a test") -> Proposal:
    """Apply files that have to be held; give what waits."""
    try:
        signer = by.signer() if by is not None else None
        apply_files(node, files, actor="operator:test", reason=reason, signer=signer)
    except ChangeHeld as held:
        return held.proposal
    raise AssertionError("it was not held")

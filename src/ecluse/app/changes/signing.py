"""Signing as an operator: with a key's file, with the SSH agent, or with a signature that was made elsewhere.

A private key is read, used and forgotten: nothing of it is kept. Files that ``ssh-keygen`` encrypted in its own format
need a key derivation that this installation may not have; the agent has it (``ssh-add``), and so has ``ssh-keygen -Y
sign`` itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from ecluse.app.changes.proposal import NAMESPACE
from ecluse.errors import EcluseError, Fault
from ecluse.trust.keys.ssh import fingerprint, key_blob, public_line, ssh_algorithms, ssh_sign
from ecluse.trust.operators import Operator, operator_keys
from ecluse.trust.secrets import Secret
from ecluse.wire.sshsig import PublicKey, make_signature

if TYPE_CHECKING:
    import asyncssh

__all__ = ["AgentSigner", "CannotSign", "FileSigner", "LaterSigner", "agent_signer", "file_signer"]

T = TypeVar("T")

MAX_KEY: Final = 65_536
"""Octets of a private key's file: one of 16,384 bits takes 13,000."""
_AGENT_WAIT: Final = 120.0
"""Seconds that the agent may take: somebody may have to look for their token and touch it."""

_SHA512: Final = 4
"""Flag of a request to the agent: an RSA key signs with SHA-512 (draft-miller-ssh-agent, section 4.5.1)."""
_OPENSSH: Final = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class CannotSign(EcluseError):
    """There is no key to sign with: its file can't be used, or the agent has none of the operator's."""

    code = "change.cannot-sign"
    fault = Fault.USAGE
    remedy = (
        "Add the key to the SSH agent with `ssh-add`, or sign elsewhere: `ecluse change show ID --to-sign --as NAME`, "
        "`ssh-keygen -Y sign -n ecluse-change`, `ecluse change approve ID --signature FILE`."
    )


@dataclass(frozen=True, slots=True)
class FileSigner:
    """Signs with a private key that was read from a file.

    Attributes:
        operator: Name of the operator.
        key: The public key.
        make: Makes the signature; the private key is behind it.
        namespace: What the signature is for.
    """

    operator: str
    key: PublicKey
    make: Callable[[bytes], bytes]
    namespace: str = NAMESPACE

    def sign(self, text: str) -> str:
        """An armoured signature over ``text``."""
        return make_signature(text.encode(), self.namespace, self.key, self.make).armored()

    def __repr__(self) -> str:
        return f"FileSigner({self.operator}, {fingerprint(self.key.blob)})"


@dataclass(frozen=True, slots=True)
class AgentSigner:
    """Signs with a key that the SSH agent holds.

    Attributes:
        operator: Name of the operator.
        key: The public key.
        socket: Where the agent listens.
        namespace: What the signature is for.
    """

    operator: str
    key: PublicKey
    socket: str
    namespace: str = NAMESPACE

    def sign(self, text: str) -> str:
        """An armoured signature over ``text``. Raises :class:`CannotSign` where the agent refuses."""

        def make(data: bytes) -> bytes:
            return _agent(self.socket, self.key, data)

        return make_signature(text.encode(), self.namespace, self.key, make).armored()


@dataclass(frozen=True, slots=True)
class LaterSigner:
    """Finds the operator's key only once something has to be signed: most changes need no signature.

    Attributes:
        operator: Name of the operator.
        find: Gives the signer.
    """

    operator: str
    find: Callable[[], FileSigner | AgentSigner]

    def sign(self, text: str) -> str:
        """An armoured signature over ``text``. Raises what :attr:`find` does."""
        return self.find().sign(text)


def file_signer(
    operator: Operator, path: Path, passphrase: Callable[[], Secret], namespace: str = NAMESPACE
) -> FileSigner:
    """A signer with the private key in ``path``.

    Args:
        operator: Who signs; the key is one of theirs.
        path: OpenSSH's format, PEM or PKCS#8.
        passphrase: Asked for where the file is encrypted.
        namespace: What signatures are for.

    Raises:
        CannotSign: The file can't be read, is encrypted in a way that can't be read here, or its key is not theirs.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY + 1)
    except OSError as error:
        raise CannotSign(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > MAX_KEY:
        raise CannotSign(f"{path} is larger than a private key.")
    load = load_ssh_private_key if _OPENSSH in data else load_pem_private_key
    try:
        try:
            private = load(data, None)
        except TypeError:  # it is encrypted
            private = load(data, passphrase().reveal())
    except UnsupportedAlgorithm:
        raise CannotSign(f"{path} is encrypted in OpenSSH's own way, which can't be opened here.") from None
    except (ValueError, TypeError):
        raise CannotSign(f"{path} holds no private key, or the passphrase is not its.") from None
    if not isinstance(private, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CannotSign(f"{path} holds a key of a kind that SSH does not sign with.")
    algorithm = ssh_algorithms(private)[0]
    blob = key_blob(public_line(private))
    key = next((each for each in operator_keys(operator) if each.blob == blob), None)
    if key is None:
        raise CannotSign(
            f"The key in {path} is none of {operator.name}'s.",
            remedy="Name another with --key, or another operator with --as: `ecluse operator list` has their keys.",
        )
    return FileSigner(operator.name, key, lambda message: ssh_sign(private, message, algorithm), namespace)


def agent_signer(operator: Operator, socket: str | None = None, namespace: str = NAMESPACE) -> AgentSigner:
    """A signer with the first key of the operator's that the SSH agent holds.

    Args:
        operator: Who signs.
        socket: Where the agent listens; ``SSH_AUTH_SOCK`` by default.
        namespace: What signatures are for.

    Raises:
        CannotSign: There is no agent, or it has none of their keys.
    """
    path = os.environ.get("SSH_AUTH_SOCK", "") if socket is None else socket
    if not path:
        raise CannotSign(f"There is no SSH agent, and no file of {operator.name}'s key was named with --key.")
    held = _held(path)
    for key in operator_keys(operator):
        if key.blob in held:
            return AgentSigner(operator.name, key, path, namespace)
    raise CannotSign(f"The SSH agent holds none of {operator.name}'s keys.")


def _held(path: str) -> frozenset[bytes]:
    async def work(agent: asyncssh.SSHAgentClient) -> frozenset[bytes]:
        return frozenset(each.public_data for each in await agent.get_keys())

    return _talk(path, work)


def _agent(path: str, key: PublicKey, data: bytes) -> bytes:
    flags = _SHA512 if key.kind == "ssh-rsa" else 0

    async def work(agent: asyncssh.SSHAgentClient) -> bytes:
        return await agent.sign(key.blob, data, flags)

    return _talk(path, work)


def _talk(path: str, work: Callable[[asyncssh.SSHAgentClient], Coroutine[None, None, T]]) -> T:
    import asyncssh

    async def talk() -> T:
        agent = await asyncssh.connect_agent(path)
        try:
            return await asyncio.wait_for(work(agent), _AGENT_WAIT)
        finally:
            agent.close()
            await agent.wait_closed()

    try:
        return asyncio.run(talk())
    except (OSError, ValueError, asyncssh.Error) as error:
        raise CannotSign(f"The SSH agent does not sign: {str(error) or type(error).__name__}.") from None

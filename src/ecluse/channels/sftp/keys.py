"""Keys of the keyring as asyncssh uses them: it asks for signatures and never sees a private key."""

from __future__ import annotations

from asyncssh import SSHKeyPair, import_certificate

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.ssh import fingerprint, key_blob

__all__ = ["KeyringKeyPair"]


class KeyringKeyPair(SSHKeyPair):
    """A key of the keyring, for a server's host key (``server_host_keys``) or a client's login (``client_keys``).

    Args:
        keyring: Who signs.
        ref: Which key.
        certificate: The line of a ``-cert.pub`` file for that key, where there is one.

    Raises:
        KeyringError: ``keyring.no-key``, or ``keyring.bad-request``: the key is of no use to SSH, or the
            certificate is another key's.

    Attributes:
        signed: Whether it was asked for a signature: a server that is offered several asks for one that it takes.
    """

    _key_type = "local"

    def __init__(self, keyring: Keyring, ref: str, certificate: str | None = None) -> None:
        line = keyring.ssh_public_key(ref)
        algorithms = tuple(name.encode("ascii") for name in keyring.ssh_algorithms(ref))
        try:
            cert = None if certificate is None else import_certificate(certificate)
            super().__init__(
                line.split()[0].encode("ascii"),
                algorithms[0],
                algorithms,
                algorithms,
                key_blob(line),
                None,
                cert,
            )
        except ValueError:  # KeyImportError is one
            raise KeyringError(
                f"The SSH certificate for the key {ref} can't be used.",
                code="keyring.bad-request",
                remedy="Give the whole line of the -cert.pub file that was made for this very key.",
                fault=Fault.USAGE,
            ) from None
        self.sig_algorithm = algorithms[0]
        # A certificate of an RSA key brings the SHA-1 forms with it, which the keyring does not make.
        self.sig_algorithms = tuple(each for each in self.sig_algorithms if not each.startswith(b"ssh-rsa"))
        self.host_key_algorithms = tuple(
            each for each in self.host_key_algorithms if not each.startswith(b"ssh-rsa")
        )
        self._keyring = keyring
        self._ref = ref
        self.signed = False

    @property
    def fingerprint(self) -> str:
        """Of the key, whatever certificate goes with it."""
        return fingerprint(key_blob(self._keyring.ssh_public_key(self._ref)))

    def sign(self, data: bytes) -> bytes:
        """See :meth:`ecluse.trust.keys.keyring.Keyring.ssh_sign`."""
        self.signed = True
        return self._keyring.ssh_sign(self._ref, data, self.sig_algorithm.decode("ascii"))

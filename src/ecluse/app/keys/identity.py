"""What a listener shows and trusts over TLS, from the keyring and the configuration of one moment."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.channels.http.tls import ClientAuth, Minimum, server_context

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["TlsIdentity"]


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Equal as long as nothing of it changed.

    Attributes:
        chain: Our certificate and those of its issuers, PEM.
        key: Its private key, PEM.
        anchors: What clients' certificates have to be or to come from, DER.
        client_auth: Whether clients show one.
        minimum: The oldest TLS version.
    """

    chain: bytes
    key: bytes = field(repr=False)
    anchors: frozenset[bytes]
    client_auth: ClientAuth
    minimum: Minimum

    @classmethod
    def of(cls, node: Node, key: str, client_auth: ClientAuth, minimum: Minimum) -> Self:
        """With a key of the keyring, and the client certificates of all partners that are valid now.

        Raises:
            KeyringError: There is no such key.
        """
        now = node.hub.clock()
        anchors = frozenset(
            certificate.public_bytes(Encoding.DER)
            for view in node.directory.partners
            for certificate in view.tls_client_certificates(now)
        )
        return cls(
            b"".join(each.public_bytes(Encoding.PEM) for each in node.keyring.chain(key)),
            node.keyring.tls_key(key),
            anchors,
            # Nobody has a certificate to show: there is nothing to ask for yet.
            "none" if client_auth == "optional" and not anchors else client_auth,
            minimum,
        )

    def context(self) -> ssl.SSLContext:
        """A context of its own. Raises :class:`~ecluse.channels.http.errors.TlsConfigError`."""
        return server_context(
            self.chain,
            self.key,
            client_ca=self.anchors,
            client_auth=self.client_auth,
            minimum=self.minimum,
        )

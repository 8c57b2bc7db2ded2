"""A keyring in a process of its own: the hub asks it over a local socket, and never has a private key in its memory.

What the hub may ask is what a keyring does (:class:`ecluse.trust.keys.keyring.Keyring`): sign, unwrap, wrap. Two
things go out, because their users can't ask another: the key that our TLS listeners show, and named secrets.

    frames      requests and answers, as they go over the socket
    service     the process that has the keys
    client      the keyring that the hub holds instead
"""

from ecluse.trust.keystores.signer.client import SignerKeyring
from ecluse.trust.keystores.signer.service import SignerService

__all__ = ["SignerKeyring", "SignerService"]

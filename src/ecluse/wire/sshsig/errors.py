"""What can be wrong with a signature."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadSshSignature"]


class BadSshSignature(EcluseError):
    """Octets that are no SSH key or signature, or a signature that is not the key's over these octets."""

    code = "sshsig.bad-signature"
    fault = Fault.USAGE
    remedy = "Sign the text as it was given, octet for octet, with `ssh-keygen -Y sign`."

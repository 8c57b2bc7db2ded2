"""SSHSIG: signatures over files that ``ssh-keygen -Y`` makes and checks, read and made.

Source: PROTOCOL.sshsig of OpenSSH. What is signed is never the message itself but a digest of it under a
*namespace*, so that a signature made for one purpose says nothing for another. Whom a key belongs to is not
said here: see :mod:`ecluse.trust.operators`.

    signature   the armour, the fields, the octets that are signed
    points      Ed25519 keys that are nobody's
    keys        public keys and signatures of SSH (RFC 4253, RFC 5656, RFC 8332, RFC 8709, PROTOCOL.u2f)
"""

from ecluse.wire.sshsig.errors import BadSshSignature
from ecluse.wire.sshsig.keys import PublicKey, key_bits, parse_key
from ecluse.wire.sshsig.points import is_small_order
from ecluse.wire.sshsig.signature import MAX_ARMOR, SshSignature, make_signature, read_signature

__all__ = [
    "MAX_ARMOR",
    "BadSshSignature",
    "PublicKey",
    "SshSignature",
    "is_small_order",
    "key_bits",
    "make_signature",
    "parse_key",
    "read_signature",
]

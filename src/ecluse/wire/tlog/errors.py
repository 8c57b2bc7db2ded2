"""What can be wrong with a note, a checkpoint or a proof."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadProof", "BadSignature", "Malformed"]


class Malformed(EcluseError):
    """The text isn't what it should be: nothing in it was believed."""

    code = "tlog.malformed"
    fault = Fault.PERMANENT
    remedy = "Ask for the file again, byte for byte as its author wrote it."


class BadSignature(EcluseError):
    """No known key signed the note, or a known key's signature does not fit it."""

    code = "tlog.bad-signature"
    fault = Fault.PERMANENT
    remedy = "Don't rely on it; check that the verifier key is the log's own, obtained out of band."


class BadProof(EcluseError):
    """The hashes do not lead to the root: the record or the tree is another one."""

    code = "tlog.bad-proof"
    fault = Fault.PERMANENT
    remedy = "Don't rely on it; compare the record with the log's own copy."

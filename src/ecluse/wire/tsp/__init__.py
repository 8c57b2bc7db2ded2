"""RFC 3161 time-stamps: what is asked of an authority, and what its answer proves.

``request`` and ``response`` are the two messages of the protocol; ``token`` takes a TimeStampToken apart and verifies
it against the roots that somebody trusts, with ``info`` for what was signed and ``chain`` for the way from the signer
to a root. Everything is bytes in and facts out: no I/O, no clock, no randomness.
"""

from ecluse.wire.tsp.info import Accuracy, TstInfo, read_info
from ecluse.wire.tsp.request import TimeStampRequest
from ecluse.wire.tsp.response import read_response
from ecluse.wire.tsp.token import Token, VerifiedToken, check_answer, read_token, verify_token

__all__ = [
    "Accuracy",
    "TimeStampRequest",
    "Token",
    "TstInfo",
    "VerifiedToken",
    "check_answer",
    "read_info",
    "read_response",
    "read_token",
    "verify_token",
]

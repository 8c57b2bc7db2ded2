"""What an authority answers (RFC 3161 s2.4.2)."""

from __future__ import annotations

from typing import Final

from ecluse.errors import Fault
from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.tsp.errors import MalformedTimeStamp, TimeStampRefused

__all__ = ["CONTENT_TYPE", "MAX_RESPONSE", "read_response"]

CONTENT_TYPE: Final = "application/timestamp-reply"
"""Media type of an answer over HTTP (RFC 3161 s3.4)."""

MAX_RESPONSE: Final = 256 * 1024
"""Octets of an answer: a token with four certificates of RSA-4096 has 12 KiB, and one with ML-DSA-87 some 50 KiB."""

_GRANTED: Final = (0, 1)
"""granted, grantedWithMods; every other status comes without a token."""
_STATUS: Final = {
    2: "rejection",
    3: "waiting",
    4: "revocationWarning",
    5: "revocationNotification",
}
_FAILURES: Final = {
    0: "badAlg: it does not take that hash",
    2: "badRequest: it does not permit that request",
    5: "badDataFormat: it could not read the request",
    14: "timeNotAvailable: its source of time is away",
    15: "unacceptedPolicy: it does not stamp under that policy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure: it has a failure",
}
_PASSING: Final = frozenset({14, 25})
"""Failures that pass by themselves."""
_MAX_TEXT: Final = 200
"""Characters of the authority's own words that are repeated."""


def read_response(data: bytes) -> bytes:
    """The TimeStampToken of a TimeStampResp, in DER.

    Raises:
        TimeStampRefused: The authority gives none; the reason is in the cause.
        MalformedTimeStamp: It is no TimeStampResp.
    """
    if len(data) > MAX_RESPONSE:
        raise MalformedTimeStamp(f"The answer has more than {MAX_RESPONSE} octets.")
    try:
        fields = asn1.parse(data).expect(asn1.SEQUENCE).children
        if not 1 <= len(fields) <= 2:
            raise MalformedTimeStamp("The answer has other than one or two fields.")
        status, text, failures = _status(fields[0])
        if status in _GRANTED:
            if len(fields) != 2:
                raise MalformedTimeStamp("The answer grants a time-stamp and has none.")
            token = fields[1].expect(asn1.SEQUENCE)
            # Evidence records hash the token's DER (RFC 4998 s5.2), so it is kept so from the start.
            return token.raw if token.is_der_length() else token.as_der()
    except Asn1Error as error:
        raise MalformedTimeStamp(error.cause) from None
    reasons = [_FAILURES.get(bit, f"failure {bit}") for bit in failures]
    said = f', in its words "{text}"' if text else ""
    cause = f"The authority answers {_STATUS.get(status, f'status {status}')}{said}"
    if reasons:
        cause += f" ({'; '.join(reasons)})"
    passing = status == 3 or bool(_PASSING.intersection(failures))
    raise TimeStampRefused(f"{cause}.", fault=Fault.TRANSIENT if passing else Fault.PARTNER)


def _status(info: Element) -> tuple[int, str, list[int]]:
    """Status, text and failure bits of a PKIStatusInfo (RFC 4210 s5.2.3)."""
    fields = list(info.expect(asn1.SEQUENCE).children)
    if not fields:
        raise MalformedTimeStamp("The answer's status is empty.")
    status = fields.pop(0).expect(asn1.INTEGER).as_int()
    text = ""
    if fields and fields[0].tag == asn1.SEQUENCE:
        words = [each.content.decode("utf-8", "replace") for each in fields.pop(0).children]
        text = "".join(c for c in " ".join(words) if c.isprintable())[:_MAX_TEXT]
    failures: list[int] = []
    if fields:
        bits = fields.pop(0).expect(asn1.BIT_STRING).content[1:5]
        failures = [n for n in range(len(bits) * 8) if bits[n // 8] >> (7 - n % 8) & 1]
    if fields:
        raise MalformedTimeStamp("The answer's status has an unexpected field.")
    return status, text, failures

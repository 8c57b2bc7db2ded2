"""What an authority signs: TSTInfo (RFC 3161 s2.4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Element
from ecluse.wire.tsp.errors import MalformedTimeStamp

__all__ = ["Accuracy", "TstInfo", "read_info"]

_TIME: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,12}))?Z", re.ASCII)
_MAX_NUMBER: Final = 64
"""Octets of a serial number or nonce: RFC 3161 s2.4.2 asks for 20 at least."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """By how much the true time may differ from the one that was signed, either way."""

    seconds: int = 0
    millis: int = 0
    micros: int = 0

    def as_delta(self) -> timedelta:
        """The same as a span of time."""
        return timedelta(seconds=self.seconds, milliseconds=self.millis, microseconds=self.micros)


@dataclass(frozen=True, slots=True)
class TstInfo:
    """What is said to have existed, and when.

    Attributes:
        policy: Dotted policy under which it was stamped.
        hash_oid: Dotted hash algorithm of the imprint.
        imprint: The digest that was stamped.
        serial: The authority's number of this time-stamp.
        time: When, in UTC; fractions beyond microseconds are cut off.
        accuracy: As the authority states it; ``None`` where it does not.
        nonce: That of the request; ``None`` where it had none.
    """

    policy: str
    hash_oid: str
    imprint: bytes
    serial: int
    time: datetime
    accuracy: Accuracy | None = None
    nonce: int | None = None


def read_info(data: bytes) -> TstInfo:
    """Read a TSTInfo. Raises :class:`MalformedTimeStamp`, whatever the octets."""
    try:
        return _read(asn1.parse(data).expect(asn1.SEQUENCE).children)
    except Asn1Error as error:
        raise MalformedTimeStamp(error.cause) from None


def _read(fields: tuple[Element, ...]) -> TstInfo:
    if len(fields) < 5:
        raise MalformedTimeStamp("A TSTInfo lacks fields.")
    version, policy, imprint, serial, time, *rest = fields
    if version.expect(asn1.INTEGER).as_int() != 1:
        raise MalformedTimeStamp("A TSTInfo is of a version other than 1.")
    algorithm, digest = _two(imprint.expect(asn1.SEQUENCE))
    accuracy: Accuracy | None = None
    nonce: int | None = None
    # accuracy, ordering, nonce, tsa [0], extensions [1]: each may be absent, and none comes out of order.
    order = [asn1.SEQUENCE, asn1.BOOLEAN, asn1.INTEGER, _0, _1]
    for field in rest:
        while order and order[0] != field.tag:
            del order[0]
        if not order:
            raise MalformedTimeStamp("A TSTInfo has an unexpected field.")
        del order[0]
        if field.tag == asn1.SEQUENCE:
            accuracy = _accuracy(field)
        elif field.tag == asn1.INTEGER:
            nonce = _number(field)
        elif field.tag == _1:
            _refuse_critical(field)
    return TstInfo(
        policy.as_oid(),
        algorithm.expect(asn1.SEQUENCE).children[0].as_oid() if algorithm.children else "",
        digest.expect(asn1.OCTET_STRING).content,
        _number(serial.expect(asn1.INTEGER)),
        _time(time.expect(asn1.GENERALIZED_TIME).content),
        accuracy,
        nonce,
    )


_0: Final = asn1.CONTEXT | asn1.CONSTRUCTED
_1: Final = asn1.CONTEXT | asn1.CONSTRUCTED | 1


def _two(element: Element) -> tuple[Element, Element]:
    if len(element.children) != 2:
        raise MalformedTimeStamp("A message imprint has other than two fields.")
    return element.children[0], element.children[1]


def _number(element: Element) -> int:
    if len(element.content) > _MAX_NUMBER:
        raise MalformedTimeStamp(f"A number has more than {_MAX_NUMBER} octets.")
    return element.as_int()


def _time(text: bytes) -> datetime:
    """GeneralizedTime as RFC 3161 s2.4.2 wants it: UTC, with seconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise MalformedTimeStamp("The time of a time-stamp is not written as RFC 3161 has it.")
    *parts, fraction = found.groups()
    try:
        moment = datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        raise MalformedTimeStamp("The time of a time-stamp is none that can be.") from None
    return moment.replace(microsecond=int((fraction or b"0")[:6].ljust(6, b"0")))


def _accuracy(element: Element) -> Accuracy:
    seconds = millis = micros = 0
    for field in element.children:
        value = field.as_int() if len(field.content) <= 8 else -1
        if field.tag == asn1.INTEGER and 0 <= value < 1 << 31:
            seconds = value
        elif field.tag == asn1.CONTEXT and 1 <= value <= 999:
            millis = value
        elif field.tag == asn1.CONTEXT | 1 and 1 <= value <= 999:
            micros = value
        else:
            raise MalformedTimeStamp("The accuracy of a time-stamp is none that can be.")
    return Accuracy(seconds, millis, micros)


def _refuse_critical(extensions: Element) -> None:
    """An extension that must be understood can't be: none is defined (RFC 3161 s2.4.2)."""
    for extension in extensions.children:
        fields = extension.expect(asn1.SEQUENCE).children
        if len(fields) == 3 and fields[1].tag == asn1.BOOLEAN and fields[1].content != b"\0":
            raise MalformedTimeStamp("A time-stamp has a critical extension, and none is known.")

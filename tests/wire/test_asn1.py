from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire import asn1
from ecluse.wire.asn1 import Asn1Error, Asn1LimitError, Element, ParseLimits

ARCS = st.lists(st.integers(0, 2**64), max_size=8)


def walk(element: Element) -> int:
    """Open everything, as every reader of fields might."""
    for accessor in (
        element.as_int,
        element.as_oid,
        element.as_octets,
        element.as_der,
        element.is_der_length,
    ):
        try:
            accessor()
        except Asn1Error:
            pass
    return 1 + (sum(map(walk, element.children)) if element.constructed else 0)


@pytest.mark.parametrize(
    "value,expected",
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f")],
)
def test_integers_are_as_short_as_der_wants_them(value: int, expected: str) -> None:
    assert asn1.integer(value).hex() == expected


@given(st.integers())
def test_integers_come_back(value: int) -> None:
    assert asn1.parse(asn1.integer(value)).as_int() == value


@given(
    st.one_of(st.tuples(st.integers(0, 1), st.integers(0, 39)), st.tuples(st.just(2), st.integers(0, 999))),
    ARCS,
)
def test_identifiers_come_back(start: tuple[int, int], rest: list[int]) -> None:
    dotted = ".".join(map(str, (*start, *rest)))
    assert asn1.parse(asn1.oid(dotted)).as_oid() == dotted


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_the_shortest(size: int) -> None:
    encoded = asn1.octets(bytes(size))
    element = asn1.parse(encoded)
    assert element.as_octets() == bytes(size)
    assert element.is_der_length()
    assert len(encoded) - size == (2 if size < 128 else 3 if size < 256 else 4 if size < 65536 else 5)


def test_constructed_strings_are_joined_and_become_der() -> None:
    data = (
        asn1.begin(0x24)
        + asn1.octets(b"a")
        + asn1.encode(0x24, asn1.octets(b"b"), asn1.octets(b""))
        + b"\0\0"
    )
    element = asn1.parse(data)
    assert element.as_octets() == b"ab"
    assert element.as_der() == asn1.octets(b"ab")
    assert element.raw == data
    assert not element.is_der_length()


def test_der_sorts_sets_and_repairs_booleans_and_bits() -> None:
    data = asn1.sequence(
        asn1.encode(asn1.SET, asn1.integer(2), asn1.integer(1)),
        b"\x01\x01\x01",
        asn1.encode(0x23, b"\x03\x02\x00\xaa", b"\x03\x02\x04\xb0"),
    )
    expected = asn1.sequence(
        asn1.set_of(asn1.integer(1), asn1.integer(2)), b"\x01\x01\xff", b"\x03\x03\x04\xaa\xb0"
    )
    assert asn1.parse(data).as_der() == expected


def test_a_long_length_is_no_der() -> None:
    assert not asn1.parse(b"\x04\x81\x01a").is_der_length()


def test_times() -> None:
    paris = timezone(timedelta(hours=1))
    assert asn1.time(datetime(2026, 1, 1, 0, 30, tzinfo=paris)) == b"\x17\x0d251231233000Z"
    assert asn1.time(datetime(2050, 1, 1, tzinfo=UTC)) == b"\x18\x0f20500101000000Z"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "04",
        "0405616263",
        "040161ff",
        "0480",
        "04806100",
        "3080",
        "308000",
        "30800001",
        "0000",
        "30020000",
        "1f8101",
        "0489010000000000000000",
        "0488ffffffffffffffff",
        "3003040261",
        "0200",
        "0600",
        "060181",
    ],
)
def test_what_is_malformed_is_our_error(data: str) -> None:
    def read() -> None:
        element = asn1.parse(bytes.fromhex(data))
        if element.constructed:
            _ = element.children
        elif element.tag == asn1.INTEGER:
            element.as_int()
        else:
            element.as_oid()

    with pytest.raises(Asn1Error) as caught:
        read()
    assert caught.value.fault.value == "partner"


def test_a_wrong_type_is_our_error() -> None:
    element = asn1.parse(asn1.octets(b"x"))
    for wrong in (element.as_oid, lambda: element.children, lambda: element.expect(asn1.SEQUENCE)):
        with pytest.raises(Asn1Error):
            wrong()


@pytest.mark.parametrize("form", ["definite", "indefinite"])
def test_depth_is_bounded(form: str) -> None:
    data = b""
    if form == "definite":
        for _ in range(5000):
            data = asn1.sequence(data)
    else:
        data = b"\x30\x80" * 5000 + b"\0\0" * 5000
    with pytest.raises(Asn1LimitError):
        walk(asn1.parse(data))


def test_elements_are_bounded() -> None:
    with pytest.raises(Asn1LimitError):
        walk(asn1.parse(asn1.sequence(asn1.null() * 101), ParseLimits(elements=100)))


@given(st.binary(max_size=300))
def test_garbage_gives_our_errors(data: bytes) -> None:
    try:
        assert walk(asn1.parse(data)) > 0
    except Asn1Error:
        pass


BASE = asn1.sequence(
    asn1.oid("1.2.840.113549.1.7.1"),
    asn1.begin(0x24) + asn1.octets(b"abc") + b"\0\0",
    asn1.set_of(asn1.integer(5), asn1.null(), asn1.explicit(3, asn1.octets(b"q" * 200))),
)


@given(st.integers(0, len(BASE) - 1), st.integers(0, 255), st.integers(0, 20))
def test_mutations_give_our_errors(at: int, value: int, cut: int) -> None:
    data = BASE[:at] + bytes((value,)) + BASE[at + 1 : len(BASE) - cut]
    try:
        assert walk(asn1.parse(data)) > 0
    except Asn1Error:
        pass

"""Certificate exchange messages: what is written is read, and what others write too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.as2.exchange import (
    MAX_EXCHANGE,
    USAGES,
    BadExchange,
    ExchangeRequest,
    ExchangeResponse,
    TrustRequest,
    TrustResponse,
    read_exchange,
    write_request,
    write_response,
)

texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=30)
serials = st.integers(0, 2**160 - 1)
requests = st.builds(
    ExchangeRequest,
    texts,
    texts,
    texts,
    st.lists(
        st.builds(
            TrustRequest,
            st.lists(st.sampled_from(USAGES), unique=True).map(
                lambda found: tuple(u for u in USAGES if u in found)
            ),
            texts,
            serials,
            texts.map(lambda text: text.strip("<>")),
            st.just("") | texts,
            st.just("") | texts,
        ),
        min_size=1,
        max_size=4,
    ).map(tuple),
)
responses = st.builds(
    ExchangeResponse,
    texts,
    texts,
    texts,
    st.lists(
        st.builds(TrustResponse, texts, serials, st.booleans(), st.just("") | texts), min_size=1, max_size=4
    ).map(tuple),
)


@given(requests)
def test_a_request_is_read_as_it_was_written(request):
    found = read_exchange(write_request(request))
    assert isinstance(found, ExchangeRequest)
    assert found.request_id == request.request_id
    assert [(each.serial, each.issuer) for each in found.trust] == [
        (e.serial, e.issuer) for e in request.trust
    ]
    assert {frozenset(each.usages) for each in found.trust} == {
        frozenset(each.usages) for each in request.trust
    }


@given(responses)
def test_a_response_is_read_as_it_was_written(response):
    assert read_exchange(write_response(response)) == response


@given(st.binary(max_size=300))
def test_garbage_gives_our_error(data):
    with pytest.raises(BadExchange):
        read_exchange(data)


@given(requests, st.data())
def test_a_damaged_request_is_read_or_gives_our_error(request, data):
    text = bytearray(write_request(request))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    try:
        found = read_exchange(bytes(text))
    except BadExchange:
        return
    assert found.trust


PREFIXED = """<?xml version="1.0" encoding="UTF-8"?>
<tns:EDIINTCertificateExchangeRequest xmlns:tns="urn:ietf:params:xml:ns:ediintcertificateexchange"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" requestId="r-1@birch.example">
  <tns:TradingPartnerInfo>
    <tns:Name qualifier="AS2">BIRCH</tns:Name>
    <tns:MessageOriginated>2026-11-22T00:30:00+01:00</tns:MessageOriginated>
  </tns:TradingPartnerInfo>
  <tns:TrustRequest>
    <tns:CertUsage>digitalSignature</tns:CertUsage>
    <tns:CertUsage>keyEncipherment</tns:CertUsage>
    <tns:CertUsage>somethingElse</tns:CertUsage>
    <tns:RespondByDate>2026-12-22T00:00:00Z</tns:RespondByDate>
    <tns:ResponseURL>https://as2.birch.example/cem</tns:ResponseURL>
    <tns:EndEntity>
      <tns:CertificateIdentifier>
        <ds:X509IssuerName>CN=Birch, O=Birch Packaging</ds:X509IssuerName>
        <ds:X509SerialNumber>17</ds:X509SerialNumber>
      </tns:CertificateIdentifier>
      <tns:CertificateContentID>&lt;cert@birch.example&gt;</tns:CertificateContentID>
    </tns:EndEntity>
  </tns:TrustRequest>
</tns:EDIINTCertificateExchangeRequest>"""


def test_prefixes_and_unknown_usages_are_taken():
    found = read_exchange(PREFIXED.encode())
    assert found == ExchangeRequest(
        "r-1@birch.example",
        "BIRCH",
        "2026-11-22T00:30:00+01:00",
        (
            TrustRequest(
                ("digitalSignature", "keyEncipherment"),
                "CN=Birch, O=Birch Packaging",
                17,
                "cert@birch.example",
                "2026-12-22T00:00:00Z",
                "https://as2.birch.example/cem",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tns:EDIINTCertificateExchangeRequest", "tns:Other"),
        ('requestId="r-1@birch.example"', ""),
        (">17<", "><"),
        (">17<", ">0x17<"),
        (">17<", ">" + "1" * 61 + "<"),
        (">BIRCH<", "><"),
        (">BIRCH<", ">BI\u202eRCH<"),
        ("CN=Birch, O=Birch Packaging", "x" * 3000),
        ("tns:TrustRequest", "tns:Trust"),
        ("<?xml version", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml version"),
    ],
)
def test_what_can_not_be_is_refused(old, new):
    with pytest.raises(BadExchange):
        read_exchange(PREFIXED.replace(old, new).encode())


def test_entities_and_size_are_refused():
    bomb = PREFIXED.replace('<?xml version="1.0" encoding="UTF-8"?>', "<!DOCTYPE x [<!ENTITY a 'b'>]>")
    for data in (bomb.encode(), PREFIXED.encode() + b" " * MAX_EXCHANGE, PREFIXED.encode()[:-20], b""):
        with pytest.raises(BadExchange):
            read_exchange(data)
    many = PREFIXED.partition("<tns:TrustRequest>")
    entry, _, end = many[2].partition("</tns:TrustRequest>")
    whole = many[0] + f"<tns:TrustRequest>{entry}</tns:TrustRequest>" * 33 + end
    with pytest.raises(BadExchange):
        read_exchange(whole.encode())

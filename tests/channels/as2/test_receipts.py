"""Receipts that nothing can be made of end in errors and records of ours, never in "come again"."""

from __future__ import annotations

import pytest
from tests.channels.as2.test_receiver_bodies import ORDER, pair, post, seal
from tests.support.hubs import introduce

from ecluse.channels.as2.opening import header_pairs
from ecluse.channels.as2.receipts import judge
from ecluse.channels.as2.receiver import REFUSALS
from ecluse.channels.as2.relation import Relation
from ecluse.evidence.record import decode_leaf
from ecluse.wire.as2.errors import MdnError
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.smime.headers import Headers

__all__ = ["pair"]


def test_a_receipt_that_is_encrypted_to_somebody_else(pair):
    aster, birch = pair
    seal(aster, birch, ORDER)
    introduce(aster, birch, "birch", "http://127.0.0.1:9/as2")
    message = aster.store.read(lambda view: view.messages(limit=1))[0]
    wire = bytearray()
    sealed = aster.channels["as2"].seal(message, aster.hub.documents(message), wire.extend)
    relation = Relation(aster.directory, aster.directory.partner("birch"))
    fields = [("Content-Type", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m")]
    with pytest.raises(MdnError):
        judge(message, relation, aster.hub.clock(), Headers.of(fields), bytes(wire))
    assert sealed is not None


@pytest.mark.parametrize("length", [10, 60_000])
def test_a_receipt_for_a_message_that_is_not_ours(pair, length):
    _, birch = pair
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"
        "Content-Type: message/disposition-notification\r\n\r\n"
        f"Original-Message-ID: <{'x' * length}>\r\n"
        "Disposition: automatic-action/MDN-sent-automatically; processed\r\n\r\n--b--\r\n"
    ).encode()
    fields = [
        ("AS2-From", "ASTER"),
        ("AS2-To", "BIRCH"),
        ("Message-ID", "<r1@aster>"),
        ("Content-Type", 'multipart/report; report-type=disposition-notification; boundary="b"'),
    ]
    assert post(birch, fields, body).status == 200


def test_what_may_open_something_is_not_kept():
    fields = [
        ("AS2-From", "A"),
        ("AS2-To", "B"),
        ("Message-ID", "<1@a>"),
        ("Authorization", "Basic eA=="),
        ("Proxy-Authorization", "Basic eA=="),
        ("Cookie", "s=1"),
    ]
    assert [name for name, _ in header_pairs(parse_request(fields))] == ["AS2-From", "AS2-To", "Message-ID"]


def test_receipts_that_prove_nothing_can_t_make_the_log_grow_without_end(pair):
    _, birch = pair
    body = (
        b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"
        b"Content-Type: message/disposition-notification\r\n\r\n"
        b"Original-Message-ID: <x@birch>\r\n"
        b"Disposition: automatic-action/MDN-sent-automatically; processed\r\n\r\n--b--\r\n"
    )
    fields = [
        ("AS2-From", "ASTER"),
        ("AS2-To", "BIRCH"),
        ("Message-ID", "<r1@aster>"),
        ("Content-Type", 'multipart/report; report-type=disposition-notification; boundary="b"'),
    ]
    assert post(birch, fields, body, count=REFUSALS + 20).status == 200
    events = birch.store.read(lambda view: view.events("partner:aster"))
    kinds = [decode_leaf(event.leaf).kind for event in events]
    assert REFUSALS <= kinds.count("receipt.unmatched") <= REFUSALS + 5

"""Bodies of every size and shape take a path that neither blocks the listener nor turns them away."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from tests.support.hubs import introduce, make_pair

from ecluse.channels.as2.receipts import SealedFacts
from ecluse.channels.as2.receiver import ADDRESS_CONCURRENCY, REFUSALS, Receiver
from ecluse.channels.as2.sender import message_id_for
from ecluse.channels.http.errors import BodyError
from ecluse.channels.http.message import Body, Peer, Request, Response
from ecluse.errors import Fault
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState
from ecluse.trust.errors import KeyringError
from ecluse.typed import from_json

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS'BGM+220+4711+9'UNZ+1+1'"


class Flow:
    def want_body(self):
        pass

    def hold_body(self):
        pass


@pytest.fixture
def pair(tmp_path):
    aster, birch = make_pair(tmp_path, key_kind="ec-p256")
    introduce(birch, aster, "aster", "http://127.0.0.1:9/as2", "encrypt = false\nrequire_encrypted = false")
    yield aster, birch
    aster.close()
    birch.close()


def seal(aster, birch, data, settings="", number=1):
    """Headers and body of a message from Aster to Birch."""
    introduce(aster, birch, "birch", "http://127.0.0.1:9/as2", f"encrypt = false\n{settings}")
    message = hand_in(
        aster.hub,
        PartnerId("birch"),
        "as2:birch",
        [HandIn("orders.edi", "application/edifact", [data])],
        protocol="as2",
        protocol_id=message_id_for(f"m{number}", "ASTER"),
    )
    body = bytearray()
    sealed = aster.channels["as2"].seal(message, aster.hub.documents(message), body.extend)
    return from_json(sealed.wire, SealedFacts).headers, bytes(body)


def post(birch, headers, body, count=1):
    async def ask():
        with ThreadPoolExecutor(2) as pool:
            receiver = Receiver(birch.hub, lambda: birch.directory, pool, "/as2")
            for _ in range(count):
                content = Body(Flow())
                for at in range(0, len(body), 65536):
                    content.put(body[at : at + 65536])
                content.end()
                lower = [(name.lower(), value) for name, value in headers]
                peer = Peer("192.0.2.7", 4711)
                try:
                    response = await receiver(Request("POST", "/as2", lower, peer, len(body), content))
                except BodyError as error:  # the server answers these
                    response = Response(error.status)
            return response

    return asyncio.run(ask())


def test_a_stranger_s_slow_bodies_leave_the_partner_room(pair):
    aster, birch = pair
    headers, body = seal(aster, birch, ORDER)
    lower = [(name.lower(), value) for name, value in headers]

    async def ask():
        with ThreadPoolExecutor(2) as pool:
            receiver = Receiver(birch.hub, lambda: birch.directory, pool, "/as2")

            def start(address, *, whole):
                content = Body(Flow())
                content.put(body if whole else body[:20])
                if whole:
                    content.end()
                peer = Peer(address, 4711)
                return asyncio.ensure_future(
                    receiver(Request("POST", "/as2", lower, peer, len(body), content))
                )

            slow = [start(f"2001:db8::{number}", whole=False) for number in range(ADDRESS_CONCURRENCY)]
            await asyncio.sleep(0)
            answers = [await start(each, whole=True) for each in ("2001:db8::ffff", "2001:db8:0:1::1")]
            for each in slow:
                each.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            answers.append(await start("2001:db8::ffff", whole=True))
            assert not receiver._under_way
            return answers

    refused, taken, again = asyncio.run(ask())
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (503, "5")
    assert taken.status == again.status == 200
    birch.store.write(lambda tx: None)
    [event] = birch.store.read(lambda view: view.events("listener:as2"))
    assert b"as2.too-many" in decode_leaf(event.leaf).data


def received(birch, number=1):
    message_id = message_id_for(f"m{number}", "ASTER")
    return birch.store.read(lambda view: view.find_message(Direction.IN, PartnerId("aster"), message_id))


@pytest.mark.parametrize("settings", ["", 'compress = "before-signing"'])
def test_a_small_body_that_inflates_touches_no_disk_on_the_event_loop(pair, monkeypatch, settings):
    aster, birch = pair
    data = ORDER + b"x" * (700_000 if settings else 20_000)
    headers, body = seal(aster, birch, data, settings)
    assert len(body) < 32_000
    create, threads = birch.vault.place.create, set()

    def note(id):
        threads.add(threading.current_thread())
        return create(id)

    monkeypatch.setattr(birch.vault.place, "create", note)
    assert post(birch, headers, body).status == 200
    assert threading.main_thread() not in threads
    message = received(birch)
    assert (message.state, message.size) == (MessageState.ACCEPTED, len(data))
    with birch.hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == data


def test_a_large_signed_message_that_asks_for_no_receipt_is_taken(pair):
    """Its outer header is one that a receipt could have."""
    aster, birch = pair
    data = ORDER + bytes(5 * 1024 * 1024)
    headers, body = seal(aster, birch, data, 'receipt = "none"')
    assert post(birch, headers, body).status == 200
    assert received(birch).size == len(data)


@pytest.mark.parametrize(("size", "status"), [(100_000, 200), (2_500_000, 413)])
def test_what_is_kept_unopened_is_no_larger_than_their_messages_may_be(pair, size, status):
    aster, birch = pair
    settings = 'async_receipt_hosts = ["127.0.0.1:4080"]\nmax_size = "200 KiB"'
    introduce(birch, aster, "aster", "http://127.0.0.1:9/as2", settings)
    headers, body = seal(aster, birch, ORDER + bytes(size), 'receipt = "async"')
    assert post(birch, headers, body).status == status
    assert (received(birch) is not None) == (status == 200)
    assert len(list(birch.vault.place.ids())) == (status == 200)


def test_who_is_refused_can_t_make_the_log_grow_without_end(pair):
    aster, birch = pair
    headers, body = seal(aster, birch, ORDER)
    strange = [
        ("as2-from", "NOBODY") if name.lower() == "as2-from" else (name, value) for name, value in headers
    ]
    post(birch, strange, body, count=REFUSALS + 50)
    birch.store.write(lambda tx: None)  # those before it are durable then
    events = birch.store.read(lambda view: view.events("listener:as2"))
    assert {decode_leaf(event.leaf).kind for event in events} == {"request.refused"}
    assert REFUSALS <= len(events) <= REFUSALS + 10  # a slow machine earns one every few seconds


def test_of_what_is_rejected_only_what_tells_why_is_kept(pair):
    aster, birch = pair
    headers, body = seal(aster, birch, ORDER)
    headers = [pair for pair in headers if pair[0].lower() != "subject"]
    headers += [("Subject", "s" * 5000), ("X-Filler", "x" * 5000)]
    assert post(birch, headers, body[:-200] + bytes(200)).status == 200
    message = received(birch)
    if message is None:
        [message] = birch.store.read(lambda view: view.messages(limit=9))
    assert message.state is MessageState.REJECTED
    kept = dict(msgspec.json.decode(message.wire)["headers"])
    assert len(message.subject) == len(kept["subject"]) == 1000
    assert {"message-id", "as2-from", "as2-to", "content-type"} <= kept.keys()
    assert "x-filler" not in kept


@pytest.fixture
def sealed(pair):
    """Birch, and a message that is encrypted to its key."""
    aster, birch = pair
    introduce(aster, birch, "birch", "http://127.0.0.1:9/as2")
    introduce(birch, aster, "aster", "http://127.0.0.1:9/as2")
    message = hand_in(
        aster.hub,
        PartnerId("birch"),
        "as2:birch",
        [HandIn("orders.edi", "application/edifact", [ORDER])],
        protocol="as2",
        protocol_id=message_id_for("m1", "ASTER"),
    )
    body = bytearray()
    made = aster.channels["as2"].seal(message, aster.hub.documents(message), body.extend)
    return birch, from_json(made.wire, SealedFacts).headers, bytes(body)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_keys_that_are_elsewhere_are_not_waited_for_on_the_loop(sealed, monkeypatch, elsewhere) -> None:
    birch, headers, body = sealed
    used: list[tuple[str, bool]] = []
    add = birch.keyring.uses.add

    def note(ref: str, operation: str) -> None:
        used.append((operation, threading.current_thread() is threading.main_thread()))
        add(ref, operation)

    monkeypatch.setattr(birch.keyring.uses, "add", note)
    monkeypatch.setattr(type(birch.keyring), "elsewhere", lambda keyring, refs: elsewhere)
    assert post(birch, headers, body).status == 200
    assert used == [("decrypt", not elsewhere), ("sign", not elsewhere)]


def test_nothing_is_said_of_a_message_whose_keys_can_not_be_asked(sealed, monkeypatch) -> None:
    birch, headers, body = sealed

    def away(*_: object, **__: object) -> bytes:
        raise KeyringError("The key store is sealed.", code="keystore.sealed", fault=Fault.TRANSIENT)

    with monkeypatch.context() as patched:
        patched.setattr(type(birch.keyring), "unwrap", away)
        for _ in range(2):
            answer = post(birch, headers, body)
            assert (answer.status, "Retry-After" in dict(answer.headers)) == (503, True)
    assert birch.store.read(lambda view: view.messages()) == []
    assert post(birch, headers, body).status == 200
    (kept,) = birch.store.read(lambda view: view.messages())
    assert kept.state is not MessageState.REJECTED

import io
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ecluse.demo.checks import Unheld, until
from ecluse.demo.company import free_port
from ecluse.demo.evidence import trace_text
from ecluse.demo.filler import filler, same_as_filler
from ecluse.demo.interrupts import terminable, uninterrupted
from ecluse.demo.screen import Screen, size_text
from ecluse.exchange.trace import Step, Trace
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction, Message, Part
from ecluse.model.states import MessageState


@given(st.integers(0, 3 << 20), st.integers(0, 255))
def test_filler_is_as_long_as_asked_and_the_same_again(size: int, seed: int) -> None:
    once = b"".join(filler(size, seed))
    assert len(once) == size
    assert once == b"".join(filler(size, seed))


def test_filler_does_not_repeat_itself() -> None:
    first, second = filler(2 << 20, 1)
    assert first != second
    assert first != next(filler(1 << 20, 2))


@pytest.mark.parametrize("change", ["none", "bit", "short", "long"])
def test_same_as_filler(tmp_path: Path, change: str) -> None:
    data = bytearray(b"".join(filler(1_500_000, 7)))
    if change == "bit":
        data[1_200_000] ^= 1
    elif change == "short":
        del data[-1]
    elif change == "long":
        data += b"x"
    path = tmp_path / "file"
    path.write_bytes(data)
    assert same_as_filler(path, 1_500_000, 7) is (change == "none")


def test_until_gives_what_it_found() -> None:
    found = iter([None, "", "there"])
    assert until(lambda: next(found), 5, "never") == "there"


def test_until_gives_up() -> None:
    begun = time.monotonic()
    with pytest.raises(Unheld, match="no receipt"):
        until(lambda: False, 0.1, "no receipt")
    assert time.monotonic() - begun < 25


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (791, "791 B"), (3024, "3.0 KiB"), (1 << 30, "1.0 GiB"), (5 << 40, "5120.0 GiB")],
)
def test_size_text(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecluse.demo.screen._LINE_EVERY", 0.0)
    out = io.StringIO()
    screen = Screen(Console(file=out, width=30))
    screen.title("1. [Aster] orders")
    screen.held("a line that is longer than thirty characters stays one line")
    with screen.bar("sealing", 2048) as bar:
        bar.at(1024)
        bar.at(4096)
    assert out.getvalue().splitlines() == [
        "",
        "1. [Aster] orders",
        "  ✓ a line that is longer than thirty characters stays one line",
        "  · sealing: 1.0 KiB of 2.0 KiB",
        "  · sealing: 2.0 KiB of 2.0 KiB",
    ]


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, force_terminal=True, width=100))
    with screen.bar("sealing", 2048) as bar:
        bar.at(2048)
    assert "sealing" in out.getvalue()
    assert "2.0/2.0" in out.getvalue()


def test_an_old_terminal_gets_words() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    screen = Screen(Console(file=out, width=80))
    screen.held("it holds")
    screen.failed("it does not")
    out.flush()
    assert out.buffer.getvalue() == b"  ok it holds\n  FAILED it does not\n"  # type: ignore[attr-defined]


def test_a_signal_waits_for_the_end_of_what_is_not_interrupted() -> None:
    done = []

    def work() -> None:
        with terminable(), uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]


def test_an_error_within_passes_and_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with terminable(), pytest.raises(ValueError, match="mine"), uninterrupted():
        raise ValueError("mine")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_free_port_can_be_listened_on() -> None:
    assert 1024 <= free_port() <= 65535


def test_trace_text_tells_what_is_not_proven() -> None:
    message = Message(
        id=MessageId("m1"),
        direction=Direction.OUT,
        partner=PartnerId("birch"),
        protocol="as2",
        protocol_id="<one@ASTER>",
        state=MessageState.SEALED,
        created=Instant(0),
        updated=Instant(0),
        subject="Order",
        parts=(Part("b1", 0, 5, "ab" * 32, name="order.edi"),),
    )
    step = Step(
        "2026-11-03T09:15:00.000Z",
        "message.sealed",
        "hub",
        "n",
        {"wire_size": 9, "mic": "x" * 99},
        None,
        "e1",
    )
    text = trace_text(Trace(message, {}, [], [], None, [step], 0))
    assert "m1 sealed: Order, to birch" in text
    assert "order.edi, 5 octets" in text
    assert "waits  message.sealed" in text
    assert "wire_size 9" in text
    assert "x" * 50 not in text

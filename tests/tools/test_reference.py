"""The reference is made from the code, and is up to date."""

from __future__ import annotations

import pytest

from ecluse.app.events import EVENT_KINDS
from ecluse.model.states import DeliveryState, MessageState
from tools import reference


@pytest.mark.parametrize("name", ["commands", "configuration", "errors", "events", "posture"])
def test_page_is_up_to_date(name: str) -> None:
    assert reference.current(name) == getattr(reference, name)(), "run `make docs`"


def test_every_kind_of_event_is_described() -> None:
    whole, beginnings = reference.written_kinds()
    possible = {f"message.{state.value}" for state in MessageState}
    possible |= {f"delivery.{state.value}" for state in (DeliveryState.CONFIRMED, DeliveryState.REFUSED)}
    assert beginnings == {"message.", "delivery."}
    assert whole | possible == set(EVENT_KINDS)


def test_error_codes_are_stable_words() -> None:
    for found in reference.error_classes():
        assert reference.CODE.fullmatch(found.code), found
        assert found.__doc__, found
        assert found.remedy.endswith((".", "?")), found

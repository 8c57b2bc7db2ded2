"""Sentences of a timeline, for every shape that the facts of an event have."""

from __future__ import annotations

import pytest
from rich.console import Console

from ecluse.cli.draw import _sentence
from ecluse.cli.log_witness import _draw_damage
from ecluse.exchange.trace import Step


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"documents": 1, "size": 823, "flow": "", "reason": "data-subject"},
            "documents: 1, 823 octets, data-subject",
        ),
        ({"documents": ["edifact", "xml"], "size": 12}, "edifact, xml, 12 octets"),
    ],
)
def test_what_is_said_of_documents(data: dict[str, object], said: str) -> None:
    step = Step("2026-11-22T11:42:46Z", "message.shredded", "hub", "", data, 1, "e1")
    assert _sentence(step) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(62, "what ecluse/aster signed after 62 records is not known"), (60, "another log of 62")],
)
def test_a_restored_log_is_no_other_log(size: int, said: str) -> None:
    head = {"origin": "ecluse/aster", "size": 62}
    console = Console(record=True, width=300)
    _draw_damage(console, {"present": head, "lost": head, "common": size})
    assert said in console.export_text()

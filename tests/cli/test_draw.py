"""Sentences of a timeline, for every shape that the facts of an event have."""

from __future__ import annotations

import pytest

from ecluse.cli.draw import _sentence
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

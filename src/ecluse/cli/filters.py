"""Options that choose messages: the same in every command that lists or takes several."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["Direction", "NoSuchState", "OfFlow", "Search", "States", "Way", "WithPartner", "chosen"]


class Direction(StrEnum):
    """Which way a message goes."""

    IN = "in"
    OUT = "out"


class NoSuchState(EcluseError):
    """A message has no such state."""

    code = "message.no-such-state"
    fault = Fault.USAGE
    remedy = "Choose among received, accepted, quarantined, rejected, sealed, delivered, failed and given-up."


Way = Annotated[Direction | None, typer.Option("--direction", help="Which way.", show_default=False)]
WithPartner = Annotated[str | None, typer.Option("--partner", help="With this partner.", show_default=False)]
States = Annotated[
    list[str] | None, typer.Option("--state", help="In this state; may be repeated.", show_default=False)
]
Search = Annotated[
    str,
    typer.Option(
        "--search", help="A piece of a subject, reference, Message-ID or file name.", show_default=False
    ),
]
OfFlow = Annotated[str | None, typer.Option("--flow", help="Of this flow.", show_default=False)]


def chosen(
    node: Node,
    direction: Direction | None,
    partner: str | None,
    state: Sequence[str] | None,
    search: str,
    flow: str | None,
) -> dict[str, Any]:
    """What the options mean, as :meth:`~ecluse.store.port.View.messages` takes it.

    Raises:
        NoSuchState: There is no such state.
        NoSuchPartner: There is no such partner.
    """
    from ecluse.model import nouns
    from ecluse.model.states import MessageState

    try:
        states = tuple(MessageState(each) for each in state or ())
    except ValueError:
        raise NoSuchState("There is no such state.") from None
    return {
        "direction": nouns.Direction(direction.value) if direction is not None else None,
        "partner": node.directory.partner(partner).id if partner is not None else None,
        "states": states,
        "search": search,
        "flow": flow,
    }

"""What a person decides about a message: send it again, let it through, give it up. Each decision has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.cli.frame import Frame, command
from ecluse.cli.message import MessageId, app

if TYPE_CHECKING:
    from ecluse.model.nouns import Delivery

__all__ = ["app"]

_Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.", show_default=False)]


def resend(
    frame: Frame,
    id: MessageId,
    reason: _Reason,
    force: Annotated[
        bool, typer.Option("--force", help="Also what is confirmed, or waits for a receipt.")
    ] = False,
) -> None:
    """Send again what is dead, refused, overdue or given up: the same bytes under the same Message-ID.

    Of a message that came in, an answer of ours that could not be sent is sent again too.
    """
    from ecluse.app.messages.lookup import find_message
    from ecluse.exchange import actions

    with frame.node() as node:
        found = find_message(node.store, id)
        again = actions.resend(node.hub, found.id, actor=frame.actor, reason=reason, force=force)
    _show_deliveries(frame, found.id, again, "is under way again")


command(
    app,
    "resend",
    gives="id, deliveries[]{id, channel, state}",
    example="ecluse --hub hub message resend 4711 --reason 'Birch lost it and asked again'",
)(resend)


def resume(frame: Frame, id: MessageId, reason: _Reason) -> None:
    """Attempt at once what waits for its next attempt."""
    from ecluse.app.messages.lookup import find_message
    from ecluse.exchange import actions

    with frame.node() as node:
        found = find_message(node.store, id)
        waiting = actions.resume(node.hub, found.id, actor=frame.actor, reason=reason)
    _show_deliveries(frame, found.id, waiting, "is attempted at once")


command(
    app,
    "resume",
    gives="id, deliveries[]{id, channel, state}",
    example="ecluse --hub hub message resume 4711 --reason 'their server is back'",
)(resume)


def release(frame: Frame, id: MessageId, reason: _Reason) -> None:
    """Let a quarantined message through to the application."""
    from ecluse.app.messages.lookup import find_message
    from ecluse.exchange import actions

    with frame.node() as node:
        found = find_message(node.store, id)
        after = actions.release(node.hub, found.id, actor=frame.actor, reason=reason)
    frame.show({"id": after.id, "state": after.state.value}, f"{after.id} is {after.state.value}.")


command(
    app,
    "release",
    gives="id, state",
    example="ecluse --hub hub message release 4711 --reason 'agreed with Birch'",
)(release)


def give_up(frame: Frame, id: MessageId, reason: _Reason) -> None:
    """Stop trying. The documents stay, and a late receipt still counts."""
    from ecluse.app.messages.lookup import find_message
    from ecluse.exchange import actions

    with frame.node() as node:
        found = find_message(node.store, id)
        after = actions.give_up(node.hub, found.id, actor=frame.actor, reason=reason)
    frame.show({"id": after.id, "state": after.state.value}, f"{after.id} is {after.state.value}.")


command(
    app, "give-up", gives="id, state", example="ecluse --hub hub message give-up 4711 --reason 'sent by post'"
)(give_up)


def _show_deliveries(frame: Frame, id: str, deliveries: Sequence[Delivery], verb: str) -> None:
    facts = {
        "id": id,
        "deliveries": [
            {"id": each.id, "channel": each.channel, "state": each.state.value} for each in deliveries
        ],
    }
    channels = ", ".join(each.channel for each in deliveries)
    what = f"{id} {verb} by {channels}." if deliveries else f"The answer to {id} {verb}."
    frame.show(facts, what)

"""Finding messages by what a person knows of them: an id, an order's number, a Message-ID, a file name."""

from __future__ import annotations

from typing import Any, Final

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.actions import NoSuchMessage
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Message
from ecluse.store.port import Store, View

__all__ = ["Ambiguous", "find_message", "message_facts"]

_CANDIDATES: Final = 20
"""Messages that are shown where a text fits several."""


class Ambiguous(EcluseError):
    """A text fits several messages.

    Args:
        text: What was asked for.
        messages: Those that it fits, newest first.
    """

    code = "message.ambiguous"
    fault = Fault.USAGE
    remedy = "Give the id of the one that is meant."

    def __init__(self, text: str, messages: list[Message]) -> None:
        """Keep ``messages``."""
        self.messages = messages
        lines = "".join(f"\n  {_line(message)}" for message in messages)
        super().__init__(f"{text!r} fits several messages:{lines}")


def find_message(store: Store, text: str) -> Message:
    """The one message that ``text`` means.

    Args:
        store: The database.
        text: The hub's id; or a reference, a Message-ID (with or without its brackets) or a file name, whole;
            or a piece of one of these or of the subject, if it fits one message only. What a flow made of a
            message counts as that message: they have one life.

    Raises:
        NoSuchMessage: Nothing fits.
        Ambiguous: Several do.
    """

    def look(view: View) -> tuple[Message | None, list[Message]]:
        found = view.message(MessageId(text))
        return found, [] if found or not text else view.messages(search=text, limit=_CANDIDATES)

    found, candidates = store.read(look)
    if found is not None:
        return found
    whole = [message for message in candidates if _means(message, text)]
    fitting = whole or candidates
    ids = {message.id for message in fitting}
    fitting = [message for message in fitting if message.origin not in ids]
    if not fitting:
        raise NoSuchMessage(f"No message fits {text!r}.")
    if len(fitting) > 1:
        raise Ambiguous(text, fitting)
    return fitting[0]


def message_facts(message: Message) -> dict[str, Any]:
    """A message in one row, for ``--json``."""
    return {
        "id": message.id,
        "direction": message.direction.value,
        "partner": message.partner,
        "state": message.state.value,
        "protocol": message.protocol,
        "protocol_id": message.protocol_id,
        "reference": message.reference,
        "subject": message.subject,
        "documents": [
            {"name": part.name, "size": part.size, "sha256": part.sha256, "content_type": part.content_type}
            for part in message.parts
        ],
        "size": message.size,
        "created": iso(message.created),
        "updated": iso(message.updated),
        "reason_code": message.reason_code,
        "reason": message.reason,
        "origin": message.origin or None,
        "flow": message.flow or None,
    }


def _means(message: Message, text: str) -> bool:
    names = (message.reference, message.protocol_id, message.protocol_id.strip("<>"))
    return text in names or any(part.name == text for part in message.parts)


def _line(message: Message) -> str:
    name = message.reference or (message.parts[0].name if message.parts else message.protocol_id)
    return (
        f"{message.id}  {message.direction.value:3}  {message.partner}  {name}  "
        f"{message.state.value}  {iso(message.created)}"
    )

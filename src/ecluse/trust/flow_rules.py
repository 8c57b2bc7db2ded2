"""What must hold of a flow's file beyond the shape of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ecluse.trust.errors import Problem
from ecluse.trust.flow import Flow
from ecluse.trust.schema import Hub, Partner

__all__ = ["flow_problems"]

_SOURCES: Final = ("as2", "account", "sftp", "ftps", "s3", "azure", "gcs", "webdav", "folder")
_TARGETS: Final = _SOURCES


def flow_problems(
    file: str, flow: Flow, hub: Hub, partners: Mapping[str, tuple[str, Partner]]
) -> Iterator[Problem]:
    """Everything wrong in a flow's file.

    Args:
        file: Its path.
        flow: What it says.
        hub: For its folders and calendars.
        partners: (file, partner) by id.
    """
    if flow.from_.channel is not None:
        yield from _channel(file, "from.channel", flow.from_.channel, _SOURCES, hub, partners)
    if not flow.to:
        yield Problem("config.missing-field", file, "to", "It leads nowhere.", "Add a [[to]] with a channel.")
    for number, target in enumerate(flow.to):
        yield from _channel(file, f"to[{number}].channel", target.channel, _TARGETS, hub, partners)
    if (flow.trigger == "timetable") != (flow.timetable is not None):
        yield Problem(
            "config.missing-field",
            file,
            "timetable" if flow.timetable is None else "trigger",
            "A timetable and the trigger that follows it go together.",
            'Give [timetable] and trigger = "timetable", or neither.',
        )
    if (flow.from_.after == "move") != (flow.from_.move_to is not None):
        yield Problem(
            "config.missing-field",
            file,
            "from.move_to",
            "Moving a file and the folder that it goes to belong together.",
            'Give after = "move" and move_to, or neither.',
        )
    calendars = [each.calendar for each in (flow.timetable, *flow.expect) if each is not None]
    for name in calendars:
        if name is not None and name not in hub.calendars:
            yield Problem(
                "config.unknown-calendar",
                file,
                "",
                f"There is no calendar {name}.",
                f"Add [calendars.{name}] to ecluse.toml.",
            )


def _channel(
    file: str,
    field: str,
    channel: str,
    kinds: tuple[str, ...],
    hub: Hub,
    partners: Mapping[str, tuple[str, Partner]],
) -> Iterator[Problem]:
    kind, _, name = channel.partition(":")
    if kind not in kinds:
        yield Problem(
            "config.unknown-channel",
            file,
            field,
            f"There is no kind of channel {kind}.",
            f"Known are {', '.join(kinds)}.",
        )
    elif kind == "folder":
        known = name in hub.folders or (name == "inbox" and isinstance(hub.inbox.folder, str))
        if not known:
            yield Problem(
                "config.unknown-channel",
                file,
                field,
                f"There is no folder {name}.",
                f"Add [folders.{name}] with its path to ecluse.toml.",
            )
    elif name not in partners:
        yield Problem(
            "config.unknown-channel", file, field, f"There is no partner {name}.", "Add the partner's file."
        )
    elif getattr(partners[name][1], kind) is None:
        yield Problem(
            "config.unknown-channel",
            file,
            field,
            f"Nothing is exchanged with {name} by {kind}.",
            f"Add [{kind}] to the partner's file.",
        )

"""What must hold of flows beyond the shape of their fields: of each by itself, and of all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import combinations
from posixpath import normpath
from typing import Final

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.model.calendars import Timetable, WorkingDays, zone_of
from ecluse.model.naming import KEY_FIELDS, Template
from ecluse.model.patterns import overlap
from ecluse.trust.errors import Problem
from ecluse.trust.settings.fields import octets
from ecluse.trust.settings.flow import Flow, FlowSource, FlowTarget
from ecluse.trust.settings.schema import Calendar, Hub, Partner

__all__ = ["calendar_problems", "flow_problems", "folder_paths", "route_problems"]

_SOURCES: Final = ("as2", "account", "sftp", "ftps", "s3", "azure", "gcs", "webdav", "folder")
_TARGETS: Final = _SOURCES
_ARRIVING: Final = frozenset(("", "as2", "account"))
"""Sources whose documents come by themselves."""
_ONE_WAY: Final = frozenset(("as2", "account"))
"""Channels where what is delivered does not lie where is collected from."""
_EPOCH: Final = Instant(
    1_767_225_600_000_000
)  # 2026-01-01: whether a timetable ever comes does not depend on now

_Partners = Mapping[str, tuple[str, Partner]]


def flow_problems(file: str, flow: Flow, hub: Hub, partners: _Partners) -> Iterator[Problem]:
    """Everything wrong in a flow's file.

    Args:
        file: Its path.
        flow: What it says.
        hub: For its folders and calendars.
        partners: (file, partner) by id.
    """
    if flow.from_.channel is not None:
        yield from _channel(file, "from.channel", flow.from_.channel, _SOURCES, hub, partners)
    yield from _source(file, flow, partners)
    if not flow.to:
        yield Problem("config.missing-field", file, "to", "It leads nowhere.", "Add a [[to]] with a channel.")
    for number, target in enumerate(flow.to):
        field = f"to[{number}]"
        yield from _channel(file, f"{field}.channel", target.channel, _TARGETS, hub, partners)
        yield from _target(file, field, target, hub, partners)
    if flow.order is not None:
        key = flow.order.key
        yield from _read(file, "order.key", lambda: Template.parse(key, fields=KEY_FIELDS))
    yield from _times(file, flow, hub)


def _source(file: str, flow: Flow, partners: _Partners) -> Iterator[Problem]:
    source = flow.from_
    kind, _, name = (source.channel or "").partition(":")
    if (source.after == "move") != (source.move_to is not None):
        yield Problem(
            "config.missing-field",
            file,
            "from.move_to",
            "Moving a file and the folder that it goes to belong together.",
            'Give after = "move" and move_to, or neither.',
        )
    if source.min_size is not None and octets(source.min_size) > octets(source.max_size):
        yield Problem("config.bad-value", file, "from.min_size", "No file has such a size.", "Lower it.")
    if source.marker is not None:
        marker = source.marker
        yield from _read(
            file, "from.marker", lambda: Template.parse(marker, fields=("name", "stem"), file_name=True)
        )
        if "{name}" not in marker and "{stem}" not in marker:
            yield Problem(
                "config.bad-template",
                file,
                "from.marker",
                "One marker would stand for every file.",
                'Write {name} or {stem} into it, such as "{name}.ok".',
            )
    if kind in _ARRIVING:
        for field, given in (("marker", source.marker), ("move_to", source.move_to)):
            if given is not None:
                yield _needless(file, f"from.{field}", "Nothing is collected there.")
        if flow.trigger != "arrival":
            yield Problem(
                "config.bad-value",
                file,
                "trigger",
                "Documents come to this flow by themselves: there is nothing to run.",
                'Leave trigger out, or collect from a channel such as "sftp:birch" or "folder:orders".',
            )
    for partner in source.partners:
        if partner not in partners:
            yield Problem(
                "config.unknown-partner",
                file,
                "from.partners",
                f"There is no partner {partner}.",
                "Add the partner's file.",
            )
    if flow.open.openpgp and not (name in partners or name == "*"):
        yield Problem(
            "config.no-openpgp",
            file,
            "open.openpgp",
            "Nobody's keys are known for documents that come from no partner.",
            "Open OpenPGP where documents come by a partner's channel.",
        )
    elif flow.open.openpgp and name in partners and partners[name][1].openpgp is None:
        yield _no_openpgp(file, "open.openpgp", name)


def _target(file: str, field: str, target: FlowTarget, hub: Hub, partners: _Partners) -> Iterator[Problem]:
    yield from _read(file, f"{field}.name", lambda: Template.parse(target.name, file_name=True))
    if target.subject is not None:
        subject = target.subject
        yield from _read(file, f"{field}.subject", lambda: Template.parse(subject))
    stamped_by = target.seal.time_stamp if target.seal is not None else None
    if stamped_by is not None and all(stamped_by != each.name for each in hub.log.authorities if each.ask):
        yield Problem(
            "config.no-authority",
            file,
            f"{field}.seal.time_stamp",
            f'There is no authority "{stamped_by}" that is asked.',
            "Name one of [[log.authorities]] in ecluse.toml, or leave it out.",
        )
    if target.openpgp == "none":
        return
    name = target.channel.partition(":")[2]
    if target.channel.startswith("folder:"):
        yield Problem(
            "config.no-openpgp",
            file,
            f"{field}.openpgp",
            "A folder of ours is nobody's to encrypt to.",
            "Leave it out, or deliver by a partner's channel.",
        )
    elif name in partners and partners[name][1].openpgp is None:
        yield _no_openpgp(file, f"{field}.openpgp", name)
    if "sign" in target.openpgp and not hub.openpgp.keys:
        yield Problem(
            "config.no-openpgp",
            file,
            f"{field}.openpgp",
            "We have no OpenPGP key to sign with.",
            "Add [openpgp] with keys to ecluse.toml.",
        )


def _times(file: str, flow: Flow, hub: Hub) -> Iterator[Problem]:
    if (flow.trigger == "timetable") != (flow.timetable is not None):
        yield Problem(
            "config.missing-field",
            file,
            "timetable" if flow.timetable is None else "trigger",
            "A timetable and the trigger that follows it go together.",
            'Give [timetable] and trigger = "timetable", or neither.',
        )
    zones = [("timezone", flow.timezone)]
    named = []
    if flow.timetable is not None:
        zones.append(("timetable.timezone", flow.timetable.timezone or "UTC"))
        named.append(("timetable.calendar", flow.timetable.calendar))
        table = Timetable(flow.timetable.cron, zone_of("UTC"))
        yield from _read(file, "timetable.cron", lambda: table.check(_EPOCH))
    for number, each in enumerate(flow.expect):
        zones.append((f"expect[{number}].timezone", each.timezone or "UTC"))
        named.append((f"expect[{number}].calendar", each.calendar))
    for field, zone in zones:
        yield from _read(file, field, lambda zone=zone: zone_of(zone))  # type: ignore[misc]
    for field, name in named:
        if name is not None and name not in hub.calendars:
            yield Problem(
                "config.unknown-calendar",
                file,
                field,
                f"There is no calendar {name}.",
                f"Add [calendars.{name}] to ecluse.toml.",
            )
    names = [each.name for each in flow.expect]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(
            "config.duplicate-name",
            file,
            "expect",
            f"Two expectations are called {name}.",
            "Name them apart.",
        )


def _read(file: str, field: str, work: Callable[[], object]) -> Iterator[Problem]:
    try:
        work()
    except EcluseError as error:
        yield Problem(error.code, file, field, error.cause, error.remedy)


def _needless(file: str, field: str, why: str) -> Problem:
    return Problem("config.needless-field", file, field, f"It has no meaning here: {why}", "Leave it out.")


def _no_openpgp(file: str, field: str, name: str) -> Problem:
    return Problem(
        "config.no-openpgp",
        file,
        field,
        f"There is no OpenPGP certificate of {name}.",
        "Add [openpgp] with certificates to the partner's file.",
    )


def _channel(
    file: str, field: str, channel: str, kinds: tuple[str, ...], hub: Hub, partners: _Partners
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
        inbox = name == "inbox" and isinstance(hub.inbox.folder, str) and not field.startswith("from")
        if name not in hub.folders and not inbox:
            yield Problem(
                "config.unknown-channel",
                file,
                field,
                f"There is no folder {name}.",
                f"Add [folders.{name}] with its path to ecluse.toml.",
            )
    elif name == "*":
        return
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


def calendar_problems(file: str, calendars: Mapping[str, Calendar]) -> Iterator[Problem]:
    """Everything wrong in the calendars of ``ecluse.toml``.

    Args:
        file: Its path.
        calendars: By name.
    """
    for name, calendar in calendars.items():
        field = f"calendars.{name}"
        if calendar.region is not None and calendar.country is None:
            yield Problem("config.bad-calendar", file, field, "A region needs its country.", "Add country.")
            continue
        days = WorkingDays(country=calendar.country or "", region=calendar.region or "")
        yield from _read(file, field, days.check)
        for day in (*calendar.closed, *calendar.open):
            try:
                date.fromisoformat(day)
            except ValueError:
                yield Problem(
                    "config.bad-calendar", file, field, f"There is no day {day}.", "Write days as 2026-12-31."
                )
        if len(set(calendar.weekend)) == 7:
            yield Problem(
                "config.bad-calendar", file, field, "Nobody ever works.", "Leave a day out of weekend."
            )


# All flows together


def route_problems(flows: Mapping[str, Flow], hub: Hub) -> Iterator[Problem]:
    """Documents that would go in circles, and files that two flows would take from each other.

    Args:
        flows: By id.
        hub: Where its folders lie: one may lie in another.
    """
    roots = folder_paths(hub)
    collecting = {
        id: flow.from_
        for id, flow in flows.items()
        if flow.from_.channel is not None and flow.from_.channel.partition(":")[0] not in _ARRIVING
    }
    for (one, left), (other, right) in combinations(sorted(collecting.items()), 2):
        if _meet(left, right, roots):
            yield Problem(
                "config.same-place",
                f"flows/{other}.toml",
                "from",
                f"It collects the same files as the flow {one}: each is taken by one of them, and who knows by which.",
                "Give them folders or names that differ, or one flow with two [[to]].",
            )
    feeds = {
        id: {
            other
            for other, source in collecting.items()
            if any(_feeds(target, source, roots) for target in flow.to)
        }
        for id, flow in flows.items()
    }
    for id in sorted(flows):
        circle = _circle(id, feeds)
        if circle and id == min(circle):
            way = " > ".join([*circle, id])
            yield Problem(
                "config.loop",
                f"flows/{id}.toml",
                "to",
                f"Documents would go in a circle: {way}.",
                "Deliver into a folder that none of these flows collects from, or under names that it leaves.",
            )


def _circle(id: str, feeds: Mapping[str, set[str]]) -> list[str]:
    """A shortest way from a flow back to itself; empty where there is none."""
    ways = [[id]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for following in sorted(feeds[way[-1]]):
            if following == id:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []


def _feeds(target: FlowTarget, source: FlowSource, roots: Mapping[str, str]) -> bool:
    """Whether what a target delivers may lie where a source looks, under a name that it takes."""
    if target.channel.partition(":")[0] in _ONE_WAY:
        return False
    if not _within(_where(target.channel, target.folder, roots), source, roots):
        return False
    try:
        made = Template.parse(target.name, file_name=True).pattern()
    except EcluseError:
        return False  # told of already
    return any(overlap(made, taken) for taken in source.names) and made not in source.not_names


def _where(channel: str | None, folder: str | None, roots: Mapping[str, str]) -> tuple[str, str]:
    """What a folder is part of, and its path there. Folders of ours are all part of one tree."""
    kind, _, name = (channel or "").partition(":")
    if kind == "folder" and name in roots:
        return kind, normpath(f"{roots[name]}/{folder or ''}")
    return channel or "", normpath((folder or "").strip("/") or ".")


def _within(place: tuple[str, str], source: FlowSource, roots: Mapping[str, str]) -> bool:
    own = _where(source.channel, source.folder, roots)
    return place == own or (source.recursive and place[0] == own[0] and _below(place[1], own[1]))


def _below(path: str, folder: str) -> bool:
    if folder == ".":
        return not path.startswith(("/", ".."))
    return path.startswith(folder.rstrip("/") + "/")


def _meet(left: FlowSource, right: FlowSource, roots: Mapping[str, str]) -> bool:
    """Whether two sources may both take some file."""
    one, other = (_where(each.channel, each.folder, roots) for each in (left, right))
    if not (_within(one, right, roots) or _within(other, left, roots)):
        return False
    return any(
        overlap(a, b) and a not in right.not_names and b not in left.not_names
        for a in left.names
        for b in right.names
    )


def folder_paths(hub: Hub) -> dict[str, str]:
    """Paths of the hub's folders by name, without dots; relative ones are to its own folder."""
    named = {name: normpath(folder.path) for name, folder in hub.folders.items()}
    if isinstance(hub.inbox.folder, str):
        named["inbox"] = normpath(hub.inbox.folder)
    return named

"""A flow as its file says it, read and ready: patterns, templates, zones; and which flows take a message.

Made once for a configuration, and asked for every message that comes: a hub without flows pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from ecluse.archive.classes import Keeping
from ecluse.exchange.whence import channel_of, whence_of
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.calendars import Deadline, Timetable, WorkingDays, zone_of
from ecluse.model.naming import KEY_FIELDS, Facts, Template
from ecluse.model.nouns import Message, Part
from ecluse.model.patterns import Names, matches
from ecluse.trust.settings.fields import instant_from, octets, seconds
from ecluse.trust.settings.flow import Expectation, Flow, FlowTarget
from ecluse.trust.settings.retention import HubRetention
from ecluse.trust.settings.schema import Calendar

__all__ = ["ARRIVING", "Expected", "FlowBook", "FlowPlan", "TargetPlan", "working_days"]

_FOR_EVER: Final = HubRetention()

ARRIVING: Final = frozenset(("", "as2", "account"))
"""Kinds of sources whose documents come by themselves: nothing is collected there."""


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """One target of a flow.

    Attributes:
        settings: As its file says.
        kind: First word of its channel.
        partner: For whom; empty for a folder of ours.
        name: How its files are named.
        subject: Its subject, where it has one.
    """

    settings: FlowTarget
    kind: str
    partner: PartnerId
    name: Template
    subject: Template | None

    @property
    def channel(self) -> str:
        """Channel kind and name."""
        return self.settings.channel


@dataclass(frozen=True, slots=True)
class Expected:
    """One expectation of a flow.

    Attributes:
        settings: As its file says.
        deadline: When it is due.
        names: Names that count.
    """

    settings: Expectation
    deadline: Deadline
    names: Names

    def counts(self, message: Message) -> bool:
        """Whether a message is one of those that are expected."""
        types = self.settings.types
        return any(
            not self.names.refusal(part.name) and (not types or _fits_type(types, part.kind))
            for part in message.parts
        )


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """A flow.

    Attributes:
        id: Name of its file.
        settings: What its file says.
        kind: First word of its source's channel; empty for what applications hand in.
        place: Second word: a partner, a folder of ours, or ``*``.
        names: Names that are taken.
        min_size: Octets at least.
        max_size: Octets at most.
        since: Files that are older are left; ``None`` for any.
        stable: Microseconds that a collected file must not have changed for.
        marker: Name of the file that has to lie beside a collected one.
        zone: Whose dates stand in names.
        targets: Where documents go.
        order: What makes an order key; ``None`` where order does not matter.
        timetable: When it runs by itself; ``None`` where it does not by times.
        expected: What should come.
        window: Microseconds for which content is remembered; 0 where it is not.
        terms: How long what of its documents is kept.
    """

    id: str
    settings: Flow
    kind: str
    place: str
    names: Names
    min_size: int
    max_size: int
    since: Instant | None
    stable: int
    marker: Template | None
    zone: ZoneInfo
    targets: tuple[TargetPlan, ...]
    order: Template | None
    timetable: Timetable | None
    expected: tuple[Expected, ...]
    window: int
    terms: Keeping

    @classmethod
    def of(
        cls, id: str, flow: Flow, calendars: Mapping[str, Calendar], retention: HubRetention = _FOR_EVER
    ) -> FlowPlan:
        """Read a flow whose file was checked (:func:`ecluse.trust.rules.flows.flow_problems`)."""
        source = flow.from_
        kind, _, place = (source.channel or "").partition(":")
        zone = zone_of(flow.timezone)

        def days(name: str | None) -> WorkingDays | None:
            return working_days(calendars[name]) if name is not None else None

        table = flow.timetable
        return cls(
            id=id,
            settings=flow,
            kind=kind,
            place=place,
            names=Names(source.names, source.not_names),
            min_size=octets(source.min_size) if source.min_size is not None else 0,
            max_size=octets(source.max_size),
            since=instant_from(flow.since),
            stable=_micro(source.stable),
            marker=Template.parse(source.marker, fields=("name", "stem")) if source.marker else None,
            zone=zone,
            targets=tuple(_target(target) for target in flow.to),
            order=Template.parse(flow.order.key, fields=KEY_FIELDS) if flow.order is not None else None,
            timetable=Timetable(
                table.cron, zone_of(table.timezone) if table.timezone else zone, days(table.calendar)
            )
            if table is not None
            else None,
            expected=tuple(
                Expected(
                    each,
                    Deadline(
                        time.fromisoformat(each.by),
                        zone_of(each.timezone) if each.timezone else zone,
                        frozenset(each.days),
                        days(each.calendar),
                    ),
                    Names(each.names),
                )
                for each in flow.expect
            ),
            window=_micro(flow.duplicates.window) if flow.duplicates is not None else 0,
            terms=Keeping.of_flow(flow.retention, retention),
        )

    @property
    def collects(self) -> bool:
        """Whether its documents are fetched; else they come by themselves."""
        return self.kind not in ARRIVING

    @property
    def opens(self) -> bool:
        """Whether something of a document is opened before it goes on: only then is it known what it is."""
        return self.settings.open.openpgp or self.settings.open.unpack != "none"

    def order_key(self, message: Message) -> str:
        """What documents have in common that keep their order; empty where order does not matter."""
        if self.order is None:
            return ""
        name = message.parts[0].name if message.parts else ""
        facts = Facts(name, name, message.partner, self.id, message.id, message.reference, _EPOCH, lambda: 0)
        # Never empty: documents whose key came out empty are in order among themselves.
        return self.order.text(facts) or "-"

    def refusal(self, message: Message) -> str:
        """Why the flow does not take a message that came by its channel, in one sentence; empty where it does."""
        source = self.settings.from_
        if source.partners and message.partner not in source.partners:
            return f"it is from {message.partner or 'nobody'}, and not from {', '.join(source.partners)}"
        if source.folder is not None and not self.within(whence_of(message).folder):
            return f"it does not come from the folder {source.folder}"
        if not self.min_size <= message.size <= self.max_size:
            return self.size_refusal(message.size)
        return self.parts_refusal(message.parts)

    def within(self, folder: str) -> bool:
        """Whether the flow looks into a folder below its channel's own."""
        own = (self.settings.from_.folder or "").strip("/")
        folder = folder.strip("/")
        if folder == own:
            return True
        return self.settings.from_.recursive and (not own or folder.startswith(own + "/"))

    def size_refusal(self, size: int) -> str:
        """The same for the number of octets alone."""
        if size > self.max_size:
            return f"it has {size} octets, more than {self.settings.from_.max_size}"
        return (
            f"it has {size} octets, fewer than {self.settings.from_.min_size}" if size < self.min_size else ""
        )

    def parts_refusal(self, parts: Iterable[Part]) -> str:
        """The same for names and types: one document has to fit both, and none a name that is left."""
        why = "it has no documents"
        for part in parts:
            for pattern in self.names.left:
                if matches(pattern, part.name):
                    return f"the name {part.name} fits {pattern}, which is left"
        for part in parts:
            why = self.names.refusal(part.name) or ("" if self.opens else self.type_refusal(part.kind))
            if not why:
                return ""
        return why

    def type_refusal(self, kind: str) -> str:
        """The same for the type alone, as inspection tells it."""
        types = self.settings.from_.types
        if not types or _fits_type(types, kind):
            return ""
        return f"it is {kind or 'unknown'}, and not {' or '.join(types)}"


_EPOCH: Final = datetime(1970, 1, 1)


def _micro(duration: str) -> int:
    return int(seconds(duration) * 1_000_000)


def _target(target: FlowTarget) -> TargetPlan:
    kind, _, name = target.channel.partition(":")
    return TargetPlan(
        settings=target,
        kind=kind,
        partner=PartnerId("" if kind == "folder" else name),
        name=Template.parse(target.name, file_name=True),
        subject=Template.parse(target.subject) if target.subject is not None else None,
    )


def _fits_type(types: Iterable[str], kind: str) -> bool:
    """``xml`` fits every XML, ``xml:Invoice`` that root alone; patterns are patterns."""
    return any(kind == wanted or kind.startswith(f"{wanted}:") or matches(wanted, kind) for wanted in types)


def working_days(calendar: Calendar) -> WorkingDays:
    """A calendar of ``ecluse.toml``. Raises ``ValueError`` for a day that does not exist."""
    return WorkingDays(
        weekend=frozenset(calendar.weekend),
        closed=frozenset(map(date.fromisoformat, calendar.closed)),
        open=frozenset(map(date.fromisoformat, calendar.open)),
        country=calendar.country or "",
        region=calendar.region or "",
    )


class FlowBook:
    """All flows of a configuration. Immutable.

    Args:
        plans: In order of id.
        retention: What the hub says of documents that no flow says it of.
    """

    __slots__ = ("_by_channel", "_relayed", "direct", "plans")

    def __init__(self, plans: Sequence[FlowPlan] = (), retention: HubRetention = _FOR_EVER) -> None:
        self.plans = {plan.id: plan for plan in plans}
        self.direct = Keeping.of_hub(retention)
        self._relayed = Keeping.of_flow(None, retention)
        self._by_channel: dict[str, list[FlowPlan]] = {}
        for plan in plans:
            self._by_channel.setdefault(plan.settings.from_.channel or "", []).append(plan)

    @classmethod
    def read(
        cls,
        flows: Mapping[str, Flow],
        calendars: Mapping[str, Calendar],
        retention: HubRetention = _FOR_EVER,
    ) -> FlowBook:
        """The flows of a configuration that was checked."""
        return cls([FlowPlan.of(id, flow, calendars, retention) for id, flow in flows.items()], retention)

    def terms(self, flow: str) -> Keeping:
        """How long what of a flow's documents is kept, also of one that is no more; empty for those of no flow."""
        if not flow:
            return self.direct
        plan = self.plans.get(flow)
        return plan.terms if plan is not None else self._relayed

    def get(self, id: str) -> FlowPlan | None:
        """A flow by id."""
        return self.plans.get(id)

    def taking(self, message: Message) -> list[FlowPlan]:
        """The flows that take a message that came, in order of id.

        What was collected or handed in for a flow is that flow's, as long as there is one of that name.
        """
        if not self.plans:
            return []
        own = self.plans.get(message.flow)
        if own is not None and (own.collects or not own.kind):
            return [own]
        channel = channel_of(message)
        if not channel:
            return []
        kind = channel.partition(":")[0]
        plans = self._by_channel.get(channel, []) + self._by_channel.get(f"{kind}:*", [])
        return sorted((plan for plan in plans if not plan.refusal(message)), key=lambda plan: plan.id)

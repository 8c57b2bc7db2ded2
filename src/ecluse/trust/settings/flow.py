"""The fields of a flow's file (``flows/<id>.toml``): what goes where, under which conditions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ecluse.trust.settings.archive import Archiving
from ecluse.trust.settings.fields import (
    ChannelName,
    Day,
    Duration,
    FolderPath,
    Label,
    Name,
    Size,
    Strict,
    Weekday,
)
from ecluse.trust.settings.processing import Phrase
from ecluse.trust.settings.retention import Retention
from ecluse.trust.settings.seals import Sealing, SealsAsked

__all__ = [
    "Duplicates",
    "Expectation",
    "Flow",
    "FlowSource",
    "FlowTarget",
    "Opening",
    "Ordering",
    "Retention",
    "Timetable",
]

Clock = Annotated[
    str,
    Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", extra={"expected": 'a time of day, such as "18:00"'}),
]
Cron = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*/,#\- LW?]{9,120}$",
        extra={"expected": 'five cron fields, such as "*/15 8-18 * * mon-fri"'},
    ),
]
Template = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        extra={"expected": 'a text with fields in braces, such as "{stem}-{date:%Y%m%d}{suffix}"'},
    ),
]


SourceName = Annotated[
    str,
    Meta(
        pattern=r"^([a-z0-9]{1,16}:[a-z0-9][a-z0-9-]{0,62}|(as2|account):\*)$",
        extra={
            "expected": 'a channel: its kind and a name, such as "sftp:birch", "folder:orders" or "as2:*"'
        },
    ),
]


class FlowSource(Strict, frozen=True, kw_only=True):
    """Where documents come from, and which of them.

    Attributes:
        channel: as2:, account: (their uploads to us), sftp:, ftps:, s3:, azure:, gcs:, webdav: with a partner's
            id, or folder: with the name of a folder of ours; as2:* and account:* for every partner; without it,
            what applications hand in for the flow.
        folder: Folder below the channel's own.
        recursive: Look into folders below it too.
        names: Patterns of file names that are taken (*, ?, [a-z]).
        not_names: Patterns of file names that are left.
        types: Kinds of documents that are taken, as inspection tells them: edifact, x12, pdf, xml, xml:Invoice...
            Where the flow opens documents, it is what is inside that counts.
        partners: Partners whose documents are taken, where the channel has several.
        min_size: Smallest file.
        max_size: Largest file.
        stable: A collected file must not have changed for so long; an empty one for five minutes, unless this is 0s.
        marker: A collected file is taken only once this file lies beside it; {name} and {stem} stand for its own.
        after: What happens to a collected file once it is kept: delete it, move it, or leave it and remember it.
        move_to: Folder that it is moved to, below the channel's own.
        every: How often a channel is looked at, where nothing tells of arrivals and there is no timetable.
        parallel: Files that are collected at once, where order does not matter.
    """

    channel: SourceName | None = None
    folder: FolderPath | None = None
    recursive: bool = False
    names: tuple[Name, ...] = ("*",)
    not_names: tuple[Name, ...] = ()
    types: tuple[Name, ...] = ()
    partners: tuple[Label, ...] = ()
    min_size: Size | None = None
    max_size: Size = "20 GiB"
    stable: Duration = "5s"
    marker: Template | None = None
    after: Literal["delete", "move", "leave"] = "delete"
    move_to: FolderPath | None = None
    every: Duration = "1m"
    parallel: Annotated[int, Meta(ge=1, le=16)] = 4


class Opening(Strict, frozen=True, kw_only=True):
    """Protections of a document that are opened before it goes on. What does not open is not sent on.

    Attributes:
        openpgp: Decrypt and verify with the keys of the partner that it came from.
        unpack: Take it out of gzip, or the files out of a zip archive; seal takes it out of the seal around it (.p7m,
            .asice).
        max_size: Largest document inside, and largest sum of all.
        max_ratio: Most that a document may grow.
        max_files: Most files in an archive.
        seals: Whether seals on a document (PAdES, XAdES, CAdES) are looked for: report says what they come to;
            require sets a document aside that has none by somebody who is believed.
    """

    openpgp: bool = False
    unpack: Literal["none", "gzip", "zip", "seal"] = "none"
    max_size: Size = "20 GiB"
    max_ratio: Annotated[int, Meta(ge=2, le=100_000)] = 200
    max_files: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    seals: SealsAsked = "ignore"


class FlowTarget(Strict, frozen=True, kw_only=True):
    """Where documents go. The channel's own protections are those of the partner's file.

    Attributes:
        channel: As in from; account: puts it into the partner's folder outbound.
        folder: Folder below the channel's own.
        name: File name; fields in braces are name (with the endings of what was done to it, such as .gz), stem and
            suffix (of the document itself), partner (whom it came from), flow, id, reference, date (such as
            {date:%Y%m%d-%H%M}) and counter (such as {counter:6}).
        subject: Subject, where the channel has one; the same fields.
        content_type: Media type; the document's own by default.
        openpgp: What is done with the keys of the target's partner.
        seal: A signature of ours on the documents themselves, made before they are packed.
        pack: Compression. Files of a zip archive have the names that the documents came with.
        apart: Each document goes as a message of its own; without it, documents that came together, or in one
            archive, stay together.
    """

    channel: ChannelName
    folder: FolderPath | None = None
    name: Template = "{name}"
    subject: Template | None = None
    content_type: Name | None = None
    openpgp: Literal["none", "encrypt", "sign", "sign-and-encrypt"] = "none"
    seal: Sealing | None = None
    pack: Literal["none", "gzip", "zip"] = "none"
    apart: bool = False


class Timetable(Strict, frozen=True, kw_only=True):
    """When a flow runs by itself.

    Attributes:
        cron: Five fields: minute, hour, day of month, month, day of week.
        timezone: IANA name, where it is not the flow's; times are that zone's, over its changes of summer time.
        calendar: Name of a calendar in ecluse.toml: days without work are left out.
    """

    cron: Cron
    timezone: Name | None = None
    calendar: Label | None = None


class Expectation(Strict, frozen=True, kw_only=True):
    """What should have come by a time of day; an event and a finding where it did not.

    Attributes:
        name: What it is called.
        by: Time of day in the zone.
        days: Days of the week.
        timezone: IANA name, where it is not the flow's.
        calendar: Name of a calendar in ecluse.toml: days without work are left out.
        names: Patterns of file names that count.
        types: Kinds of documents that count.
        at_least: How many.
    """

    name: Name
    by: Clock
    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    timezone: Name | None = None
    calendar: Label | None = None
    names: tuple[Name, ...] = ("*",)
    types: tuple[Name, ...] = ()
    at_least: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Ordering(Strict, frozen=True, kw_only=True):
    """Documents of one key go on in the order in which they came: the next waits until the one before has ended.

    Attributes:
        key: Fields in braces that make the key, such as "{partner}" or "{stem}".
        on_failure: wait for a person to decide about one that failed, or go on with the next.
    """

    key: Template = "{partner}"
    on_failure: Literal["wait", "continue"] = "wait"


class Duplicates(Strict, frozen=True, kw_only=True):
    """The same content again, by digest.

    Attributes:
        window: For how long content is remembered.
        action: deliver it all the same (with an event), skip it, or quarantine it for a person.
    """

    window: Duration = "7d"
    action: Literal["deliver", "skip", "quarantine"] = "quarantine"


class Flow(Strict, frozen=True, kw_only=True):
    """A flow's file.

    Attributes:
        name: What it is called.
        timezone: IANA name: whose dates stand in file names, and whose times the timetable and expectations mean.
        state: A paused flow takes nothing and sends nothing on; what came for it waits.
        from_: Where documents come from.
        open: What is opened.
        to: Where they go; one or many.
        trigger: arrival runs as documents come, timetable at its times, command only when asked to.
        timetable: The times.
        expect: What should have come.
        order: Order, where it matters.
        duplicates: What happens to the same content again; nothing is looked at without it.
        retention: How long what of the documents is kept; without it, [retention] of ecluse.toml says it.
        archive: Its documents are archived: what comes for it, and what it sends to partners.
        since: Files that are older are left.
        purpose: What its documents are exchanged for, for the record of processing activities.
    """

    name: Name
    timezone: Name = "UTC"
    state: Literal["active", "paused"] = "active"
    from_: FlowSource = FlowSource()
    open: Opening = Opening()
    to: tuple[FlowTarget, ...]
    trigger: Literal["arrival", "timetable", "command"] = "arrival"
    timetable: Timetable | None = None
    expect: tuple[Expectation, ...] = ()
    order: Ordering | None = None
    duplicates: Duplicates | None = None
    retention: Retention | None = None
    archive: Archiving | None = None
    since: Day | None = None
    purpose: Phrase | None = None

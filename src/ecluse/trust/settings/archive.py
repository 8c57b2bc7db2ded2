"""The fields of an archive profile (``archive/<id>.toml``) and of ``[archive]`` in ``ecluse.toml``.

A profile says for how long documents are kept and from when on, which formats are taken, who may read and who may
dispose, and what happens at the end.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecluse.trust.operators import OperatorRole
from ecluse.trust.settings.fields import Duration, Label, Name, SecretReference, Size, Strict, Url

__all__ = ["ArchivePlace", "ArchiveProfile", "ArchiveSettings", "Archiving", "MonthDay", "Period"]

Period = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,2}y|[1-9][0-9]{0,3}m|[1-9][0-9]{0,4}d|forever)$",
        extra={"expected": 'calendar years, months or days, such as "10y", "18m" or "90d", or "forever"'},
    ),
]
MonthDay = Annotated[
    str,
    Meta(
        pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        extra={"expected": 'a month and a day, such as "12-31"'},
    ),
]


class Archiving(Strict, frozen=True, kw_only=True):
    """That documents go into the archive.

    Attributes:
        profile: By which profile: archive/<profile>.toml.
    """

    profile: Label


class ArchiveProfile(Strict, frozen=True, kw_only=True):
    """An archive profile's file.

    Attributes:
        name: What it is called.
        retention: For how long: calendar years, months or days, or forever.
        begins: From when on: the deposit, the document's own date (the deposit where it says none), or an event
            that somebody tells of with `ecluse archive start`, such as the end of a contract.
        counts_from: The day itself, or the end of the (fiscal) year that it is in.
        year_ends: The last day of that year.
        timezone: IANA name: whose days these are.
        formats: Kinds of documents that are taken, as inspection tells them: pdf, edifact, xml:Invoice, xml*...; all
            without it. Others are quarantined, or wait for a decision where they have left already.
        read: Roles of operators who may read; anybody who works on the hub without it. They sign what they ask for.
        dispose: Roles of operators who may sign that documents are destroyed.
        at_end: What happens once it is over: they are proposed for destruction, kept all the same, or looked at one
            by one.
        copy: Name of the place in [archive.places] that holds a second copy.
        write_once: Have that place let nobody delete the copy before its time, where it can (object_lock).
        basis: What the retention rests on, in words: the law and its article.
    """

    name: Name
    retention: Period
    begins: Literal["deposit", "document", "event"] = "deposit"
    counts_from: Literal["day", "year-end"] = "day"
    year_ends: MonthDay = "12-31"
    timezone: Name = "UTC"
    formats: tuple[Name, ...] = ()
    read: tuple[OperatorRole, ...] = ()
    dispose: tuple[OperatorRole, ...] = ("archive",)
    at_end: Literal["dispose", "keep", "review"] = "dispose"
    copy: Label | None = None
    write_once: bool = False
    basis: Annotated[str, Meta(min_length=3, max_length=1000, extra={"expected": "the law and its article"})]


class ArchivePlace(Strict, frozen=True, kw_only=True):
    """A place for second copies. They are sealed as the first ones are: no key is there.

    Attributes:
        place: A folder, absolute or relative to the hub's, or s3://bucket/prefix.
        endpoint: URL of the object store, where it is not Amazon's.
        region: The bucket's region.
        path_style: endpoint/bucket/key instead of bucket.endpoint/key.
        access_key: Reference to the access key.
        secret_key: Reference to the secret key.
        ca: PEM file, in the folder certificates, of the authority that the endpoint's certificate is checked with.
        object_lock: Object Lock of the bucket, which has to have it: who has the right may shorten it (governance),
            or nobody (compliance).
        timeout: Longest silence of the store.
        allow_private_network: Let the endpoint lead to loopback and private networks.
    """

    place: Annotated[str, Meta(min_length=1, extra={"expected": 'a folder, or "s3://bucket/prefix"'})]
    endpoint: Url | None = None
    region: Name = "us-east-1"
    path_style: bool = True
    access_key: SecretReference | None = None
    secret_key: SecretReference | None = None
    ca: Name | None = None
    object_lock: Literal["none", "governance", "compliance"] = "none"
    timeout: Duration = "30s"
    allow_private_network: bool = False


class ArchiveSettings(Strict, frozen=True, kw_only=True):
    """The archive.

    Attributes:
        profile: Profile of what neither its flow nor its partner names one for; not archived without it.
        places: Places for second copies, by name.
        fixity: In which time every archived document is read again and compared, in both places.
        fixity_rate: How much is read for that, a second.
        clock_gap: How long the hub may have been silent, or how far its clock may jump, before a person has to say
            that the clock is right: until then no retention ends.
    """

    profile: Label | None = None
    places: dict[Label, ArchivePlace] = msgspec.field(default_factory=dict)
    fixity: Duration = "90d"
    fixity_rate: Size = "20 MiB"
    clock_gap: Duration = "7d"

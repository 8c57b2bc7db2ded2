"""What must hold of archive profiles, of ``[archive]``, and of what names them, beyond the shape of the fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from ecluse.errors import EcluseError
from ecluse.model.calendars import zone_of
from ecluse.trust.errors import Problem
from ecluse.trust.settings.archive import ArchiveProfile, ArchiveSettings
from ecluse.trust.settings.fields import seconds

__all__ = ["FIXITY_LIMITS", "GAP_LIMITS", "named_profile_problems", "place_problems", "profile_problems"]

FIXITY_LIMITS: Final = (3600, 5 * 366 * 86_400)
"""Seconds: what is read in less than an hour is read all the time, and in more than five years never in time."""
GAP_LIMITS: Final = (3600, 366 * 86_400)


def profile_problems(file: str, profile: ArchiveProfile, settings: ArchiveSettings) -> Iterator[Problem]:
    """Everything wrong in a profile's file."""
    try:
        zone_of(profile.timezone)
    except EcluseError as error:
        yield Problem("config.bad-value", file, "timezone", error.cause, error.remedy)
    month, day = map(int, profile.year_ends.split("-"))
    try:
        date(2023, month, day)
    except ValueError:
        yield Problem(
            "config.bad-value", file, "year_ends", "Not every year has that day.", "Give the day before."
        )
    if "archive" not in profile.dispose:
        yield Problem(
            "config.bad-value",
            file,
            "dispose",
            "Destruction is signed by archive administrators.",
            'Name the role "archive".',
        )
    if profile.copy is not None and profile.copy not in settings.places:
        yield Problem(
            "config.unknown-place",
            file,
            "copy",
            f"There is no place {profile.copy}.",
            f"Add [archive.places.{profile.copy}] to ecluse.toml.",
        )
    elif profile.write_once and (profile.copy is None or settings.places[profile.copy].object_lock == "none"):
        yield Problem(
            "config.no-lock",
            file,
            "write_once",
            "The second copy's place does not lock what it holds.",
            'Name a place with object_lock = "governance" or "compliance", or leave write_once out: the hub itself '
            "deletes nothing that is archived.",
        )
    if profile.write_once and profile.retention == "forever":
        yield Problem(
            "config.bad-value",
            file,
            "write_once",
            "A lock has an end, and this retention has none.",
            "Give the retention in years.",
        )


def place_problems(file: str, settings: ArchiveSettings) -> Iterator[Problem]:
    """Everything wrong in ``[archive]``."""
    for field, text, limits in (
        ("fixity", settings.fixity, FIXITY_LIMITS),
        ("clock_gap", settings.clock_gap, GAP_LIMITS),
    ):
        if not limits[0] <= seconds(text) <= limits[1]:
            yield Problem(
                "config.bad-value",
                file,
                f"archive.{field}",
                "So long, or so short a time, is of no use.",
                f'Expected "1h" to "{limits[1] // 86_400}d".',
            )
    for name, place in settings.places.items():
        field = f"archive.places.{name}"
        bucket = place.place.startswith("s3://")
        if place.object_lock != "none" and not bucket:
            yield Problem(
                "config.no-lock",
                file,
                f"{field}.object_lock",
                "A folder locks nothing.",
                "Leave it out, or give s3://bucket/prefix.",
            )
        if bucket and (place.access_key is None or place.secret_key is None):
            yield Problem(
                "config.missing-field",
                file,
                f"{field}.access_key",
                "A bucket is opened with an access key and a secret key.",
                "Put references to both there.",
            )


def named_profile_problems(
    file: str, field: str, name: str | None, profiles: Mapping[str, ArchiveProfile]
) -> Iterator[Problem]:
    """A profile that is named and is not there."""
    if name is not None and name not in profiles:
        yield Problem(
            "config.unknown-profile",
            file,
            field,
            f"There is no archive profile {name}.",
            f"Write archive/{name}.toml, or name another.",
        )

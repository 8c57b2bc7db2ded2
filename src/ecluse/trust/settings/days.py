"""Which days are working days: ``[calendars]`` of ``ecluse.toml``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ecluse.trust.settings.fields import Day, Name, Strict, Weekday

__all__ = ["Calendar"]


class Calendar(Strict, frozen=True, kw_only=True):
    """Which days are working days.

    Attributes:
        country: Public holidays of a country (ISO 3166, such as "FR" or "DE").
        region: Its subdivision, such as "BY".
        closed: Further days without work.
        open: Days of work in spite of the country's holidays or the weekend.
        weekend: Days of the week without work.
    """

    country: (
        Annotated[str, Meta(pattern=r"^[A-Z]{2}$", extra={"expected": 'a country, such as "FR"'})] | None
    ) = None
    region: Name | None = None
    closed: tuple[Day, ...] = ()
    open: tuple[Day, ...] = ()
    weekend: tuple[Weekday, ...] = ("sat", "sun")

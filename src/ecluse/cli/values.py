"""Values of options that are texts of the configuration's own kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ecluse.model.basics import Instant

__all__ = ["duration", "moment"]


def duration(text: str) -> float:
    """Seconds of a duration such as ``90s``, ``5m`` or ``60d``; a usage error otherwise."""
    import msgspec

    from ecluse.trust.settings.fields import Duration, seconds
    from ecluse.typed import convert

    try:
        return seconds(convert(text, Duration))
    except msgspec.ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 5m, 12h or 60d.") from None


def moment(text: str) -> Instant:
    """A moment such as ``2027-02-01`` (00:00 UTC) or ``2027-02-01T06:00:00Z``; a usage error otherwise."""
    import msgspec

    from ecluse.trust.settings.fields import Moment, instant_from
    from ecluse.typed import convert

    try:
        found = instant_from(convert(text, Moment))
    except (msgspec.ValidationError, ValueError, OverflowError):
        found = None
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no moment: write 2027-02-01 or 2027-02-01T06:00:00Z."
        ) from None
    return found

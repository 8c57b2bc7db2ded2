"""Values of options that are texts of the configuration's own kinds."""

from __future__ import annotations

import typer

__all__ = ["duration"]


def duration(text: str) -> float:
    """Seconds of a duration such as ``90s``, ``5m`` or ``60d``; a usage error otherwise."""
    import msgspec

    from ecluse.trust.fields import Duration, seconds

    try:
        return seconds(msgspec.convert(text, type=Duration))
    except msgspec.ValidationError:
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 5m, 12h or 60d.") from None

"""What ``[[log.authorities]]`` must keep to beyond the shape of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecluse.trust.addresses import is_loopback, split_url
from ecluse.trust.errors import Problem
from ecluse.trust.settings.stamps import TimeStampAuthority

__all__ = ["stamp_problems"]


def stamp_problems(file: str, authorities: Sequence[TimeStampAuthority]) -> Iterator[Problem]:
    """Everything wrong with time-stamping authorities by themselves."""
    names = [each.name for each in authorities]
    for number, authority in enumerate(authorities):
        field = f"log.authorities[{number}]"
        if authority.name in names[:number]:
            cause = f"Two authorities are called {authority.name}."
            yield Problem("config.same-name", file, f"{field}.name", cause, "Give each a name of its own.")
        place = split_url(authority.url)
        if place is None:
            yield Problem(
                "config.bad-value", file, f"{field}.url", "This is no URL.", 'Expected "https://host/path".'
            )
        if (authority.user is None) != (authority.password is None):
            cause = "A user and a password go together."
            yield Problem("config.missing-field", file, f"{field}.password", cause, "Give both, or neither.")
        secret = authority.password is not None
        if secret and place is not None and place[0] != "https" and not is_loopback(place[1]):
            cause = "The password would cross the network in clear text."
            yield Problem("config.clear-text", file, f"{field}.url", cause, "Use https.")

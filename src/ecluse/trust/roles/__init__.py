"""The crypto policy with a partner: for each of its channels one table of roles.

A role is what one key, certificate or secret does: who signs, whom one encrypts to, what a server shows. Its row says
whether there is what it needs, what that is worth at this moment, and what was seen on the wire
(:mod:`ecluse.trust.sightings`) beside what is configured.

    facts     a row; a role as data
    judging   what a certificate or secret is worth; ssh: a key of SSH; tls: what several channels share
    as2, accounts, servers, openpgp   the roles of each channel, as data

Another protocol is another table here, and its sightings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.model.basics import Instant
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.roles.accounts import ACCOUNT_FTPS, ACCOUNT_SFTP
from ecluse.trust.roles.as2 import AS2
from ecluse.trust.roles.facts import (
    DIFFERENCES,
    STATES,
    Case,
    Difference,
    RoleRow,
    RoleSpec,
    RoleValue,
    State,
)
from ecluse.trust.roles.judging import EXPIRING, judge
from ecluse.trust.roles.openpgp import OPENPGP
from ecluse.trust.roles.servers import BUCKET, FTPS, SFTP, WEBDAV
from ecluse.trust.settings.fields import instant_until
from ecluse.trust.sightings import Seen

__all__ = [
    "DIFFERENCES",
    "EXPIRING",
    "ROLES",
    "STATES",
    "Difference",
    "RoleRow",
    "RoleValue",
    "State",
    "channels_of",
    "role_table",
]

ROLES: Final[dict[str, tuple[RoleSpec, ...]]] = {
    "as2": AS2,
    "account-sftp": ACCOUNT_SFTP,
    "account-ftps": ACCOUNT_FTPS,
    "sftp": SFTP,
    "ftps": FTPS,
    "s3": BUCKET,
    "azure": BUCKET,
    "gcs": BUCKET,
    "webdav": WEBDAV,
    "openpgp": OPENPGP,
}
"""The roles of each channel, as sightings name it."""


def role_table(
    directory: Directory,
    view: PartnerView,
    seen: Seen,
    now: Instant,
    *,
    secret: Callable[[str], str] = lambda reference: "",
) -> tuple[RoleRow, ...]:
    """Every role of every channel with a partner, in the order of :data:`ROLES`.

    Args:
        directory: Everyone, under one configuration.
        view: The partner, of that directory.
        seen: What was seen of it.
        now: The moment.
        secret: Says why a reference leads to no secret (one sentence), or nothing; by default nobody looks.
    """
    allowed: dict[str, str] = {
        entry.algorithm: entry.until
        for entry in view.settings.exceptions
        if now < (instant_until(entry.until) or Instant(0))
    }
    return tuple(
        _row(Case(directory, view, channel, seen, now, allowed, secret), spec)
        for channel in channels_of(directory, view)
        for spec in ROLES[channel]
    )


def channels_of(directory: Directory, view: PartnerView) -> Iterator[str]:
    """The channels with a partner that have roles: an account counts where its listener is there."""
    settings, listen = view.settings, directory.hub.listen
    for channel in ROLES:
        if channel.startswith("account-"):
            protocol = channel.removeprefix("account-")
            account = settings.account
            if (
                account is not None
                and protocol in account.protocols
                and getattr(listen, protocol) is not None
            ):
                yield channel
        elif getattr(settings, channel) is not None:
            yield channel


def _row(case: Case, spec: RoleSpec) -> RoleRow:
    values = tuple(spec.values(case))
    state, why = judge(values, spec.needless(case), one=spec.one)
    used = (case.seen.last(case.channel, what) for what in spec.used)
    return RoleRow(
        partner=case.view.id,
        channel=case.channel,
        role=spec.role,
        whose=spec.whose,
        about=spec.about,
        state=state,
        why=why,
        floor=spec.floor,
        values=values,
        used=tuple(each for each in used if each is not None),
        differs=tuple(spec.differs(case, values)),
    )

"""OpenPGP certificates, ours and partners', as facts of posture."""

from __future__ import annotations

from ecluse.model.basics import Instant
from ecluse.posture.facts import PgpFacts
from ecluse.trust.keys.openpgp import seconds
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.errors import OpenPgpError
from ecluse.wire.openpgp.keys import permit_key

__all__ = ["pgp_facts"]


def pgp_facts(label: str, certificate: Certificate, now: Instant) -> PgpFacts:
    """An OpenPGP certificate at a moment."""
    view = certificate.at(seconds(now))
    ends = view.expires()
    weak = ""
    for key in certificate.every_key():
        try:
            permit_key(key, ())
        except OpenPgpError as error:
            weak = error.cause
            break
    return PgpFacts(
        label,
        certificate.fingerprint,
        certificate.primary.name,
        Instant(ends * 1_000_000) if ends is not None else None,
        view.state().value,
        weak,
    )

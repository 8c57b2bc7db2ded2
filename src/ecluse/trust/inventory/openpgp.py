"""OpenPGP certificates, ours and theirs, as credentials with their subkeys."""

from __future__ import annotations

from collections.abc import Sequence

from ecluse.model.basics import Instant
from ecluse.trust.inventory.credential import NO_REVOCATION, Binding, Credential, Revocation, Subkey
from ecluse.trust.inventory.strength import strength_of
from ecluse.trust.keys.openpgp import seconds
from ecluse.wire.openpgp.certificate import Certificate, KeyState, View
from ecluse.wire.openpgp.keys import PublicKey

__all__ = ["openpgp_credential"]


def openpgp_credential(
    owner: str,
    name: str,
    certificate: Certificate,
    bindings: Sequence[Binding],
    now: Instant,
    *,
    kept: str = "configuration",
) -> Credential:
    """Describe a certificate as of ``now``."""
    view = certificate.at(seconds(now))
    primary = certificate.primary
    keys = [_subkey(view, subkey.key) for subkey in certificate.subkeys]
    users = view.user_ids or certificate.user_ids
    strengths = [
        each for each in (strength_of(primary.name), *(key.strength for key in keys)) if each is not None
    ]
    return Credential(
        owner=owner,
        kind="openpgp-key",
        name=name,
        purpose=tuple(dict.fromkeys(binding.role for binding in bindings)),
        bindings=tuple(bindings),
        algorithm=primary.name,
        # A message is as weak as the weakest key that protects it.
        strength=min(strengths, default=None),
        fingerprint=certificate.fingerprint,
        others=tuple(key.fingerprint for key in keys),
        subject=users[0].text if users else "",
        not_before=Instant(primary.created * 1_000_000),
        not_after=_last(view.expires()),
        revocation=_revocation(view, now),
        subkeys=tuple(keys),
        kept=kept,
    )


def _subkey(view: View, key: PublicKey) -> Subkey:
    able = (
        *(("sign",) if view.may_sign(key) else ()),
        *(("encrypt",) if key in view.encryption_keys() else ()),
    )
    return Subkey(
        key.fingerprint.hex().upper(),
        key.name,
        strength_of(key.name),
        able,
        _last(view.expires(key)),
        view.state(key).value,
    )


def _last(ends: int | None) -> Instant | None:
    """The last instant of what ends at a second; OpenPGP's end is exclusive."""
    return None if ends is None else Instant((ends - 1) * 1_000_000)


def _revocation(view: View, now: Instant) -> Revocation:
    """Such a certificate carries its own revocation, and no other authority is asked."""
    if view.state() is KeyState.REVOKED:
        return Revocation("revoked", now, None, "Its owner revoked it.", "the certificate")
    return NO_REVOCATION

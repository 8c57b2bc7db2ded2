"""Our own card, from the configuration and the keyring."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

from ecluse.model.basics import Instant, iso
from ecluse.trust.card.envelope import card_text, signed
from ecluse.trust.card.shape import SECOND, Card, CardCertificate, Endpoints
from ecluse.trust.certificates import to_pem
from ecluse.trust.company import Contact
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.settings.fields import PartnerUse
from ecluse.trust.settings.schema import Hub

__all__ = ["LIFE", "make_card"]

LIFE: Final = 90
"""Days that a card may be taken: as long as an invitation may lie about, and not until its keys are forgotten."""

_DAY: Final = 86_400 * 1_000_000

_USES: Final[dict[str, PartnerUse]] = {
    "sign": "verify",
    "decrypt": "encrypt",
    "mdn-sign": "mdn-verify",
    "tls": "tls",
    "tls-client": "tls-client",
}
"""What our key does is what the other side does the opposite of."""


def make_card(
    hub: Hub, keyring: Keyring, now: Instant, *, days: int = LIFE, invitation: str | None = None
) -> str:
    """The organisation's card, signed: all that the configuration says of how it is reached, and with which keys.

    Its serial number is the moment it is made, in milliseconds, so that a later card has a higher one on every
    node without any of them keeping count.

    Args:
        hub: ``ecluse.toml``: the organisation, its listeners' public addresses, its keys.
        keyring: Signs, and has the public part of the organisation's keys.
        now: When it is made.
        days: How long it may be taken.
        invitation: Id of the invitation that it answers.

    Raises:
        KeyringError: ``keyring.no-key``.
    """
    ours = hub.organisation
    contacts = ours.contacts
    if ours.email is not None and not any(each.role == "edi" for each in contacts):
        contacts = (Contact(role="edi", email=ours.email), *contacts)
    second = keyring.note_public("log-ml-dsa")
    card = Card(
        format=SECOND,
        name=ours.name,
        made=iso(now),
        log_key=base64.b64encode(keyring.log_public_key).decode("ascii"),
        log_origin=hub.log_origin,
        log_ml_dsa=None if second is None else base64.b64encode(second).decode("ascii"),
        serial=now // 1000,
        expires=iso(Instant(now + days * _DAY)),
        as2_id=ours.as2_id,
        identifiers=ours.identifiers,
        endpoints=_endpoints(hub),
        certificates=tuple(_certificates(hub, keyring)),
        host_keys=tuple(keyring.ssh_public_key(ref) for ref in hub.listen.sftp.host_keys)
        if hub.listen.sftp is not None
        else (),
        ssh_keys=tuple(keyring.ssh_public_key(ref) for ref in ours.ssh_keys),
        openpgp=tuple(armored_certificate(keyring.openpgp_certificate(ref)) for ref in hub.openpgp.keys),
        contacts=contacts,
        bank=ours.bank,
        invitation=invitation,
    )
    return card_text(card, keyring.log_sign(signed(card)))


def _endpoints(hub: Hub) -> Endpoints:
    sftp, ftps = hub.listen.sftp, hub.listen.ftps
    return Endpoints(
        as2=hub.listen.as2.public_url,
        sftp=_public(sftp.public_address, sftp.address) if sftp is not None else None,
        ftps=_public(ftps.public_address, ftps.address) if ftps is not None else None,
    )


def _public(public: str | None, address: str) -> str | None:
    """What partners connect to; nothing where only the address of every interface is known."""
    if public is not None:
        return public
    host = address.rpartition(":")[0].strip("[]")
    return None if host in ("0.0.0.0", "::") else address  # noqa: S104 - looked at, not bound


def _certificates(hub: Hub, keyring: Keyring) -> Iterator[CardCertificate]:
    named = set()
    for key in hub.organisation.keys:
        named |= {key.ref} if "tls" in key.use else set()
        yield CardCertificate(
            pem=to_pem(keyring.chain(key.ref)),
            use=tuple(_USES[use] for use in key.use),
            begins=key.from_,
            ends=key.until,
        )
    listeners = (hub.listen.as2.tls, hub.listen.ftps)
    for ref in dict.fromkeys(each.key for each in listeners if each is not None):
        chain = keyring.chain(ref)
        # One of a public authority is checked against the system's: pinned here, its renewal would cut us off.
        if ref not in named and chain[-1].subject == chain[-1].issuer:
            yield CardCertificate(pem=to_pem(chain), use=("tls",))

"""Which partner a user name stands for: one gate of state, protocol and address for every way in."""

from __future__ import annotations

import ipaddress

from ecluse.trust.directory import Directory, PartnerView

__all__ = ["find_account"]


def find_account(directory: Directory, user: str, protocol: str, address: str) -> PartnerView | None:
    """The partner that may try to log in.

    Args:
        directory: Everyone.
        user: As the client sent it.
        protocol: ``sftp`` or ``ftps``.
        address: Where it comes from.

    Returns:
        ``None`` for an unknown user and for one that may not (suspended, another protocol, another network): the
        caller goes on as with a wrong password, and must not let the client see the difference.
    """
    view = directory.by_user(user)
    if view is None or not view.active or view.settings.account is None:
        return None
    account = view.settings.account
    if protocol not in account.protocols or not _within(address, account.addresses):
        return None
    return view


def _within(address: str, networks: tuple[str, ...]) -> bool:
    if not networks:
        return True
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False

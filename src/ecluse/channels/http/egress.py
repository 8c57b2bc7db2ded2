"""Where the hub may connect to: a defence against requests forged through URLs that partners choose (SSRF).

A name is resolved once, every address it has is checked, and the connection goes to a checked address: a
name that resolves differently a moment later changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ecluse.channels.http.errors import EgressDenied, Unreachable

Resolver = Callable[[str, int], list[str]]
"""A name and a port to IP addresses as text. Raises OSError where there are none."""

# What is not the public Internet, from the IANA special-purpose address registries (RFC 6890) as of 2025, and
# the addresses outside those where clouds serve metadata.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
        "::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")

PRIVATE_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
"""What ``allow_private_network`` opens: loopback and RFC 1918 and 4193 networks, never link-local or metadata."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, in the operating system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Egress:
    """What one call may reach.

    Attributes:
        hosts: The names (or IP addresses) allowed, in lower case; None allows every name whose addresses
            are. Nothing is allowed by default.
        networks: Networks allowed though they are not public, from the hub's configuration.
        resolver: Replaces the operating system's name resolution.
    """

    hosts: frozenset[str] | None = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    resolver: Resolver = field(default=resolve, repr=False)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to.

        Raises:
            EgressDenied: The host is not on the list, or one of its addresses is not allowed: a name with
                public and private addresses is refused whole.
            Unreachable: The name can't be resolved.
        """
        self.check_host(host)
        try:
            found = self.resolver(host, port)
        except (OSError, UnicodeError):
            raise Unreachable(f"The name {host} can't be resolved.") from None
        for address in found:
            self.check_address(host, address)
        if not found:
            raise Unreachable(f"The name {host} has no address.")
        return found

    def check_host(self, host: str) -> None:
        """Raises :class:`EgressDenied` unless ``host`` is allowed."""
        if self.hosts is not None and host.lower().rstrip(".") not in self.hosts:
            raise EgressDenied(f"The host {host} is not on the allow-list.")

    def check_address(self, host: str, address: str) -> None:
        """Raises :class:`EgressDenied` unless ``address``, which ``host`` resolved to, is allowed."""
        try:
            forms = _forms(address)
        except ValueError:
            raise EgressDenied(f"The host {host} has an address that can't be read.") from None
        if any(form in network for network in self.networks for form in forms[:1]):
            return
        if any(form in network for network in _NOT_PUBLIC for form in forms):
            raise EgressDenied(f"The host {host} has the address {address}, which is not public.")


def _forms(address: str) -> list[IPv4Address | IPv6Address]:
    """The address that is really meant, and the IPv4 addresses that a translator may find inside it."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    forms: list[IPv4Address | IPv6Address] = [ip]
    if ip.sixtofour is not None:
        forms.append(ip.sixtofour)
    if ip in _NAT64:
        forms.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return forms

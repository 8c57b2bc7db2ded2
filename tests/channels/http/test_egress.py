"""What the hub connects to, whatever a URL or a name server says."""

from ipaddress import ip_network

import pytest
from tests.support.http_peer import HOST, serving

from ecluse.channels.http import Egress, EgressDenied, Unreachable, post

PUBLIC = "93.184.215.14"


def egress(*addresses, **options):
    return Egress(**{"hosts": None, "resolver": lambda _host, _port: list(addresses), **options})


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fc00::1",
        "ff02::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2001:db8::1",
        "2001::1",
        "no address",
    ],
)
def test_addresses_that_are_not_public_are_refused(address):
    with pytest.raises(EgressDenied):
        egress(address).addresses("birch.example", 443)
    with pytest.raises(EgressDenied):
        egress(PUBLIC, address).addresses("birch.example", 443)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "172.32.0.1"])
def test_public_addresses_are_allowed(address):
    assert egress(address).addresses("birch.example", 443) == [address]


def test_networks_can_be_allowed():
    lan = egress("10.1.2.3", networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert lan.addresses("birch.lan", 80) == ["10.1.2.3"]
    lan.check_address("birch.lan", "fd00::1")
    lan.check_address("birch.lan", "::ffff:10.1.2.3")
    for other in ("10.2.0.1", "64:ff9b::a02:1", "127.0.0.1"):
        with pytest.raises(EgressDenied):
            lan.check_address("birch.lan", other)


def test_hosts_are_denied_unless_listed():
    asked = []

    def resolver(host, _port):
        asked.append(host)
        return [PUBLIC]

    with pytest.raises(EgressDenied, match="allow-list"):
        Egress(resolver=resolver).addresses("birch.example", 443)
    only = Egress(frozenset({"birch.example"}), resolver=resolver)
    with pytest.raises(EgressDenied):
        only.addresses("evil.birch.example", 443)
    assert asked == []
    assert only.addresses("Birch.Example.", 443) == [PUBLIC]


def test_names_that_do_not_resolve():
    with pytest.raises(Unreachable):
        egress().addresses("birch.example", 443)
    with pytest.raises(Unreachable) as caught:
        Egress(None).addresses("birch.invalid", 443)
    assert caught.value.fault.value == "transient"
    with pytest.raises(Unreachable):
        Egress(None).addresses("a" * 64 + ".example", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_loopback_by_any_spelling(host):
    with serving() as server, pytest.raises((EgressDenied, Unreachable)):
        post(f"http://{host}:{server.port}/", [], b"", egress=Egress(None))


def test_a_name_is_resolved_once_and_the_checked_address_is_used():
    answers = [[HOST], ["10.0.0.1"]]
    policy = Egress(
        frozenset({"birch.example"}), (ip_network("127.0.0.0/8"),), lambda _host, _port: answers.pop(0)
    )
    with serving() as server:
        reply = post(f"http://birch.example:{server.port}/x", [], b"hello", egress=policy)
    assert reply.body == b"POST /x 5"
    assert reply.peer.address == HOST
    assert len(answers) == 1

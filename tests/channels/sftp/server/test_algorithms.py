"""What is offered, to whom, and what is refused."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest
from tests.support.sftp_site import Site

from ecluse.channels.sftp.server.algorithms import offer


def connects(site: Site, **options: object) -> str:
    """The cipher and MAC that were agreed on; empty where nothing was."""

    async def run() -> str:
        try:
            async with site.connect(**options) as connection:
                return f"{connection.get_extra_info('send_cipher')} {connection.get_extra_info('send_mac')}"
        except (asyncssh.Error, OSError):
            return ""

    return asyncio.run(run())


@pytest.mark.parametrize(
    "options",
    [
        {"kex_algs": ["diffie-hellman-group14-sha1"]},
        {"kex_algs": ["diffie-hellman-group14-sha256"]},
        {"encryption_algs": ["aes128-cbc"]},
        {"encryption_algs": ["3des-cbc"]},
        {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-sha1"]},
        {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-md5"]},
        {"server_host_key_algs": ["ssh-rsa"]},
    ],
)
def test_what_is_weak_is_refused(site: Site, options: dict[str, object]) -> None:
    assert not connects(site, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"kex_algs": ["mlkem768x25519-sha256"]},
        {"kex_algs": ["curve25519-sha256"]},
        {"kex_algs": ["ecdh-sha2-nistp384"]},
        {"encryption_algs": ["aes128-gcm@openssh.com"]},
        {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
        {"encryption_algs": ["aes128-ctr"], "mac_algs": ["hmac-sha2-512-etm@openssh.com"]},
        {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-sha2-256"]},
    ],
)
def test_what_is_strong_is_taken(site: Site, options: dict[str, object]) -> None:
    assert connects(site, **options)


def test_client_without_strict_key_exchange(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terrapin: it is not offered what a stranger on the line could cut at."""
    from asyncssh.connection import SSHClientConnection

    monkeypatch.setattr(SSHClientConnection, "_get_extra_kex_algs", lambda self: [b"ext-info-c"])
    never = property(lambda self: False, lambda self, value: None)
    monkeypatch.setattr(SSHClientConnection, "_strict_kex", never, raising=False)
    chosen = connects(site, encryption_algs=["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"])
    assert chosen.startswith("aes256-gcm@openssh.com")
    assert not connects(site, encryption_algs=["chacha20-poly1305@openssh.com"])
    etm = {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-sha2-256-etm@openssh.com"]}
    assert not connects(site, **etm)
    assert connects(site, encryption_algs=["aes256-ctr"], mac_algs=["hmac-sha2-256"])


LEGACY = '[[exceptions]]\nalgorithm = "ssh-legacy"\nreason = "old client"\nuntil = "2099-01-01"'


def test_exception_is_its_partner_s_alone(site: Site) -> None:
    old = {
        "kex_algs": ["diffie-hellman-group14-sha256"],
        "encryption_algs": ["aes128-cbc"],
        "mac_algs": ["hmac-sha1"],
    }
    assert not connects(site, **old)
    other = asyncssh.generate_private_key("ssh-ed25519")
    site.accounts["cedar"] = f'keys = ["{other.export_public_key().decode().strip()}"]\n{LEGACY}'
    site.configure()
    assert connects(site, username="cedar", client_keys=[other], **old)
    assert not connects(site, **old)
    assert connects(site)


def test_client_that_waits_for_our_key_exchange(site: Site) -> None:
    with site.raw() as line:
        line.settimeout(60)
        line.sendall(b"SSH-2.0-waits\r\n")
        data = b""
        while b"aes256-gcm" not in data:
            data += line.recv(4096)
        assert b"chacha20" not in data


def test_offers() -> None:
    usual = offer(strict=True, legacy=False)
    assert usual.key_exchanges[0] == b"mlkem768x25519-sha256"
    names = b" ".join((*usual.key_exchanges, *usual.ciphers, *usual.macs))
    for weak in (b"sha1", b"cbc", b"md5", b"group", b"arcfour"):
        assert weak not in names


def test_nothing_tells_of_versions(site: Site) -> None:
    with site.raw() as line:
        assert line.recv(100) == b"SSH-2.0-Ecluse\r\n"


def test_old_ones_come_last() -> None:
    assert offer(strict=False, legacy=True).ciphers[-1] == b"aes128-cbc"

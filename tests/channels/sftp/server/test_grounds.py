"""Open sessions end when what they lean on does, without anybody's saying so: a certificate's time, an exception's, a
password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh
import pytest
from tests.support.sftp_site import Site

from ecluse.channels.guard.passwords import make_verifier
from ecluse.channels.sftp.server import listener
from ecluse.channels.sftp.server.authority import Authority, Grounds
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, system_clock

YEAR = 366 * 86_400 * 1_000_000
LEGACY = '[[exceptions]]\nalgorithm = "ssh-legacy"\nreason = "old client"\nuntil = "%s"'
OLD = {
    "encryption_algs": ["aes128-cbc"],
    "mac_algs": ["hmac-sha1"],
    "kex_algs": ["diffie-hellman-group14-sha256"],
}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "REFRESH_EVERY", 0.1)


def ends(site: Site, happens: Callable[[], None], within: float = 60, **options: object) -> bool:
    """Whether a session that stood for a while ends once something happened; one that should not is not waited for."""

    async def run() -> bool:
        async with site.connect(**options) as connection:
            await asyncio.sleep(0.5)
            assert not connection.is_closed(), "it ended before anything happened"
            happens()
            try:
                await asyncio.wait_for(connection.wait_closed(), within)
            except TimeoutError:
                return False
            return True

    return asyncio.run(run())


def later(site: Site, by: int) -> Callable[[], None]:
    """Time passes."""

    def happens() -> None:
        site.server._shared.authority._clock = lambda: Instant(system_clock() + by)

    return happens


def certificate(site: Site, valid: str) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
    """Birch logs in with one of an authority's, from now on."""
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    made = authority.generate_user_certificate(key, "birch", principals=["birch"], valid_before=valid)
    site.accounts["birch"] = f'authorities = ["{authority.export_public_key().decode().strip()}"]'
    site.configure()
    return key, made


@pytest.mark.parametrize(("by", "ended"), [(30 * 60, False), (61 * 60, True)])
def test_a_certificate_that_expires(site: Site, by: int, ended: bool) -> None:
    shown = certificate(site, "+1h")
    assert ends(site, later(site, by * 1_000_000), 60 if ended else 1.5, client_keys=[shown]) is ended


def test_a_certificate_without_an_end(site: Site) -> None:
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    made = authority.generate_user_certificate(key, "birch", principals=["birch"])
    site.accounts["birch"] = f'authorities = ["{authority.export_public_key().decode().strip()}"]'
    site.configure()
    assert not ends(site, later(site, 50 * YEAR), 1.5, client_keys=[(key, made)])


@pytest.mark.parametrize(("old", "ended"), [(OLD, True), ({}, False)])
def test_an_exception_that_ends(site: Site, old: dict[str, object], ended: bool) -> None:
    """A session that negotiated nothing old has no need of it."""
    site.accounts["birch"] += LEGACY % "2099-01-01"
    site.configure()
    assert ends(site, later(site, 200 * YEAR), 60 if ended else 1.5, **old) is ended


@pytest.mark.parametrize("verifier", [False, True])
def test_a_password_that_is_changed(site: Site, verifier: bool) -> None:
    def kept(password: str) -> str:
        return make_verifier(password.encode(), b"s" * 16) if verifier else password

    reference = "file:secrets/birch"
    site.secrets[reference] = kept("correct-horse")
    site.accounts["birch"] = f'password = "{reference}"'
    site.configure()
    login = {"password": "correct-horse", "client_keys": []}
    assert not ends(site, lambda: None, 1.5, **login)
    assert ends(site, lambda: site.secrets.update({reference: kept("battery-staple")}), **login)


def test_a_secret_that_can_t_be_read_just_now_ends_nothing(site: Site) -> None:
    site.accounts["birch"] = 'password = "file:secrets/birch"'
    site.secrets["file:secrets/birch"] = "correct-horse"
    site.configure()

    class Away(EcluseError):
        code = "secret.unreadable"

    def fails(reference: str) -> None:
        raise Away("The vault does not answer.")

    def happens() -> None:
        for view in site.directory.partners:
            object.__setattr__(view, "_secret", fails)

    assert not ends(site, happens, 1.5, password="correct-horse", client_keys=[])


def test_a_mutant_that_leans_on_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authority, "_stand", lambda self, grounds, view: True)
    shown = certificate(site, "+1h")
    assert not ends(site, later(site, YEAR), 1.5, client_keys=[shown])


def test_two_factors_lean_on_both() -> None:
    first, second = Grounds(until=Instant(5)), Grounds(legacy=True)
    assert first.and_then(second) == second.and_then(first) == Grounds(Instant(5), legacy=True)

"""What must hold of the places where files are exchanged with a partner."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from ecluse.trust.addresses import is_loopback, split_host, split_url
from ecluse.trust.errors import Problem
from ecluse.trust.keys.ssh_public import public_key_problem

if TYPE_CHECKING:
    from ecluse.trust.settings.schema import Partner

__all__ = ["host_key_problem", "place_problems", "used_keys"]


def used_keys(partner: Partner) -> Iterator[tuple[str, str]]:
    """(field, name in the keyring) of every key of ours that a partner's file names."""
    for field, place in (("as2", partner.as2), ("ftps", partner.ftps), ("webdav", partner.webdav)):
        if place is not None and place.tls.client_key is not None:
            yield f"{field}.tls.client_key", place.tls.client_key
        if place is not None and place.tls.successor is not None:
            yield f"{field}.tls.successor", place.tls.successor
    if partner.sftp is not None:
        if partner.sftp.key is not None:
            yield "sftp.key", partner.sftp.key
        if partner.sftp.successor is not None:
            yield "sftp.successor", partner.sftp.successor
        for number, jump in enumerate(partner.sftp.jump):
            if jump.key is not None:
                yield f"sftp.jump[{number}].key", jump.key


def place_problems(file: str, partner: Partner, allowed: Collection[str]) -> Iterator[Problem]:
    """Everything wrong with the places of a partner's file by themselves.

    Args:
        file: Its path.
        partner: What it says.
        allowed: Names of its exceptions that hold.
    """
    ways = (
        partner.as2,
        partner.account,
        partner.sftp,
        partner.ftps,
        partner.s3,
        partner.azure,
        partner.gcs,
        partner.webdav,
    )
    if partner.state == "active" and not any(way is not None for way in ways):
        yield Problem(
            "config.no-channel",
            file,
            "",
            "There is no way to exchange anything with this partner.",
            "Add [as2], [account], [sftp], [ftps], [s3], [azure], [gcs] or [webdav].",
        )
    if partner.sftp is not None:
        sftp = partner.sftp
        yield from _host_keys(file, "sftp.host_keys", sftp.host_keys)
        if sftp.key is None and sftp.password is None and not sftp.agent:
            yield Problem(
                "config.missing-field",
                file,
                "sftp.key",
                "There is nothing to log in with.",
                "Name a key of the keyring, a reference to a password, or agent = true.",
            )
        if sftp.certificate is not None and sftp.key is None:
            yield Problem(
                "config.missing-field",
                file,
                "sftp.key",
                "A certificate is of no use without its key.",
                "Name the key of the keyring that the certificate was made for.",
            )
        for number, jump in enumerate(sftp.jump):
            field = f"sftp.jump[{number}]"
            yield from _host_keys(file, f"{field}.host_keys", jump.host_keys)
            if not 0 < split_host(jump.host, 22)[1] < 65536:
                yield Problem(
                    "config.bad-value",
                    file,
                    f"{field}.host",
                    "There is no such port.",
                    "Expected 1 to 65535.",
                )
            if jump.key is None and jump.password is None:
                yield Problem(
                    "config.missing-field",
                    file,
                    f"{field}.key",
                    "There is nothing to log in with.",
                    "Name a key of the keyring, or a reference to a password.",
                )
    if partner.ftps is not None and partner.ftps.mode == "clear" and "clear-text" not in allowed:
        yield Problem(
            "config.clear-text",
            file,
            "ftps.mode",
            "Documents and the password would cross the network in clear text.",
            'Use explicit or implicit TLS, or allow "clear-text" in [[exceptions]] with a reason and an end date.',
        )
    for field, host in (("sftp.host", partner.sftp), ("ftps.host", partner.ftps)):
        if host is not None and not 0 < split_host(host.host, 22)[1] < 65536:
            yield Problem("config.bad-value", file, field, "There is no such port.", "Expected 1 to 65535.")
    yield from _account(file, partner)
    yield from _buckets(file, partner, allowed)
    yield from _webdav(file, partner, allowed)


_NEEDED: Final = {
    "s3": ("access_key", "secret_key"),
    "azure": ("account", "secret_key"),
    "gcs": ("secret_key",),
}
"""What a bucket of each kind can't be opened without."""


def _buckets(file: str, partner: Partner, allowed: Collection[str]) -> Iterator[Problem]:
    for kind, bucket in (("s3", partner.s3), ("azure", partner.azure), ("gcs", partner.gcs)):
        if bucket is None:
            continue
        for field in _NEEDED[kind]:
            if getattr(bucket, field) is None:
                yield Problem(
                    "config.missing-field",
                    file,
                    f"{kind}.{field}",
                    "The bucket can't be opened without it.",
                    "Give the account's name, and keys as references to secrets.",
                )
        if bucket.endpoint is not None:
            yield from _web(file, f"{kind}.endpoint", bucket.endpoint, allowed)
        if bucket.prefix.startswith("/") or "//" in bucket.prefix:
            yield Problem(
                "config.bad-value",
                file,
                f"{kind}.prefix",
                "A prefix has an empty name in it.",
                'Expected names with a slash after each, such as "from-aster/".',
            )


def _webdav(file: str, partner: Partner, allowed: Collection[str]) -> Iterator[Problem]:
    if partner.webdav is None:
        return
    yield from _web(file, "webdav.url", partner.webdav.url, allowed)
    if (partner.webdav.user is None) != (partner.webdav.password is None):
        yield Problem(
            "config.missing-field",
            file,
            "webdav.password" if partner.webdav.password is None else "webdav.user",
            "A user and a password go together.",
            "Give both, or neither.",
        )


def _web(file: str, field: str, url: str, allowed: Collection[str]) -> Iterator[Problem]:
    place = split_url(url)
    if place is None or "?" in url or "#" in url:
        yield Problem(
            "config.bad-value",
            file,
            field,
            "This is no URL of a store.",
            'Expected a URL without a user, a query or a fragment, such as "https://files.birch.example".',
        )
    elif place[0] == "http" and not is_loopback(place[1]) and "clear-text" not in allowed:
        yield Problem(
            "config.clear-text",
            file,
            field,
            "Documents would cross the network in clear text.",
            'Use https, or allow "clear-text" in [[exceptions]] with a reason and an end date.',
        )


def _host_keys(file: str, field: str, pinned: tuple[str, ...]) -> Iterator[Problem]:
    if not pinned:
        yield Problem(
            "config.unpinned-host",
            file,
            field,
            "No host key is pinned: anybody could answer in the server's place.",
            "Look with `ecluse partner scan-host-key`, compare the fingerprint with the partner by another way, and "
            "put it here.",
        )
    for number, line in enumerate(pinned):
        problem = host_key_problem(line, legacy=True)
        if problem is not None:
            yield Problem(
                "config.bad-value",
                file,
                f"{field}[{number}]",
                f"This is no host key that can be used: {problem}",
                "Copy it whole: a fingerprint SHA256:..., or kind and base 64 of a public key.",
            )


def host_key_problem(line: str, *, legacy: bool = False) -> str | None:
    """What is wrong with a pinned host key or a login key, in words; a fingerprint is one by its form."""
    if line.startswith("SHA256:"):
        return None
    return public_key_problem(line.removeprefix("@cert-authority "), legacy=legacy)


def _account(file: str, partner: Partner) -> Iterator[Problem]:
    account = partner.account
    if account is None:
        return
    certificate = any("tls-client" in entry.use for entry in partner.certificates)
    if not (account.keys or account.authorities or account.password or certificate):
        yield Problem(
            "config.missing-field",
            file,
            "account.keys",
            "There is nothing that they could log in with.",
            "Give their public keys, an authority, or a reference to a password.",
        )
    for name, lines in (("keys", account.keys), ("authorities", account.authorities)):
        for number, line in enumerate(lines):
            problem = public_key_problem(line, legacy=True)
            if problem is not None:
                yield Problem(
                    "config.bad-value",
                    file,
                    f"account.{name}[{number}]",
                    f"This key can't be used: {problem}",
                    "Ask for the partner's present public key, whole: Ed25519, or RSA of 2048 bits or more.",
                )
    if account.second_factor and account.password is None:
        yield Problem(
            "config.missing-field",
            file,
            "account.password",
            "A second factor is asked for, and there is no password.",
            "Give a reference to a password, or leave second_factor out.",
        )
    reserved = {"inbound", "outbound", "receipts"}
    for number, folder in enumerate(account.folders):
        if folder.split("/")[0] in reserved - {"inbound"} or re.search(r"(^|/)\.", folder):
            yield Problem(
                "config.bad-value",
                file,
                f"account.folders[{number}]",
                "A folder of that name can't be uploaded into.",
                "Choose another name; outbound and receipts are the hub's.",
            )

"""The roles of accounts with us, and of partners' servers and buckets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from ecluse.trust.places import Account, Bucket, Ftps, Sftp, WebDav
from ecluse.trust.roles.facts import Case, RoleSpec, RoleValue
from ecluse.trust.roles.judging import (
    other_than_newest,
    our_certificate,
    our_ssh_key,
    secret,
    short,
    ssh_key,
    their_certificates,
)
from ecluse.trust.roles.tls import FLOOR as TLS_FLOOR
from ecluse.trust.roles.tls import SYSTEM, client_key, other_server, server_anchors

__all__ = ["ACCOUNT_FTPS", "ACCOUNT_SFTP", "BUCKET", "FTPS", "SFTP", "WEBDAV"]

_SSH_FLOOR: Final = "Ed25519, EC P-256 or RSA of 2048 bits; authenticated ciphers, no SHA-1"
_OLD: Final = ("sha1", "-cbc", "-ctr", "arcfour", "md5", "ssh-dss")
"""What old SSH algorithms have in their names (RFC 9142 s4; CVE-2023-48795 for those that are not authenticated)."""
_SPOKEN: Final = ("kex", "cipher", "mac", "host-key-algorithm")


# --- their SFTP server --------------------------------------------------------------------------------------


def _sftp(case: Case) -> Sftp:
    settings = case.view.settings.sftp
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _pins(case: Case) -> list[RoleValue]:
    return [ssh_key(line) for line in _sftp(case).host_keys]


def _host_key_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    last = case.last("host-key")
    if last and all(value.value != last for value in values):
        yield f"Their server showed {last}, which is not pinned."
    yield from _old_algorithms(case, values)


def _old_algorithms(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    for what in _SPOKEN:
        last = case.last(what)
        if last == "ssh-rsa" or any(old in last for old in _OLD):
            yield f"The {what} was {last}, which is below the floor."


def _sftp_key(case: Case) -> list[RoleValue]:
    settings = _sftp(case)
    values = [] if settings.key is None else [our_ssh_key(case, settings.key)]
    return values + ([RoleValue("agent", "the SSH agent of the hub's process")] if settings.agent else [])


def _sftp_password(case: Case) -> list[RoleValue]:
    reference = _sftp(case).password
    return [] if reference is None else [secret(case, reference)]


def _no_sftp_key(case: Case) -> str:
    return "" if _sftp(case).password is None else "We log in with a password."


def _logged_in(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    if values and case.last("login") == "password":
        yield "Their server took our password, and not our key."


SFTP: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "host-key",
        "theirs",
        "their server proves itself with",
        _pins,
        floor=_SSH_FLOOR,
        used=("host-key", *_SPOKEN, "version"),
        differs=_host_key_differs,
    ),
    RoleSpec(
        "user-key",
        "ours",
        "we log in with the key",
        _sftp_key,
        _no_sftp_key,
        _SSH_FLOOR,
        used=("user-key", "login"),
        differs=_logged_in,
    ),
    RoleSpec(
        "password",
        "ours",
        "we log in with the password",
        _sftp_password,
        lambda case: "We log in with a key." if _sftp(case).key or _sftp(case).agent else "",
    ),
)


# --- their accounts with us ---------------------------------------------------------------------------------


def _account(case: Case) -> Account:
    settings = case.view.settings.account
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _account_keys(case: Case) -> list[RoleValue]:
    account = _account(case)
    authorities = (ssh_key(f"@cert-authority {line}") for line in account.authorities)
    return [*(ssh_key(line) for line in account.keys), *authorities]


def _account_password(case: Case) -> list[RoleValue]:
    reference = _account(case).password
    return [] if reference is None else [secret(case, reference)]


def _no_account_key(case: Case) -> str:
    account = _account(case)
    return (
        "They log in with a password." if account.password is not None and not account.second_factor else ""
    )


def _no_account_password(case: Case) -> str:
    account = _account(case)
    proven = (
        account.keys or account.authorities if case.channel == "account-sftp" else case.view.shows_tls_client
    )
    return "They log in without one." if proven and not account.second_factor else ""


def _account_key_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    last, login = case.last("user-key"), case.last("login")
    known = {value.value.removeprefix("an authority ") for value in values}
    if login == "password" and values:
        yield "They log in with a password, though a key is of record."
    elif last and login != "password" and last not in known:
        yield f"They logged in with {last}, which is not of record."


def _second_factor(case: Case) -> list[RoleValue]:
    if not _account(case).second_factor:
        return []
    what = "a key" if case.channel == "account-sftp" else "a client certificate"
    return [RoleValue("required", f"{what} besides the password")]


def _one_factor(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    login = case.last("login")
    if values and login and "+" not in login and login != "both":
        yield f"They logged in last with one factor ({login})."


def _host_keys(case: Case) -> list[RoleValue]:
    listener = case.directory.hub.listen.sftp
    return [] if listener is None else [our_ssh_key(case, ref) for ref in listener.host_keys]


def _old_host_key(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    last = case.last("host-key")
    if last and values and values[0].value != last:
        known = any(value.value == last for value in values)
        rest = "" if known else ", which is not ours any more"
        yield f"They took {last} of us{rest}; the preferred one is {values[0].value}."
    yield from _old_algorithms(case, values)


_SECOND_FACTOR: Final = RoleSpec(
    "second-factor",
    "theirs",
    "besides the password they show",
    _second_factor,
    lambda case: "No second factor is asked of them.",
    used=("login",),
    differs=_one_factor,
)

ACCOUNT_SFTP: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "user-key",
        "theirs",
        "they log in with the key",
        _account_keys,
        _no_account_key,
        _SSH_FLOOR,
        used=("user-key", "login", "version"),
        differs=_account_key_differs,
    ),
    RoleSpec("password", "theirs", "they log in with the password", _account_password, _no_account_password),
    _SECOND_FACTOR,
    RoleSpec(
        "host-key",
        "ours",
        "our server proves itself with",
        _host_keys,
        floor=_SSH_FLOOR,
        used=("host-key", *_SPOKEN),
        differs=_old_host_key,
    ),
)


def _no_certificate(case: Case) -> str:
    account = _account(case)
    if account.second_factor or account.password is None:
        return ""
    return "They log in with a password."


def _certificate_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    if values and not case.last("tls-client") and case.last("login"):
        yield "They show no certificate, though one is of record."
    yield from other_than_newest(case, "tls-client", values, "They show")


def _ftps_listener(case: Case) -> list[RoleValue]:
    listener = case.directory.hub.listen.ftps
    return [] if listener is None else [our_certificate(case, listener.key, "tls", current=True)]


ACCOUNT_FTPS: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "password",
        "theirs",
        "they log in with the password",
        _account_password,
        _no_account_password,
        used=("login",),
    ),
    RoleSpec(
        "tls-client",
        "theirs",
        "they log in with the certificate",
        partial(their_certificates, use="tls-client"),
        _no_certificate,
        TLS_FLOOR,
        used=("tls-client", "tls-version", "cipher"),
        differs=_certificate_differs,
    ),
    _SECOND_FACTOR,
    RoleSpec("our-tls-server", "ours", "our listener shows", _ftps_listener, floor=TLS_FLOOR),
)


# --- their FTPS and WebDAV servers --------------------------------------------------------------------------


def _ftps(case: Case) -> Ftps:
    settings = case.view.settings.ftps
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _webdav(case: Case) -> WebDav:
    settings = case.view.settings.webdav
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _webdav_password(case: Case) -> list[RoleValue]:
    reference = _webdav(case).password
    return [] if reference is None else [secret(case, reference)]


def _clear_ftp(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    if case.last("tls-version") == "none":
        yield "Files and passwords went in clear text."
    yield from other_server(case, values)


def _no_own_certificate(case: Case) -> str:
    return "Their server asks for no certificate of ours."


FTPS: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "tls-server",
        "theirs",
        "their server shows",
        lambda case: server_anchors(case, "https:", clear=_ftps(case).mode == "clear"),
        lambda case: "Their server speaks FTP in clear text." if _ftps(case).mode == "clear" else "",
        TLS_FLOOR,
        used=("tls-server", "tls-version", "cipher"),
        differs=_clear_ftp,
    ),
    RoleSpec(
        "our-tls-client",
        "ours",
        "we show their server",
        lambda case: client_key(case, _ftps(case).tls.client_key),
        _no_own_certificate,
        TLS_FLOOR,
    ),
    RoleSpec(
        "password", "ours", "we log in with the password", lambda case: [secret(case, _ftps(case).password)]
    ),
)

WEBDAV: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "tls-server",
        "theirs",
        "their server shows",
        lambda case: server_anchors(case, _webdav(case).url),
        lambda case: "" if _webdav(case).url.lower().startswith("https:") else "Their URL has no TLS.",
        TLS_FLOOR,
        used=("tls-server", "tls-version", "cipher"),
        differs=other_server,
    ),
    RoleSpec(
        "our-tls-client",
        "ours",
        "we show their server",
        lambda case: client_key(case, _webdav(case).tls.client_key),
        _no_own_certificate,
        TLS_FLOOR,
    ),
    RoleSpec(
        "password",
        "ours",
        "we log in with the password",
        _webdav_password,
        lambda case: "" if _webdav(case).user is not None else "Their server asks for no login.",
    ),
)


# --- their buckets ------------------------------------------------------------------------------------------


def _bucket(case: Case) -> Bucket:
    settings = getattr(case.view.settings, case.channel)
    assert isinstance(settings, Bucket), "a table is asked for of channels that there are"
    return settings


def _credentials(case: Case) -> list[RoleValue]:
    settings = _bucket(case)
    wanted = (settings.access_key, settings.secret_key) if case.channel == "s3" else (settings.secret_key,)
    if None in wanted:
        return []
    return [secret(case, reference) for reference in wanted if reference is not None]


def _store(case: Case) -> list[RoleValue]:
    settings = _bucket(case)
    if (settings.endpoint or "https:").lower().startswith("http:"):
        return []
    if settings.ca is not None:
        return [RoleValue(settings.ca, f"the authorities in {settings.ca}")]
    return [RoleValue(SYSTEM, "the system's authorities")]


def _clear_store(case: Case) -> str:
    clear = (_bucket(case).endpoint or "").lower().startswith("http:")
    return "The store's endpoint has no TLS." if clear else ""


def _other_version(case: Case, values: Sequence[RoleValue]) -> Iterator[str]:
    if values and case.last("tls-version") == "none":
        yield f"The last connection had no TLS; the certificate before was {short(case.last('tls-server'))}."


BUCKET: Final[tuple[RoleSpec, ...]] = (
    RoleSpec("credentials", "ours", "we log in with", _credentials),
    RoleSpec(
        "tls-server",
        "theirs",
        "the store is trusted by",
        _store,
        _clear_store,
        TLS_FLOOR,
        used=("tls-server", "tls-version", "cipher"),
        differs=_other_version,
    ),
)

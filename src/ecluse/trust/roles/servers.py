"""The roles of partners' servers and buckets: what proves them, and how we log in there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ecluse.trust.roles.facts import Case, Difference, RoleSpec, RoleValue
from ecluse.trust.roles.judging import secret
from ecluse.trust.roles.ssh import FLOOR as SSH_FLOOR
from ecluse.trust.roles.ssh import SPOKEN, old_algorithms, our_ssh_key, ssh_key
from ecluse.trust.roles.tls import FLOOR as TLS_FLOOR
from ecluse.trust.roles.tls import SYSTEM, client_key, other_server, server_anchors
from ecluse.trust.settings.places import Bucket, Ftps, Sftp, WebDav

__all__ = ["BUCKET", "FTPS", "SFTP", "WEBDAV"]

# --- SFTP ---------------------------------------------------------------------------------------------------


def _sftp(case: Case) -> Sftp:
    settings = case.view.settings.sftp
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _pins(case: Case) -> list[RoleValue]:
    return [ssh_key(line) for line in _sftp(case).host_keys]


def _host_key_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    last = case.last("host-key")
    if last and all(value.value != last for value in values):
        yield Difference("unknown-key", f"Their server showed {last}, which is not pinned.")
    yield from old_algorithms(case, values)


def _sftp_key(case: Case) -> list[RoleValue]:
    settings = _sftp(case)
    refs = (settings.successor, settings.key)
    values = [our_ssh_key(case, ref) for ref in refs if ref is not None]
    return values + ([RoleValue("agent", "the SSH agent of the hub's process")] if settings.agent else [])


def _sftp_password(case: Case) -> list[RoleValue]:
    reference = _sftp(case).password
    return [] if reference is None else [secret(case, reference)]


def _no_sftp_key(case: Case) -> str:
    return "" if _sftp(case).password is None else "We log in with a password."


def _logged_in(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    if values and case.last("login") == "password":
        yield Difference("password", "Their server took our password, and not our key.")


SFTP: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "host-key",
        "theirs",
        "their server proves itself with",
        _pins,
        floor=SSH_FLOOR,
        used=("host-key", *SPOKEN, "version"),
        differs=_host_key_differs,
    ),
    RoleSpec(
        "user-key",
        "ours",
        "we log in with the key",
        _sftp_key,
        _no_sftp_key,
        SSH_FLOOR,
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


# --- FTPS and WebDAV ----------------------------------------------------------------------------------------


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


def _clear_ftp(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    if case.last("tls-version") == "none":
        yield Difference("clear-text", "Files and passwords went in clear text.")
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
        lambda case: client_key(case, case.view.client_key(_ftps(case).tls)),
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
        lambda case: client_key(case, case.view.client_key(_webdav(case).tls)),
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


# --- buckets ------------------------------------------------------------------------------------------------


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


def _other_version(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    if values and case.last("tls-version") == "none":
        yield Difference("clear-text", "The last connection had no TLS.")


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

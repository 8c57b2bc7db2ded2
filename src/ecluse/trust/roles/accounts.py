"""The roles of partners' accounts with us: how they log in, and what proves our listeners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from ecluse.trust.roles.facts import Case, Difference, RoleSpec, RoleValue
from ecluse.trust.roles.judging import other_than_newest, our_certificate, secret, their_certificates
from ecluse.trust.roles.ssh import FLOOR as SSH_FLOOR
from ecluse.trust.roles.ssh import SPOKEN, old_algorithms, our_ssh_key, ssh_key
from ecluse.trust.roles.tls import FLOOR as TLS_FLOOR
from ecluse.trust.settings.places import Account

__all__ = ["ACCOUNT_FTPS", "ACCOUNT_SFTP"]


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


def _account_key_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    last, login = case.last("user-key"), case.last("login")
    known = {value.value.removeprefix("an authority ") for value in values}
    if login == "password" and values:
        yield Difference("password", "They log in with a password, though a key is of record.")
    elif last and login != "password" and last not in known:
        yield Difference("unknown-key", f"They logged in with {last}, which is not of record.")


def _second_factor(case: Case) -> list[RoleValue]:
    if not _account(case).second_factor:
        return []
    what = "a key" if case.channel == "account-sftp" else "a client certificate"
    return [RoleValue("required", f"{what} besides the password")]


def _one_factor(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    login = case.last("login")
    if values and login and "+" not in login and login != "both":
        yield Difference("one-factor", f"They logged in last with one factor ({login}).")


def _host_keys(case: Case) -> list[RoleValue]:
    listener = case.directory.hub.listen.sftp
    return [] if listener is None else [our_ssh_key(case, ref) for ref in listener.host_keys]


def _old_host_key(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    last = case.last("host-key")
    if last and values and values[0].value != last:
        known = any(value.value == last for value in values)
        rest = "" if known else ", which is not ours any more"
        yield Difference(
            "older-key", f"They took {last} of us{rest}; the preferred one is {values[0].value}."
        )
    yield from old_algorithms(case, values)


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
        SSH_FLOOR,
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
        floor=SSH_FLOOR,
        used=("host-key", *SPOKEN),
        differs=_old_host_key,
    ),
)


def _no_certificate(case: Case) -> str:
    account = _account(case)
    if account.second_factor or account.password is None:
        return ""
    return "They log in with a password."


def _certificate_differs(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    if values and not case.last("tls-client") and case.last("login"):
        yield Difference("no-certificate", "They show no certificate, though one is of record.")
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

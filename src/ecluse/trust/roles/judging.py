"""What a certificate, key or secret is worth in a role, and what a role is worth by its values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, iso
from ecluse.trust.certificates import CertificateInfo, Dated, describe
from ecluse.trust.roles.facts import Case, Difference, RoleValue, State, ValueState

__all__ = [
    "EXPIRING",
    "below",
    "former_certificates",
    "is_authority",
    "judge",
    "other_than_newest",
    "our_certificate",
    "secret",
    "short",
    "their_certificates",
    "worth",
]

EXPIRING: Final = 30 * 86_400 * 1_000_000
"""Microseconds before the end of a key at which it is about to end: partners take two to four weeks to change one."""

_PURPOSES: Final = {
    "tls": ExtendedKeyUsageOID.SERVER_AUTH,
    "tls-client": ExtendedKeyUsageOID.CLIENT_AUTH,
}
_SIGNS: Final = frozenset({"sign", "verify", "mdn-sign", "mdn-verify"})
_ENCRYPTS: Final = frozenset({"encrypt", "decrypt"})


def judge(values: Sequence[RoleValue], needless: str, *, one: bool) -> tuple[State, str]:
    """What a role is in, and why.

    Args:
        values: What is configured.
        needless: Why nothing is asked of it; empty where something is.
        one: Only the first that counts is used.
    """
    if not values:
        return ("not-needed", needless) if needless else ("missing", "Nothing is configured for it.")
    current = [value for value in values if value.current]
    if not current:
        if needless:
            return "not-needed", needless
        worst = next(
            (value for state in ("wrong", "expired") for value in values if value.state == state), values[0]
        )
        if worst.state == "wrong":
            return "wrong", worst.why
        return ("expired", worst.why) if worst.state == "expired" else ("missing", worst.why)
    counted = current[:1] if one else current
    for state in ("wrong", "weak"):
        for value in counted:
            if value.state == state:
                return state, value.why
    last = [value for value in values if value.current or value.state == "not-yet"]
    if all(value.state == "expiring" for value in last):
        return "expiring", counted[0].why
    return "set", ""


# --- certificates -------------------------------------------------------------------------------------------


def worth(case: Case, use: str, entry: Dated) -> tuple[ValueState, str]:
    """What a certificate is worth for a use (as partners' files name it), and why."""
    info, now = entry.info, case.now
    unfit = _unfit(info, use, entry.certificate)
    if unfit:
        return "wrong", unfit
    if entry.refused is not None and now >= entry.refused:
        return "wrong", f"Its authority revoked it on {_day(entry.refused)}, or can't be asked since."
    begins = max(entry.start or 0, info.not_before)
    if now < begins:
        return "not-yet", f"It is used from {_day(begins)} on."
    if entry.end is not None and now >= entry.end:
        return "expired", f"It was used until {_day(entry.end - 1)}."
    if now > info.not_after:
        until = case.allowed.get("expired-certificate")
        if until is None:
            return "expired", f"It ended on {_day(info.not_after)}."
        return "weak", f"It ended on {_day(info.not_after)}, and is allowed until {until}."
    if info.weaknesses:
        weakness = info.weaknesses[0]
        until = case.allowed.get(weakness.name)
        return "weak", weakness.cause if until is None else f"{weakness.cause[:-1]}; allowed until {until}."
    ends = min(entry.end or info.not_after, info.not_after)
    if ends - now < EXPIRING:
        return "expiring", f"It ends on {_day(ends)}."
    return "set", ""


def _unfit(info: CertificateInfo, use: str, certificate: x509.Certificate) -> str:
    if use in _SIGNS and not info.can_sign:
        return f"Its key ({info.key.name}) or its key usage is not for signatures."
    if use in _ENCRYPTS and not info.can_encrypt:
        return f"Its key ({info.key.name}) or its key usage is not for encryption."
    wanted = _PURPOSES.get(use)
    purposes = _purposes(certificate) if wanted is not None else None
    if wanted is not None and purposes is not None and wanted not in purposes:
        return f"Its extended key usage is not for TLS {'servers' if use == 'tls' else 'clients'}."
    return ""


@lru_cache(maxsize=65_536)
def _purposes(certificate: x509.Certificate) -> Collection[ObjectIdentifier] | None:
    """What a certificate is for (RFC 5280 s4.2.1.12); ``None`` where it does not say, or is an authority's."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    found = frozenset(usage)
    anything = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found
    return None if anything or is_authority(certificate) else found


@lru_cache(maxsize=65_536)
def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may issue others (RFC 5280 s4.2.1.9)."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def their_certificates(case: Case, use: str) -> list[RoleValue]:
    """A partner's certificates for a use, also those that are out of their time; that which counts first."""
    entries = case.view.certificates.entries
    named = [entry for entry in entries if use in entry.use]
    if not named and use.startswith("mdn-"):
        named = [entry for entry in entries if use.removeprefix("mdn-") in entry.use]
    if not named:
        return []
    current = case.view.certificates.entries_at(use, case.now, case.allowed)
    rest = [entry for entry in named if not any(entry is each for each in current)]
    return [
        *(_certificate(case, use, entry, current=True) for entry in current),
        *(_certificate(case, use, entry, current=False) for entry in rest),
    ]


def _certificate(case: Case, use: str, entry: Dated, *, current: bool, ref: str = "") -> RoleValue:
    info = entry.info
    state, why = worth(case, use, entry)
    return RoleValue(
        value=info.fingerprint,
        label=info.subject,
        state=state,
        ref=ref,
        algorithm=info.key.name,
        why=why,
        not_before=info.not_before,
        not_after=info.not_after,
        start=entry.start,
        end=entry.end,
        current=current,
    )


def our_certificate(
    case: Case, ref: str, use: str, dated: Dated | None = None, *, current: bool
) -> RoleValue:
    """A key of ours with its present certificate.

    Args:
        case: Whose, and when.
        ref: Its name in the keyring.
        use: What it is to do.
        dated: Its certificate and windows; those of the keyring by default.
        current: It counts at this moment.
    """
    if dated is None:
        try:
            certificate = case.directory.keyring.certificate(ref)
            dated = Dated(certificate, _described(certificate), frozenset())
        except EcluseError as error:
            return RoleValue(value=ref, label=ref, state="wrong", ref=ref, why=error.cause)
    return _certificate(case, use, dated, current=current, ref=ref)


@lru_cache(maxsize=1024)
def _described(certificate: x509.Certificate) -> CertificateInfo:
    return describe(certificate)


def former_certificates(case: Case, ref: str) -> list[RoleValue]:
    """Certificates that a key of ours had before: what is encrypted to one of them still opens."""
    try:
        former = case.directory.keyring.former(ref)
    except EcluseError:
        return []
    return [
        RoleValue(
            value=certificate.fingerprint(SHA256()).hex(),
            label=_described(certificate).subject,
            ref=ref,
            algorithm=_described(certificate).key.name,
            why="The key has another certificate by now.",
            not_before=_described(certificate).not_before,
            not_after=_described(certificate).not_after,
            current=False,
        )
        for certificate in former
    ]


def other_than_newest(case: Case, what: str, values: Sequence[RoleValue], doing: str) -> Iterator[Difference]:
    """Say where a key that was seen last is not the newest of record.

    Args:
        case: Whose, and when.
        what: Which sighting.
        values: What is configured, the newest that counts first.
        doing: Begins the sentence: ``They sign with``.
    """
    last = case.last(what)
    if not last or not values or values[0].value == last:
        return
    if any(value.value == last for value in values):
        yield Difference(
            "older-key", f"{doing} {short(last)}; the newest of record is {short(values[0].value)}."
        )
    else:
        yield Difference("unknown-key", f"{doing} {short(last)}, which is not of record.")


def below(case: Case, exception: str) -> str:
    """What is said of an algorithm that only ``exception`` could allow."""
    until = case.allowed.get(exception)
    return "below the floor" if until is None else f"below the floor, and allowed until {until}"


def secret(case: Case, reference: str) -> RoleValue:
    """A secret that a file refers to."""
    problem = case.secret(reference)
    return RoleValue(value=reference, label=reference, state="wrong" if problem else "set", why=problem)


def short(value: str) -> str:
    """A fingerprint as people compare it at a glance; any other value as it is."""
    if len(value) in (40, 64) and set(value.lower()) <= set("0123456789abcdef"):
        return value[:16]
    return value


def _day(instant: int) -> str:
    return iso(Instant(instant))[:10]

"""The roles of OpenPGP: who signs documents, and whom they are encrypted to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.trust.keys.openpgp import seconds
from ecluse.trust.roles.facts import Case, Difference, RoleSpec, RoleValue, ValueState
from ecluse.trust.roles.judging import EXPIRING, below, short
from ecluse.trust.rules.openpgp import encryption_problem, verification_problem
from ecluse.trust.settings.places import OpenPgp
from ecluse.wire.openpgp.certificate import Certificate
from ecluse.wire.openpgp.errors import BadCertificate

__all__ = ["OPENPGP"]

_FLOOR: Final = "RSA of 2048 bits or elliptic curves; SHA-2; AES with an integrity check"
_LEGACY: Final = "openpgp-legacy"

Problem = Callable[[Certificate, int, Collection[str]], BadCertificate | None]

_STATES: Final[dict[str, ValueState]] = {
    "openpgp.certificate-expired": "expired",
    "openpgp.certificate-not-yet": "not-yet",
    "openpgp.weak-algorithm": "weak",
}
"""What the problem of a certificate makes of it; any other makes it wrong."""


def _settings(case: Case) -> OpenPgp:
    settings = case.view.settings.openpgp
    assert settings is not None, "a table is asked for of channels that there are"
    return settings


def _value(case: Case, certificate: Certificate, problem: Problem, ref: str = "") -> RoleValue:
    when = seconds(case.now)
    found = problem(certificate, when, case.allowed)
    state: ValueState = "set"
    why = ""
    view = certificate.at(when, case.allowed)
    ends = view.expires()
    if found is not None:
        state, why = _STATES.get(found.code, "wrong"), found.cause
    elif _LEGACY in case.allowed and (strict := problem(certificate, when, ())) is not None:
        state, why = "weak", f"{strict.cause.rstrip('.')}; allowed until {case.allowed[_LEGACY]}."
    elif ends is not None and ends * 1_000_000 - case.now < EXPIRING:
        state, why = "expiring", "It ends within 30 days."
    names = [user.text for user in view.user_ids or certificate.user_ids]
    return RoleValue(
        value=certificate.fingerprint,
        label=ref or (names[0] if names else ""),
        state=state,
        ref=ref,
        algorithm=certificate.primary.name,
        why=why,
        not_before=Instant(certificate.primary.created * 1_000_000),
        not_after=None if ends is None else Instant(ends * 1_000_000),
        current=found is None,
    )


def _theirs(problem: Problem) -> Callable[[Case], list[RoleValue]]:
    def values(case: Case) -> list[RoleValue]:
        paths = _settings(case).certificates
        found = case.directory.configuration.openpgp_certificates(paths)
        return sorted(
            (_value(case, each, problem) for each in found),
            key=lambda value: (not value.current, -(value.not_before or 0)),
        )

    return values


def _refs(case: Case) -> tuple[str, ...]:
    own = _settings(case).key
    return tuple(dict.fromkeys((*(() if own is None else (own,)), *case.directory.hub.openpgp.keys)))


def _our(case: Case, ref: str, problem: Problem) -> RoleValue:
    try:
        certificate = case.directory.keyring.openpgp_certificate(ref)
    except EcluseError as error:
        return RoleValue(value=ref, label=ref, state="wrong", ref=ref, why=error.cause)
    return _value(case, certificate, problem, ref)


def _signing(case: Case) -> list[RoleValue]:
    return [_our(case, ref, verification_problem) for ref in _refs(case)[:1]]


def _opening(case: Case) -> list[RoleValue]:
    return [_our(case, ref, encryption_problem) for ref in _refs(case)]


def _verified(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    last, scheme = case.last("verify"), case.last("signature-algorithm")
    if scheme == "none":
        yield Difference("unsigned", "They don't sign their documents.")
    elif last and all(value.value != last for value in values):
        yield Difference("unknown-key", f"They sign with {short(last)}, which is not of record.")
    if scheme.upper().endswith("SHA1"):
        yield Difference("below-floor", f"They sign with {scheme}, which is {below(case, _LEGACY)}.")


def _opened(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    last, cipher = case.last("decrypt"), case.last("encryption-algorithm")
    if cipher == "none":
        yield Difference("unencrypted", "They don't encrypt their documents.")
    elif cipher and not cipher.startswith(("AES", "Camellia", "Twofish")):
        yield Difference("below-floor", f"They encrypt with {cipher}, which is {below(case, _LEGACY)}.")
    if last and values and values[0].value != last and cipher != "none":
        yield Difference(
            "older-key", f"They encrypt to {short(last)}; our present key is {short(values[0].value)}."
        )


OPENPGP: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "sign",
        "ours",
        "we sign documents with",
        _signing,
        lambda case: "" if _refs(case) else "We have no OpenPGP key to sign with.",
        _FLOOR,
        one=True,
    ),
    RoleSpec(
        "verify",
        "theirs",
        "they sign documents with",
        _theirs(verification_problem),
        lambda case: "" if _settings(case).require_signed else "Their documents need no signature.",
        _FLOOR,
        used=("verify", "signature-algorithm"),
        differs=_verified,
    ),
    RoleSpec(
        "encrypt",
        "theirs",
        "we encrypt documents to",
        _theirs(encryption_problem),
        lambda case: (
            "" if _settings(case).certificates else "There is no certificate of theirs to encrypt to."
        ),
        _FLOOR,
    ),
    RoleSpec(
        "decrypt",
        "ours",
        "they encrypt documents to",
        _opening,
        lambda case: "" if _settings(case).require_encrypted else "Their documents need not be encrypted.",
        _FLOOR,
        used=("decrypt", "encryption-algorithm", "recipient"),
        differs=_opened,
    ),
)

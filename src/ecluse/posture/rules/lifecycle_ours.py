"""What ends of our own: keys, certificates, OpenPGP; and whether anybody asks about revocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.model.basics import iso
from ecluse.posture.facts import HubFacts, OwnKeyFacts
from ecluse.posture.looks import all_of, being, longer, shorter, weak
from ecluse.posture.rule import Fix, Hit, Moment, Rule, Severity
from ecluse.posture.rules.lifecycle import MONTH, QUARTER, WEEK, between, endless, openpgp_ends

__all__ = ["HUB"]


def _ours_revoked(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in facts.keys:
        if key.revoked and key.use:
            yield _own(key, "was revoked by its authority")


def _asks(facts: HubFacts) -> bool:
    return facts.settings.revocation.mode != "off"


def _ours(first: int, last: int) -> Callable[[HubFacts, Moment], Iterator[Hit]]:
    def look(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
        for key in _ending_keys(facts):
            if between(moment, key.ends, first, last) and not key.replaced:
                yield _own(key, f"ends on {iso(key.ends)[:10]}")

    return look


def _ours_ended(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in _ending_keys(facts):
        if moment.passed(key.ends) and not key.replaced:
            yield _own(key, f"ended on {iso(key.ends)[:10]}")


def _ours_early(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    present = {
        use
        for key in facts.keys
        for use in key.use
        if moment.passed(key.begins) and not moment.passed(key.ends)
    }
    for key in facts.keys:
        lacking = [use for use in key.use if use not in present]
        if lacking and not moment.passed(key.begins):
            yield Hit(
                f"key.{key.ref}.begins",
                f"{', '.join(lacking)}: our key {key.ref} holds from {iso(key.begins)[:10]} on",
                partners=key.partners,
            )


def _no_key(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    uses = {use for key in facts.keys for use in key.use}
    for use in ("sign", "decrypt") if facts.as2 else ():
        if use not in uses:
            yield Hit(f"organisation.keys.{use}", f"no key is named to {use} with", partners=facts.as2)


def _ending_keys(facts: HubFacts) -> Iterator[OwnKeyFacts]:
    """Keys whose certificates matter: SSH looks at the key alone."""
    return (key for key in facts.keys if key.use and key.use != ("ssh",))


def _own(key: OwnKeyFacts, words: str) -> Hit:
    use = ", ".join(key.use)
    commands = (f"ecluse cert request {key.ref}", f"ecluse cert install {key.ref} NEW.pem")
    return Hit(
        f"key.{key.ref}.{'-'.join(key.use)}",
        f"our key {key.ref} ({use}) {words}",
        fix=Fix(commands=commands),
        partners=key.partners,
    )


def _unused_keys(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in facts.keys:
        if not key.use:
            yield Hit(f"key.{key.ref}", f"nothing names the key {key.ref}", partners=())


_RENEW_OURS: Final = (
    "Renew it with `ecluse cert request` and `ecluse cert install`, and tell partners before it ends."
)
_EXTEND: Final = "Extend it with `ecluse pgp extend`, and send partners its certificate again."

HUB: Final = (
    Rule[HubFacts](
        "lifecycle.own-certificate-ended",
        Severity.CRITICAL,
        "A certificate of ours has ended",
        "Partners refuse what we sign, can't encrypt to us, or can't connect.",
        "a certificate that holds",
        _RENEW_OURS,
        _ours_ended,
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending-week",
        Severity.CRITICAL,
        "A certificate of ours ends within a week",
        "All partners that know it stop exchanging when it ends, at the same time.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(WEEK, 0),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending",
        Severity.HIGH,
        "A certificate of ours ends within a month",
        "Every partner has to be told, and partners take weeks.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(MONTH, WEEK),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-ending-quarter",
        Severity.LOW,
        "A certificate of ours ends within three months",
        "It is time to make its successor and to tell partners.",
        "a successor that partners know before the end",
        _RENEW_OURS,
        _ours(QUARTER, MONTH),
    ),
    Rule[HubFacts](
        "lifecycle.own-certificate-revoked",
        Severity.CRITICAL,
        "A certificate of ours was revoked",
        "Partners who ask its authority refuse what we sign, and its key may be in other hands.",
        "a certificate that was not revoked",
        "Make another key with `ecluse cert generate`, and send it to partners at once.",
        _ours_revoked,
        "RFC 5280, section 3.3",
    ),
    Rule[HubFacts](
        "lifecycle.late-renewal",
        Severity.LOW,
        "Certificates are renewed less than two weeks before their end",
        "An authority that is out of service for some days is then enough to close the listeners.",
        'acme.renew = "14d" or more',
        "Renew earlier.",
        weak("acme.renew", test=shorter("14d"), better="30d"),
    ),
    Rule[HubFacts](
        "lifecycle.revocation-off",
        Severity.LOW,
        "Nobody asks whether certificates were revoked",
        "A partner's key that was stolen is trusted until its certificate ends.",
        'revocation.mode = "soft" or "hard"',
        "Ask the authorities of partners' certificates, where they have one.",
        weak("revocation.mode", test=being("off"), better="soft"),
        "RFC 6960",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-soft",
        Severity.INFO,
        "Certificates are trusted when their authority can't be asked",
        "Who can steal a key can often also keep the answer away.",
        'revocation.mode = "hard"',
        "Demand an answer, once all authorities have been seen to give one.",
        weak("revocation.mode", test=being("soft"), better="hard"),
        "RFC 6960",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-late",
        Severity.LOW,
        "Answers on revocation may be old, or come late",
        "As long as an old answer counts, a revoked key does too.",
        'refresh = "1d", max_age = "7d", timeout = "1m", or less',
        "Lower it: an answer costs a request.",
        all_of(
            weak("revocation.refresh", test=longer("1d"), better="6h", only=_asks),
            weak("revocation.max_age", test=longer("7d"), better="1d", only=_asks),
            weak("revocation.timeout", test=longer("1m"), better="10s", only=_asks),
        ),
        "RFC 6960, section 4.2.2.1",
    ),
    Rule[HubFacts](
        "lifecycle.revocation-replay",
        Severity.INFO,
        "An answer of before may be given again",
        "Without a nonce whoever stands between can show the answer of a day on which the key was still good.",
        "revocation.nonce = true",
        "Demand it, where the authorities give it back; many make their answers ahead.",
        weak("revocation.nonce", test=being(False), better=True, only=_asks),
        "RFC 8954",
    ),
    Rule[HubFacts](
        "lifecycle.own-key-not-yet",
        Severity.HIGH,
        "No key of ours holds for a use until later",
        "Until then nothing is signed, or can be opened.",
        "windows that overlap",
        "Let the old key hold until the new one begins, or let the new one begin earlier.",
        _ours_early,
    ),
    Rule[HubFacts](
        "lifecycle.no-own-key",
        Severity.HIGH,
        "We have no key for what partners expect of us",
        "Nothing that is sent over AS2 is signed, or nothing that comes can be opened.",
        "a key to sign and one to decrypt",
        "Name one under [[organisation.keys]].",
        _no_key,
    ),
    Rule[HubFacts](
        "lifecycle.unused-key",
        Severity.INFO,
        "A key in the keyring is used for nothing",
        "It can still sign and decrypt in our name for whoever gets it.",
        "keys that are in use",
        "Name it where it belongs, or remove it.",
        _unused_keys,
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-ended",
        Severity.HIGH,
        "An OpenPGP key of ours has ended or was revoked",
        "Partners refuse what it signs, and can't encrypt to it.",
        "a valid key",
        _EXTEND,
        openpgp_ends(0, None),
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-ending",
        Severity.MEDIUM,
        "An OpenPGP key of ours ends within a month",
        "Partners need its certificate again before it ends.",
        "a key that lasts",
        _EXTEND,
        openpgp_ends(MONTH, 0),
    ),
    Rule[HubFacts](
        "lifecycle.own-openpgp-endless",
        Severity.INFO,
        "An OpenPGP key of ours has no end",
        "If it is lost, partners go on encrypting to it for ever.",
        "a key that ends in a year or two",
        _EXTEND,
        endless,
    ),
)

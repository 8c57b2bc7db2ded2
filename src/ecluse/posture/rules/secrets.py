"""Where secrets are kept, and who else can read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from ecluse.posture.facts import HubFacts, PartnerFacts
from ecluse.posture.looks import places
from ecluse.posture.rule import Hit, Moment, Rule, Severity

__all__ = ["HUB", "HUB_REFERENCES", "PARTNER", "PARTNER_REFERENCES"]

HUB_REFERENCES: Final = (
    "store.password",
    "blobs.access_key",
    "blobs.secret_key",
    "keyring.passphrase",
    "keyring.stores{}.secret",
)
"""Fields of ``ecluse.toml`` that refer to secrets."""
PARTNER_REFERENCES: Final = (
    "as2.basic_auth.password",
    "account.password",
    "sftp.password",
    "sftp.jump[].password",
    "ftps.password",
    "s3.access_key",
    "s3.secret_key",
    "azure.access_key",
    "azure.secret_key",
    "gcs.access_key",
    "gcs.secret_key",
    "webdav.password",
)
"""Fields of a partner's file that do."""
OLD_DAYS: Final = 365
"""Days after which a secret that a partner's server knows should have been another one."""
IN_URL: Final = re.compile(
    r"[?&;](?:[a-z_-]*(?:token|key|sig|signature|secret|passw(?:or)?d|pwd|auth)[a-z_-]*)=", re.I
)
"""Names of parameters that carry secrets."""


def references(paths: tuple[str, ...]) -> Callable[[object], Iterator[tuple[str, str]]]:
    """(field, reference) of every secret that some settings refer to."""

    def find(settings: object) -> Iterator[tuple[str, str]]:
        for path in paths:
            for at, value in places(settings, path):
                if isinstance(value, str):
                    yield (
                        "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)[1:],
                        value,
                    )

    return find


def _environment(paths: tuple[str, ...]) -> Callable[[HubFacts | PartnerFacts, Moment], Iterator[Hit]]:
    find = references(paths)

    def look(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for field, reference in find(facts.settings):
            if reference.startswith("env:"):
                yield Hit(field, f'{field} = "{reference}"')

    return look


def _files(state: str, words: str) -> Callable[[HubFacts | PartnerFacts, Moment], Iterator[Hit]]:
    def look(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for each in facts.secrets:
            if each.state == state:
                yield Hit(each.field, f"{each.reference} {words}")

    return look


def _old(facts: HubFacts | PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.secrets:
        if each.state != "missing" and moment.older(OLD_DAYS, each.changed):
            yield Hit(each.field, f"{each.reference} was not changed for {OLD_DAYS} days")


def _beside_keys(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    reference = facts.settings.keyring.passphrase
    if reference.startswith("file:") and not reference.startswith("file:/"):
        yield Hit("keyring.passphrase", f'keyring.passphrase = "{reference}", inside the hub\'s folder')


def _shared(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.shared:
        if each.kind == "secret":
            names = ", ".join(each.partners[:5]) + (", ..." if len(each.partners) > 5 else "")
            yield Hit(f"secret.{each.name}", f"{each.name} for {names}", partners=each.partners)


def _in_url(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for path in ("as2.url", "webdav.url", "s3.endpoint", "azure.endpoint", "gcs.endpoint"):
        for _, value in places(facts.settings, path):
            if isinstance(value, str) and (found := IN_URL.search(value)):
                yield Hit(path, f"the URL has a parameter {found.group()[1:-1]}")


_EXPOSED: Final = (
    "secrets.exposed-file",
    Severity.HIGH,
    "Others on this machine may read a file with a secret",
    "Every program and person with an account here has the secret, and may have passed it on.",
    "a file for its owner alone (mode 600)",
    "Run chmod 600 on it, and change the secret where it was made.",
)
_MISSING: Final = (
    "secrets.missing",
    Severity.MEDIUM,
    "A secret is not where its reference leads",
    "What needs it fails the next time that it is needed.",
    "a file for its owner alone (mode 600), or a secret in the keyring",
    "Put the secret there (into the keyring with `ecluse secret put`), or mend the reference.",
)
_OLD: Final = (
    "secrets.old",
    Severity.LOW,
    "A secret was not changed for a year",
    "Who left the company since then, or read a backup, still has it.",
    "a secret of this year",
    "Agree on a new one, and put it in the place of the old.",
)
_ENVIRONMENT: Final = (
    "secrets.environment",
    Severity.LOW,
    "A secret stands in the environment of the hub's process",
    "The environment is inherited by every child process, and shown to whoever runs as the same user.",
    "keyring:NAME, or file:PATH",
    "Put it into the keyring with `ecluse secret put`, or into a file for its owner alone.",
)

PARTNER: Final = (
    Rule[PartnerFacts](*_ENVIRONMENT, _environment(PARTNER_REFERENCES)),
    Rule[PartnerFacts](*_EXPOSED, _files("exposed", "may be read by others")),
    Rule[PartnerFacts](*_MISSING, _files("missing", "leads to nothing")),
    Rule[PartnerFacts](*_OLD, _old),
    Rule[PartnerFacts](
        "secrets.in-url",
        Severity.HIGH,
        "A URL carries a secret",
        "URLs are written into the configuration's versions, logs and traces of everybody on the way.",
        "a URL without secrets",
        "Ask the partner for basic authentication or a client certificate instead.",
        _in_url,
    ),
)

HUB: Final = (
    Rule[HubFacts](*_ENVIRONMENT, _environment(HUB_REFERENCES)),
    Rule[HubFacts](*_EXPOSED, _files("exposed", "may be read by others")),
    Rule[HubFacts](*_MISSING, _files("missing", "leads to nothing")),
    Rule[HubFacts](*_OLD, _old),
    Rule[HubFacts](
        "secrets.passphrase-beside-keys",
        Severity.LOW,
        "The keyring's passphrase lies in the folder of its keys",
        "A copy or a backup of the folder is a copy of every private key.",
        "a file elsewhere (file:/...), with a backup of its own",
        "Move it out of the hub's folder, and name it with file:/path.",
        _beside_keys,
    ),
    Rule[HubFacts](
        "secrets.shared",
        Severity.MEDIUM,
        "One secret is used with several partners",
        "Each of their servers learns it, and can use it with the others.",
        "a secret of its own for each partner",
        "Agree on another one with each.",
        _shared,
    ),
)

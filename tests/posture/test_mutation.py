"""Every single field of a healthy configuration weakened by turn: found by a rule, refused when read, or why not."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from dataclasses import replace
from functools import cache
from typing import get_args

import pytest
from tests.support.openpgp import party
from tests.support.posture import (
    FLOW,
    HUB,
    NOW,
    PARTNER,
    codes,
    facts,
    flow_facts,
    hub_facts,
    own_key,
    partner_facts,
    put,
)
from tests.support.trust import certificate
from tests.support.weaken import as_toml, weakened

from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import OwnKeyFacts
from ecluse.trust.certificates import to_pem
from ecluse.trust.changes.plan import differences, subject_words
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.operators import approvers
from ecluse.trust.settings.fields import LegacyAlgorithm, instant_from, instant_until
from ecluse.trust.settings.schema import ExceptionEntry, Hub

FILES = {"hub": "ecluse.toml", "partner:birch": "partners/birch.toml", "flow:orders": "flows/orders.toml"}

WHO = "says who or what: no value is weaker than another; the baseline knows which is right"
HOW = "how work is done, and not how well it is protected"
WHICH = "what is taken and what not: no choice is weaker by itself"
OFF = "a channel that is not there can't be misused"

NO_VALUE = frozenset(
    (
        "config.bad-value",
        "config.bad-calendar",
        "config.bad-template",
        "config.missing-file",
        "config.unknown-partner",
        "config.unknown-channel",
        "config.unknown-calendar",
        "config.needless-field",
    )
)
"""Why something is refused that is no value of the field at all, and so no weaker one."""

NOT_FOUND: dict[str, dict[str, str]] = {
    "hub": {
        "organisation.name": WHO,
        "organisation.as2_id": WHO,
        "organisation.keys.0.ref": WHO,
        "organisation.ssh_keys": WHO,
        "listen.*.public_address": WHO,
        "operators.*": WHO,
        "revocation.methods": HOW,
        "log.authorities*.name": WHO,
        "log.authorities*.url": WHO,
        "log.authorities*.roots": WHO,
        "log.authorities*.timeout": HOW,
        "log.authorities*.hash": "every one that can be chosen is above the floor",
        "log.authorities*.required": "how loud a missing time-stamp is told",
        "log.authorities*.allow_private_network": "its answers are signed, and repeat what was asked",
        "blobs.place": WHO,
        "blobs.region": WHO,
        "keyring.folder": WHO,
        "keyring.stores.*": WHO,
        "listen.*.key": WHO,
        "listen.sftp.host_keys": WHO,
        "listen.sftp": OFF,
        "listen.ftps": OFF,
        "listen.ftps.external_address": WHO,
        "inbox.folder": HOW,
        "log.origin": WHO,
        "seals.roots": WHO,
        "log.witness_name": WHO,
        "processing.role": WHO,
        "log.pace": HOW,
        "folders.orders.path": WHO,
        "folders.orders.create": HOW,
        "organisation.keys.0.succeeds": WHO,
        "*.successor": WHO,
        "archive.*": "what is too long to be of use is refused; within that it is the company's to know",
        "acme": OFF,
        "acme.names": WHO,
        "acme.agree": HOW,
        "acme.email": WHO,
        "calendars.*": "which days are working days is the company's to know",
    },
    "partner:birch": {
        "name": WHO,
        "as2.id": WHO,
        "as2.our_id": WHO,
        "as2.compress": HOW,
        "as2.content_length": HOW,
        "as2.micalg": HOW,
        "as2.subject": WHO,
        "as2.basic_auth*": "AS2 proves us by signatures; the password is the partner's server's wish",
        "as2.tls.client_key": "AS2 proves us by signatures; the certificate is the partner's server's wish",
        "*.retry": "without it the hub's own way holds, which is patient",
        "account.user": WHO,
        "account.folders": WHICH,
        "account.rate": HOW,
        "account.keys": WHO,
        "*.host": WHO,
        "*.user": WHO,
        "*.key": WHO,
        "sftp.jump": "a way through fewer servers",
        "*.folder": WHO,
        "sftp.streams": HOW,
        "*.rate": HOW,
        "*.bucket": WHO,
        "*.prefix": WHO,
        "*.region": WHO,
        "*.account": WHO,
        "*.path_style": HOW,
        "openpgp.key": WHO,
        "verification.*": "who made sure, and when, is for people to read; a level that is none is found",
        "openpgp.armor": HOW,
        "*.successor": WHO,
        "as2.certificate_exchange": HOW,
        "certificates.0.file": WHO,
        **dict.fromkeys(("as2", "account", "ftps", "azure", "gcs", "webdav"), OFF),
    },
    "flow:orders": {
        "open.seals": "whether a document itself is signed is agreed with the partner, beyond what protects its way",
        "name": WHO,
        "from.folder": WHO,
        "from.recursive": WHICH,
        "from.names": "kinds of documents still say what is taken",
        "from.not_names": WHICH,
        "from.types": "names still say what is taken",
        "from.min_size": WHICH,
        "from.parallel": HOW,
        "open.unpack": HOW,
        "to.0.folder": WHO,
        "to.0.name": WHO,
        "to.0.subject": WHO,
        "to.0.content_type": HOW,
        "to.0.pack": HOW,
        "to.0.apart": HOW,
        "expect.0.name": WHO,
        "expect.0.names": WHICH,
        "expect.0.types": WHICH,
        "expect.0.at_least": "more is stricter, and one is the least",
        "order": "whether order matters is the documents' to say",
        "order.key": WHICH,
    },
}
"""Fields that no rule finds weakened, and why. A field that is new needs a rule, or a reason here."""


PERMITTED = {
    "partner:birch": [
        ("exceptions", (ExceptionEntry(algorithm=algorithm, reason="an old product", until="2026-12-31"),))
        for algorithm in get_args(LegacyAlgorithm)
    ]
}
"""What a healthy file has none of: each exception by itself."""


@cache
def healthy() -> dict[str, str]:
    """The files of the healthy configuration."""
    entries = partner_facts().certificates.entries
    files = {
        "ecluse.toml": HUB,
        "partners/birch.toml": PARTNER,
        "flows/orders.toml": FLOW,
        "certificates/birch.pem": to_pem([entries[0].certificate]),
        "certificates/birch-tls.pem": to_pem([entries[1].certificate]),
        "certificates/alder-tsa.pem": to_pem([certificate("Alder", begin=2025, end=2040)]),
        "certificates/other.pem": to_pem([certificate("Other", begin=2025, end=2028)]),
        "openpgp/birch.asc": armored_certificate(party("Birch").certificate),
    }
    Configuration.from_files(files, NOW)
    return files


@cache
def approved(subject: str) -> dict[str, str]:
    """What a baseline has of the healthy configuration."""
    return subject_words(Configuration.from_files(healthy()), subject)


def own_keys(hub: Hub) -> tuple[OwnKeyFacts, ...]:
    """Our keys as the configuration names them, beside those that connect."""
    named = []
    for key in hub.organisation.keys:
        base = own_key(key.ref, *key.use)
        begins, ends = instant_from(key.from_), instant_until(key.until)
        named.append(
            replace(
                base,
                begins=max(begins or Instant(0), base.info.not_before),
                ends=min(ends or base.ends, base.ends),
            )
        )
    return (*named, *hub_facts().keys[2:])


def weakness(subject: str, path: str, value: object) -> tuple[str, set[str], bool]:
    """``refused``, ``found`` or ``passed``; what was found; and whether a baseline would tell."""
    base = {"hub": hub_facts(), "partner:birch": partner_facts(), "flow:orders": flow_facts()}[subject]
    try:
        files = {**healthy(), FILES[subject]: as_toml(put(base.settings, path, value))}
        configuration = Configuration.from_files(files, NOW)
    except ConfigurationError as error:
        weak = any(problem.code not in NO_VALUE for problem in error.problems)
        return ("refused" if weak else "impossible"), set(), True
    partner = PartnerId("birch")
    found = codes(
        facts(
            hub=replace(
                hub_facts(),
                settings=configuration.hub,
                keys=own_keys(configuration.hub),
                operators=tuple(each.name for each in approvers(configuration.hub.operators)),
            ),
            partner=replace(
                partner_facts(),
                settings=configuration.partners[partner],
                certificates=configuration.certificates[partner],
            ),
            flow=replace(flow_facts(), settings=configuration.flows["orders"]),
        )
    )
    drift = differences(
        subject,
        approved(subject),
        subject_words(configuration, subject),
    )
    return ("found" if found else "passed"), found, bool(drift)


def reason(subject: str, path: str) -> str:
    return next((why for known, why in NOT_FOUND[subject].items() if fnmatch.fnmatchcase(path, known)), "")


def test_the_healthy_configuration_can_be_read_and_has_nothing_to_be_said() -> None:
    assert weakness("hub", "organisation.email", "other@aster.example")[:2] == ("passed", set())


def test_every_field_weakened_by_turn(capsys: pytest.CaptureFixture[str]) -> None:
    lines, unexplained, needless, silent = [], [], [], []
    sums = [0, 0, 0, 0, 0, 0]
    for subject, base in (
        ("hub", hub_facts()),
        ("partner:birch", partner_facts()),
        ("flow:orders", flow_facts()),
    ):
        outcomes: dict[str, list[str]] = defaultdict(list)
        drifted = 0
        for path, value in (*weakened(base.settings), *PERMITTED.get(subject, ())):
            outcome, _, drift = weakness(subject, path, value)
            if outcome == "impossible":
                continue
            outcomes[path].append(outcome)
            drifted += drift
            if not drift:
                silent.append(f"{subject} {path} = {value!r}")
        found = [path for path, each in outcomes.items() if "found" in each]
        refused = [path for path, each in outcomes.items() if "refused" in each and "found" not in each]
        passed = [path for path in outcomes if path not in found and path not in refused]
        unexplained += [f"{subject} {path}" for path in passed if not reason(subject, path)]
        needless += [
            f"{subject} {known}"
            for known in NOT_FOUND[subject]
            if not any(fnmatch.fnmatchcase(path, known) for path in passed)
        ]
        mutations = sum(map(len, outcomes.values()))
        counts = (len(outcomes), len(found), len(refused), len(passed), mutations, drifted)
        sums = [one + other for one, other in zip(sums, counts, strict=True)]
        lines.append(_line(subject, *counts))
        lines += [f"    {path}: {reason(subject, path)}" for path in passed]
    fields, found_, refused_, _, mutations, drifted = sums
    lines.append(_line("all", *sums))
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not unexplained, f"needs a rule, or a reason: {unexplained}"
    assert not needless, f"needs no reason: {needless}"
    assert (found_ + refused_) / fields > 0.6, "the rest has a reason, and is not the most"
    assert silent == [], "with a baseline, every change is told"


def _line(
    subject: str, fields: int, found: int, refused: int, passed: int, mutations: int, drifted: int
) -> str:
    able = fields - passed
    return (
        f"{subject}: {fields} fields, {mutations} changes. {able} have a weaker value: {found} found by rules, "
        f"{refused} refused when read, which is {(found + refused) / able:.0%}. {passed} have none, as listed. "
        f"A baseline tells {drifted / mutations:.0%} of the changes."
    )

"""A card in a partner's name, with other keys and another bank account: held for a second person, and refused."""

from __future__ import annotations

from typing import Final

import tomli_w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ecluse.app.changes import ChangeHeld, Proposal, refuse
from ecluse.app.changes.signing import FileSigner, file_signer
from ecluse.app.partners.onboarding import Renewed, Sure, renew
from ecluse.app.settings import change_files
from ecluse.demo.checks import Unheld
from ecluse.demo.company import Company
from ecluse.demo.stage import Stage
from ecluse.trust.card import make_card, read_card
from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.secrets import Secret

__all__ = ["fraud"]

OTHER_BANK: Final = "DE89370400440532013000"
"""An account that is in every textbook, and that is not Birch's."""
OVERLAP: Final = 30 * 86_400 * 1_000_000


def fraud(stage: Stage) -> None:
    """Somebody writes as Birch; one operator believes it, and the other calls back."""
    aster, birch = stage.aster, stage.birch
    signers = _operators(stage, aster)
    stage.screen.note(f"A mail comes: {birch.name} has new keys and a new bank. The card is cards/new.card")
    (stage.root / "cards" / "new.card").write_text(_forged(aster, birch), encoding="utf-8")
    plan = _taken(stage, aster, birch)
    before = aster.node.version
    proposal = _held(stage, aster, plan, signers["ada"])
    _old_trust(stage, aster, birch)
    because = "called the number of the contract: they sent no card"
    statement = proposal.statement("refuse", "grace", because)
    ended = refuse(aster.node, proposal.id, "grace", signers["grace"].sign(statement), because)
    stage.check(
        ended.state == "refused" and aster.node.version == before,
        f"Grace refuses it, signed: {because}; version {before} stays in force",
    )
    _old_trust_in_the_files(stage, aster, birch)


def _operators(stage: Stage, company: Company) -> dict[str, FileSigner]:
    """Two people who may change trust, each with a key; from here on it takes both."""
    folder = stage.root / "operators"
    folder.mkdir()
    entries = []
    for name in ("ada", "grace"):
        key = Ed25519PrivateKey.generate()
        (folder / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        entries.append({"name": name, "keys": [line], "roles": ["trust"]})
    company.change_hub({"operators": entries}, reason="two people decide about trust")
    operators = company.node.directory.hub.operators
    stage.check(
        len(operators) == 2,
        f"{company.name} names two operators, Ada and Grace: a change to trust takes both",
    )
    return {each.name: file_signer(each, folder / each.name, lambda: Secret("")) for each in operators}


def _forged(aster: Company, birch: Company) -> str:
    """A card that says it is Birch's, whole and signed, by somebody who has none of Birch's keys."""
    clock = aster.node.hub.clock
    ring = MemoryKeyring(clock)
    ring.generate("main", "ec-p256", subject=birch.name, days=900)
    table = {
        "organisation": {
            "name": birch.name,
            "as2_id": birch.as2_id,
            "contacts": [{"role": "accounts", "phone": "+49 30 7654321"}],
            "bank": {"iban": OTHER_BANK, "holder": birch.name},
        },
        "listen": {"as2": {"public_url": "http://127.0.0.1:9/as2"}},
    }
    hub = Configuration.from_files({HUB_FILE: tomli_w.dumps(table)}).hub
    return make_card(hub, ring, clock())


def _taken(stage: Stage, aster: Company, birch: Company) -> Renewed:
    """Ada calls the number that stands on the card, where somebody reads her the phrase."""
    card = read_card((stage.root / "cards" / "new.card").read_bytes())
    sure = Sure("call-back", "their accounts department", "the number on the card")
    plan = renew(aster.node, birch.id, card, sure=sure, by="operator:ada", overlap=OVERLAP)
    codes = {alarm.code for alarm in plan.comparison.alarms}
    stage.check(
        plan.comparison.signer == "other" and {"other-signer", "keys-and-bank"} <= codes,
        f"Ada's screen warns: signed by another key than {birch.whose} last card; keys and bank change together",
    )
    return plan


def _held(stage: Stage, aster: Company, plan: Renewed, ada: FileSigner) -> Proposal:
    """She takes it all the same."""
    try:
        change_files(
            aster.node,
            plan.updated.files,
            actor="operator:ada",
            reason="they wrote that it is urgent",
            signer=ada,
        )
    except ChangeHeld as held:
        proposal = held.proposal
    else:
        raise Unheld("keys and a bank account were changed by one person")
    stage.screen.held(
        f"Ada called the number on the card and signs; {proposal.trust} changes to trust are held for Grace"
    )
    logged = aster.node.store.read(lambda view: view.events(f"change:{proposal.id}"))
    told = next((each.leaf.decode() for each in logged if each.event.kind == "change.proposed"), "")
    stage.check(
        "Another hand signs their cards" in told and "Money goes there" in told and OTHER_BANK not in told,
        "the log says why: another hand signs their cards, and money goes there (the account stands masked in it)",
    )
    return proposal


def _old_trust(stage: Stage, aster: Company, birch: Company) -> None:
    """A message of the real Birch goes through while the change waits."""
    stage.screen.note(f"Meanwhile {birch.name} sends a dispatch note")
    sent = stage.send_filler(
        birch, aster, "dispatch-4711.txt", [b"Order 4711 leaves today.\n"], "Dispatch 4711"
    )
    done = stage.follow("dispatch", birch, aster, sent)
    stage.check(
        len(done.files) == 1 and done.files[0].read_bytes() == b"Order 4711 leaves today.\n",
        "the old trust goes on working: it was verified, taken and answered under the keys of record",
    )


def _old_trust_in_the_files(stage: Stage, aster: Company, birch: Company) -> None:
    text = (aster.folder / "partners" / f"{birch.id}.toml").read_text(encoding="utf-8")
    partner = aster.node.directory.partner(birch.id).settings
    stage.check(
        OTHER_BANK not in text and partner.bank is not None and partner.bank.iban != OTHER_BANK,
        f"{aster.name} still has {birch.whose} keys and account as they were verified on the telephone",
    )

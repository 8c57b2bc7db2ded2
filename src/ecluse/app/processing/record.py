"""The record of processing activities (GDPR, article 30), as the configuration in force tells it.

It says what the hub knows, and says of the rest that nobody wrote it down: a record that invents is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ecluse.archive.classes import Keeping
from ecluse.model.basics import iso
from ecluse.posture.keeping import FINDING
from ecluse.trust.operators import four_eyes
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["FORMAT", "processing_record"]

FORMAT: Final = "ecluse.processing/1"

_MOST_FINDINGS: Final = 500

_EEA: Final = frozenset(
    {
        *(
            "AT",
            "BE",
            "BG",
            "CY",
            "CZ",
            "DE",
            "DK",
            "EE",
            "EL",
            "ES",
            "FI",
            "FR",
            "GR",
            "HR",
            "HU",
            "IE",
            "IS",
        ),
        *("IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "XI"),
    }
)
"""Prefixes of VAT numbers and EORI of the European Economic Area (EL is Greece, XI Northern Ireland for goods)."""

_ADEQUATE: Final = frozenset(
    ["AD", "AR", "CA", "CH", "FO", "GB", "GG", "IL", "IM", "JE", "JP", "KR", "NZ", "US", "UY"]
)
"""Countries with an adequacy decision of the Commission (article 45); Canada for commercial organisations, the United
States for those certified under the Data Privacy Framework alone. Whoever relies on one checks that it stands."""

_CHANNELS: Final = ("as2", "account", "sftp", "ftps", "s3", "azure", "gcs", "webdav")


def processing_record(node: Node) -> dict[str, Any]:
    """The record, for ``--json``; the pages are made of it."""
    configuration = node.directory.configuration
    hub = configuration.hub
    said = hub.processing
    partners = {str(id): partner for id, partner in configuration.partners.items()}
    return {
        "format": FORMAT,
        "made": iso(node.hub.clock()),
        "version": node.version,
        "organisation": {
            "name": hub.organisation.name,
            "email": hub.organisation.email,
            "role": said.role,
            "controller": said.controller,
            "officer": said.officer,
            "contacts": [{"role": each.role, "name": each.name} for each in hub.organisation.contacts],
        },
        "activities": [
            *(_flow(id, flow, hub, partners) for id, flow in configuration.flows.items()),
            _direct(hub, partners),
            _log(hub),
        ],
        "recipients": [_recipient(id, partner) for id, partner in partners.items()],
        "archive": [
            {"profile": id, "name": each.name, "retention": each.retention, "basis": each.basis}
            for id, each in configuration.archive.items()
        ],
        "measures": list(_measures(node)),
        "gaps": list(_gaps(hub, configuration.flows, partners)),
    }


def _flow(id: str, flow: Flow, hub: Hub, partners: dict[str, Partner]) -> dict[str, Any]:
    names = _partners_of(flow)
    return {
        "id": f"flow:{id}",
        "name": flow.name,
        "purpose": flow.purpose or hub.processing.purpose,
        "basis": hub.processing.basis,
        "persons": list(hub.processing.persons),
        "data": list(hub.processing.data),
        "documents": list(flow.from_.types),
        "source": flow.from_.channel,
        "recipients": [name for name in names if name in partners],
        "retention": asdict(Keeping.of_flow(flow.retention, hub.retention)),
        "archive": flow.archive.profile if flow.archive is not None else None,
    }


def _partners_of(flow: Flow) -> list[str]:
    channels = [flow.from_.channel or "", *(target.channel for target in flow.to)]
    names = [channel.partition(":")[2] for channel in channels if channel.partition(":")[0] in _CHANNELS]
    return list(dict.fromkeys([*flow.from_.partners, *(name for name in names if name not in ("", "*"))]))


def _direct(hub: Hub, partners: dict[str, Partner]) -> dict[str, Any]:
    return {
        "id": "direct",
        "name": "Documents of no flow",
        "purpose": hub.processing.purpose,
        "basis": hub.processing.basis,
        "persons": list(hub.processing.persons),
        "data": list(hub.processing.data),
        "documents": [],
        "source": None,
        "recipients": list(partners),
        "retention": asdict(Keeping.of_hub(hub.retention)),
        "archive": hub.archive.profile,
    }


def _log(hub: Hub) -> dict[str, Any]:
    return {
        "id": "log",
        "name": "Log of evidence, operators, partners' contacts",
        "purpose": "To prove what was exchanged, and who was entitled to what (articles 5(2) and 32)",
        "basis": "Article 6(1)(c) and (f)",
        "persons": ["operators of the hub", "contacts at partners", "persons behind network addresses"],
        "data": ["names", "addresses of mail", "network addresses and user names", "comments"],
        "documents": [],
        "source": None,
        "recipients": [],
        "retention": {"names": hub.retention.names},
        "archive": None,
    }


def _recipient(id: str, partner: Partner) -> dict[str, Any]:
    country = _country(partner)
    return {
        "id": id,
        "name": partner.name,
        "state": partner.state,
        "channels": [name for name in _CHANNELS if getattr(partner, name) is not None],
        "places": [place for name in _CHANNELS if (place := _place(getattr(partner, name)))],
        "country": country,
        "transfer": _transfer(country),
    }


def _country(partner: Partner) -> str | None:
    """As its registered numbers, or its bank, tell it."""
    numbers = partner.identifiers
    for number in (numbers.vat, numbers.eori) if numbers is not None else ():
        if number:
            return number[:2]
    bank = msgspec.to_builtins(partner.bank) if partner.bank is not None else {}
    iban = bank.get("iban")
    return iban[:2] if isinstance(iban, str) and iban[:2].isalpha() else None


def _transfer(country: str | None) -> str:
    if country is None:
        return "unknown"
    if country in _EEA:
        return "none"
    return "adequacy-decision" if country in _ADEQUATE else "third-country"


def _place(settings: object) -> str:
    for name in ("url", "host", "endpoint", "bucket"):
        value = getattr(settings, name, None)
        if isinstance(value, str) and value:
            region = getattr(settings, "region", None)
            return f"{value} ({region})" if region else value
    return ""


def _measures(node: Node) -> Iterator[dict[str, str]]:
    """Security measures (article 32) that hold as the hub is built, or as it is set up."""
    hub = node.directory.hub
    two = four_eyes(hub.operators)
    facts = {
        "sealed": "yes",
        "shredding": "yes",
        "keys-apart": "yes",
        "log": "yes",
        "commitments": "yes",
        "four-eyes": "yes" if two else "no",
        "revocation": hub.revocation.mode,
        "keyring": "signer" if hub.keyring.signer else "files",
        "tls": "yes" if hub.listen.as2.tls is not None else "no",
        "archive-places": ", ".join(sorted(hub.archive.places)) or "none",
        "findings": _open_findings(node),
    }
    for name, value in facts.items():
        yield {"measure": name, "value": value}


def _open_findings(node: Node) -> str:
    found = node.store.read(lambda view: view.records(FINDING, state="open", limit=_MOST_FINDINGS))
    return f"{len(found)}{'+' if len(found) == _MOST_FINDINGS else ''}"


def _gaps(hub: Hub, flows: Mapping[str, Flow], partners: dict[str, Partner]) -> Iterator[str]:
    """What article 30 asks for, and nobody wrote down."""
    said = hub.processing
    if not said.officer:
        yield "processing.officer"
    if said.role == "processor" and not said.controller:
        yield "processing.controller"
    for name in ("basis", "persons", "data"):
        if not getattr(said, name):
            yield f"processing.{name}"
    for id, flow in flows.items():
        if not (flow.purpose or said.purpose):
            yield f"flows/{id}.toml purpose"
        if Keeping.of_flow(flow.retention, hub.retention).payload == "forever":
            yield f"flows/{id}.toml retention"
    for id, partner in partners.items():
        if _country(partner) is None:
            yield f"partners/{id}.toml identifiers"

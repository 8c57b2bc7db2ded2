"""Whom the hub exchanges with, under which rules, and with which keys.

A :class:`Configuration` is read strictly from TOML files and public certificates; what is weak or unknown is
refused by name. A :class:`Keyring` uses private keys without showing them. A :class:`Directory` joins the two
and answers, for any moment: who is this, which certificate, which key, what is allowed.

    configuration   files to facts: settings (the fields), rules, files (reading and writing them, every problem told),
                    changes (what would change, and whether it is a matter of trust)
    certificates    read, described, chosen by use and time; judged by the floor
    keys            the keyring's port, keys in files and in memory; keystores: devices, services, a signer process
    secrets         references to secrets
    inventory       every credential in one list; roles: what each is used for; sightings: what the wire showed
    revocation      what authorities say of certificates
    rotation        when a successor takes over
    directory       who is who at run time
    card            one signed file that introduces an organisation, and what a later one changes
    life            what a partner may become: invited, verified, active, suspended, retired
    verification    how somebody made sure of who they are; assurance: what it showed of how it guards things
    company         registered numbers, people, bank accounts; checked
    operators       the people who may change whom the hub trusts
    plain           text that is not what it seems; addresses: hosts and URLs taken apart
"""

from ecluse.trust.card import Card, make_card, partner_files, read_card
from ecluse.trust.certificates import CertificateInfo, CertificateSet, describe, load_certificates, to_pem
from ecluse.trust.changes.plan import Change, Plan, plan
from ecluse.trust.configuration import Configuration, export, read_folder
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.errors import (
    CertificateError,
    ConfigurationError,
    KeyringError,
    PartnerRefused,
    Problem,
    SecretError,
)
from ecluse.trust.files.editors import json_schema
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.storage import StorageKeys
from ecluse.trust.secrets import Secret, SecretResolver

__all__ = [
    "Card",
    "CertificateError",
    "CertificateInfo",
    "CertificateSet",
    "Change",
    "Configuration",
    "ConfigurationError",
    "Directory",
    "FileKeyring",
    "Keyring",
    "KeyringError",
    "MemoryKeyring",
    "PartnerRefused",
    "PartnerView",
    "Plan",
    "Problem",
    "Secret",
    "SecretError",
    "SecretResolver",
    "StorageKeys",
    "describe",
    "export",
    "json_schema",
    "load_certificates",
    "make_card",
    "partner_files",
    "plan",
    "read_card",
    "read_folder",
    "to_pem",
]

"""Whom the hub exchanges with, under which rules, and with which keys.

A :class:`Configuration` is read strictly from TOML files and public certificates; what is weak or unknown is
refused by name. A :class:`Keyring` uses private keys without showing them. A :class:`Directory` joins the two
and answers, for any moment: who is this, which certificate, which key, what is allowed.

    configuration   files to facts, every problem listed     schema, reading, rules, plan, editors
    certificates    read, described, chosen by use and time  floor
    keyring         the port                                 keyfiles (files), memory (the twin), storage
    secrets         references to secrets
    inventory       every credential in one list
    revocation      what authorities say of certificates
    known           what files were found to say, for the next process
    directory       who is who at run time
    card            one signed file that introduces an organisation, and what a later one changes
    life            what a partner may become: invited, verified, active, suspended, retired
    verification    how somebody made sure of who they are
    company         registered numbers, people, bank accounts; checked
    plain, costs    text that is not what it seems; key files that would keep us busy for hours
"""

from ecluse.trust.card import Card, make_card, partner_files, read_card
from ecluse.trust.certificates import CertificateInfo, CertificateSet, describe, load_certificates, to_pem
from ecluse.trust.configuration import Configuration, export, read_folder
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.editors import json_schema
from ecluse.trust.errors import (
    CertificateError,
    ConfigurationError,
    KeyringError,
    PartnerRefused,
    Problem,
    SecretError,
)
from ecluse.trust.keyfiles import FileKeyring
from ecluse.trust.keyring import Keyring
from ecluse.trust.memory import MemoryKeyring
from ecluse.trust.plan import Change, Plan, plan
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.trust.storage import StorageKeys

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

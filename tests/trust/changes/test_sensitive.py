"""Every field of the configuration is said to be one of trust or not, and changes are judged so."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.trust import HUB, PARTNER, files

from ecluse.trust.changes.free_fields import FREE
from ecluse.trust.changes.plan import Change, Plan, plan
from ecluse.trust.changes.sensitive import normal, rule_of, sensitive
from ecluse.trust.changes.sensitive_fields import SENSITIVE
from ecluse.trust.configuration import Configuration
from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

IN_THE_PLAN = {
    "operators[]": "operator *",
    "certificates[]": "certificate *",
}
"""Lists that a plan tells by what is in them, and how."""


def fields(kind: type[msgspec.Struct], path: str = "") -> Iterator[str]:
    """Every field that a file can have, as the tables name it."""
    for field in msgspec.structs.fields(kind):
        yield from leaves(field.type, f"{path}.{field.encode_name}" if path else field.encode_name)


def leaves(annotation: object, path: str) -> Iterator[str]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [each for each in get_args(annotation) if each is not type(None)]
        structs = [each for each in members if isinstance(each, type) and issubclass(each, msgspec.Struct)]
        annotation = structs[0] if structs else members[0]
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield from fields(annotation, path)
    elif get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if isinstance(item, type) and issubclass(item, msgspec.Struct):
            yield from (
                [IN_THE_PLAN[f"{path}[]"]] if f"{path}[]" in IN_THE_PLAN else fields(item, f"{path}[]")
            )
        else:
            yield path
    elif get_origin(annotation) is dict:
        yield from leaves(get_args(annotation)[1], f"{path}.*")
    else:
        yield path


KINDS = {"hub": Hub, "partner": Partner, "flow": Flow, "archive": ArchiveProfile}
ALL = [(kind, field) for kind, schema in KINDS.items() for field in fields(schema)]


def test_the_walk_finds_fields_at_every_depth() -> None:
    assert {("hub", "listen.sftp.guard.ban_time"), ("partner", "sftp.jump[].host_keys")} <= set(ALL)
    assert {("hub", "folders.*.path"), ("partner", "s3.tags.*"), ("flow", "to[].openpgp")} <= set(ALL)
    assert len(ALL) > 250


@pytest.mark.parametrize(("kind", "field"), ALL)
def test_every_field_is_classified_once(kind: str, field: str) -> None:
    tables = [normal(field) in SENSITIVE[kind], normal(field) in FREE[kind]]
    assert sum(tables) == 1, (
        f"say in ecluse.trust.changes.sensitive whether {kind}: {field} is a matter of trust"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_tables_name_no_field_that_is_not_there(kind: str) -> None:
    there = {normal(field) for each, field in ALL if each == kind} | {
        "openpgp certificate *",
        "bank.*",
        "verification.*",
    }
    assert set(SENSITIVE[kind]) | set(FREE[kind]) <= there


def test_every_reason_is_a_sentence() -> None:
    for table in (*SENSITIVE.values(), *FREE.values()):
        for said in table.values():
            why = said if isinstance(said, str) else said.why
            assert why[0].isupper()
            assert why.endswith(".")


def judged(subject: str, field: str, before: str, after: str) -> str:
    kind = "change" if before and after else "add" if after else "remove"
    found = sensitive(Plan((Change(kind, subject, field, before, after),)))
    return found[0].kind if found else ""


@pytest.mark.parametrize(
    ("field", "before", "after", "kind"),
    [
        ("as2.url", "https://a", "https://b", "endpoint"),
        ("as2.url", "", "https://b", "endpoint"),
        ("as2.require_signed", "yes", "no", "policy"),
        ("as2.require_signed", "no", "yes", ""),
        ("as2.encrypt", "aes-256-gcm", "aes-128-cbc", "policy"),
        ("as2.encrypt", "aes-128-cbc", "aes-256-gcm", ""),
        ("as2.encrypt", "aes-256-cbc", "no", "policy"),
        ("as2.sign", "sha-256", "sha-512", ""),
        ("as2.receipt", "sync", "async", ""),
        ("as2.receipt", "sync", "none", "policy"),
        ("as2.tls.min_version", "1.3", "1.2", "policy"),
        ("as2.allow_private_network", "no", "yes", "policy"),
        ("as2.allow_private_network", "yes", "no", ""),
        ("as2.timeout", "1m", "2m", ""),
        ("state", "verified", "active", "state"),
        ("state", "active", "suspended", ""),
        ("state", "", "invited", ""),
        ("state", "", "active", "state"),
        ("name", "", "Birch", ""),
        ("name", "Birch", "Birch Bank", "identity"),
        ("certificate 0123", "", "CN=x", "key"),
        ("certificate 0123", "CN=x", "", "key"),
        ("openpgp certificate 0123", "x", "y", "key"),
        ("account.keys", "ssh-ed25519 A", "ssh-ed25519 A, ssh-ed25519 B", "key"),
        ("account.addresses", "192.0.2.0/24", "", "policy"),
        ("sftp.jump[3].host_keys", "x", "y", "key"),
        ("exceptions[0].algorithm", "", "sha-1", "policy"),
        ("bank.iban", "DE1", "DE2", "bank"),
        ("bank.accounts[0].iban", "", "DE2", "bank"),
        ("verification.level", "", "call-back", "identity"),
        ("s3.tags.a.b[0]", "x", "y", ""),
        ("s3.bucket", "x", "y", "endpoint"),
        ("what.nobody.knows", "x", "y", "policy"),
    ],
)
def test_changes_of_a_partner(field: str, before: str, after: str, kind: str) -> None:
    assert judged("partner:birch", field, before, after) == kind


def test_a_partner_that_goes_and_other_subjects() -> None:
    assert judged("partner:birch", "", "Birch", "") == "state"
    assert judged("flow:orders", "", "Orders", "") == ""
    assert judged("flow:orders", "to[0].channel", "as2:birch", "as2:cedar") == "endpoint"
    assert judged("flow:orders", "state", "active", "paused") == ""
    assert judged("hub", "operator ada", "", "roles trust") == "administrator"
    assert judged("hub", "changes.time_limit", "7d", "90d") == "policy"
    assert judged("hub", "folders.orders.path", "a", "b") == "endpoint"
    assert judged("thing:other", "x", "a", "b") == "policy", "what nobody thought of is not free"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_plan_says_is_judged(subject: str, field: str, before: str, after: str) -> None:
    rule = rule_of(subject, field)
    found = judged(subject, field, before, after)
    assert bool(found) <= (rule is not None)


@given(st.sampled_from(ALL), st.integers(0, 99))
def test_the_number_in_a_list_is_no_way_round(which: tuple[str, str], number: int) -> None:
    kind, field = which
    there = field.replace("[]", f"[{number}]")
    subject = kind if kind == "hub" else f"{kind}:x"
    assert rule_of(subject, there) == rule_of(subject, field)


def test_a_whole_new_partner_is_a_matter_of_trust_and_a_comment_is_none() -> None:
    alone = Configuration.from_files({"ecluse.toml": HUB})
    both = Configuration.from_files(files())
    kinds = {each.kind for each in sensitive(plan(alone, both))}
    assert {"key", "endpoint", "identity", "state"} <= kinds
    assert not sensitive(plan(both, Configuration.from_files(files("# said\n" + PARTNER))))


def test_only_an_invitation_is_anybodys() -> None:
    alone = Configuration.from_files({"ecluse.toml": HUB})
    invited = Configuration.from_files(
        {"ecluse.toml": HUB, "partners/birch.toml": 'name = "Birch"\nstate = "invited"\n'}
    )
    assert plan(alone, invited)
    assert not sensitive(plan(alone, invited))

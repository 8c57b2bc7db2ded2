"""No field is lost between a file and the judgement: each is changed by turn, and the plan's own words are judged."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from tests.support.trust import certificate

from ecluse.model.basics import PartnerId
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.changes.free_fields import FREE
from ecluse.trust.changes.plan import plan
from ecluse.trust.changes.sensitive import normal, sensitive
from ecluse.trust.changes.sensitive_fields import SENSITIVE
from ecluse.trust.configuration import Configuration
from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

ELSEWHERE = {"operators", "certificates"}
"""Lists that a plan tells by what is in them; other tests change those."""


def made(annotation: Any, other: bool = False) -> Any:
    """A value of a type; another one with ``other``."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [each for each in get_args(annotation) if each is not type(None)]
        structs = [each for each in members if isinstance(each, type) and issubclass(each, msgspec.Struct)]
        return made(structs[0] if structs else members[0], other)
    if get_origin(annotation) is Literal:
        return get_args(annotation)[-1 if other else 0]
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        return (made(item, other),)
    if get_origin(annotation) is dict:
        return {"one": made(get_args(annotation)[1], other)}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation(
            **{
                field.name: ()
                if field.name in ELSEWHERE and annotation in (Hub, Partner)
                else made(field.type)
                for field in msgspec.structs.fields(annotation)
            }
        )
    return {bool: other, int: 2 if other else 1, str: "other" if other else "one"}[annotation]


def changed(table: msgspec.Struct, path: str = "") -> Iterator[tuple[str, msgspec.Struct]]:
    """Every way to change one field, however deep, with the field's path."""
    for field in msgspec.structs.fields(type(table)):
        value = getattr(table, field.name)
        where = f"{path}.{field.encode_name}" if path else field.encode_name
        inner = value[0] if isinstance(value, tuple) and value else value
        key = ""
        if isinstance(value, dict):
            key, inner = next(iter(value.items()))
        if isinstance(inner, msgspec.Struct):
            deeper = f"{where}[0]" if isinstance(value, tuple) else f"{where}.{key}" if key else where
            for name, each in changed(inner, deeper):
                again = (each,) if isinstance(value, tuple) else {key: each} if key else each
                yield name, msgspec.structs.replace(table, **{field.name: again})
        elif not (isinstance(value, tuple) and not value):
            other = made(field.type, other=True)
            yield f"{where}.{key}" if key else where, msgspec.structs.replace(table, **{field.name: other})


CERTIFICATE = certificate("Birch")
LOADED: Any = {
    path: (Dated(CERTIFICATE, describe(CERTIFICATE), frozenset(), chain=(CERTIFICATE,)),)
    for path in ("one", "other")
}


def configuration(hub: Any, partner: Any, flow: Any, archive: Any) -> Configuration:
    # Nothing of it is valid: what is looked at is the comparison alone.
    id = PartnerId("birch")
    given = {
        "hub": hub,
        "partners": {id: partner},
        "certificates": {id: CertificateSet(())},
        "flows": {"orders": flow},
        "archive": {"invoices": archive},
        "openpgp": dict.fromkeys(("one", "other"), ()),
    }
    # Certificates by file, whatever the configuration keeps besides.
    rest = {each.name: LOADED for each in dataclasses.fields(Configuration) if each.name not in given}
    return Configuration(**given, **rest)


WHOLE = {"hub": made(Hub), "partner": made(Partner), "flow": made(Flow), "archive": made(ArchiveProfile)}
CASES = [(kind, path, after) for kind, table in WHOLE.items() for path, after in changed(table)]


@pytest.mark.parametrize(("kind", "path", "after"), CASES, ids=[f"{kind}-{path}" for kind, path, _ in CASES])
def test_a_changed_field_shows_and_is_judged(kind: str, path: str, after: msgspec.Struct) -> None:
    found = plan(configuration(**WHOLE), configuration(**{**WHOLE, kind: after}))
    assert [normal(each.field) for each in found.changes] == [normal(path)], "the plan does not show it"
    rule = SENSITIVE[kind].get(normal(path))
    if rule is None:
        assert normal(path) in FREE[kind]
        assert not sensitive(found)
        return
    back = plan(configuration(**{**WHOLE, kind: after}), configuration(**WHOLE))
    both = [bool(sensitive(found)), bool(sensitive(back))]
    (change,) = found.changes
    same_step = rule.order.get(change.before) is not None and rule.order.get(change.before) == rule.order.get(
        change.after
    )
    assert any(both) or same_step, "neither way of the change is one of trust"
    assert all(both) or rule.order


def test_nearly_every_field_was_changed() -> None:
    reached = {(kind, normal(path)) for kind, path, _ in CASES}
    named = {(kind, field) for kind in SENSITIVE for field in (*SENSITIVE[kind], *FREE[kind])}
    elsewhere = {"operator *", "certificate *", "openpgp certificate *"}
    assert {field for _, field in named - reached} <= elsewhere | {"bank.*", "verification.*"}

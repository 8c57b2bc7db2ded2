"""Which changes of a plan are changes to trust: those that a second person approves where the hub has two.

Every field of the schemas stands in one of two tables: :data:`~ecluse.trust.changes.sensitive_fields.SENSITIVE` has
the kind of change and why it matters; where the values of a field can be put in order, a change that does not go down
is free, so that anybody may tighten at once. :data:`~ecluse.trust.changes.free_fields.FREE` has the rest, each with
why it is no matter of trust. A field in neither counts as sensitive: what nobody thought of is not free.

Lists are written ``[]`` and names of the file's own ``*``, as :func:`normal` gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ecluse.trust.changes.free_fields import FREE
from ecluse.trust.changes.plan import Change, Plan
from ecluse.trust.changes.sensitive_fields import SENSITIVE, Kind, Rule

__all__ = ["Sensitive", "is_named", "normal", "rule_of", "sensitive"]


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A change to trust.

    Attributes:
        change: The change.
        kind: What kind it is.
        why: Why a second person looks at it.
    """

    change: Change
    kind: Kind
    why: str

    def as_dict(self) -> dict[str, str]:
        """For ``--json`` and events."""
        return {
            "subject": self.change.subject,
            "field": self.change.field,
            "kind": self.kind,
            "why": self.why,
        }


_UNKNOWN: Final = Rule("policy", "Nobody said of this field that it is no matter of trust.")
_GONE: Final[Mapping[str, Rule]] = {
    "partner": Rule("state", "The partner is forgotten, with all that was known of it."),
    "archive": Rule("policy", "Nothing says any more for how long its documents are kept."),
}

_INDEX: Final = re.compile(r"\[\d+\]")
_NAMED: Final = ("certificate ", "openpgp certificate ", "operator ")
_OWN_NAMES: Final = re.compile(
    r"^(folders|calendars|keyring\.stores|archive\.places|log\.longterm\.ends)\.[^.]+"
)
_TAGS: Final = re.compile(r"^(s3|azure|gcs)\.tags\..*", re.DOTALL)
_WHOLE: Final = re.compile(r"^((?:organisation\.)?(?:bank|identifiers)|verification)(\..*|\[.*)?$", re.DOTALL)


@lru_cache(maxsize=4096)
def normal(field: str) -> str:
    """A plan's field as the tables have it: without numbers of places and names of the file's own."""
    for name in _NAMED:
        if field.startswith(name):
            return f"{name}*"
    whole = _WHOLE.match(field)
    if whole is not None:
        return f"{whole.group(1)}.*"
    if _TAGS.match(field):
        return f"{field.partition('.')[0]}.tags.*"
    return _INDEX.sub("[]", _OWN_NAMES.sub(r"\1.*", field))


def is_named(kind: str, field: str) -> bool:
    """Whether one of the tables has a field of ``hub``, ``partner``, ``flow`` or ``archive``."""
    name = normal(field)
    return name in SENSITIVE[kind] or name in FREE[kind]


def rule_of(subject: str, field: str) -> Rule | None:
    """Why a field is one of trust; ``None`` where it is none.

    Args:
        subject: As in a :class:`Change`.
        field: As there; empty for all of a subject.
    """
    kind = subject.partition(":")[0]
    if not field:
        return _GONE.get(kind)
    name = normal(field)
    rule = SENSITIVE.get(kind, {}).get(name)
    if rule is None and name not in FREE.get(kind, {}):
        return _UNKNOWN
    return rule


def _found(changes: Sequence[Change]) -> Iterator[Sensitive]:
    # A name is never left out, and comes with its subject alone.
    new = {change.subject for change in changes if change.kind == "add" and change.field == "name"}
    for change in changes:
        rule = rule_of(change.subject, change.field)
        if rule is not None and rule.holds(change, new=change.subject in new):
            yield Sensitive(change, rule.kind, rule.why)


def sensitive(plan: Plan) -> tuple[Sensitive, ...]:
    """The changes to trust among those of a plan, in their order."""
    return tuple(_found(plan.changes))

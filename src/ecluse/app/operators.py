"""Operators as people want to see them, and adding and removing them in ``ecluse.toml``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from ecluse.app.node import Node
from ecluse.app.partners.views import read_small
from ecluse.app.settings import settled_files
from ecluse.errors import EcluseError, Fault
from ecluse.trust.configuration import HUB_FILE
from ecluse.trust.keys.ssh import fingerprint
from ecluse.trust.operators import Operator, four_eyes, operator_keys, public_key

__all__ = ["NoSuchOperator", "eyes", "operator_facts", "with_operator", "without_operators"]

MAX_PUBLIC: Final = 32_768
"""Octets of a .pub file."""


class NoSuchOperator(EcluseError):
    """There is no operator of that name."""

    code = "operator.not-found"
    fault = Fault.USAGE
    remedy = "List them with `ecluse operator list`."


class OperatorTaken(EcluseError):
    """There is an operator of that name."""

    code = "operator.exists"
    fault = Fault.USAGE
    remedy = "Change their entry under [[operators]] in ecluse.toml, then `ecluse apply`."


def eyes(operators: Sequence[Operator]) -> int:
    """Pairs of eyes that a change to trust needs: one, or two."""
    return 2 if four_eyes(operators) else 1


def operator_facts(operator: Operator) -> dict[str, Any]:
    """An operator, for ``--json``."""
    return {
        "name": operator.name,
        "email": operator.email,
        "roles": list(operator.roles),
        "keys": [fingerprint(key.blob) for key in operator_keys(operator)],
    }


def with_operator(
    node: Node, name: str, keys: Sequence[Path], roles: Sequence[str], email: str | None
) -> dict[str, str]:
    """All files with a further operator; comments in ``ecluse.toml`` stay.

    Raises:
        OperatorTaken: There is one of that name.
        BadSshSignature: A file holds no public key.
        PendingChanges: The folder holds changes that are not in force.
    """
    files = settled_files(node)
    if any(each.name == name for each in node.directory.hub.operators):
        raise OperatorTaken(f"There is an operator {name} already.")
    lines = []
    for path in keys:
        line = read_small(path, MAX_PUBLIC).decode("utf-8", "replace").strip()
        public_key(line)
        lines.append(" ".join(line.split()[:2]))
    entry: dict[str, object] = {"name": name}
    if email is not None:
        entry["email"] = email
    entry |= {"keys": lines, "roles": list(roles)}
    text = files[HUB_FILE]
    wanted = tomllib.loads(text)
    wanted["operators"] = [*wanted.get("operators", []), entry]
    # A JSON string of ASCII, and a list of such, is TOML too.
    said = [f"{field} = {json.dumps(value)}" for field, value in entry.items()]
    added = "\n".join([text.rstrip("\n"), "", "[[operators]]", *said, ""])
    try:
        same = tomllib.loads(added) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    return {**files, HUB_FILE: added if same else tomli_w.dumps(wanted)}


def without_operators(node: Node, names: Sequence[str]) -> dict[str, str]:
    """All files without some operators.

    Raises:
        NoSuchOperator: There is none of a name.
        PendingChanges: The folder holds changes that are not in force.
    """
    files = settled_files(node)
    wanted = tomllib.loads(files[HUB_FILE])
    there = wanted.get("operators", [])
    for name in names:
        if all(each.get("name") != name for each in there):
            raise NoSuchOperator(f"There is no operator {name[:64]!a}.")
    wanted["operators"] = [each for each in there if each.get("name") not in names]
    return {**files, HUB_FILE: tomli_w.dumps(wanted)}

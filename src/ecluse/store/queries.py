"""Named SQL and numbered migrations, read from the package's own ``.sql`` files.

A file of queries is a row of blocks: ``-- name: <verb>``, a comment of purpose, one statement. Comments are
stripped: they are for the reader of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from ecluse.errors import EcluseError, Fault

__all__ = ["Migration", "SchemaMismatch", "load_migrations", "load_queries", "missing_migrations"]

_NAME = "-- name:"


class SchemaMismatch(EcluseError):
    """The tables of the database are not those that this release works with."""

    code = "store.older"
    fault = Fault.USAGE
    remedy = "Run `ecluse migrate` once; it may be run while other nodes do the same."


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema.

    Attributes:
        name: File name without its ending (``0001_first``); the order of names is the order of steps.
        sql: The statements.
        checksum: SHA-256 of the file, hex.
    """

    name: str
    sql: str
    checksum: str


def load_queries(package: str, file: str = "queries.sql") -> dict[str, str]:
    """The statements of one file by name, without comments and final semicolons."""
    queries: dict[str, str] = {}
    name = ""
    for line in files(package).joinpath(file).read_text("utf-8").splitlines():
        if line.startswith(_NAME):
            name = line.removeprefix(_NAME).strip()
            if name in queries:
                raise ValueError(f"{package}/{file} names {name!r} twice")
            queries[name] = ""
        elif name and line.strip() and not line.lstrip().startswith("--"):
            queries[name] += line.strip() + " "
    return {name: sql.strip().removesuffix(";") for name, sql in queries.items()}


def load_migrations(package: str, folder: str = "migrations") -> tuple[Migration, ...]:
    """The steps in a folder, in order."""
    found = []
    for entry in files(package).joinpath(folder).iterdir():
        if entry.name.endswith(".sql"):
            text = entry.read_text("utf-8")
            checksum = hashlib.sha256(text.encode()).hexdigest()
            found.append(Migration(entry.name.removesuffix(".sql"), text, checksum))
    return tuple(sorted(found, key=lambda step: step.name))


def missing_migrations(known: Iterable[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """The steps of ``known`` that a database lacks.

    Args:
        known: The steps of this release.
        applied: Name to checksum, as the database has them.

    Raises:
        SchemaMismatch: The database has a step that this release doesn't know (``store.newer``), or a step
            that was applied reads otherwise here (``store.edited``).
    """
    steps = {step.name: step for step in known}
    for name, checksum in sorted(applied.items()):
        if name not in steps:
            raise SchemaMismatch(
                f"The database has the migration {name}, which this release doesn't know: it is newer.",
                code="store.newer",
                remedy="Run the release that migrated it, or a later one; going back needs a backup.",
            )
        if steps[name].checksum != checksum:
            raise SchemaMismatch(
                f"The migration {name} that was applied is not the one of this release.",
                code="store.edited",
                remedy="Install a release as published: a migration is never edited once it was applied.",
            )
    return [step for name, step in sorted(steps.items()) if name not in applied]

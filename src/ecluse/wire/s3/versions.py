"""The versions of objects that a bucket keeps (Amazon S3 API Reference, ListObjectVersions)."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.wire.xml import XmlError, XmlReader

__all__ = ["Versions", "read_versions"]

_ENTRIES = frozenset({"Version", "DeleteMarker"})


@dataclass(frozen=True, slots=True)
class Versions:
    """One page of them.

    Attributes:
        versions: Key and version id of each, markers of deletion among them; the id is ``null`` for an object that was
            written before the bucket kept versions.
        key_marker: Where the next page begins; empty on the last.
        id_marker: Likewise.
    """

    versions: tuple[tuple[str, str], ...]
    key_marker: str = ""
    id_marker: str = ""


def read_versions(body: bytes) -> Versions:
    """The answer to ListObjectVersions.

    Raises:
        XmlError: It is none.
    """
    versions: list[tuple[str, str]] = []
    found: dict[str, str] = {}
    facts: dict[str, str] = {}

    def ended(path: tuple[str, ...], text: str) -> None:
        if path[0] == "ListVersionsResult" and len(path) >= 2 and path[1] in _ENTRIES:
            if len(path) == 3:
                found[path[2]] = text
            elif len(path) == 2:
                versions.append((found.get("Key", ""), found.get("VersionId", "")))
                found.clear()
        elif len(path) == 2:
            facts[path[1]] = text
        elif len(path) == 1:
            facts["root"] = path[0]

    XmlReader(ended).feed(body, last=True)
    if facts.get("root") != "ListVersionsResult":
        raise XmlError("The answer is no listing of versions.")
    if facts.get("IsTruncated", "").lower() != "true":
        return Versions(tuple(versions))
    key = facts.get("NextKeyMarker", "")
    if not key:
        raise XmlError("A listing of versions goes on, and does not say where.")
    return Versions(tuple(versions), key, facts.get("NextVersionIdMarker", ""))

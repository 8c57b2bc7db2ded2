"""What an S3 store answers, and what completes an upload (Amazon S3 API Reference)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape

from ecluse.wire.xml import XmlError, XmlReader

__all__ = [
    "Listed",
    "Page",
    "Part",
    "Parts",
    "completion",
    "error_code",
    "read_page",
    "read_parts",
    "upload_id",
    "value_of",
]

_PARTS: Final = ("ListPartsResult", "ListPartsResponse")  # the second is moto's
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing. ``modified`` is in microseconds since 1970."""

    key: str
    size: int
    modified: int | None
    etag: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    Attributes:
        objects: In order of their keys.
        after: Where the next page begins; empty on the last.
    """

    objects: tuple[Listed, ...]
    after: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload that is not completed. ``etag`` as it came, with its quotation marks."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Parts:
    """One page of the parts of an upload.

    Attributes:
        parts: In order of their numbers.
        after: Where the next page begins; empty on the last.
    """

    parts: tuple[Part, ...]
    after: str


def read_page(body: bytes) -> Page:
    """The answer to ListObjectsV2 (with ``encoding-type=url``).

    Raises:
        XmlError: It is none.
    """
    objects: list[Listed] = []
    found: dict[str, str] = {}
    facts: dict[str, str] = {}

    def ended(path: tuple[str, ...], text: str) -> None:
        if path[:2] == ("ListBucketResult", "Contents"):
            if len(path) == 3:
                found[path[2]] = text
            elif len(path) == 2:
                objects.append(_listed(found))
                found.clear()
        elif len(path) == 2:
            facts[path[1]] = text
        elif len(path) == 1:
            facts["root"] = path[0]

    XmlReader(ended).feed(body, last=True)
    if facts.get("root") != "ListBucketResult":
        raise XmlError("The answer is no listing of a bucket.")
    if facts.get("EncodingType", "").lower() == "url":
        # Form encoding: a blank is a plus in what Amazon and rclone send, and a plus is %2B everywhere.
        objects = [Listed(unquote_plus(each.key), each.size, each.modified, each.etag) for each in objects]
    after = facts.get("NextContinuationToken", "")
    if facts.get("IsTruncated", "").lower() == "true" and not after:
        raise XmlError("A listing goes on, and does not say where.")
    return Page(tuple(objects), after if facts.get("IsTruncated", "").lower() == "true" else "")


def read_parts(body: bytes) -> Parts:
    """The answer to ListParts.

    Raises:
        XmlError: It is none.
    """
    parts: list[Part] = []
    found: dict[str, str] = {}
    facts: dict[str, str] = {}

    def ended(path: tuple[str, ...], text: str) -> None:
        if path[0] in _PARTS and path[1:2] == ("Part",):
            if len(path) == 3:
                found[path[2]] = text
            elif len(path) == 2:
                parts.append(_part(found))
                found.clear()
        elif len(path) == 2:
            facts[path[1]] = text
        elif len(path) == 1:
            facts["root"] = path[0]

    XmlReader(ended).feed(body, last=True)
    if facts.get("root") not in _PARTS:
        raise XmlError("The answer is no listing of parts.")
    if facts.get("IsTruncated", "").lower() != "true":
        return Parts(tuple(parts), "")
    after = facts.get("NextPartNumberMarker", "")
    if not re.fullmatch(r"[0-9]{1,9}", after):
        raise XmlError("A listing of parts goes on, and does not say where.")
    return Parts(tuple(parts), after)


def _part(found: dict[str, str]) -> Part:
    number, size = found.get("PartNumber", ""), found.get("Size", "")
    if not (re.fullmatch(r"[0-9]{1,9}", number) and re.fullmatch(r"[0-9]{1,18}", size)):
        raise XmlError("A part of an upload has no number or no size.")
    return Part(int(number), found.get("ETag", ""), int(size))


def _listed(found: dict[str, str]) -> Listed:
    size = found.get("Size", "")
    if "Key" not in found or not re.fullmatch(r"[0-9]{1,18}", size):
        raise XmlError("An object of a listing has no key or no size.")
    return Listed(
        found["Key"], int(size), _moment(found.get("LastModified", "")), found.get("ETag", "").strip('"')
    )


def _moment(text: str) -> int | None:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None


def value_of(body: bytes, name: str) -> str:
    """The text of an element right below the root; empty where there is none, or no document."""
    found: dict[str, str] = {}

    def ended(path: tuple[str, ...], text: str) -> None:
        if len(path) == 2:
            found.setdefault(path[1], text)

    try:
        # A store that completes an upload for long sends blanks ahead, to keep the connection.
        XmlReader(ended).feed(body.strip(), last=True)
    except XmlError:
        return ""
    return found.get(name, "")


def error_code(body: bytes) -> str:
    """The store's own word for an error; empty where it gives none."""
    code = value_of(body, "Code")
    return code if _CODE.fullmatch(code) else ""


def upload_id(body: bytes) -> str:
    """The id of a multipart upload that was begun.

    Raises:
        XmlError: The answer has none.
    """
    found = value_of(body, "UploadId")
    if not found:
        raise XmlError("The store began no upload.")
    return found


def completion(parts: Iterable[tuple[int, str]]) -> bytes:
    """The body of CompleteMultipartUpload: numbers and ETags of the parts, in order."""
    inner = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>" for number, etag in parts
    )
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()

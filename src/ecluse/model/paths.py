"""A path that a partner's client may name: made canonical once, at the edge, into a type of its own."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault

__all__ = ["MAX_NAME", "MAX_PATH", "BadPath", "VirtualPath", "plain_name"]

MAX_NAME: Final = 255
"""Octets of one name (POSIX NAME_MAX on all common file systems)."""
MAX_PATH: Final = 4096
"""Octets of a path (Linux PATH_MAX)."""
REMEMBERED: Final = 256
"""Paths whose canonical form is remembered: a client names one several times in a row."""

# Names that Windows takes for devices, whatever their ending (Microsoft, "Naming Files, Paths, and Namespaces").
_DEVICE: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\..*)?",
    re.IGNORECASE,
)
# What no file system of Windows takes in a name; "/" parts names anyway.
_FORBIDDEN: Final = frozenset('<>:"|?*\\')


class BadPath(EcluseError):
    """A path that no folder of ours can have."""

    code = "path.bad"
    fault = Fault.PARTNER
    remedy = "Use plain names: no control characters, no device names, no dot or space at the end."


class VirtualPath(msgspec.Struct, frozen=True, order=True, gc=False):
    """A canonical absolute path: names in Unicode's NFC, none of them empty, ``.`` or ``..``.

    Attributes:
        names: From the root down; empty for the root itself.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str | bytes, cwd: VirtualPath | None = None) -> VirtualPath:
        """Read a path as a client sent it. ``..`` at the root stays there.

        Args:
            text: UTF-8 octets, or a text.
            cwd: What a relative path begins at; the root by default.

        Raises:
            BadPath: It is too long, not UTF-8, or has a name that is not safe everywhere.
        """
        if len(text) > 4 * MAX_PATH:
            raise BadPath("A path is too long.")
        return _parse(text, cwd)

    @property
    def name(self) -> str:
        """The last name; empty for the root."""
        return self.names[-1] if self.names else ""

    @property
    def parent(self) -> VirtualPath:
        """The folder that it is in; the root's is the root."""
        return VirtualPath(self.names[:-1])

    def __str__(self) -> str:
        return "/" + "/".join(self.names)


@lru_cache(maxsize=REMEMBERED)
def _parse(text: str | bytes, cwd: VirtualPath | None) -> VirtualPath:
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            raise BadPath("A path is not UTF-8.", remedy="Set the client to UTF-8.") from None
    if len(text) > MAX_PATH:
        raise BadPath("A path is too long.")
    names: list[str] = [] if text.startswith("/") or cwd is None else list(cwd.names)
    for name in text.split("/"):
        if name in ("", "."):
            continue
        if name == "..":
            del names[-1:]
            continue
        names.append(_checked(name))
    path = VirtualPath(tuple(names))
    if len(str(path).encode()) > MAX_PATH:
        raise BadPath("A path is too long.")
    return path


def plain_name(text: str) -> str:
    """One name as it stands in a canonical path. Raises :class:`BadPath` where no path could end with it."""
    if text in ("", ".", "..") or "/" in text:
        raise BadPath("A name is not one that a file can have.")
    return _checked(text)


def _checked(name: str) -> str:
    plain = name.isascii() and name.isprintable()
    try:
        size = len(name) if plain else len((name := unicodedata.normalize("NFC", name)).encode("utf-8"))
    except UnicodeEncodeError:
        raise BadPath("A name is not Unicode.") from None
    if size > MAX_NAME:
        raise BadPath("A name is longer than 255 octets.")
    if not plain and any(
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name
    ):
        raise BadPath("A name has a control or an invisible character in it.")
    if _FORBIDDEN & set(name) or name[-1] in ". " or name[0] == " " or _DEVICE.fullmatch(name):
        raise BadPath("A name is not one that every system can have.")
    return name

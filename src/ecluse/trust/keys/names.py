"""Names of keys and secrets in a keyring."""

from __future__ import annotations

import re
from typing import Final

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError

__all__ = ["check_name"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


def check_name(name: str) -> None:
    """Raise ``keyring.bad-name`` unless ``name`` can be that of a key or a secret."""
    if not _NAME.fullmatch(name):
        raise KeyringError(
            "A key or secret can't have that name.",
            code="keyring.bad-name",
            remedy="Use 1 to 63 lower-case letters, digits, dots and dashes.",
            fault=Fault.USAGE,
        )

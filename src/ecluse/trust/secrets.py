"""Secrets behind references: ``env:NAME``, ``file:path``, ``keyring:name``. A literal is never one."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from ecluse.errors import Fault
from ecluse.trust.errors import SecretError
from ecluse.trust.settings.fields import REFERENCE_PATTERN

__all__ = ["MAX_SECRET", "ResolveSecret", "Secret", "SecretResolver"]

MAX_SECRET: Final = 1 << 16
"""Octets of one secret; the longest in use are tokens of a few kilobytes."""


class Secret:
    """A secret that no log, error, representation or copy shows by accident.

    Args:
        value: The secret; a text counts as its UTF-8.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The secret's octets: call it where they are used, and nowhere before."""
        return self._value

    def reveal_text(self) -> str:
        """The same as a text.

        Raises:
            SecretError: It is not UTF-8.
        """
        try:
            return self._value.decode("utf-8")
        except UnicodeDecodeError:
            raise SecretError("A secret is not a text in UTF-8.", remedy="Save it as UTF-8.") from None

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would tell equal secrets apart in a dump

    def __reduce__(self) -> NoReturn:
        raise SecretError("A secret is not copied by serialising.", fault=Fault.OURS)


ResolveSecret = Callable[[str], Secret]
"""From a reference to its secret; raises :class:`SecretError`."""


class SecretResolver:
    """Reads secrets where their references say. Nothing is cached: a rotated secret is seen at once.

    Args:
        folder: The hub's folder, which file paths are relative to.
        environ: The environment.
        keyring: Gives a secret of the keyring by name, once the keyring is open.
    """

    def __init__(
        self, folder: Path, environ: Mapping[str, str] | None = None, keyring: ResolveSecret | None = None
    ) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ
        self._keyring = keyring

    def __call__(self, reference: str) -> Secret:
        """Resolve a reference.

        Raises:
            SecretError: ``secret.literal`` (it is no reference), ``secret.missing``, ``secret.unreadable``,
                ``secret.exposed`` (others than the owner may read the file), ``secret.empty``.
        """
        if not re.fullmatch(REFERENCE_PATTERN[1:-1], reference):
            raise SecretError("A secret stands where a reference to one should.", code="secret.literal")
        kind, _, name = reference.partition(":")
        if kind == "env":
            secret = self._from_environment(name)
        elif kind == "file":
            secret = self._from_file(name)
        else:
            secret = self._from_keyring(name)
        if not secret.reveal():
            raise SecretError(f"The secret {reference} is empty.", code="secret.empty", remedy="Set it.")
        return secret

    def _from_environment(self, name: str) -> Secret:
        value = self._environ.get(name)
        if value is None:
            raise SecretError(
                f"The environment has no {name}.",
                code="secret.missing",
                remedy=f"Set {name} for the process of the hub, or refer to a file.",
            )
        return Secret(value)

    def _from_file(self, name: str) -> Secret:
        try:
            # Non-blocking, so that a pipe in its place can't hang the hub.
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                status = os.fstat(file.fileno())
                self._check(name, status)
                data = file.read(MAX_SECRET + 1)
        except FileNotFoundError:
            raise SecretError(
                f"The secret's file {name} does not exist.",
                code="secret.missing",
                remedy="Make it, readable by its owner alone (chmod 600).",
            ) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it has an impossible name"
            raise SecretError(
                f"The secret's file {name} can't be read: {reason}.",
                code="secret.unreadable",
                remedy="Let the hub's user own it, and read it.",
            ) from None
        if len(data) > MAX_SECRET:
            raise SecretError(f"The secret's file {name} is larger than {MAX_SECRET} octets.")
        return Secret(data.removesuffix(b"\n").removesuffix(b"\r"))

    def _check(self, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(f"The secret's file {name} is no plain file.", code="secret.unreadable")
        if status.st_mode & 0o077:
            raise SecretError(
                f"The secret's file {name} may be used by others than its owner.",
                code="secret.exposed",
                remedy=f"Run chmod 600 on it, and replace the secret if others could read it: {name}.",
            )

    def _from_keyring(self, name: str) -> Secret:
        if self._keyring is None:
            raise SecretError(
                f"The keyring is not open, so its secret {name} can't be had.",
                code="secret.missing",
                remedy="Use env: or file: for what is needed before the keyring is open.",
            )
        return self._keyring(name)

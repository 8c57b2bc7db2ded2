"""What can be wrong with configuration, certificates and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecluse.errors import EcluseError, Fault

__all__ = [
    "CertificateError",
    "ConfigurationError",
    "KeyringError",
    "PartnerRefused",
    "Problem",
    "SecretError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a configuration.

    Attributes:
        code: Stable, dotted (``config.unknown-field``).
        file: Path inside the hub's folder; empty where it is about the whole.
        field: Dotted path of the field (``as2.sign``, ``certificates[0].file``); empty for the whole file.
        cause: One sentence. Never holds the value of a secret field.
        remedy: One sentence: what would be right.
    """

    code: str
    file: str
    field: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.file, self.field) if part)
        return f"{place}: {self.code}: {self.cause} {self.remedy}" if place else f"{self.code}: {self.cause}"

    def as_dict(self) -> dict[str, str]:
        """The same parts for ``--json``."""
        return {
            "code": self.code,
            "file": self.file,
            "field": self.field,
            "cause": self.cause,
            "remedy": self.remedy,
        }


class ConfigurationError(EcluseError):
    """A configuration that is refused, with every problem that it has."""

    code = "config.refused"
    fault = Fault.USAGE
    remedy = "Mend what is listed, then run `ecluse plan` again."

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep ``problems`` (at least one), in order of file and place."""
        self.problems: tuple[Problem, ...] = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"The configuration has {count} problem{'s'[: count != 1]}:\n{lines}\n")

    def codes(self) -> frozenset[str]:
        """The codes of all problems."""
        return frozenset(problem.code for problem in self.problems)


class CertificateError(EcluseError):
    """A certificate or key that can't be read, or is too weak or out of its time."""

    code = "trust.bad-certificate"
    fault = Fault.USAGE
    remedy = "Give an X.509 certificate as PEM, DER, PKCS#7 or PKCS#12."


class SecretError(EcluseError):
    """A secret reference that is none, or whose secret can't be had."""

    code = "secret.unavailable"
    fault = Fault.USAGE
    remedy = "Write a reference: env:NAME, file:path or keyring:name."


class KeyringError(EcluseError):
    """The keyring is missing, locked, damaged, or lacks what was asked of it."""

    code = "keyring.error"
    fault = Fault.OURS
    remedy = "Restore the keyring's folder from its backup, or make the key with `ecluse cert generate`."


class PartnerRefused(EcluseError):
    """Nothing is exchanged with this party under the present configuration."""

    code = "trust.refused"
    fault = Fault.PARTNER
    remedy = "Look at the partner with `ecluse partner show`."

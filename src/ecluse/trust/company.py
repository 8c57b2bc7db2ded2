"""What identifies a company besides its keys: registered numbers, people to reach, and where it is paid.

The same tables stand in our own ``ecluse.toml``, in a partner's file and on a card. A number with a check digit
is checked, so that a slip of the pen is told at once; whether it is theirs, nobody can say from the number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ecluse.trust.errors import Problem
from ecluse.trust.plain import hidden
from ecluse.trust.settings.fields import Name, Strict

__all__ = [
    "Bank",
    "Contact",
    "Identifiers",
    "company_problems",
    "masked_iban",
]


def _field(pattern: str, expected: str) -> Meta:
    return Meta(pattern=pattern, extra={"expected": expected})


Email = Annotated[
    str, _field(r"^[^@\s<>\"]{1,64}@[A-Za-z0-9.-]{1,190}$", 'a mail address, such as "edi@aster.example"')
]
Phone = Annotated[str, _field(r"^\+?[0-9][0-9 ()./-]{3,30}$", 'a number, such as "+33 1 23 45 67 89"')]
Iban = Annotated[
    str,
    _field(
        r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$", 'an IBAN without blanks, such as "FR7630006000011234567890189"'
    ),
]
Bic = Annotated[
    str,
    _field(
        r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$", 'a BIC of 8 or 11 characters, such as "AGRIFRPP"'
    ),
]


class Identifiers(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """Registered numbers of a company, without blanks.

    Attributes:
        vat: VAT number with its country, such as "FR83404833048".
        siren: SIREN, 9 digits (France).
        siret: SIRET, 14 digits (France).
        gln: GS1 global location number, 13 digits.
        lei: Legal entity identifier, 20 characters (ISO 17442).
        duns: D-U-N-S number, 9 digits.
        eori: Economic operator number, with its country.
    """

    vat: (
        Annotated[
            str,
            _field(r"^[A-Z]{2}[A-Z0-9+*]{2,13}$", 'a VAT number with its country, such as "FR83404833048"'),
        ]
        | None
    ) = None
    siren: Annotated[str, _field(r"^[0-9]{9}$", "9 digits")] | None = None
    siret: Annotated[str, _field(r"^[0-9]{14}$", "14 digits")] | None = None
    gln: Annotated[str, _field(r"^[0-9]{13}$", "13 digits")] | None = None
    lei: Annotated[str, _field(r"^[A-Z0-9]{18}[0-9]{2}$", "20 capital letters and digits")] | None = None
    duns: Annotated[str, _field(r"^[0-9]{9}$", "9 digits")] | None = None
    eori: (
        Annotated[str, _field(r"^[A-Z]{2}[A-Z0-9]{1,15}$", "a country and up to 15 letters and digits")]
        | None
    ) = None


class Contact(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody to reach.

    Attributes:
        role: What for, such as "edi", "security" or "accounts".
        name: Their name, or that of their team.
        email: Mail address.
        phone: Telephone number.
    """

    role: Name
    name: Name | None = None
    email: Email | None = None
    phone: Phone | None = None


class Bank(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """Where a company is paid.

    Attributes:
        iban: Account number (ISO 13616), without blanks.
        bic: The bank (ISO 9362).
        holder: Whose account it is.
    """

    iban: Iban
    bic: Bic | None = None
    holder: Name | None = None

    def __repr__(self) -> str:
        return f"Bank({masked_iban(self.iban)})"


IBAN_LENGTHS: Final[dict[str, int]] = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24,
    "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21,
    "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21,
    "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country, from the IBAN registry that SWIFT keeps for ISO 13616."""

_LA_POSTE: Final = "356000000"
"""The one SIREN whose establishments do not keep to Luhn: their digits add up to a multiple of five."""


def company_problems(
    file: str,
    prefix: str,
    *,
    identifiers: Identifiers | None = None,
    contacts: tuple[Contact, ...] = (),
    bank: Bank | None = None,
) -> Iterator[Problem]:
    """Everything wrong with a company's tables beyond the shape of their fields.

    Args:
        file: Where they stand.
        prefix: What their field names begin with there; empty or with its dot.
        identifiers: Its numbers.
        contacts: Its people.
        bank: Its account. The number is never repeated.
    """
    for name, value in _given(identifiers):
        if not _checks(name, value):
            yield Problem(
                "config.bad-identifier",
                file,
                f"{prefix}identifiers.{name}",
                f"This is no {name.upper()}: its check digits do not fit.",
                "Compare it with the register: a digit is wrong, or two changed places.",
            )
    for number, contact in enumerate(contacts):
        for name, value in _given(contact):
            if hidden(value):
                yield Problem(
                    "config.bad-value",
                    file,
                    f"{prefix}contacts[{number}].{name}",
                    "There is a character in it that is not seen.",
                    "Write it again by hand.",
                )
    if bank is None:
        return
    if not _iban(bank.iban):
        yield Problem(
            "config.bad-identifier",
            file,
            f"{prefix}bank.iban",
            "This is no IBAN: its length or its check digits do not fit.",
            "Compare it with what the bank wrote.",
        )
    if bank.holder is not None and hidden(bank.holder):
        yield Problem(
            "config.bad-value",
            file,
            f"{prefix}bank.holder",
            "There is a character in it that is not seen.",
            "Write it again by hand.",
        )


def masked_iban(iban: str) -> str:
    """An account number as events, plans and screens show it: its ends, and a digest that tells two apart."""
    digest = hashlib.sha256(iban.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{iban[:4]}…{iban[-4:]} (SHA-256 {digest})"


def _given(table: msgspec.Struct | None) -> Iterator[tuple[str, str]]:
    if table is not None:
        for name, value in msgspec.structs.asdict(table).items():
            if isinstance(value, str):
                yield name, value


def _checks(name: str, value: str) -> bool:
    match name:
        case "siren":
            return _luhn(value)
        case "siret":
            return _luhn(value) or (value[:9] == _LA_POSTE and sum(map(int, value)) % 5 == 0)
        case "gln":
            return _gs1(value)
        case "lei":
            return _mod97(value)
        case "vat" if value.startswith("FR"):
            return _french_vat(value)
    return True


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = [int(each) * (1 + place % 2) for place, each in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def _gs1(digits: str) -> bool:
    """GS1 General Specifications s7.9.1."""
    return sum(int(each) * (3 if place % 2 else 1) for place, each in enumerate(reversed(digits))) % 10 == 0


def _mod97(text: str) -> bool:
    """ISO/IEC 7064, MOD 97-10."""
    return int("".join(str(int(each, 36)) for each in text)) % 97 == 1


def _iban(iban: str) -> bool:
    length = IBAN_LENGTHS.get(iban[:2])
    return (length is None or len(iban) == length) and _mod97(iban[4:] + iban[:4])


def _french_vat(value: str) -> bool:
    """Code général des impôts, annexe II art. 242: a key of two characters, then the SIREN."""
    key, siren = value[2:4], value[4:]
    if len(siren) != 9 or not siren.isdecimal():
        return False
    if not key.isdecimal():
        return True  # the newer key, of letters, has no published rule
    return int(key) == (12 + 3 * (int(siren) % 97)) % 97

"""ACME (RFC 8555) without its transport: requests signed, answers read, the http-01 challenge.

A request is a JWS in flattened JSON (RFC 7515 s7.2.2) by an EC key on P-256 (ES256, RFC 7518 s3.4), which the caller
signs: the key is named by its public point. Answers are read strictly for the members that are used; others are passed
over, as RFC 8555 s7.1 has servers add them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ecluse.errors import EcluseError, Fault
from ecluse.typed import from_json

__all__ = [
    "CHALLENGE_PATH",
    "MAX_ANSWER",
    "AcmeError",
    "AcmeKey",
    "Authorization",
    "Challenge",
    "Directory",
    "Identifier",
    "Order",
    "Problem",
    "base64url",
    "read_answer",
    "read_problem",
    "signed",
]

CHALLENGE_PATH: Final = "/.well-known/acme-challenge/"
"""Where the server looks for the answer to http-01 (RFC 8555 s8.3)."""
MAX_ANSWER: Final = 1 << 18
"""Octets of an answer; a chain of ten certificates takes a tenth."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""RFC 8555 s8.1: base64url, 128 bits of entropy at least."""
_COORDINATE: Final = 32
"""Octets of a coordinate, and of each half of an ES256 signature."""
_MAX_WORDS: Final = 500

_T = TypeVar("_T")


class AcmeError(EcluseError):
    """The authority's server answers what can't be understood, or refuses."""

    code = "acme.refused"
    fault = Fault.TRANSIENT
    remedy = "Read what the authority says; the hub tries again by itself while there is time."


class Problem(msgspec.Struct, frozen=True):
    """A problem document (RFC 7807, RFC 8555 s6.7)."""

    type: str = ""
    detail: str = ""
    status: int = 0


class Identifier(msgspec.Struct, frozen=True):
    """A name that a certificate is for."""

    type: str
    value: str


class Directory(msgspec.Struct, frozen=True, rename="camel"):
    """Where a server's resources are (RFC 8555 s7.1.1)."""

    new_nonce: str
    new_account: str
    new_order: str


class Challenge(msgspec.Struct, frozen=True):
    """A way to prove control over a name (RFC 8555 s8)."""

    type: str
    url: str
    status: str = "pending"
    token: str = ""
    error: Problem | None = None


class Authorization(msgspec.Struct, frozen=True):
    """A name and the ways to prove control over it (RFC 8555 s7.1.4)."""

    identifier: Identifier
    status: str
    challenges: tuple[Challenge, ...]

    def http(self) -> Challenge:
        """The challenge http-01. Raises :class:`AcmeError` where there is none that can be answered."""
        for each in self.challenges:
            if each.type == "http-01" and _TOKEN.fullmatch(each.token):
                return each
        raise AcmeError(f"The authority offers no http-01 challenge for {_words(self.identifier.value)}.")

    def why(self) -> str:
        """What the server says of a challenge that failed."""
        return next(
            (_words(each.error.detail) for each in self.challenges if each.error is not None),
            "no reason given",
        )


class Order(msgspec.Struct, frozen=True):
    """An order for a certificate (RFC 8555 s7.1.3)."""

    status: str
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str | None = None
    error: Problem | None = None


@dataclass(frozen=True, slots=True)
class AcmeKey:
    """An account's key.

    Attributes:
        x: First coordinate of the public point, 32 octets.
        y: The second one.
        sign: Gives the signature (ECDSA with SHA-256 on P-256, DER) over octets.
    """

    x: bytes
    y: bytes
    sign: Callable[[bytes], bytes]

    @property
    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517), its members in the order that a thumbprint needs (RFC 7638 s3)."""
        return {"crv": "P-256", "kty": "EC", "x": base64url(self.x), "y": base64url(self.y)}

    def authorization(self, token: str) -> str:
        """The key authorization of a challenge (RFC 8555 s8.1)."""
        return f"{token}.{base64url(sha256(msgspec.json.encode(self.jwk)).digest())}"


def signed(key: AcmeKey, url: str, nonce: str, payload: object | None, account: str | None = None) -> bytes:
    """The body of a request (RFC 8555 s6.2).

    Args:
        key: The account's.
        url: Where it goes.
        nonce: From the server.
        payload: JSON; ``None`` for a POST-as-GET (RFC 8555 s6.3).
        account: The account's URL; ``None`` before it is known, when the key itself is sent.
    """
    header: dict[str, object] = {"alg": "ES256", "nonce": nonce, "url": url}
    header.update({"jwk": key.jwk} if account is None else {"kid": account})
    protected = base64url(msgspec.json.encode(header))
    body = "" if payload is None else base64url(msgspec.json.encode(payload))
    first, second = decode_dss_signature(key.sign(f"{protected}.{body}".encode("ascii")))
    signature = first.to_bytes(_COORDINATE, "big") + second.to_bytes(_COORDINATE, "big")
    return msgspec.json.encode({"protected": protected, "payload": body, "signature": base64url(signature)})


def base64url(data: bytes) -> str:
    """Without padding (RFC 7515 s2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def read_answer(data: bytes, kind: type[_T]) -> _T:
    """An answer as one of the kinds above.

    Raises:
        AcmeError: It is none.
    """
    if len(data) > MAX_ANSWER:
        raise AcmeError(f"The authority's answer is larger than {MAX_ANSWER} octets.")
    try:
        return from_json(data, kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        raise AcmeError(f"The authority's answer is no {kind.__name__.lower()}.") from None


def read_problem(status: int, data: bytes) -> AcmeError:
    """What a refusal says, as an error: whatever the octets are."""
    try:
        problem = from_json(data[:MAX_ANSWER], Problem)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        problem = Problem()
    kind = problem.type.rpartition(":")[2]
    said = _words(problem.detail) or "it gives no reason"
    found = AcmeError(f"The authority refuses (HTTP {status}{f', {_words(kind)}' if kind else ''}): {said}.")
    if kind == "badNonce":
        found.code = "acme.bad-nonce"
    return found


def _words(text: str) -> str:
    """A server's own words, fit to be shown."""
    return "".join(each if each.isprintable() else "?" for each in text)[:_MAX_WORDS].rstrip(". ")

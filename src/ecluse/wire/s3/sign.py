"""AWS Signature Version 4 (AWS General Reference, "Signing AWS API requests"), in headers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

__all__ = ["EMPTY", "Signer", "key_path", "query_text"]

EMPTY: Final = hashlib.sha256(b"").hexdigest()
"""Digest of no content."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


def key_path(path: str) -> str:
    """A path as it stands in the URL and is signed: every octet encoded but the unreserved ones, and slashes."""
    return quote(path, safe="/-_.~")


def query_text(query: Mapping[str, str]) -> str:
    """A query as it stands in the URL and is signed: sorted, encoded, with ``=`` after each name."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs.

    Attributes:
        access_key: Its id.
        secret_key: Never shown.
        region: As the store names it.
    """

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def headers(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Sequence[tuple[str, str]],
        content_sha256: str,
        now: int,
    ) -> list[tuple[str, str]]:
        """All the headers to send, those given among them: every one is signed.

        Args:
            method: Of the request.
            host: Host, with its port where that is not the scheme's own.
            path: Encoded; see :func:`key_path`.
            query: Encoded; see :func:`query_text`.
            headers: What else is sent.
            content_sha256: Hex digest of the content.
            now: Microseconds since 1970.
        """
        at = datetime.fromtimestamp(now // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
        sent = [("Host", host), ("x-amz-content-sha256", content_sha256), ("x-amz-date", at), *headers]
        signed = sorted((name.lower(), " ".join(value.split())) for name, value in sent)
        names = ";".join(name for name, _ in signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed)
        request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{content_sha256}"
        scope = f"{at[:8]}/{self.region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for step in (at[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"{self.access_key}/{scope}"
        value = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return [*sent, ("Authorization", value)]

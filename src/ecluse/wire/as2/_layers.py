"""Layers of protection going out: the entity inside goes in, the body of the entity around it comes out."""

from __future__ import annotations

import base64
from typing import Final, Protocol

from ecluse.wire.cms.sign import Signer, digests_needed, sign_detached
from ecluse.wire.smime.headers import write_headers
from ecluse.wire.smime.mic import Digester, micalg_name
from ecluse.wire.smime.parameters import quote

__all__ = ["CmsLayer", "Fields", "Layer", "SignedLayer"]

Fields = list[tuple[str, str]]


class Layer(Protocol):
    """A layer: the entity inside goes in, the body of the entity around comes out."""

    def fields(self) -> Fields:
        """The MIME header of the entity around."""

    def start(self) -> bytes: ...
    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Stage(Protocol):
    def start(self) -> bytes: ...
    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class CmsLayer:
    """A CMS stage as application/pkcs7-mime (RFC 8551 s3.2)."""

    def __init__(self, stage: Stage, smime_type: str, name: str) -> None:
        self.start = stage.start
        self.feed = stage.feed
        self.finish = stage.finish
        self._type = smime_type
        self._name = name

    def fields(self) -> Fields:
        return [
            ("Content-Type", f'application/pkcs7-mime; smime-type={self._type}; name="{self._name}"'),
            ("Content-Transfer-Encoding", "binary"),
            ("Content-Disposition", f'attachment; filename="{self._name}"'),
        ]


_LINE: Final = 76
"""Characters in a line of base64 (RFC 2045 s6.8)."""
_SIGNATURE_HEADER: Final = write_headers(
    [
        ("Content-Type", 'application/pkcs7-signature; name="smime.p7s"'),
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", 'attachment; filename="smime.p7s"'),
    ]
)


class SignedLayer:
    """A clear-signed entity: multipart/signed with the CMS signature detached (RFC 1847 s2.1).

    The signature travels as base64: some readers, `openssl smime` among them, take no other, and its few
    kilobytes cost nothing.

    Args:
        signers: At least one.
        digest: What they sign with.
        boundary: For the multipart.
        now: Signing time, in seconds since 1970.
        digester: Digests the first part; must hold every digest that the signers need.
        dashed: How micalg is spelled.
        algorithm_protection: Whether CMSAlgorithmProtection is sent.
    """

    def __init__(
        self,
        signers: tuple[Signer, ...],
        digest: str,
        *,
        boundary: str,
        now: int,
        digester: Digester,
        dashed: bool = True,
        algorithm_protection: bool = True,
    ) -> None:
        self._signers = signers
        self._digest = digest
        self._needed = digests_needed(signers, digest)
        self._boundary = boundary
        self._now = now
        self._digester = digester
        self._dashed = dashed
        self._protection = algorithm_protection
        self.signature = b""
        """After :meth:`finish`: the detached SignedData, in DER."""

    def fields(self) -> Fields:
        """The multipart's Content-Type."""
        names = ",".join(micalg_name(name, dashed=self._dashed) for name in self._needed)
        return [
            (
                "Content-Type",
                f'multipart/signed; protocol="application/pkcs7-signature"; micalg={quote(names)}; '
                f'boundary="{self._boundary}"',
            )
        ]

    def start(self) -> bytes:
        """The first delimiter."""
        return f"--{self._boundary}\r\n".encode("ascii")

    def feed(self, data: bytes) -> bytes:
        """Octets of the signed part, unchanged."""
        self._digester.update(data)
        return data

    def finish(self) -> bytes:
        """The signature part and the closing delimiter."""
        signature = self.signature = sign_detached(
            self._digester.digests(self._needed),
            self._signers,
            digest=self._digest,
            now=self._now,
            algorithm_protection=self._protection,
        )
        text = base64.b64encode(signature)
        lines = b"\r\n".join([text[at : at + _LINE] for at in range(0, len(text), _LINE)])
        delimiter = f"\r\n--{self._boundary}".encode("ascii")
        return b"".join((delimiter, b"\r\n", _SIGNATURE_HEADER, lines, delimiter, b"--\r\n"))

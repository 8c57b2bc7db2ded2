"""Made-up trading partners with keys of their own, and the few steps that AS2 tests repeat."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part
from ecluse.wire.as2.unwrap import Unwrapper
from ecluse.wire.cms import keys
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import KeyNeeded
from ecluse.wire.smime.headers import Headers

NOW = 1_760_000_000
"""Seconds since 1970, within every certificate's validity."""


class Entropy:
    """Octets that are different each time and the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._count = seed * 1_000_000

    def __call__(self, size: int) -> bytes:
        self._count += 1
        digest = hashes.Hash(hashes.SHAKE256(max(size, 1)))
        digest.update(self._count.to_bytes(8, "big"))
        return digest.finalize()[:size]


@dataclass(frozen=True)
class Party:
    name: str
    key: keys.PrivateKey
    certificate: x509.Certificate

    def signer(self, scheme: str | None = None):
        return keys.signer_for(self.key, self.certificate, scheme)

    def pem_key(self, password: bytes | None = None) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
        )

    def pkcs12(self, password: bytes) -> bytes:
        return pkcs12.serialize_key_and_certificates(
            self.name.encode(),
            self.key,
            self.certificate,
            None,
            serialization.BestAvailableEncryption(password),
        )

    def pem_certificate(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@cache
def party(name: str, kind: str = "rsa") -> Party:
    """The party ``name`` (Aster, Birch...), made once a run."""
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if kind == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} AS2 {kind}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2025, 1, 1))
        .not_valid_after(datetime.datetime(2045, 1, 1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Party(name, key, certificate)


def build(
    options: BuildOptions, payload: bytes, part: Part | None = None, *, chunk: int = 65536, **more: object
) -> tuple[list[tuple[str, str]], bytes, MessageBuilder]:
    """Headers, body and the builder of a message with one document."""
    builder = MessageBuilder(
        options,
        part or Part("application/edifact", "orders.edi"),
        message_id="<1@aster.example>",
        now=NOW,
        entropy=Entropy(),
        **more,
    )
    out = [builder.start()]
    out += [builder.feed(payload[at : at + chunk]) for at in range(0, len(payload), chunk)]
    out.append(builder.finish())
    return builder.headers, b"".join(out), builder


@dataclass
class Result:
    events: list[as2.Event]

    @property
    def opened(self) -> as2.Opened:
        assert isinstance(self.events[-1], as2.Opened)
        return self.events[-1]

    @property
    def exact(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, as2.Exact))

    @property
    def parts(self) -> list[tuple[as2.PartStarted, bytes, as2.PartEnded]]:
        found: list[tuple[as2.PartStarted, bytes, as2.PartEnded]] = []
        start, data = None, bytearray()
        for event in self.events:
            if isinstance(event, as2.PartStarted):
                start, data = event, bytearray()
            elif isinstance(event, as2.PartData):
                data += event.data
            elif isinstance(event, as2.PartEnded):
                assert start is not None
                found.append((start, bytes(data), event))
        return found

    @property
    def payload(self) -> bytes:
        assert len(self.parts) == 1
        return self.parts[0][1]


def cek(needed: KeyNeeded, holder: Party | None) -> bytes:
    """The content-encryption key, or nothing where ``holder`` can't have it."""
    for recipient in needed.recipients:
        if holder is not None and keys.matches(recipient, holder.certificate):
            try:
                return keys.unwrap(recipient, holder.key)
            except CmsError:
                return b""
    return b""


def open_message(
    headers: list[tuple[str, str]],
    body: bytes,
    policy: as2.UnwrapPolicy,
    holder: Party | None = None,
    *,
    chunk: int = 65536,
) -> Result:
    """Open a message; keys come from ``holder``."""
    unwrapper = Unwrapper(Headers.of(headers), policy)
    events: list[as2.Event] = []

    def take(found: list[as2.Event]) -> None:
        for event in found:
            if isinstance(event, KeyNeeded):
                events.append(event)
                take(unwrapper.supply_key(cek(event, holder)))
            else:
                events.append(event)

    for at in range(0, len(body), chunk):
        take(unwrapper.feed(body[at : at + chunk]))
    take(unwrapper.close())
    return Result(events)

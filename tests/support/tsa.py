"""Time-stamping authorities to talk to: ``openssl ts`` behind HTTP, and one of our own whose clock can be set."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms.algorithms import DIGESTS_BY_NAME

__all__ = ["OpensslAuthority", "PlayedAuthority", "serve"]

Answer = Callable[[bytes], bytes]

POLICY = "1.3.6.1.4.1.99999.1"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"


@contextmanager
def serve(answer: Answer, *, status: int = 200) -> Iterator[str]:
    """An authority at a URL; it goes with the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            reply = answer(body) if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


# --- openssl ts ---------------------------------------------------------------------------------------------


class OpensslAuthority:
    """``openssl ts -reply`` with a CA and a signer of its own, made in ``folder``.

    Attributes:
        root: PEM file of the root.
    """

    def __init__(
        self, folder: Path, *, name: str = "Alder", digests: str = "sha256, sha384, sha512", years: float = 3
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        maker = PlayedAuthority(name, begins=datetime.now(UTC) - timedelta(days=1), years=years)
        self.root = folder / "root.pem"
        self.root.write_bytes(maker.root.public_bytes(Encoding.PEM))
        (folder / "signer.pem").write_bytes(maker.certificate.public_bytes(Encoding.PEM))
        (folder / "signer.key").write_bytes(
            maker.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "serial").write_text("01\n")
        (folder / "ts.cnf").write_text(
            "[tsa]\ndefault_tsa = authority\n[authority]\n"
            f"dir = {folder}\nserial = $dir/serial\nsigner_cert = $dir/signer.pem\n"
            "signer_key = $dir/signer.key\nsigner_digest = sha256\n"
            f"default_policy = {POLICY}\nother_policies = {POLICY}.2\ndigests = {digests}\n"
            "accuracy = secs:1, millisecs:500\nordering = yes\ntsa_name = no\n"
            "ess_cert_id_chain = no\ness_cert_id_alg = sha256\n"
        )

    def __call__(self, request: bytes) -> bytes:
        """Answer a request, as openssl does."""
        with self._lock:  # its serial number is a file
            query, reply = self._folder / "query.tsq", self._folder / "reply.tsr"
            query.write_bytes(request)
            reply.unlink(missing_ok=True)
            subprocess.run(
                [
                    "openssl",
                    "ts",
                    "-reply",
                    "-queryfile",
                    query,
                    "-config",
                    self._folder / "ts.cnf",
                    "-out",
                    reply,
                ],
                capture_output=True,
                timeout=30,
                check=False,
            )
            return reply.read_bytes()

    def verify(self, data: Path, token: Path) -> str:
        """What ``openssl ts -verify`` says of a token over the bytes of a file."""
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-data", data, "-in", token, "-token_in", "-CAfile", self.root],
            capture_output=True,
            timeout=30,
            check=False,
            text=True,
        )
        return done.stdout + done.stderr


# --- one whose clock can be set -----------------------------------------------------------------------------

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | mldsa.MLDSA65PrivateKey


@dataclass
class PlayedAuthority:
    """An authority that says whatever time it is told, made with what ``cryptography`` gives.

    Attributes:
        name: The company.
        begins: When its certificates begin.
        years: How long its signer's certificate lasts; its root lasts twice that.
        hash: Hash of the signature.
        post_quantum: Whether its keys are for ML-DSA.
        usage: Extended key usages of the signer.
        critical: Whether they are critical.
        spoil: Changes the fields of the TSTInfo before it is signed.
        attributes: Changes the signed attributes.
        serial: Number of the last time-stamp.
        requests: What was asked.
    """

    name: str = "Alder"
    begins: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    years: float = 3
    hash: str = "sha256"
    post_quantum: bool = False
    usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,)
    critical: bool = True
    spoil: Callable[[list[bytes]], list[bytes]] = lambda fields: fields
    attributes: Callable[[list[bytes]], list[bytes]] = lambda attributes: attributes
    serial: int = 0
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root_key = self._key()
        self.root = self._certificate(f"{self.name} Root", self.root_key.public_key(), ca=True)
        self.key = self._key()
        self.certificate = self._certificate(f"{self.name} Time-Stamps", self.key.public_key(), ca=False)

    def _key(self) -> Key:
        if self.post_quantum:
            return mldsa.MLDSA65PrivateKey.generate()
        return ec.generate_private_key(ec.SECP256R1())

    def _certificate(self, name: str, public: object, *, ca: bool) -> x509.Certificate:
        def subject(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        years = self.years * (2 if ca else 1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(name))
            .issuer_name(subject(f"{self.name} Root"))
            .public_key(public)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begins)
            .not_valid_after(self.begins + timedelta(days=365.25 * years))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)  # type: ignore[arg-type]
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.usage), critical=self.critical)
        return builder.sign(self.root_key, None if self.post_quantum else hashes.SHA256())

    def at(self, now: Callable[[], datetime]) -> Answer:
        """Its answers, at the time that ``now`` gives."""
        return lambda request: self.answer(request, now())

    def answer(self, request: bytes, now: datetime) -> bytes:
        """A granted TimeStampResp."""
        self.requests.append(request)
        fields = asn1.parse(request).children
        imprint = fields[1].raw
        policy = next((f.raw for f in fields[2:] if f.tag == asn1.OID), asn1.oid(POLICY))
        nonce = next((f.raw for f in fields[2:] if f.tag == asn1.INTEGER), b"")
        return asn1.sequence(asn1.sequence(asn1.integer(0)), self.token(imprint, now, policy, nonce))

    def token(self, imprint: bytes, now: datetime, policy: bytes = b"", nonce: bytes = b"") -> bytes:
        """A token over a MessageImprint in DER."""
        self.serial += 1
        text = now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
        if now.microsecond:
            text += f".{now.microsecond:06}".rstrip("0")
        info = [
            asn1.integer(1),
            policy or asn1.oid(POLICY),
            imprint,
            asn1.integer(self.serial),
            asn1.encode(asn1.GENERALIZED_TIME, f"{text}Z".encode()),
            asn1.sequence(asn1.integer(1)),
            nonce,
        ]
        content = asn1.sequence(*self.spoil(info))
        digest = DIGESTS_BY_NAME[self.hash]
        algorithm = asn1.sequence(asn1.oid(digest.oid))
        der = self.certificate.public_bytes(Encoding.DER)

        def attribute(kind: str, value: bytes) -> bytes:
            return asn1.sequence(asn1.oid(kind), asn1.set_of(value))

        signed = self.attributes(
            [
                attribute(oids.CONTENT_TYPE, asn1.oid(TST_INFO)),
                attribute(oids.MESSAGE_DIGEST, asn1.octets(hashlib.new(self.hash, content).digest())),
                attribute(
                    SIGNING_CERTIFICATE_V2,
                    asn1.sequence(asn1.sequence(asn1.sequence(asn1.octets(hashlib.sha256(der).digest())))),
                ),
            ]
        )
        attributes = asn1.set_of(*signed)
        if isinstance(self.key, mldsa.MLDSA65PrivateKey):
            signature, scheme = self.key.sign(attributes), oids.ML_DSA_65
        else:
            assert isinstance(self.key, ec.EllipticCurvePrivateKey)
            signature, scheme = self.key.sign(attributes, ec.ECDSA(digest.algorithm)), oids.EC_PUBLIC_KEY
            scheme = {"sha256": oids.ECDSA_WITH_SHA256, "sha512": oids.ECDSA_WITH_SHA512}[self.hash]
        name = asn1.parse(self.certificate.issuer.public_bytes()).raw
        signer = asn1.sequence(
            asn1.integer(1),
            asn1.sequence(name, asn1.integer(self.certificate.serial_number)),
            algorithm,
            asn1.implicit(0, asn1.parse(attributes).content, constructed=True),
            asn1.sequence(asn1.oid(scheme)),
            asn1.octets(signature),
        )
        data = asn1.sequence(
            asn1.integer(3),
            asn1.set_of(algorithm),
            asn1.sequence(asn1.oid(TST_INFO), asn1.explicit(0, asn1.octets(content))),
            asn1.implicit(0, der, constructed=True),
            asn1.set_of(signer),
        )
        return asn1.sequence(asn1.oid(oids.SIGNED_DATA), asn1.explicit(0, data))

    @property
    def pem(self) -> bytes:
        """Its root, PEM."""
        return self.root.public_bytes(Encoding.PEM)

"""The way from a time-stamp's signer to a root: what is taken, and all that is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ecluse.wire.tsp.chain import MAX_DEPTH, algorithms_of, build_chain
from ecluse.wire.tsp.errors import BadTimeStamp, UntrustedAuthority

NOW = datetime(2026, 11, 22, tzinfo=UTC)
YEAR = timedelta(days=365)
USAGE = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


class Maker:
    """Certificates by name; each has a key of its own."""

    def __init__(self) -> None:
        self.keys: dict[str, object] = {}

    def key(self, name: str, kind: str = "ec"):
        if name not in self.keys:
            self.keys[name] = {
                "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate,
                "rsa": lambda: rsa.generate_private_key(65537, 2048),
                "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
            }[kind]()
        return self.keys[name]

    def make(
        self,
        name: str,
        issuer: str,
        *,
        ca: bool | None = True,
        path_length: int | None = None,
        kind: str = "ec",
        begins: datetime = NOW - YEAR,
        ends: datetime = NOW + YEAR,
        digest: hashes.HashAlgorithm | None = None,
        extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    ) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        signer = self.key(issuer, kind if issuer == name else "ec")
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(self.key(name, kind).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )
        if ca is not None:
            builder = builder.add_extension(
                x509.BasicConstraints(ca, path_length if ca else None), critical=True
            )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        plain = isinstance(signer, ed25519.Ed25519PrivateKey)
        return builder.sign(signer, None if plain else digest or hashes.SHA256())

    def leaf(self, issuer: str, *more: tuple[x509.ExtensionType, bool], **how) -> x509.Certificate:
        usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
        return self.make("leaf", issuer, ca=False, extensions=(usage, *more), **how)


@pytest.fixture
def maker() -> Maker:
    return Maker()


def test_a_way_over_two_issuers(maker: Maker) -> None:
    root = maker.make("root", "root", path_length=1)
    upper = maker.make("upper", "root", path_length=0)
    leaf = maker.leaf("upper", (x509.KeyUsage(**USAGE), True))
    assert build_chain(leaf, [upper], [root], NOW) == (leaf, upper, root)
    assert build_chain(leaf, [root, leaf, upper], [root], NOW)[-1] == root
    assert build_chain(leaf, [], [upper], NOW) == (leaf, upper), "a root need not sign itself"
    assert build_chain(leaf, [], [leaf], NOW) == (leaf,)
    assert algorithms_of((leaf, upper, root)) == ("sha256", "ecdsa-256")


def test_the_way_that_leads_somewhere_is_found(maker: Maker) -> None:
    """An issuer has two certificates, by two roots, of which one is trusted."""
    root = maker.make("root", "root", kind="ed25519")
    crossed, own = maker.make("upper", "other"), maker.make("upper", "root")
    other = maker.make("other", "other")
    leaf = maker.leaf("upper")
    assert build_chain(leaf, [crossed, other, own], [root], NOW) == (leaf, own, root)
    assert "ed25519" in algorithms_of((leaf, own, root))


@pytest.mark.parametrize(
    "how",
    [
        {"ca": False},
        {"ca": None},
        {"begins": NOW + timedelta(days=1)},
        {"ends": NOW - timedelta(days=1)},
        {"extensions": ((x509.KeyUsage(**USAGE), True),)},
        {"extensions": ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),)},
        {"extensions": ((x509.NameConstraints([x509.DNSName("birch.example")], None), True),)},
        {"extensions": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True),)},
        {"digest": hashes.SHA224()},
    ],
)
def test_what_can_not_issue_is_passed_by(maker: Maker, how) -> None:
    root = maker.make("root", "root")
    upper = maker.make("upper", "root", **how)
    with pytest.raises(UntrustedAuthority, match="No trusted root"):
        build_chain(maker.leaf("upper"), [upper], [root], NOW)


def test_a_path_that_is_longer_than_a_root_allows(maker: Maker) -> None:
    root = maker.make("root", "root", path_length=0)
    upper = maker.make("upper", "root")
    with pytest.raises(UntrustedAuthority):
        build_chain(maker.leaf("upper"), [upper], [root], NOW)
    assert build_chain(maker.leaf("root"), [], [root], NOW)[-1] == root


def test_a_weak_key_above_vouches_for_nothing(maker: Maker) -> None:
    root = maker.make("root", "root", kind="rsa-1024")
    with pytest.raises(UntrustedAuthority):
        build_chain(maker.leaf("root"), [], [root], NOW)


def test_a_root_of_the_same_name_is_not_the_root(maker: Maker) -> None:
    leaf = maker.leaf("root")
    with pytest.raises(UntrustedAuthority):
        build_chain(leaf, [maker.make("root", "root")], [Maker().make("root", "root")], NOW)


@pytest.mark.parametrize(
    "more",
    [
        (x509.KeyUsage(**{**USAGE, "digital_signature": False, "key_encipherment": True}), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True),
    ],
)
def test_a_signer_that_is_for_something_else(maker: Maker, more) -> None:
    root = maker.make("root", "root")
    with pytest.raises(BadTimeStamp):
        build_chain(maker.leaf("root", more), [], [root], NOW)


def test_circles_and_heaps_come_to_an_end(maker: Maker) -> None:
    """Issuers that sign each other, many times over, and a chain that is longer than any."""
    names = [f"ca{number}" for number in range(6)]
    heap = [maker.make(one, other) for one in names for other in names]
    with pytest.raises(UntrustedAuthority):
        build_chain(maker.leaf("ca0"), heap, [maker.make("root", "root")], NOW)
    line = [maker.make(f"n{number}", f"n{number + 1}") for number in range(MAX_DEPTH)]
    root = maker.make(f"n{MAX_DEPTH}", f"n{MAX_DEPTH}")
    with pytest.raises(UntrustedAuthority):
        build_chain(maker.leaf("n0"), line, [root], NOW)

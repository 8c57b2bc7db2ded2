"""The samples of RFC 9580, appendix A."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tests.support.openpgp import Party

from ecluse.errors import EcluseError
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.secrets import Secret
from ecluse.wire.openpgp.armor import ArmorKind
from ecluse.wire.openpgp.certificate import read_packets
from ecluse.wire.openpgp.names import Tag
from ecluse.wire.openpgp.packets import packet
from ecluse.wire.openpgp.secret import SecretKey

KEY = b"""-----BEGIN PGP PRIVATE KEY BLOCK-----

xUsGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laMAGXKB
exK+cH6NX1hs5hNhIB00TrJmosgv3mg1ditlsLfCsQYfGwoAAABCBYJjh3/jAwsJ
BwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lwgyU2kCcUmKfvBXbAf6rh
RYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaEQsiPlR4zxP/TP7mhfVEe
7XWPxtnMUMtf15OyA51YBMdLBmOHf+MZAAAAIIaTJINn+eUBXbki+PSAld2nhJh/
LVmFsS+60WyvXkQ1AE1gCk95TUR3XFeibg/u/tVY6a//1q0NWC1X+yui3O24wpsG
GBsKAAAALAWCY4d/4wKbDCIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAAQBIKbpGG2dWTX8j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDE
M0g12vYxoWM8Y81W+bHBw805I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUr
k0mXubZvyl4GBg==
-----END PGP PRIVATE KEY BLOCK-----
"""
"""s A.4."""

LOCKED_KEY = b"""-----BEGIN PGP PRIVATE KEY BLOCK-----

xYIGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laP9JgkC
FARdb9ccngltHraRe25uHuyuAQQVtKipJ0+r5jL4dacGWSAheCWPpITYiyfyIOPS
3gIDyg8f7strd1OB4+LZsUhcIjOMpVHgmiY/IutJkulneoBYwrEGHxsKAAAAQgWC
Y4d/4wMLCQcFFQoOCAwCFgACmwMCHgkiIQbLGGxPBgmml+TVLfpscisMHx4nwYpW
cI9lJewnutmsyQUnCQIHAgAAAACtKCAQPi19In7A5tfORHHbNr/JcIMlNpAnFJin
7wV2wH+q4UWFs7kDsBJ+xP2i8CMEWi7Ha8tPlXGpZR4UruETeh1mhELIj5UeM8T/
0z+5oX1RHu11j8bZzFDLX9eTsgOdWATHggZjh3/jGQAAACCGkySDZ/nlAV25Ivj0
gJXdp4SYfy1ZhbEvutFsr15ENf0mCQIUBA5hhGgp2oaavg6mFUXcFMwBBBUuE8qf
9Ock+xwusd+GAglBr5LVyr/lup3xxQvHXFSjjA2haXfoN6xUGRdDEHI6+uevKjVR
v5oAxgu7eJpaXNjCmwYYGwoAAAAsBYJjh3/jApsMIiEGyxhsTwYJppfk1S36bHIr
DB8eJ8GKVnCPZSXsJ7rZrMkAAAAABAEgpukYbZ1ZNfyP5WMUzbUnSGpaUSD5t2Ki
Nacp8DkBClZRa2c3AMQzSDXa9jGhYzxjzVb5scHDzTkjyRZWRdTq8U6L4da+/+Kt
ruh8m7Xo2ehSSFyWRSuTSZe5tm/KXgYG
-----END PGP PRIVATE KEY BLOCK-----
"""
"""s A.5: Argon2 and AES-256 with OCB."""

SIGNED = b"""-----BEGIN PGP MESSAGE-----

xEYGAQobIHZJX1AhiJD39eLuPBgiUU9wUA9VHYblySHkBONKU/usyxhsTwYJppfk
1S36bHIrDB8eJ8GKVnCPZSXsJ7rZrMkBy0p1AAAAAABXaGF0IHdlIG5lZWQgZnJv
bSB0aGUgZ3JvY2VyeSBzdG9yZToKCi0gdG9mdQotIHZlZ2V0YWJsZXMKLSBub29k
bGVzCsKYBgEbCgAAACkFgmOYo2MiIQbLGGxPBgmml+TVLfpscisMHx4nwYpWcI9l
JewnutmsyQAAAABpNiB2SV9QIYiQ9/Xi7jwYIlFPcFAPVR2G5ckh5ATjSlP7rCfQ
b7gKqPxbyxbhljGygHQPnqau1eBzrQD5QVplPEDnemrnfmkrpx0GmhCfokxYz9jj
FtCgazStmsuOXF9SFQE=
-----END PGP MESSAGE-----
"""
"""s A.7: a text signature of version 6."""

ENCRYPTED = b"""-----BEGIN PGP MESSAGE-----

wV0GIQYSyD8ecG9jCP4VGkF3Q6HwM3kOk+mXhIjR2zeNqZMIhRmHzxjV8bU/gXzO
WgBM85PMiVi93AZfJfhK9QmxfdNnZBjeo1VDeVZheQHgaVf7yopqR6W1FT6NOrfS
aQIHAgZhZBZTW+CwcW1g4FKlbExAf56zaw76/prQoN+bAzxpohup69LA7JW/Vp0l
yZnuSj3hcFj0DfqLTGgr4/u717J+sPWbtQBfgMfG9AOIwwrUBqsFE9zW+f1zdlYo
bhF30A+IitsxxA==
-----END PGP MESSAGE-----
"""
"""s A.8: X25519 and AES-128 with OCB."""

BY_PASSWORD = b"""-----BEGIN PGP MESSAGE-----

wz8GHQcCCwMIVqKY0vXjZFP/z8xcEWZO2520JZDX3EawckG2EsOBLP/76gDyNHsl
ZBEj+IeuYNT9YU4IN9gZ02zSaQIHAgYgpmH3MfyaMDK1YjMmAn46XY21dI6+/wsM
WRDQns3WQf+f04VidYA1vEl1TOG/P/+n2tCjuBBPUTPPQqQQCoPu9MobSAGohGv0
K82nyM6dZeIS8wHLzZj9yt5pSod61CRzI/boVw==
-----END PGP MESSAGE-----
"""
"""s A.10."""


PASSPHRASE = Secret("correct horse battery staple")


@pytest.fixture(scope="module")
def owner() -> Party:
    return Party.imported(KEY)


def test_the_key(owner: Party) -> None:
    assert owner.certificate.fingerprint.lower().startswith("cb186c4f0609a697e4d52dfa6c722b0c")
    view = owner.certificate.at(1_700_000_000)
    assert [key.name for key in view.signing_keys()] == ["Ed25519"]
    assert [key.name for key in view.encryption_keys()] == ["X25519"]


@pytest.mark.soak
def test_the_locked_key(owner: Party) -> None:
    """Each attempt takes 2 GiB and three seconds, as the sample asks for."""
    keyring = MemoryKeyring()
    assert code(keyring, LOCKED_KEY, Secret("wrong")) == "openpgp.wrong-passphrase"
    assert keyring.import_openpgp("own", LOCKED_KEY, PASSPHRASE) == owner.certificate


@pytest.mark.parametrize("memory", [7, 13])
def test_a_key_that_is_locked_in_the_same_way(owner: Party, memory: int) -> None:
    """Argon2 and AES-256 with OCB over both packets (s3.7.2.1), with less memory."""
    held = iter(owner.keyring._openpgp["own"].keys)
    data = b"".join(
        locked(next(held), Tag(tag), memory)
        if tag in (Tag.SECRET_KEY, Tag.SECRET_SUBKEY)
        else packet(Tag(tag), body)
        for tag, body in read_packets(KEY, frozenset({ArmorKind.PRIVATE_KEY}))
    )
    keyring = MemoryKeyring()
    assert code(keyring, data, Secret("wrong")) == "openpgp.wrong-passphrase"
    assert code(keyring, data, None) == "openpgp.wrong-passphrase"
    assert (
        code(keyring, data.replace(bytes([1, 4, memory]), bytes([1, 4, 31])), PASSPHRASE) == "openpgp.limit"
    )
    assert code(keyring, data.replace(bytes([1, 4, memory]), bytes([1, 255, memory])), PASSPHRASE) in (
        "openpgp.limit",
        "openpgp.wrong-passphrase",
    )
    assert keyring.import_openpgp("own", data, PASSPHRASE) == owner.certificate
    secrets = [[key.secret for key in ring._openpgp["own"].keys] for ring in (keyring, owner.keyring)]
    assert secrets[0] == secrets[1]


def test_a_key_that_says_nothing_of_itself(owner: Party) -> None:
    bare = owner.keyring._openpgp["own"].keys[0].packet(Tag.SECRET_KEY)
    assert code(MemoryKeyring(), bare, None) == "openpgp.bad-key"


def locked(key: SecretKey, tag: Tag, memory: int) -> bytes:
    salt, nonce = os.urandom(16), os.urandom(15)
    stretched = Argon2id(salt=salt, length=32, iterations=1, lanes=4, memory_cost=1 << memory)
    head = bytes([0xC0 | tag, 6, 9, 2])
    kek = HKDF(SHA256(), 32, None, head).derive(stretched.derive(PASSPHRASE.reveal()))
    sealed = AESOCB3(kek).encrypt(nonce, key.secret, head[:1] + key.key.body)
    specifier = b"\4" + salt + bytes([1, 4, memory])
    parameters = bytes([9, 2, len(specifier)]) + specifier + nonce
    return packet(tag, key.key.body + b"\xfd" + bytes([len(parameters)]) + parameters + sealed)


def code(keyring: MemoryKeyring, data: bytes, passphrase: Secret | None) -> str:
    with pytest.raises(EcluseError) as caught:
        keyring.import_openpgp("own", data, passphrase)
    return caught.value.code


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_the_signed_message(owner: Party, chunk: int) -> None:
    out, facts = owner.open(SIGNED, [owner.certificate], chunk=chunk, require_encrypted=False)
    assert out.endswith(b"- tofu\n- vegetables\n- noodles\n")
    assert facts.signatures[0].digest == "sha512"


def test_the_encrypted_message(owner: Party) -> None:
    out, facts = owner.open(ENCRYPTED, [], require_signed=False)
    assert out == b"Hello, world!"
    assert (facts.cipher, facts.mode) == ("AES-128", "ocb")


def test_the_message_under_a_password(owner: Party) -> None:
    with pytest.raises(EcluseError) as caught:
        owner.open(BY_PASSWORD, [])
    assert caught.value.code == "openpgp.password-only"

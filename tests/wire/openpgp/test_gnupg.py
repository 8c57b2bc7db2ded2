"""Messages to and from GnuPG, as a partner would make them."""

from __future__ import annotations

import subprocess

import pytest
from tests.support.gnupg import GnuPG, gnupg
from tests.support.openpgp import Party

from ecluse.errors import EcluseError
from ecluse.model.basics import system_clock
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.secrets import Secret
from ecluse.wire.openpgp.certificate import read_certificates
from ecluse.wire.openpgp.making import KINDS

pytestmark = pytest.mark.peer("gpg")

KEYS = {
    "rsa2048": ("rsa2048", "rsa2048"),
    "rsa3072": ("rsa3072", "rsa3072"),
    "rsa4096": ("rsa4096", "rsa4096"),
    "curve": ("ed25519", "cv25519"),
    "p256": ("nistp256", "nistp256"),
    "p384": ("nistp384", "nistp384"),
    "p521": ("nistp521", "nistp521"),
    "brainpool": ("brainpoolP256r1", "brainpoolP256r1"),
}
DATA = bytes(range(256)) * 300 + b"UNB+UNOA'\r\n" * 50


@pytest.fixture(scope="module")
def gpg():
    with gnupg() as home:
        for name, kinds in KEYS.items():
            home.key(name, *kinds)
        yield home


@pytest.fixture(scope="module")
def us(gpg):
    keyring = MemoryKeyring()
    party = Party(keyring, keyring.generate_openpgp("own", "Aster <edi@aster.example>"), system_clock)
    gpg.run("--import", data=armored_certificate(party.certificate).encode())
    return party


def theirs(gpg: GnuPG, name: str):
    return read_certificates(gpg.public(name))[0]


def refused(us: Party, message: bytes, senders=(), **named) -> str:
    with pytest.raises(EcluseError) as caught:
        us.open(message, senders, **named)
    return caught.value.code


@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("name", KEYS)
def test_we_write_and_gnupg_reads(gpg, us, name, armor):
    message = us.seal(DATA, [theirs(gpg, name)], armor=armor, filename="order.edi")
    assert gpg.run("--decrypt", data=message) == DATA
    status = gpg.run("--status-fd", "1", "--output", "/dev/null", "--decrypt", data=message).decode()
    assert "GOODSIG" in status
    assert "DECRYPTION_OKAY" in status


@pytest.mark.parametrize("armor", [(), ("--armor",)])
@pytest.mark.parametrize("name", KEYS)
def test_gnupg_writes_and_we_read(gpg, us, name, armor):
    message = gpg.run("-u", name, "-r", "aster", *armor, "--sign", "--encrypt", data=DATA)
    out, facts = us.open(message, [theirs(gpg, name)])
    assert out == DATA
    assert [each.certificate for each in facts.signatures] == [gpg.fingerprint(name)]
    assert (facts.cipher, facts.mode) == ("AES-256", "mdc")


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_gnupg_becomes_ours(gpg, us, name):
    own = Party.imported(gpg.secret(name))
    message = gpg.run("-u", "rsa2048", "-r", name, "--sign", "--encrypt", data=DATA)
    assert own.open(message, [theirs(gpg, "rsa2048")])[0] == DATA
    assert gpg.run("--decrypt", data=own.seal(DATA, [theirs(gpg, "curve")])) == DATA


@pytest.mark.parametrize(
    "options",
    [
        ("--compress-algo", "zip"),
        ("--compress-algo", "zlib"),
        ("--compress-algo", "bzip2"),
        ("--compress-algo", "none"),
        ("--cipher-algo", "AES128"),
        ("--cipher-algo", "CAMELLIA256"),
        ("--digest-algo", "SHA512"),
        ("--digest-algo", "SHA224"),
        ("--throw-keyids",),
        ("--recipient", "rsa2048", "--recipient", "curve"),
        ("-u", "rsa2048"),
        ("--set-filename", "../../etc/passwd"),
    ],
)
def test_forms_that_gnupg_writes(gpg, us, options):
    command = ["-u", "curve", "-r", "aster", *options, "--sign", "--encrypt"]
    out, facts = us.open(gpg.run(*command, data=DATA), [theirs(gpg, "curve")])
    assert out == DATA
    assert facts.name in ("", "passwd")
    assert len(facts.signatures) == 1
    assert len(facts.unknown) == ("rsa2048" in options and "-u" in options)


def test_text_mode(gpg, us):
    text = b"one\ntwo\r\nthree\n"
    message = gpg.run("-u", "curve", "-r", "aster", "--textmode", "--sign", "--encrypt", data=text)
    for chunk in (1, 3, 4096):
        out, facts = us.open(message, [theirs(gpg, "curve")], chunk=chunk)
        assert out == b"one\r\ntwo\r\nthree\r\n"
        assert facts.signatures


def test_several_recipients_of_ours(gpg, us):
    message = us.seal(DATA, [theirs(gpg, "rsa2048"), theirs(gpg, "p256"), us.certificate])
    assert gpg.run("--decrypt", data=message) == DATA
    assert us.open(message, [us.certificate])[0] == DATA


@pytest.mark.parametrize("armor", [False, True])
def test_signed_only_and_encrypted_only(gpg, us, armor):
    signed = us.seal(DATA, [], armor=armor)
    assert gpg.run("--decrypt", data=signed) == DATA
    sealed = us.seal(DATA, [theirs(gpg, "curve")], sign=False, armor=armor)
    assert gpg.run("--decrypt", data=sealed) == DATA
    option = ("--armor",) if armor else ()
    signed = gpg.run("-u", "curve", *option, "--sign", data=DATA)
    assert us.open(signed, [theirs(gpg, "curve")], require_encrypted=False)[0] == DATA
    assert refused(us, signed, [theirs(gpg, "curve")]) == "openpgp.not-encrypted"
    sealed = gpg.run("-r", "aster", *option, "--encrypt", data=DATA)
    assert us.open(sealed, [], require_signed=False)[0] == DATA
    assert refused(us, sealed, [theirs(gpg, "curve")]) == "openpgp.not-signed"


def test_wrong_recipient_unknown_signer_and_password(gpg, us):
    message = gpg.run("-u", "curve", "-r", "rsa2048", "--sign", "--encrypt", data=DATA)
    assert refused(us, message, [theirs(gpg, "curve")]) == "openpgp.no-key"
    message = gpg.run("-u", "curve", "-r", "aster", "--sign", "--encrypt", data=DATA)
    assert refused(us, message, [theirs(gpg, "rsa2048")]) == "openpgp.unknown-signer"
    message = gpg.run("--symmetric", data=DATA, passphrase="hidden")
    assert refused(us, message) == "openpgp.password-only"


def test_what_is_no_message(gpg, us):
    detached = gpg.run("-u", "curve", "--detach-sign", data=DATA)
    assert refused(us, detached) == "openpgp.unsupported-form"
    assert (
        refused(us, gpg.run("-u", "curve", "--armor", "--detach-sign", data=DATA))
        == "openpgp.unsupported-form"
    )
    assert refused(us, gpg.run("-u", "curve", "--clear-sign", data=b"text\n")) == "openpgp.unsupported-form"
    assert refused(us, gpg.public("curve")) == "openpgp.unsupported-form"
    assert refused(us, gpg.run("--export", "curve")) == "openpgp.unsupported-form"
    assert refused(us, b"UNB+UNOA:1+BIRCH+ASTER'") == "openpgp.not-openpgp"
    assert refused(us, b"") == "openpgp.not-openpgp"
    assert refused(us, b"\x1f\x8b\x08gzip") == "openpgp.not-openpgp"


def test_old_algorithms_are_taken_by_exception_alone(gpg, us):
    """Ciphers of 64-bit blocks, SHA-1 and short RSA keys."""
    legacy = frozenset({"openpgp-legacy"})
    gpg.key("old", "rsa1024", "rsa1024")
    old, curve = theirs(gpg, "old"), theirs(gpg, "curve")
    for cipher, name in (("3DES", "3DES"), ("CAST5", "CAST5"), ("BLOWFISH", "Blowfish"), ("IDEA", "IDEA")):
        message = gpg.run("-u", "curve", "-r", "aster", "--cipher-algo", cipher, "-se", data=DATA)
        assert refused(us, message, [curve]) == "openpgp.weak-algorithm"
        out, facts = us.open(message, [curve], allowed=legacy)
        assert (out, facts.cipher) == (DATA, name)
    options = ["-u", "rsa2048", "-r", "aster", "--digest-algo", "SHA1", "-se"]
    message = gpg.run(*options, data=DATA)
    sender = [theirs(gpg, "rsa2048")]
    assert refused(us, message, sender) == "openpgp.weak-algorithm"
    assert us.open(message, sender, allowed=legacy)[1].signatures[0].digest == "sha1"
    message = gpg.run("-u", "old", "-r", "aster", "-se", data=DATA)
    assert refused(us, message, [old]) == "openpgp.weak-algorithm"
    assert us.open(message, [old], allowed=legacy)[0] == DATA
    with pytest.raises(EcluseError, match=r"not strong enough|too weak"):
        us.seal(DATA, [old])


def test_dsa_by_exception_and_elgamal_never(gpg, us):
    gpg.key("dsa", "dsa2048")
    dsa = theirs(gpg, "dsa")
    message = gpg.run("-u", "dsa", "-r", "aster", "-se", data=DATA)
    assert refused(us, message, [dsa]) == "openpgp.weak-algorithm"
    assert us.open(message, [dsa], allowed={"openpgp-legacy"})[0] == DATA


def test_no_integrity_check_is_never_taken(gpg, us):
    message = gpg.run("-r", "aster", "--rfc2440", "--disable-mdc", "--cipher-algo", "3DES", "-e", data=DATA)
    allowed = {"openpgp-legacy"}
    code = refused(us, message, require_signed=False, allowed=allowed) if message[0] else ""
    assert code in ("openpgp.unsupported-form", "")


def test_expired_and_revoked_signers(gpg, us):
    past = ("--faked-system-time", "20250101T000000!")
    gpg.key("gone", "ed25519", "cv25519", *past, ends="30d")
    gone = theirs(gpg, "gone")
    options = ["--faked-system-time", "20250102T000000!", "--ignore-time-conflict", "--ignore-valid-from"]
    message = gpg.run(*options, "-u", "gone", "-r", "curve", "-s", data=DATA)
    assert refused(us, message, [gone], require_encrypted=False) == "openpgp.signer-expired"
    out, _ = us.open(message, [gone], require_encrypted=False, allowed={"expired-certificate"})
    assert out == DATA
    with pytest.raises(EcluseError) as caught:
        us.seal(DATA, [gone])
    assert caught.value.code == "openpgp.recipient-unusable"

    gpg.key("stolen", "ed25519", "cv25519")
    message = gpg.run("-u", "stolen", "-s", data=DATA)
    assert us.open(message, [theirs(gpg, "stolen")], require_encrypted=False)[0] == DATA
    revocation = (gpg.home / "openpgp-revocs.d" / f"{gpg.fingerprint('stolen')}.rev").read_bytes()
    gpg.run("--import", data=revocation.replace(b":-----BEGIN", b"-----BEGIN"))
    stolen = theirs(gpg, "stolen")
    assert refused(us, message, [stolen], require_encrypted=False) == "openpgp.signer-revoked"
    with pytest.raises(EcluseError, match="revoked"):
        us.seal(DATA, [stolen])


def test_signatures_from_the_future_and_with_an_end(gpg, us):
    curve = theirs(gpg, "curve")
    later = gpg.run("--faked-system-time", "20400101T000000!", "-u", "rsa2048", "-s", data=DATA)
    assert refused(us, later, [theirs(gpg, "rsa2048")], require_encrypted=False) == "openpgp.signature-time"
    short = gpg.run("-u", "curve", "--default-sig-expire", "1d", "-s", data=DATA)
    assert us.open(short, [curve], require_encrypted=False)[0] == DATA
    after = us.now + 3 * 86_400 * 1_000_000
    assert refused(us, short, [curve], require_encrypted=False, now=after) == "openpgp.signature-time"


def test_a_passphrase_locks_an_imported_key(gpg, us):

    gpg.key("locked", "ed25519", "cv25519", passphrase="correct horse")
    secret = gpg.secret("locked", "correct horse")
    keyring = MemoryKeyring()
    for wrong in (None, Secret("battery staple")):
        with pytest.raises(EcluseError) as caught:
            keyring.import_openpgp("own", secret, wrong)
        assert caught.value.code == "openpgp.wrong-passphrase"
    certificate = keyring.import_openpgp("own", secret, Secret("correct horse"))
    message = gpg.run("-u", "curve", "-r", "locked", "-se", data=DATA)
    assert Party(keyring, certificate, system_clock).open(message, [theirs(gpg, "curve")])[0] == DATA
    with pytest.raises(EcluseError) as caught:
        keyring.import_openpgp("other", gpg.public("locked"))
    assert caught.value.code == "openpgp.bad-key"


def test_our_keys_of_every_kind_in_gnupg(gpg, us):

    for kind in KINDS:
        keyring = MemoryKeyring()
        own = Party(
            keyring, keyring.generate_openpgp("own", f"{kind}@aster.example", kind=kind), system_clock
        )
        gpg.run("--import", data=armored_certificate(own.certificate).encode())
        message = gpg.run("-u", "curve", "-r", f"{kind}@aster.example", "-se", data=DATA)
        assert own.open(message, [theirs(gpg, "curve")])[0] == DATA
        sealed = own.seal(DATA, [theirs(gpg, "p256")], armor=True)
        assert b"GOODSIG" in gpg.run("--status-fd", "1", "--output", "/dev/null", "--decrypt", data=sealed)


def test_extended_and_revoked_keys_in_gnupg(gpg, us):
    keyring = MemoryKeyring()
    keyring.generate_openpgp("own", "short@aster.example", kind="curve25519", days=1)
    extended = keyring.extend_openpgp("own", 700)
    gpg.run("--import", data=armored_certificate(extended).encode())
    listing = gpg.run("--with-colons", "--list-keys", "short@aster.example").decode().splitlines()
    ends = [int(line.split(":")[6]) for line in listing if line.startswith(("pub", "sub"))]
    assert all(end > us.now // 1_000_000 + 690 * 86_400 for end in ends)
    gpg.run("--import", data=armored_certificate(keyring.revoke_openpgp("own", "retired")).encode())
    with pytest.raises(subprocess.CalledProcessError):
        gpg.run("-r", "short@aster.example", "-e", data=DATA)

"""OpenPGP keys in every keyring, and certificates in a configuration."""

from __future__ import annotations

import os

import pytest
from tests.support.openpgp import Party, party
from tests.support.trust import HUB, NOW, instant

from ecluse.errors import EcluseError
from ecluse.exchange.openpgp import open_message
from ecluse.trust import ConfigurationError, FileKeyring, KeyringError, MemoryKeyring, Secret
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.keys.held import HeldKeys
from ecluse.trust.keys.keyfiles import Stretching
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.rules.openpgp import load_openpgp
from ecluse.wire.openpgp.certificate import KeyState, assemble, read_certificates, read_packets
from ecluse.wire.openpgp.errors import DecryptionFailed, NotForUs, OpenPgpError
from ecluse.wire.openpgp.names import SignatureType, Tag
from ecluse.wire.openpgp.packets import packet
from ecluse.wire.openpgp.pkesk import SessionKey, WrappedKey, read_pkesk, wrap
from ecluse.wire.openpgp.signature import Sub, Subpacket, make_signature

PASSPHRASE = Secret("correct horse battery")
CHEAP = Stretching(memory_kib=64, passes=1, lanes=1)
DAY = 86_400
SECONDS = NOW // 1_000_000


class Time:
    now = NOW


@pytest.fixture(params=["memory", "files"])
def ring(request, tmp_path) -> HeldKeys:
    Time.now = NOW
    if request.param == "memory":
        return MemoryKeyring(lambda: Time.now)
    return FileKeyring.create(tmp_path / "keys", PASSPHRASE, clock=lambda: Time.now, stretching=CHEAP)


def code(call, *arguments, **named) -> str:
    with pytest.raises(EcluseError) as caught:
        call(*arguments, **named)
    return caught.value.code


def again(ring: HeldKeys) -> HeldKeys:
    """The same keyring as another process opens it."""
    if isinstance(ring, FileKeyring):
        return FileKeyring.open(ring._folder, PASSPHRASE, clock=lambda: Time.now)
    return ring


def generate(ring: HeldKeys, ref: str = "main", **named):
    return ring.generate_openpgp(ref, "Aster <edi@aster.example>", kind="curve25519", **named)


# --- every keyring ------------------------------------------------------------------------------------------


def test_a_key_is_made_kept_and_used(ring):
    made = generate(ring)
    assert ring.openpgp_references() == ("main",)
    assert ring.references() == ()
    other = again(ring)
    assert other.openpgp_certificate("main").fingerprint == made.fingerprint
    own = Party(other, made)
    Party.seal(own, b"x", [made], sign=False)
    birch = party("Birch")
    sealed = birch.seal(b"order", [made])
    out, facts = own_open(other, sealed, birch)
    assert out == b"order"
    assert facts.signatures[0].certificate == birch.certificate.fingerprint


def own_open(ring, message, sender):

    out: list[bytes] = []
    facts = open_message(
        [message], out.append, keyring=ring, keys=("main",), senders=[sender.certificate], now=Time.now
    )
    return b"".join(out), facts


def test_the_secret_leaves_no_trace_in_the_open(ring, tmp_path):
    generate(ring)
    held = ring._openpgp["main"]
    assert "secret" not in repr(held).replace("has_secret", "")
    assert repr(held.keys[0].secret) not in repr(held)
    if isinstance(ring, FileKeyring):
        folder = tmp_path / "keys"
        assert (folder / "main.asc").read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
        assert os.stat(folder / "main.openpgp").st_mode & 0o077 == 0
        for path in folder.iterdir():
            assert held.keys[0].secret not in path.read_bytes()


def test_names_and_requests_that_are_refused(ring):
    generate(ring)
    assert code(generate, ring) == "keyring.exists"
    assert code(generate, ring, "Not/a/name") == "keyring.bad-name"
    assert code(generate, ring, "other", days=40_000) == "keyring.bad-request"
    assert code(generate, ring, "other", version=5) == "keyring.bad-request"
    assert code(ring.generate_openpgp, "other", "two\nlines") == "keyring.bad-request"
    assert code(ring.generate_openpgp, "other", "Aster", kind="dsa-1024") == "openpgp.unsupported-algorithm"
    assert code(ring.openpgp_certificate, "other") == "keyring.no-key"
    assert code(ring.openpgp_signer, "other") == "keyring.no-key"
    assert code(ring.extend_openpgp, "other", 9) == "keyring.no-key"
    assert code(ring.extend_openpgp, "main", 40_000) == "keyring.bad-request"
    assert code(ring.revoke_openpgp, "main", "boredom") == "keyring.bad-request"
    assert code(ring.import_openpgp, "other", b"no key") == "openpgp.bad-key"
    assert code(ring.import_openpgp, "other", party().certificate.encoded) == "openpgp.bad-key"


@pytest.mark.parametrize("version", [4, 6])
def test_a_key_ends_is_extended_and_signs_again(ring, version):
    generate(ring, version=version, days=10)
    assert ring.openpgp_signer("main").key.signs
    Time.now = NOW + 11 * DAY * 1_000_000
    assert code(ring.openpgp_signer, "main") == "keyring.cannot-sign"
    later = SECONDS + 12 * DAY
    assert ring.openpgp_certificate("main").at(later).state() is KeyState.EXPIRED
    ring.extend_openpgp("main", 30)
    view = again(ring).openpgp_certificate("main").at(later)
    assert view.state() is KeyState.VALID
    assert view.expires() == SECONDS + 41 * DAY
    assert [view.expires(key) for key in view.encryption_keys()] == [SECONDS + 41 * DAY]
    assert again(ring).openpgp_signer("main").key.signs


def test_a_revoked_key_signs_no_more_and_still_decrypts(ring):
    made = generate(ring)
    birch = party("Birch")
    sealed = birch.seal(b"late", [made])
    ring.revoke_openpgp("main", "superseded", "see the next one")
    other = again(ring)
    assert code(other.openpgp_signer, "main") == "keyring.cannot-sign"
    assert own_open(other, sealed, birch)[0] == b"late"
    assert other.openpgp_certificate("main").at(SECONDS).encryption_keys() == ()


def test_a_key_is_forgotten(ring):
    generate(ring)
    ring.remove_openpgp("main")
    assert again(ring).openpgp_references() == ()
    assert code(ring.remove_openpgp, "main") == "keyring.no-key"


def test_session_keys(ring):
    made = generate(ring)
    key = made.at(SECONDS).encryption_keys()[0]
    session = SessionKey(9, os.urandom(32))
    wrapped = read_pkesk(wrap(session, key)[2:])
    assert wrapped is not None
    assert ring.openpgp_unwrap([wrapped], ("main",)) == session
    hidden = WrappedKey(3, bytes(8), wrapped.algorithm, wrapped.data)
    assert ring.openpgp_unwrap([hidden], ("gone", "main")) == session
    with pytest.raises(NotForUs):
        ring.openpgp_unwrap([wrapped], ())
    for at in (0, 20, len(wrapped.data) - 1):
        changed = bytearray(wrapped.data)
        changed[at] ^= 1
        with pytest.raises(DecryptionFailed) as caught:
            ring.openpgp_unwrap(
                [WrappedKey(3, wrapped.recipient, wrapped.algorithm, bytes(changed))], ("main",)
            )
        assert str(caught.value).startswith("openpgp.decryption-failed: The message could not be decrypted.")


def test_a_damaged_file_is_told(tmp_path):
    ring = FileKeyring.create(tmp_path / "keys", PASSPHRASE, clock=lambda: NOW, stretching=CHEAP)
    generate(ring)
    generate(ring, "other")
    folder = tmp_path / "keys"
    for name, content in (
        ("main.openpgp", (folder / "other.openpgp").read_bytes()),
        ("main.asc", b"nothing"),
        ("main.asc", None),
    ):
        path = folder / name
        kept = path.read_bytes()
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(KeyringError, match="damaged"):
            FileKeyring.open(folder, PASSPHRASE)
        path.write_bytes(kept)
        path.chmod(0o600)
    assert FileKeyring.open(folder, PASSPHRASE).openpgp_references() == ("main", "other")


# --- configurations -----------------------------------------------------------------------------------------

PARTNER = """name = "Birch"
[account]
user = "birch"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk0Y2x1c2VlY2x1c2VlY2x1c2VlY2x1c2VlY2x1c2Vl"]
[openpgp]
"""


def problems(section: str, now=NOW, **files: str) -> list[tuple[str, str, str]]:
    given = {f"openpgp/{name}.asc": text for name, text in files.items()}
    try:
        Configuration.from_files({"ecluse.toml": HUB, "partners/birch.toml": PARTNER + section, **given}, now)
    except ConfigurationError as error:
        return [(each.code, each.file, each.field) for each in error.problems]
    return []


def made(days: int = 365, begun=NOW, **named) -> HeldKeys:
    ring = MemoryKeyring(lambda: begun)
    ring.generate_openpgp("own", "Birch", kind=named.pop("kind", "curve25519"), days=days, **named)
    return ring


def asc(ring: HeldKeys) -> str:
    return armored_certificate(ring.openpgp_certificate("own"))


def test_a_certificate_of_a_partner():
    assert problems('certificates = ["openpgp/birch.asc"]', birch=asc(made())) == []
    assert problems('certificates = ["openpgp/birch.asc"]') == [
        ("config.missing-file", "partners/birch.toml", "openpgp.certificates[0]")
    ]
    assert problems("") == [("config.missing-field", "partners/birch.toml", "openpgp.certificates")]
    assert problems("require_signed = false") == []


def test_certificates_that_are_refused():
    one = 'certificates = ["openpgp/birch.asc"]'
    place = ("partners/birch.toml", "openpgp.certificates[0]")
    assert problems(one, birch="no certificate")[0] == ("openpgp.not-openpgp", "openpgp/birch.asc", "")
    private = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nyxQA\n-----END PGP PRIVATE KEY BLOCK-----\n"
    # Even one that nothing names must not lie there.
    assert problems("require_signed = false", stray=private) == [
        ("openpgp.private-key", "openpgp/stray.asc", "")
    ]

    ended = made(10, instant(2025))
    assert set(problems(one, birch=asc(ended))) == {("openpgp.certificate-expired", *place)}
    assert problems(one, None, birch=asc(ended)) == []  # a version of the past reads as it did
    begun = made(10, instant(2030))
    assert set(problems(one, birch=asc(begun))) == {("openpgp.certificate-not-yet", *place)}
    revoked = made()
    revoked.revoke_openpgp("own", "compromised")
    assert set(problems(one, birch=asc(revoked))) == {("openpgp.certificate-revoked", *place)}


def test_an_old_certificate_may_stay_beside_its_successor_and_a_revoked_one_may_not():
    both = 'certificates = ["openpgp/old.asc", "openpgp/new.asc"]'
    assert problems(both, old=asc(made(10, instant(2025))), new=asc(made())) == []
    revoked = made()
    revoked.revoke_openpgp("own", "superseded")
    found = problems(both, old=asc(revoked), new=asc(made()))
    assert set(found) == {("openpgp.certificate-revoked", "partners/birch.toml", "openpgp.certificates[0]")}


def test_further_recipients_must_all_be_usable():
    section = 'certificates = ["openpgp/birch.asc"]\nrecipients = ["openpgp/archive.asc"]'
    ended = asc(made(10, instant(2025)))
    assert problems(section, birch=asc(made()), archive=ended) == [
        ("openpgp.certificate-expired", "partners/birch.toml", "openpgp.recipients[0]")
    ]


def test_a_certificate_without_a_key_to_encrypt_to():
    whole = made().openpgp_certificate("own").encoded

    packets = list(read_packets(whole, frozenset()))
    cut = next(at for at, (tag, _) in enumerate(packets) if tag == Tag.PUBLIC_SUBKEY)
    (bare,) = assemble(packets[:cut])
    found = problems('certificates = ["openpgp/birch.asc"]', birch=armored_certificate(bare))
    assert found == [("openpgp.no-encryption-key", "partners/birch.toml", "openpgp.certificates[0]")]


def test_keys_that_the_keyring_lacks():
    hub = HUB + '[openpgp]\nkeys = ["ours", "gone"]\n'
    partner = PARTNER + 'require_signed = false\nkey = "special"\n'
    configuration = Configuration.from_files({"ecluse.toml": hub, "partners/birch.toml": partner}, NOW)
    ring = MemoryKeyring(lambda: NOW)
    ring.generate("main", "ec-p256", subject="Aster")
    generate(ring, "ours")
    with pytest.raises(ConfigurationError) as caught:
        Directory(configuration, ring, lambda reference: Secret(""))
    assert [each.field for each in caught.value.problems] == ["openpgp.keys[1]", "openpgp.key"]


def test_a_subkey_of_another_certificate_is_not_taken_over():
    """A signing subkey that is bound by a primary key which it never agreed to."""

    thief = made()
    victim = made().openpgp_certificate("own").primary
    primary = thief._openpgp["own"].keys[0]
    binding = make_signature(
        SignatureType.SUBKEY_BINDING,
        primary,
        [primary.key.hashed(), victim.hashed()],
        SECONDS,
        os.urandom,
        stated=[Subpacket(Sub.KEY_FLAGS, b"\x02")],
    )
    forged = (
        thief.openpgp_certificate("own").encoded + packet(Tag.PUBLIC_SUBKEY, victim.body) + binding.packet()
    )
    (read,) = assemble(list(read_packets(forged, frozenset())))
    assert victim.fingerprint not in {key.fingerprint for key in read.every_key()}


def test_foreign_parts_of_a_certificate_are_left_out():
    birch, other = made().openpgp_certificate("own"), made().openpgp_certificate("own")

    name_of_other = other.encoded.index(b"Birch") - 2
    mixed = birch.encoded + packet(Tag.USER_ID, b"Mallory") + other.encoded[name_of_other + 7 :]
    (read,) = read_certificates(mixed)
    assert [user.text for user in read.user_ids] == ["Birch"]
    assert len(read.subkeys) == 1
    assert read.encoded == birch.encoded


def test_errors_of_certificates_are_ours():
    for text in ("", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "\udcff", "\x99\x00"):
        with pytest.raises(OpenPgpError):
            load_openpgp(text)

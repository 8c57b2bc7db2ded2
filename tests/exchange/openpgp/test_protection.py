"""What the chamber demands of a message, and what it makes of a partner's file."""

from __future__ import annotations

import os
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.openpgp import Party, party
from tests.support.trust import HUB, NOW, instant

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.openpgp import PartnerProtection, open_message, partners
from ecluse.exchange.openpgp.opening import safe_name
from ecluse.model.basics import PartnerId
from ecluse.trust import MemoryKeyring, Secret
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.sightings import Sightings
from ecluse.wire.openpgp._stream import Stream
from ecluse.wire.openpgp.limits import Limits
from ecluse.wire.openpgp.names import Tag
from ecluse.wire.openpgp.packets import next_packet, packet
from ecluse.wire.openpgp.pkesk import SessionKey, read_pkesk, wrap
from ecluse.wire.openpgp.protect import encrypt_mdc, read_protected

DATA = b"UNB+UNOA:1+ASTER+BIRCH'" * 500
DAY = 86_400 * 1_000_000


def refused(opener: Party, message: bytes, *senders: Party, **named) -> str:
    with pytest.raises(EcluseError) as caught:
        opener.open(message, [each.certificate for each in senders], **named)
    assert caught.value.fault in (Fault.PARTNER, Fault.OURS)
    assert caught.value.remedy
    return caught.value.code


def test_facts():
    aster, birch = party("Aster"), party("Birch", version=6)
    out, facts = birch.open(
        aster.seal(DATA, [birch.certificate], filename="order 4711.edi"), [aster.certificate]
    )
    assert out == DATA
    assert facts.size == len(DATA)
    assert facts.name == "order 4711.edi"
    assert (facts.cipher, facts.mode) == ("AES-256", "ocb")
    (signature,) = facts.signatures
    assert signature.made == NOW
    assert signature.digest == "sha256"
    assert facts.as_dict()["signatures"][0]["made"] == "2026-06-01T00:00:00.000Z"
    (key,) = birch.certificate.at(NOW // 1_000_000).encryption_keys()
    assert facts.recipients == (key.fingerprint.hex().upper(),)


def test_what_was_written_before_an_error_is_nothing_where_it_came_in_clear():
    aster, birch = party("Aster"), party("Birch")
    written: list[bytes] = []

    with pytest.raises(EcluseError):
        open_message(
            [aster.seal(DATA, [])],
            written.append,
            keyring=birch.keyring,
            keys=("own",),
            senders=[aster.certificate],
            now=NOW,
        )
    assert written == []


def test_a_document_for_another_is_not_passed_on_as_ours():
    """Birch decrypts what Aster signed for it, and encrypts the same signature to Cedar."""
    aster, birch, cedar = party("Aster"), party("Birch"), party("Cedar")

    message = Stream([aster.seal(DATA, [birch.certificate], format="rfc4880")])
    wrapped = next_packet(message)
    assert wrapped is not None
    session = birch.keyring.openpgp_unwrap([read_pkesk(wrapped.body.rest(9999))], ("own",))
    data = next_packet(message)
    assert data is not None
    assert data.tag == Tag.SEIPD
    inside = b"".join(map(bytes, read_protected(data.body).open(session)))
    fresh = SessionKey(9, os.urandom(32))
    (key,) = cedar.certificate.at(NOW // 1_000_000).encryption_keys()
    passed_on = wrap(fresh, key) + b"".join(map(bytes, encrypt_mdc([inside], fresh, os.urandom)))
    assert refused(cedar, passed_on, aster) == "openpgp.signed-for-others"
    assert (
        birch.open(aster.seal(DATA, [birch.certificate, cedar.certificate]), [aster.certificate])[0] == DATA
    )


def test_a_key_is_good_at_the_time_of_the_signature_and_now():
    birch = party("Birch")
    ring = MemoryKeyring(lambda: NOW)
    aster = Party(ring, ring.generate_openpgp("own", "Aster", kind="curve25519", days=10))
    sealed = aster.seal(DATA, [birch.certificate])
    assert birch.open(sealed, [aster.certificate], now=NOW + 9 * DAY)[0] == DATA
    after = {"now": NOW + 11 * DAY}
    assert refused(birch, sealed, aster, **after) == "openpgp.signer-expired"
    out, _ = birch.open(sealed, [aster.certificate], **after, allowed={"expired-certificate"})
    assert out == DATA
    # A clock that is a day behind is not ours.
    assert refused(birch, sealed, aster, now=NOW - DAY) == "openpgp.signature-time"


@pytest.mark.parametrize(
    ("reason", "taken"), [("superseded", True), ("retired", True), ("compromised", False), ("none", False)]
)
def test_revocation_reaches_back_where_the_key_may_be_in_other_hands(reason, taken):
    birch = party("Birch")
    clock = [NOW]
    ring = MemoryKeyring(lambda: clock[0])
    aster = Party(ring, ring.generate_openpgp("own", "Aster", kind="curve25519"))
    before = aster.seal(DATA, [birch.certificate])
    clock[0] = NOW + DAY
    late = aster.seal(DATA, [birch.certificate], now=NOW + 3 * DAY)
    clock[0] = NOW + 2 * DAY
    aster.certificate = ring.revoke_openpgp("own", reason)
    assert refused(birch, late, aster, now=NOW + 4 * DAY) == "openpgp.signer-revoked"
    if taken:
        assert birch.open(before, [aster.certificate], now=NOW + 4 * DAY)[0] == DATA
    else:
        assert refused(birch, before, aster, now=NOW + 4 * DAY) == "openpgp.signer-revoked"


def test_a_signature_by_somebody_else_proves_nothing():
    aster, birch, cedar = party("Aster"), party("Birch"), party("Cedar")
    sealed = cedar.seal(DATA, [birch.certificate])
    assert refused(birch, sealed, aster) == "openpgp.unknown-signer"
    out, facts = birch.open(sealed, [aster.certificate], require_signed=False)
    assert out == DATA
    assert facts.signatures == ()
    assert len(facts.unknown) == 1


def test_recipients_that_are_not_usable():
    aster = party("Aster")
    ring = MemoryKeyring(lambda: instant(2020))
    ended = ring.generate_openpgp("own", "Birch", kind="curve25519", days=30)
    for to in ([ended], [aster.certificate, ended]):
        with pytest.raises(EcluseError) as caught:
            aster.seal(DATA, to)
        assert caught.value.code == "openpgp.recipient-unusable"
        assert "ended on 2020-01-31" in caught.value.cause
    with pytest.raises(EcluseError) as caught:
        aster.seal(DATA, [], sign=False)
    assert caught.value.code == "openpgp.not-configured"


@given(st.binary(max_size=300))
def test_names_inside_are_one_safe_name(name):
    safe = safe_name(name)
    assert "/" not in safe
    assert "\\" not in safe
    assert safe not in (".", "..")
    assert safe.isprintable()
    assert len(safe.encode()) <= 255


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (b"order.edi", "order.edi"),
        (b"../../etc/passwd", "passwd"),
        (b"C:\\temp\\a.xml", "a.xml"),
        (b"a\x00b\r\n.edi", "ab.edi"),
        (b"..", ""),
        (b"_CONSOLE", ""),
        ("\N{RIGHT-TO-LEFT OVERRIDE}txt.exe".encode(), "txt.exe"),
        ("Bu\u0308ro.edi".encode(), "B\u00fcro.edi"),
    ],
)
def test_names(name, safe):
    assert safe_name(name) == safe


# --- by a partner's file ------------------------------------------------------------------------------------


SIGHTINGS = Sightings(lambda: NOW)


def hub(section: str, ours: Party, **files: str) -> PartnerProtection:
    partner = f'name = "Birch"\n[account]\nuser = "birch"\npassword = "env:BIRCH"\n[openpgp]\n{section}\n'
    configuration = Configuration.from_files(
        {
            "ecluse.toml": HUB + '[openpgp]\nkeys = ["own"]\n',
            "partners/birch.toml": partner,
            **{f"openpgp/{name}.asc": text for name, text in files.items()},
        },
        NOW,
    )
    if "main" not in ours.keyring.references():
        ours.keyring.generate("main", "ec-p256", subject="Aster")
    directory = Directory(configuration, ours.keyring, lambda reference: Secret(""))
    return PartnerProtection(lambda: directory, lambda: NOW, SIGHTINGS)


BIRCH = PartnerId("birch")


@pytest.mark.parametrize("how", ["encrypt", "sign", "sign-and-encrypt"])
def test_there_and_back_by_the_partners_file(how):
    aster, birch = party("Aster"), party("Birch")
    ours = hub(
        'certificates = ["openpgp/birch.asc"]\narmor = true\n'
        f"require_signed = {str('sign' in how).lower()}\nrequire_encrypted = {str('encrypt' in how).lower()}",
        aster,
        birch=armored_certificate(birch.certificate),
    )
    written: list[bytes] = []
    facts = ours.seal(BIRCH, how, "order.edi", [DATA], written.append)
    assert facts["suffix"] == ".asc"
    assert written[0].startswith(b"-----BEGIN PGP MESSAGE-----")
    demands = {"require_signed": "sign" in how, "require_encrypted": "encrypt" in how}
    out, opened = birch.open(b"".join(written), [aster.certificate], **demands)
    assert out == DATA
    assert opened.name == "order.edi"
    back = birch.seal(DATA, [aster.certificate] if "encrypt" in how else [], sign="sign" in how)
    taken: list[bytes] = []
    facts = ours.open(BIRCH, [back], taken.append)
    assert b"".join(taken) == DATA
    assert (facts["signed"], facts["encrypted"]) == ("sign" in how, "encrypt" in how)
    shown = {role: [*values] for role, values in SIGHTINGS._waiting.pop((BIRCH, "openpgp")).roles.items()}
    assert shown.get("verify") == ([birch.certificate.fingerprint] if "sign" in how else None)
    assert shown.get("decrypt") == ([aster.certificate.fingerprint] if "encrypt" in how else None)
    algorithm = f"{facts['cipher']} {facts['mode']}" if "encrypt" in how else "none"
    assert shown["encryption-algorithm"] == [algorithm]
    assert (shown["signature-algorithm"] == ["none"]) is ("sign" not in how)


def test_what_a_flow_takes_bounds_what_comes_out(monkeypatch):
    aster, birch = party("Aster"), party("Birch")
    ours = hub('certificates = ["openpgp/birch.asc"]', aster, birch=armored_certificate(birch.certificate))
    message = birch.seal(DATA, [aster.certificate])
    ours.open(BIRCH, [message], lambda piece: None, max_size=len(DATA))
    with pytest.raises(EcluseError) as caught:
        ours.open(BIRCH, [message], lambda piece: None, max_size=len(DATA) - 1)
    assert caught.value.code == "openpgp.limit"

    bomb = packet(Tag.COMPRESSED, b"\2" + zlib.compress(packet(Tag.LITERAL, b"b\0\0\0\0\0" + bytes(50_000))))
    plain = hub("require_signed = false\nrequire_encrypted = false", aster)
    monkeypatch.setattr(partners, "Limits", partial(Limits, inflated_floor=1000))
    plain.open(BIRCH, [bomb], lambda piece: None, max_ratio=5000)
    with pytest.raises(EcluseError) as caught:
        plain.open(BIRCH, [bomb], lambda piece: None, max_ratio=100)
    assert caught.value.code == "openpgp.limit"


def test_further_recipients_read_too():
    aster, birch, archive = party("Aster"), party("Birch"), party("Cedar")
    ours = hub(
        'certificates = ["openpgp/birch.asc"]\nrecipients = ["openpgp/archive.asc"]',
        aster,
        birch=armored_certificate(birch.certificate),
        archive=armored_certificate(archive.certificate),
    )
    written: list[bytes] = []
    facts = ours.seal(BIRCH, "encrypt", "", [DATA], written.append)
    assert len(facts["recipients"]) == 2
    for reader in (birch, archive):
        assert reader.open(b"".join(written), [], require_signed=False)[0] == DATA


def test_a_partner_without_certificates():
    ours = hub("require_signed = false", party("Aster"))
    with pytest.raises(EcluseError) as caught:
        ours.seal(BIRCH, "encrypt", "", [DATA], lambda piece: None)
    assert caught.value.code == "openpgp.not-configured"
    with pytest.raises(EcluseError) as caught:
        ours.open(BIRCH, [DATA], lambda piece: None)
    assert caught.value.code == "openpgp.not-openpgp"

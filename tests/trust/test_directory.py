"""Who is who at run time."""

from __future__ import annotations

import pytest
from tests.support.trust import HUB, NOW, PARTNER, certificate, files, instant, keyring, pem

from ecluse.errors import EcluseError
from ecluse.trust import Configuration, ConfigurationError, Directory, Secret, SecretError

KEYS = """
[[organisation.keys]]
ref = "old"
until = 2026-06-30
[[organisation.keys]]
ref = "new"
from = 2026-06-15
[[organisation.keys]]
ref = "receipts"
use = ["mdn-sign"]
"""


def directory(contents=None, ring=None, resolve=None) -> Directory:
    def unused(reference):
        raise SecretError("not here")

    return Directory(Configuration.from_files(contents or files()), ring or keyring(), resolve or unused)


def code(call, *arguments) -> str:
    with pytest.raises(EcluseError) as caught:
        call(*arguments)
    return caught.value.code


def test_a_partner_by_its_as2_names():
    them = directory().by_as2("BIRCH", "ASTER")
    assert (them.id, them.name, them.their_id, them.our_id) == ("birch", "Birch", "BIRCH", "ASTER")
    assert them.active
    assert them.verify_certificates(NOW) == them.mdn_verify_certificates(NOW)
    assert them.verify_certificates(NOW)[0] == them.encrypt_certificate(NOW)
    assert them.tls_anchors(NOW) == them.tls_client_certificates(NOW) == ()
    assert them.basic_auth() is None


@pytest.mark.parametrize(
    ("sender", "recipient", "expected"),
    [
        ("CEDAR", "ASTER", "trust.unknown-partner"),
        ("birch", "ASTER", "trust.unknown-partner"),
        ("BIRCH", "aster", "trust.unknown-recipient"),
        ("BIRCH", "", "trust.unknown-recipient"),
        ("", "ASTER", "trust.unknown-partner"),
        ("ASTER", "BIRCH", "trust.unknown-recipient"),
    ],
)
def test_nobody_else_is_let_in(sender, recipient, expected):
    assert code(directory().by_as2, sender, recipient) == expected


@pytest.mark.parametrize("state", ["invited", "verified", "suspended", "retired"])
def test_only_active_partners_exchange(state):
    held = directory(files(f'state = "{state}"\n' + PARTNER))
    assert code(held.by_as2, "BIRCH", "ASTER") == "trust.suspended"
    assert held.partner("birch").settings.state == state
    assert not held.partner("birch").active


def test_several_identities_of_ours():
    second = PARTNER.replace('id = "BIRCH"', 'id = "BIRCH"\nour_id = "ASTER-EU"')
    held = directory(files() | {"partners/birch-eu.toml": second})
    assert held.by_as2("BIRCH", "ASTER").id == "birch"
    assert held.by_as2("BIRCH", "ASTER-EU").id == "birch-eu"
    assert [view.id for view in held.partners] == ["birch", "birch-eu"]
    assert code(held.partner, "cedar") == "trust.unknown-partner"


def test_our_keys_roll_over():
    them = directory(files(hub=HUB + KEYS), keyring("old", "new", "receipts")).partner("birch")
    assert them.signing_key(instant(2026, 6, 14)) == "old"
    assert them.signing_key(instant(2026, 6, 15)) == "new"
    assert them.keys.at("decrypt", instant(2026, 6, 20)) == ("new", "old")
    assert them.keys.at("sign", instant(2026, 7, 1)) == ("new",)
    assert them.mdn_signing_key(NOW) == "receipts"
    assert them.decrypt_keys() == ("old", "new"), "what is in flight must open"
    assert code(them.signing_key, instant(2050)) == "trust.no-key"


def test_receipts_are_signed_like_messages_unless_said():
    them = directory().partner("birch")
    assert them.mdn_signing_key(NOW) == them.signing_key(NOW) == "main"


def test_keys_that_are_missing_or_can_not():
    tls = '[listen.as2.tls]\nkey = "web"\n'
    client = PARTNER.replace("[[cert", '[as2.tls]\nclient_key = "shown"\n[[cert')
    with pytest.raises(ConfigurationError) as caught:
        directory(files(hub=HUB + tls), keyring("other"))
    assert {problem.field for problem in caught.value.problems} == {
        "organisation.keys[0].ref",
        "listen.as2.tls.key",
    }
    assert caught.value.codes() == {"trust.no-key"}
    with pytest.raises(ConfigurationError) as caught:
        directory(files(client))
    assert caught.value.problems[0].field == "as2.tls.client_key"
    with pytest.raises(ConfigurationError) as caught:
        directory(ring=keyring(kind="ed25519"))
    assert caught.value.codes() == {"trust.wrong-use"}


def test_their_certificates_roll_over():
    both = (
        PARTNER + 'until = 2026-06-30\n[[certificates]]\nfile = "certificates/next.pem"\nfrom = 2026-06-15\n'
    )
    following = certificate("Next")
    contents = files(both) | {"certificates/next.pem": pem(following)}
    them = directory(contents).partner("birch")
    assert following not in them.verify_certificates(instant(2026, 6, 14))
    assert len(them.verify_certificates(instant(2026, 6, 20))) == 2
    assert them.encrypt_certificate(instant(2026, 6, 20)) == following
    assert them.verify_certificates(instant(2026, 7, 1)) == (following,)


def test_no_certificate_in_time():
    them = directory().partner("birch")
    assert them.verify_certificates(instant(2060)) == ()
    assert code(them.encrypt_certificate, instant(2060)) == "trust.no-certificate"


def test_exceptions_end_by_themselves():
    late = '[[exceptions]]\nalgorithm = "{}"\nreason = "old server"\nuntil = 2026-12-31\n'
    contents = files(PARTNER + late.format("sha-1") + late.format("expired-certificate"))
    contents["certificates/birch.pem"] = pem(certificate(end=2026))
    them = directory(contents).partner("birch")
    assert them.exceptions_at(NOW) == {"sha-1", "expired-certificate"}
    assert them.verify_certificates(NOW)
    assert them.exceptions_at(instant(2027)) == frozenset()
    assert not them.verify_certificates(instant(2027))


def test_tls_certificates_are_pinned_with_their_chain():
    contents = files(PARTNER + 'use = ["verify", "encrypt", "tls", "tls-client"]\n')
    them = directory(contents).partner("birch")
    assert them.tls_anchors(NOW) == them.tls_client_certificates(NOW) == them.verify_certificates(NOW)


def test_signature_schemes():
    ring = keyring(kind="rsa-2048")
    pss = files(PARTNER.replace("url =", 'sign_scheme = "pss"\nurl ='))
    assert directory(pss, ring).partner("birch").signature_scheme(ring.certificate("main")) == "rsa-pss"
    assert directory(ring=ring).partner("birch").signature_scheme(ring.certificate("main")) is None
    assert directory(pss).partner("birch").signature_scheme(keyring().certificate("main")) is None


HOSTS = PARTNER.replace("url =", 'async_receipt_hosts = ["mdn.birch.example", "[::1]:4443"]\nurl =')


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://as2.birch.example/mdn?x=1", True),
        ("https://AS2.birch.example:443/", True),
        ("http://mdn.birch.example/", True),
        ("https://mdn.birch.example/", True),
        ("http://[::1]:4443/x", True),
        ("http://as2.birch.example/", False),
        ("https://as2.birch.example:8443/", False),
        ("https://mdn.birch.example:22/", False),
        ("http://[::1]/x", False),
        ("https://as2.birch.example.evil.example/", False),
        ("https://as2.birch.example@evil.example/", False),
        ("https://evil.example/#as2.birch.example", False),
        ("https://evil.example\\@as2.birch.example/", False),
        ("ftp://as2.birch.example/", False),
        ("file:///etc/passwd", False),
        ("http://169.254.169.254/latest", False),
        ("https://as2.birch.example:0/", False),
        ("https://as2.birch.example:x/", False),
        ("mailto:a@as2.birch.example", False),
        ("https://[as2.birch.example/", False),
        ("", False),
    ],
)
def test_receipts_go_only_where_the_partner_s_file_says(url, allowed):
    check = directory(files(HOSTS)).partner("birch").check_return_address
    if allowed:
        check(url)
        assert allowed
    else:
        assert code(check, url) == "trust.return-address-denied"


def test_secrets_are_resolved_when_needed():
    auth = PARTNER.replace("url =", 'basic_auth = { user = "u", password = "env:P" }\nurl =')
    asked = []

    def resolve(reference):
        asked.append(reference)
        return Secret("swordfish")

    held = directory(files(auth), resolve=resolve)
    assert asked == []
    assert held.partner("birch").basic_auth() == ("u", Secret("swordfish"))
    assert asked == ["env:P"]
    assert "swordfish" not in repr(held.partner("birch"))


def test_the_small_facts():
    held = directory()
    assert held.organisation.name == "Aster"
    assert held.hub.log_origin == "ecluse/aster"


SUCCESSION = """
[[organisation.keys]]
ref = "old"
[[organisation.keys]]
ref = "new"
succeeds = "old"
[listen.as2.tls]
key = "old"
successor = "new"
[listen.sftp]
host_keys = ["old", "new"]
"""


def succession(**choices):
    from ecluse.trust.rotation.choices import Choices

    ring = keyring("old", "new")
    partner = PARTNER.replace("[as2]\n", '[as2.tls]\nclient_key = "old"\nsuccessor = "new"\n[as2]\n')
    made = directory(files(partner=partner, hub=HUB + SUCCESSION), ring)
    return made.choosing(Choices(**choices)) if choices else made


def test_a_successor_decrypts_at_once_and_signs_for_those_who_were_switched():
    plain = succession()
    them = plain.partner("birch")
    assert set(them.decrypt_keys()) == {"old", "new"}
    assert (them.signing_key(NOW), them.mdn_signing_key(NOW)) == ("old", "old")
    assert them.own_keys("sign", NOW) == ("old", "new")
    assert them.client_key(them.as2.tls) == "old"
    assert plain.shown_key("old", "new") == "old"
    assert plain.host_keys() == ("old", "new")
    assert plain.keys.at("sign", NOW)[0] == "old"

    chosen = succession(ours={"birch": frozenset({"new"})}, shown=frozenset({"new"}))
    them = chosen.partner("birch")
    assert (them.signing_key(NOW), them.mdn_signing_key(NOW)) == ("new", "new")
    assert them.client_key(them.as2.tls) == "new"
    assert chosen.shown_key("old", "new") == "new"
    assert chosen.host_keys() == ("new", "old")
    assert chosen.by_as2("BIRCH", "ASTER").signing_key(NOW) == "new"
    assert plain.partner("birch").signing_key(NOW) == "old"


def test_receipts_follow_once_the_successor_is_proven():
    trial = succession(
        ours={"birch": frozenset({"new"})},
        trial=frozenset({("new", "birch")}),
        on_trial=frozenset({"birch"}),
    )
    them = trial.partner("birch")
    assert (them.signing_key(NOW), them.mdn_signing_key(NOW)) == ("new", "old")


def test_a_successor_whose_predecessor_is_out_of_time_waits_for_nobody():
    ring = keyring("old", "new")
    hub = HUB + SUCCESSION.replace('ref = "old"\n', 'ref = "old"\nuntil = 2020-01-01\n', 1)
    assert directory(files(hub=hub), ring).partner("birch").signing_key(NOW) == "new"


def test_no_successor_of_a_successor():
    hub = HUB + SUCCESSION + '[[organisation.keys]]\nref = "third"\nsucceeds = "new"\n'
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files(files(hub=hub))
    assert "config.bad-value" in caught.value.codes()

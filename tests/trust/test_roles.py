"""The table of roles: every state of every kind of key, and what was seen beside what is configured."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.support.openpgp import party
from tests.support.tls_certs import make
from tests.support.trust import HUB, NOW, birch_pem, certificate, key, keyring, pem, signed_with

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.trust.roles import DIFFERENCES, ROLES, STATES, RoleRow, channels_of, role_table
from ecluse.trust.roles.ssh import ssh_key
from ecluse.trust.secrets import Secret
from ecluse.trust.sightings import Seen, Sighting

BIRCH = PartnerId("birch")
DAY = 86_400_000_000
AS2 = '[as2]\nid = "BIRCH"\nurl = "https://as2.birch.example/as2"\n'
CERTIFICATE = '[[certificates]]\nfile = "certificates/birch.pem"\n'


def exception(name: str) -> str:
    return f'[[exceptions]]\nalgorithm = "{name}"\nreason = "until they move"\nuntil = "2026-12-31"\n'


def world(
    partner: str, *, hub: str = "", refs: tuple[str, ...] = ("main",), ring=None, **more: str
) -> Directory:
    files = {
        "ecluse.toml": HUB + hub,
        "partners/birch.toml": f'name = "Birch"\nstate = "invited"\n{partner}',
        **{name.replace("__", "/", 1).replace("__", "."): text for name, text in more.items()},
    }
    ring = ring or keyring(*refs)
    return Directory(Configuration.from_files(files), ring, lambda reference: Secret("x"))


def saw(channel: str, *found: tuple[str, str], at: Instant = NOW, count: int = 1) -> list[Sighting]:
    return [
        Sighting(BIRCH, channel, role, value, at, Instant(at + n), count)
        for n, (role, value) in enumerate(found)
    ]


def table(directory: Directory, seen: list[Sighting] | None = None, **more) -> dict[tuple[str, str], RoleRow]:
    view = directory.partner("birch")
    rows = role_table(directory, view, Seen(tuple(seen or ())), more.pop("now", NOW), **more)
    assert all(row.state in STATES for row in rows)
    return {(row.channel, row.role): row for row in rows}


def texts(row: RoleRow) -> list[str]:
    assert {each.code for each in row.differs} <= set(DIFFERENCES)
    return [each.text for each in row.differs]


def as2(
    partner: str = "", certificates: str = CERTIFICATE, seen: list[Sighting] | None = None, **more: str
) -> dict[str, RoleRow]:
    more.setdefault("certificates__birch__pem", birch_pem())
    rows = table(world(f"{AS2}{partner}\n{certificates}", **more), seen)
    return {role: row for (channel, role), row in rows.items() if channel == "as2"}


# --- every state, of certificates ---------------------------------------------------------------------------


def dated(
    entry: x509.Certificate, *use: str, start: Instant | None = None, end: Instant | None = None
) -> Dated:
    return Dated(entry, describe(entry), frozenset(use), start, end, (entry,))


def with_certificates(*entries: Dated, partner: str = "", **more) -> dict[str, RoleRow]:
    directory = world(f"{AS2}{partner}\n{CERTIFICATE}", certificates__birch__pem=birch_pem())
    view = replace(directory.partner("birch"), certificates=CertificateSet(entries))
    rows = role_table(directory, view, Seen(tuple(more.pop("seen", ()))), NOW)
    return {row.role: row for row in rows}


def usage(sign: bool) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Birch")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key("2048").public_key())
        .serial_number(7)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2050, 1, 1, tzinfo=UTC))
        .add_extension(
            x509.KeyUsage(sign, False, not sign, False, False, False, False, False, False), critical=True
        )
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH if sign else ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .sign(key("2048"), hashes.SHA256())
    )


SOON, LATER = Instant(NOW + 20 * DAY), Instant(NOW + 10 * DAY)
GOOD, WEAK = certificate(), certificate(kind="1024")
OLD, NEXT = certificate(end=2026), certificate(begin=2027)
SIGNS, ENCRYPTS = usage(True), usage(False)

STATE_CASES = [
    ("one that is good", "verify", [dated(GOOD, "verify")], "", "set", ""),
    ("none", "encrypt", [dated(GOOD, "verify")], "", "missing", "Nothing is configured"),
    ("none, for receipts", "mdn-verify", [dated(GOOD, "encrypt")], "", "missing", "Nothing is configured"),
    ("what signs, signs receipts", "mdn-verify", [dated(GOOD, "verify")], "", "set", ""),
    ("its end", "verify", [dated(OLD, "verify")], "", "expired", "ended on 2026-01-01"),
    (
        "the end that was set",
        "verify",
        [dated(GOOD, "verify", end=NOW)],
        "",
        "expired",
        "used until 2026-05-31",
    ),
    (
        "an end that is allowed",
        "verify",
        [dated(OLD, "verify")],
        exception("expired-certificate"),
        "weak",
        "2026-12",
    ),
    ("its beginning", "encrypt", [dated(NEXT, "encrypt")], "", "missing", "from 2027-01-01 on"),
    ("about to end", "verify", [dated(GOOD, "verify", end=SOON)], "", "expiring", "ends on 2026-06-21"),
    (
        "about to end, with a successor",
        "verify",
        [dated(GOOD, "verify", end=SOON), dated(certificate(), "verify", start=LATER)],
        "",
        "set",
        "",
    ),
    (
        "about to end, beside another",
        "verify",
        [dated(GOOD, "verify", end=SOON), dated(certificate(), "verify")],
        "",
        "set",
        "",
    ),
    ("below the floor", "verify", [dated(WEAK, "verify")], "", "weak", "RSA 1024."),
    (
        "weak by exception",
        "verify",
        [dated(WEAK, "verify")],
        exception("rsa-1024"),
        "weak",
        "until 2026-12-31",
    ),
    (
        "an old one beside a good one is still taken",
        "verify",
        [dated(GOOD, "verify"), dated(WEAK, "verify")],
        "",
        "weak",
        "RSA 1024",
    ),
    (
        "an old one beside a good one is not written to",
        "encrypt",
        [dated(certificate(begin=2024), "encrypt"), dated(WEAK, "encrypt")],
        "",
        "set",
        "",
    ),
    (
        "revoked",
        "verify",
        [replace(dated(GOOD, "verify"), refused=Instant(NOW - DAY))],
        "",
        "wrong",
        "revoked it on 2026-05-31",
    ),
    (
        "revoked, beside another",
        "verify",
        [replace(dated(GOOD, "verify"), refused=NOW), dated(certificate(), "verify")],
        "",
        "set",
        "",
    ),
    ("not for signatures", "verify", [dated(ENCRYPTS, "verify")], "", "wrong", "not for signatures"),
    ("not for encryption", "encrypt", [dated(SIGNS, "encrypt")], "", "wrong", "not for encryption"),
    ("not for servers", "tls-server", [dated(SIGNS, "tls")], "", "wrong", "not for TLS servers"),
    ("not for clients", "tls-client", [dated(ENCRYPTS, "tls-client")], "", "wrong", "not for TLS clients"),
    ("no pinned server", "tls-server", [dated(GOOD, "verify")], "", "set", ""),
    ("no certificate of a client", "tls-client", [dated(GOOD, "verify")], "", "not-needed", "no certificate"),
    ("a client that ended", "tls-client", [dated(OLD, "tls-client")], "", "expired", "2026-01-01"),
]


@pytest.mark.parametrize(
    ("role", "entries", "partner", "state", "why"),
    [case[1:] for case in STATE_CASES],
    ids=[case[0] for case in STATE_CASES],
)
def test_a_certificate_puts_its_role_into_a_state(role, entries, partner, state, why):
    row = with_certificates(*entries, partner=partner)[role]
    assert (row.state, why in row.why) == (state, True), row
    assert bool(row.why) is (state != "set")
    assert row.whose == "theirs"


def test_a_signature_below_the_floor():
    issued = certificate(kind="2048", issuer=("Root", key("2048")))
    assert with_certificates(dated(signed_with("sha1", issued), "verify"))["verify"].state == "weak"
    assert (
        with_certificates(dated(signed_with("md5", issued), "verify"))["verify"].why
        == "It is signed with MD5."
    )


@pytest.mark.parametrize(
    ("settings", "role", "state"),
    [
        ("", "sign", "set"),
        ("sign = false", "sign", "set"),
        ("require_signed = false", "verify", "set"),
        ("", "our-tls-client", "not-needed"),
        ("", "our-tls-server", "not-needed"),
        ("", "mdn-sign", "set"),
        ("", "decrypt", "set"),
        ('receipt = "none"', "mdn-verify", "set"),
    ],
)
def test_what_is_there_is_judged_whether_it_is_needed_or_not(settings, role, state):
    assert as2(settings)[role].state == state


@pytest.mark.parametrize(
    ("settings", "role", "why"),
    [
        ("require_signed = false", "verify", "need no signature"),
        ('receipt = "none"', "mdn-verify", "no signed receipts"),
        ("receipt_signed = false", "mdn-verify", "no signed receipts"),
        ("encrypt = false", "encrypt", "don't encrypt"),
    ],
)
def test_what_is_not_needed(settings, role, why):
    row = as2(settings, certificates="")[role]
    assert row.state == "not-needed"
    assert why in row.why


def test_a_partner_that_only_sends():
    rows = table(world('[as2]\nid = "BIRCH"\n' + CERTIFICATE, certificates__birch__pem=birch_pem()))
    assert rows["as2", "tls-server"].state == "not-needed"
    assert rows["as2", "tls-server"].why == "There is no URL: they only send."


def test_our_own_keys_and_their_windows():
    hub = (
        '[[organisation.keys]]\nref = "old"\nuntil = "2026-05-01"\n[[organisation.keys]]\nref = "main"\n'
        'until = "2026-06-10"\n[[organisation.keys]]\nref = "tls"\nuse = ["mdn-sign"]\nfrom = "2027-01-01"\n'
    )
    directory = world(
        AS2 + 'tls = { client_key = "tls" }\n' + CERTIFICATE,
        hub=hub + '[listen.as2.tls]\nkey = "tls"\n',
        refs=("main", "old", "tls"),
        certificates__birch__pem=birch_pem(),
    )
    rows = {role: row for (_, role), row in table(directory).items()}
    assert (rows["sign"].state, [value.ref for value in rows["sign"].values]) == ("expiring", ["main", "old"])
    assert [value.current for value in rows["sign"].values] == [True, False]
    assert [value.current for value in rows["decrypt"].values] == [True, True], "the old one still opens"
    assert rows["mdn-sign"].state == "missing"
    assert rows["mdn-sign"].why == "It is used from 2027-01-01 on."
    assert rows["our-tls-server"].state == rows["our-tls-client"].state == "set"
    assert {row.whose for role, row in rows.items() if "sign" in role or role.startswith("our-")} == {"ours"}


# --- AS2: what was seen -------------------------------------------------------------------------------------


def fingerprint(entry: x509.Certificate) -> str:
    return entry.fingerprint(hashes.SHA256()).hex()


PAST = certificate(begin=2019)
DIFFERS = [
    ("verify", [("verify", fingerprint(GOOD))], "", []),
    (
        "verify",
        [("verify", fingerprint(PAST))],
        "",
        ["They sign with {past}; the newest of record is {good}."],
    ),
    ("verify", [("verify", "ab" * 32)], "", ["They sign with abababababababab, which is not of record."]),
    ("verify", [("signature-algorithm", "none")], "", ["They don't sign their messages."]),
    (
        "verify",
        [("signature-algorithm", "rsa-sha1")],
        "",
        ["They sign with rsa-sha1, which is below the floor."],
    ),
    ("verify", [("signature-algorithm", "rsa-sha1"), ("signature-algorithm", "rsa-sha256")], "", []),
    ("decrypt", [("encryption-algorithm", "none")], "", ["They don't encrypt their messages."]),
    (
        "decrypt",
        [("encryption-algorithm", "3des")],
        "",
        ["They encrypt with 3des, which is below the floor."],
    ),
    (
        "decrypt",
        [("encryption-algorithm", "aes-256-cbc"), ("receipt", "signed")],
        'encrypt = "aes-256-gcm"',
        ["They read aes-256-gcm, and send aes-256-cbc, which is not authenticated."],
    ),
    ("decrypt", [("encryption-algorithm", "aes-256-cbc")], 'encrypt = "aes-256-gcm"', []),
    (
        "decrypt",
        [("encryption-algorithm", "aes-256-gcm"), ("receipt", "signed")],
        'encrypt = "aes-256-gcm"',
        [],
    ),
    (
        "decrypt",
        [("key-algorithm", "rsa-pkcs1"), ("receipt", "signed")],
        'key_padding = "oaep-sha256"',
        ["They read content keys padded with OAEP, and send them with PKCS #1 v1.5."],
    ),
    ("mdn-sign", [("receipt-asked", "signed")], "", []),
    ("mdn-sign", [("receipt-asked", "unsigned")], "", ["They ask for receipts that are not signed."]),
    ("mdn-sign", [("receipt-asked", "none")], "", ["They ask for no receipts of what they send."]),
    ("mdn-verify", [("receipt", "signed")], "", []),
    ("mdn-verify", [("receipt", "unsigned")], "", ["They never signed a receipt."]),
    ("mdn-verify", [("receipt", "signed"), ("receipt", "unsigned")], "", ["They stopped signing receipts."]),
    ("mdn-verify", [("receipt", "unsigned")], "receipt_signed = false", []),
    (
        "mdn-verify",
        [("mdn-signature-algorithm", "rsa-sha1")],
        "",
        ["They sign receipts with rsa-sha1, which is below the floor."],
    ),
    ("tls-server", [("tls-server", "ab" * 32)], "", []),
]


@pytest.mark.parametrize(("role", "found", "settings", "differs"), DIFFERS)
def test_where_the_wire_and_the_file_disagree(role, found, settings, differs):
    entries = [dated(GOOD, "verify", "encrypt"), dated(PAST, "verify", "encrypt")]
    row = with_certificates(*entries, partner=settings, seen=saw("as2", *found))[role]
    short = {"past": fingerprint(PAST)[:16], "good": fingerprint(GOOD)[:16]}
    assert texts(row) == [sentence.format(**short) for sentence in differs]
    assert row.state == "set", "what is seen does not make a role better or worse"
    assert {each.role for each in row.used} <= set(dict(found))


def test_a_pinned_server_and_one_that_an_authority_vouches_for():
    seen = saw("as2", ("tls-server", fingerprint(PAST)))
    pinned = with_certificates(dated(GOOD, "tls"), seen=seen)["tls-server"]
    assert texts(pinned) == [f"Their server shows {fingerprint(PAST)[:16]}, which is not of record."]
    root = make("Root", authority=True).certificate
    assert with_certificates(dated(root, "tls"), seen=seen)["tls-server"].differs == ()


def test_what_they_encrypt_to_is_told_by_the_certificate_of_our_key():
    ring = keyring("main")
    before = fingerprint(ring.certificate("main"))
    directory = world(AS2 + CERTIFICATE, ring=ring, certificates__birch__pem=birch_pem())
    assert table(directory, saw("as2", ("decrypt", before)))["as2", "decrypt"].differs == ()
    renewed = certificate("Aster", kind="ec")
    with pytest.raises(EcluseError):
        ring.install_certificate("main", pem(renewed).encode())
    other = ring.request("main")
    assert "BEGIN CERTIFICATE REQUEST" in other
    ring.install_certificate("main", issued(ring, other))
    directory = world(AS2 + CERTIFICATE, ring=ring, certificates__birch__pem=birch_pem())
    row = table(directory, saw("as2", ("decrypt", before)))["as2", "decrypt"]
    after = fingerprint(ring.certificate("main"))
    assert texts(row) == [f"They encrypt to {before[:16]}; the newest of record is {after[:16]}."]
    assert [(value.value, value.current) for value in row.values] == [(after, True), (before, False)]


def issued(ring, request: str) -> bytes:
    asked = x509.load_pem_x509_csr(request.encode())
    return pem(
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]))
        .public_key(asked.public_key())
        .serial_number(99)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .sign(key("ec"), hashes.SHA256())
    ).encode()


# --- files --------------------------------------------------------------------------------------------------


def ssh_line(kind: str = "ssh-ed25519", **more: int) -> str:
    return asyncssh.generate_private_key(kind, **more).export_public_key().decode().strip()


ED, RSA = ssh_line(), ssh_line("ssh-rsa", key_size=3072)
SHORT = ssh_line("ssh-rsa", key_size=1024)


def print_of(line: str) -> str:
    return asyncssh.import_public_key(line).get_fingerprint()


SFTP = f'[sftp]\nhost = "sftp.birch.example"\nuser = "aster"\nkey = "ssh"\nhost_keys = ["{ED}"]\n'
SFTP_HUB = '[listen.sftp]\nhost_keys = ["ssh-host"]\n'


def account(*lines: str, hub: str = SFTP_HUB, seen: list[Sighting] | None = None, rest: str = "", **more):
    partner = '[account]\nuser = "birch"\n' + "\n".join(lines) + f"\n{rest}\n"
    return table(world(partner, hub=hub, refs=("main", "ssh-host", "tls"), **more), seen)


def test_an_sftp_server_of_theirs():
    rows = table(world(SFTP, refs=("main", "ssh")))
    assert {role: row.state for (_, role), row in rows.items()} == {
        "host-key": "set",
        "user-key": "set",
        "password": "not-needed",
    }
    assert rows["sftp", "host-key"].values[0].value == print_of(ED)
    assert rows["sftp", "host-key"].values[0].algorithm == "Ed25519"
    assert rows["sftp", "user-key"].values[0].algorithm == "EC P-256"
    assert rows["sftp", "user-key"].values[0].ref == "ssh"


@pytest.mark.parametrize(
    ("pins", "state", "algorithm"),
    [
        (f'"{RSA}"', "set", "RSA 3072"),
        (f'"{SHORT}"', "weak", "RSA 1024"),
        (f'"{print_of(ED)}"', "set", ""),
        (f'"@cert-authority {ED}"', "set", "Ed25519"),
    ],
)
def test_pinned_host_keys(pins, state, algorithm):
    directory = world(SFTP.replace(f'"{ED}"', pins), refs=("main", "ssh"))
    row = table(directory)["sftp", "host-key"]
    assert (row.state, row.values[0].algorithm) == (state, algorithm)


@pytest.mark.parametrize(
    ("role", "found", "differs"),
    [
        ("host-key", [("host-key", print_of(ED)), ("kex", "curve25519-sha256")], []),
        (
            "host-key",
            [("host-key", "SHA256:other")],
            ["Their server showed SHA256:other, which is not pinned."],
        ),
        ("host-key", [("cipher", "aes256-ctr")], ["The cipher was aes256-ctr, which is below the floor."]),
        (
            "host-key",
            [("kex", "diffie-hellman-group14-sha1"), ("mac", "hmac-sha1")],
            [
                "The kex was diffie-hellman-group14-sha1, which is below the floor.",
                "The mac was hmac-sha1, which is below the floor.",
            ],
        ),
        ("user-key", [("login", "key")], []),
        ("user-key", [("login", "password")], ["Their server took our password, and not our key."]),
    ],
)
def test_what_their_sftp_server_did(role, found, differs):
    rows = table(world(SFTP + 'password = "env:P"\n', refs=("main", "ssh")), saw("sftp", *found))
    assert texts(rows["sftp", role]) == differs


def test_a_secret_that_is_not_there_and_a_key_that_ssh_does_not_have():
    directory = world(SFTP + 'password = "env:P"\n', ring=keyring("main", "ssh"))
    rows = table(directory, secret=lambda reference: f"{reference} is not set.")
    assert (rows["sftp", "password"].state, rows["sftp", "password"].why) == ("wrong", "env:P is not set.")
    other = keyring("main")
    other.generate("ssh", "x25519", subject="Aster", issuer="main")
    rows = table(world(SFTP, ring=other))
    assert rows["sftp", "user-key"].state == "wrong"


@pytest.mark.parametrize(
    ("lines", "states"),
    [
        ((f'keys = ["{ED}"]',), {"user-key": "set", "password": "not-needed", "second-factor": "not-needed"}),
        (
            ('password = "env:P"',),
            {"user-key": "not-needed", "password": "set", "second-factor": "not-needed"},
        ),
        (
            (f'keys = ["{ED}"]', 'password = "env:P"', "second_factor = true"),
            {"user-key": "set", "password": "set", "second-factor": "set"},
        ),
        ((f'authorities = ["{ED}"]',), {"user-key": "set", "password": "not-needed"}),
        ((f'keys = ["{SHORT}"]',), {"user-key": "weak"}),
    ],
)
def test_an_account_over_sftp(lines, states):
    rows = account(*lines, 'protocols = ["sftp"]')
    assert {role: rows["account-sftp", role].state for role in states} == states
    assert rows["account-sftp", "host-key"].state == "set"
    assert rows["account-sftp", "host-key"].whose == "ours"


@pytest.mark.parametrize(
    ("role", "found", "differs"),
    [
        ("user-key", [("login", "key"), ("user-key", print_of(ED))], []),
        ("user-key", [("login", "password")], ["They log in with a password, though a key is of record."]),
        (
            "user-key",
            [("login", "key"), ("user-key", "SHA256:old")],
            ["They logged in with SHA256:old, which is not of record."],
        ),
        ("second-factor", [("login", "key+password")], []),
        ("second-factor", [("login", "password")], ["They logged in last with one factor (password)."]),
        (
            "host-key",
            [("host-key", "SHA256:gone")],
            ["They took SHA256:gone of us, which is not ours any more;"],
        ),
    ],
)
def test_what_they_did_at_our_sftp_listener(role, found, differs):
    lines = (f'keys = ["{ED}"]', 'password = "env:P"', "second_factor = true")
    row = account(*lines, seen=saw("account-sftp", *found))["account-sftp", role]
    assert len(row.differs) == len(differs)
    assert all(said.startswith(wanted) for said, wanted in zip(texts(row), differs, strict=True))


def test_an_account_over_ftps():
    hub = '[listen.ftps]\nkey = "tls"\n'
    rest = CERTIFICATE + 'use = ["tls-client"]\n'
    seen = saw("account-ftps", ("login", "password"), ("tls-version", "TLSv1.3"))
    rows = account('password = "env:P"', hub=hub, rest=rest, seen=seen, certificates__birch__pem=birch_pem())
    assert set(rows) == {
        ("account-ftps", role) for role in ("password", "tls-client", "second-factor", "our-tls-server")
    }
    assert rows["account-ftps", "tls-client"].state == "set"
    assert texts(rows["account-ftps", "tls-client"]) == ["They show no certificate, though one is of record."]
    plain = account('password = "env:P"', hub=hub)
    assert plain["account-ftps", "tls-client"].state == "not-needed"
    assert account('password = "env:P"', "second_factor = true", f'keys = ["{ED}"]', hub=hub)[
        "account-ftps", "tls-client"
    ].state in ("missing", "not-needed")


def test_without_a_listener_an_account_has_no_roles():
    assert account(f'keys = ["{ED}"]', hub="") == {}


FTPS = '[ftps]\nhost = "ftp.birch.example"\nuser = "aster"\npassword = "env:P"\n'


def test_their_ftps_server():
    rows = table(world(FTPS))
    assert {role: row.state for (_, role), row in rows.items()} == {
        "tls-server": "set",
        "our-tls-client": "not-needed",
        "password": "set",
    }
    assert rows["ftps", "tls-server"].values[0].value == "system"
    clear = table(
        world(FTPS + 'mode = "clear"\n' + exception("clear-text")), saw("ftps", ("tls-version", "none"))
    )
    assert clear["ftps", "tls-server"].state == "not-needed"
    assert texts(clear["ftps", "tls-server"]) == ["Files and passwords went in clear text."]
    pinned = world(FTPS + CERTIFICATE + 'use = ["tls"]\n', certificates__birch__pem=birch_pem())
    row = table(pinned, saw("ftps", ("tls-server", "cd" * 32)))["ftps", "tls-server"]
    assert texts(row) == ["Their server shows cdcdcdcdcdcdcdcd, which is not of record."]


def test_their_webdav_server_and_buckets():
    rows = table(world('[webdav]\nurl = "https://dav.birch.example/"\nuser = "aster"\npassword = "env:P"\n'))
    assert [row.state for row in rows.values()] == ["set", "not-needed", "set"]
    keys = 'access_key = "env:A"\nsecret_key = "env:B"\n'
    rows = table(world(f'[s3]\nbucket = "b"\n{keys}'), saw("s3", ("tls-version", "TLSv1.3")))
    assert {role: row.state for (_, role), row in rows.items()} == {"credentials": "set", "tls-server": "set"}
    assert rows["s3", "tls-server"].used[0].value == "TLSv1.3"
    assert len(rows["s3", "credentials"].values) == 2
    rows = table(world(f'[azure]\nbucket = "b"\naccount = "birch"\n{keys.splitlines()[1]}\n'))
    assert rows["azure", "credentials"].state == "set"


# --- OpenPGP ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pgp():
    aster, birch = party("Aster"), party("Birch")
    if "main" not in aster.keyring.references():  # another module may have been there
        aster.keyring.generate("main", "ec-p256", subject="Aster")
    return aster, birch


def openpgp(pgp, section: str = "", seen: list[Sighting] | None = None, now: Instant = NOW):
    aster, birch = pgp
    directory = world(
        f'[openpgp]\ncertificates = ["openpgp/birch.asc"]\n{section}',
        hub='[openpgp]\nkeys = ["own"]\n',
        ring=aster.keyring,
        openpgp__birch__asc=armored_certificate(birch.certificate),
    )
    rows = table(directory, seen, now=now)
    return {role: row for (_, role), row in rows.items()}


def test_openpgp_roles(pgp):
    rows = openpgp(pgp)
    assert {role: row.state for role, row in rows.items()} == {
        "sign": "set",
        "verify": "set",
        "encrypt": "set",
        "decrypt": "set",
    }
    assert rows["verify"].values[0].value == pgp[1].certificate.fingerprint
    before = openpgp(pgp, now=Instant(NOW - 20 * 365 * DAY))
    assert before["verify"].state == before["encrypt"].state == "missing"


@pytest.mark.parametrize(
    ("role", "found", "differs"),
    [
        ("verify", [("signature-algorithm", "none")], "They don't sign their documents."),
        ("verify", [("verify", "AB" * 20)], "They sign with ABABABABABABABAB, which is not of record."),
        ("verify", [("signature-algorithm", "RSA 3072 SHA1")], "below the floor"),
        ("decrypt", [("encryption-algorithm", "none")], "They don't encrypt their documents."),
        ("decrypt", [("encryption-algorithm", "CAST5 mdc")], "They encrypt with CAST5 mdc, which is below"),
        ("decrypt", [("encryption-algorithm", "AES-256 mdc"), ("decrypt", "AB" * 20)], "our present key is"),
        ("decrypt", [("encryption-algorithm", "AES-256 ocb")], ""),
    ],
)
def test_what_they_did_with_openpgp(pgp, role, found, differs):
    row = openpgp(pgp, seen=saw("openpgp", *found))[role]
    assert len(row.differs) == bool(differs)
    assert differs in "".join(texts(row))


# --- the whole ----------------------------------------------------------------------------------------------


def test_every_channel_has_its_table():
    directory = world(
        AS2 + SFTP + FTPS + CERTIFICATE,
        hub=SFTP_HUB,
        refs=("main", "ssh", "ssh-host"),
        certificates__birch__pem=birch_pem(),
    )
    assert list(channels_of(directory, directory.partner("birch"))) == ["as2", "sftp", "ftps"]
    for row in table(directory).values():
        facts = row.as_dict()
        assert facts["partner"] == "birch"
        assert facts["state"] in STATES
        assert facts["about"]
        assert facts["floor"] or row.role in ("password", "second-factor", "credentials")
    assert all(spec.about and spec.role for specs in ROLES.values() for spec in specs)


def test_a_thousand_partners_cost_little():
    """The whole table of a partner with AS2 and SFTP in half a millisecond at most; see the how-to for figures."""
    directory = world(AS2 + SFTP + CERTIFICATE, refs=("main", "ssh"), certificates__birch__pem=birch_pem())
    view = directory.partner("birch")
    seen = Seen(tuple(saw("as2", ("verify", "ab" * 32), ("signature-algorithm", "rsa-sha256"))))
    role_table(directory, view, seen, NOW)
    took = []
    for _ in range(100):
        began = time.process_time()
        role_table(directory, view, seen, NOW)
        took.append(time.process_time() - began)
    assert sorted(took)[50] < 0.005


def test_what_is_no_ssh_key():
    for line in ("ssh-rsa AAAA", "ssh-ed25519 !!", "ssh-ed25519", f"ssh-rsa {ED.split()[1]}"):
        assert ssh_key(line).state == "wrong", line
    assert ssh_key("ssh-dss AAAAB3NzaC1kc3MAAAAA").state == "weak"

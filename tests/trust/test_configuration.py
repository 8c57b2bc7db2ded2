"""Strict reading: every wrong thing is refused by name, and all of them at once."""

from __future__ import annotations

import re

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support.trust import HUB, NOW, PARTNER, certificate, files, instant, key, pem, signed_with

from ecluse.trust import Configuration, ConfigurationError, export, json_schema, read_folder
from ecluse.trust.configuration import FolderError
from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.settings.fields import instant_from, instant_until, octets, seconds
from ecluse.trust.settings.schema import Hub, Partner


def problems(contents: dict[str, str], now=None):
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files(contents, now)
    return caught.value.problems


def refused(contents: dict[str, str], now=None) -> set[tuple[str, str]]:
    return {(problem.code, problem.field) for problem in problems(contents, now)}


def as2(line: str) -> str:
    return PARTNER.replace('id = "BIRCH"\n', f'id = "BIRCH"\n{line}\n')


def test_three_lines_are_enough():
    configuration = Configuration.from_files({"ecluse.toml": HUB})
    hub = configuration.hub
    assert hub.organisation.keys[0].ref == "main"
    assert hub.store.database == "sqlite:state/ecluse.db"
    assert hub.keyring.passphrase == "env:ECLUSE_PASSPHRASE"
    assert hub.listen.as2.address.startswith("127.0.0.1:")
    assert hub.log_origin == "ecluse/aster"
    assert not configuration.partners


def test_a_partner_is_safe_by_default():
    partner = Configuration.from_files(files(), NOW).partners["birch"]
    assert (partner.as2.sign, partner.as2.encrypt, partner.as2.receipt) == ("sha-256", "aes-256-cbc", "sync")
    assert partner.as2.require_signed
    assert partner.as2.require_encrypted
    assert not partner.as2.allow_private_network


def test_every_problem_is_listed_with_file_field_and_remedy():
    found = problems(
        {
            "ecluse.toml": '[organisation]\nnam = "Aster"\n[store]\npassword = "hunter2"\n[bogus]\n',
            "partners/birch.toml": 'name = 3\n[as2]\nid = "B"\nsign = "md5"\n',
            "partners/cedar.toml": "name = ",
            "etc/passwd": "",
        }
    )
    assert {(p.code, p.file, p.field) for p in found} == {
        ("config.unknown-field", "ecluse.toml", "organisation.nam"),
        ("config.missing-field", "ecluse.toml", "organisation.name"),
        ("config.missing-field", "ecluse.toml", "organisation.as2_id"),
        ("config.literal-secret", "ecluse.toml", "store.password"),
        ("config.unknown-field", "ecluse.toml", "bogus"),
        ("config.bad-value", "partners/birch.toml", "name"),
        ("config.weak-algorithm", "partners/birch.toml", "as2.sign"),
        ("config.not-toml", "partners/cedar.toml", ""),
        ("config.unknown-file", "'etc/passwd'", ""),
    }
    assert all(p.remedy and p.cause for p in found)
    assert "hunter2" not in "\n".join(map(str, found))


def tables(kind: type[msgspec.Struct], path: str = "") -> dict[str, type[msgspec.Struct]]:
    found = {path: kind}
    for field in msgspec.structs.fields(kind):
        for part in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                origin = getattr(field.type, "__origin__", None)
                below = {tuple: "[]", dict: ".any"}.get(origin, "")
                found |= tables(part, f"{path}.{field.encode_name}".strip(".") + below)
    return found


@pytest.mark.parametrize("path", sorted(tables(Hub)))
def test_unknown_fields_are_refused_in_every_table_of_the_hub(path):
    header = f"[[{path[:-2]}]]" if path.endswith("[]") else f"[{path}]" if path else ""
    found = problems({"ecluse.toml": f"{header}\nsurprise = 1\n"})
    expected = path.replace("[]", "[0]") + ".surprise"
    assert ("config.unknown-field", expected.strip(".")) in {(p.code, p.field) for p in found}


@pytest.mark.parametrize("path", sorted(tables(Partner)))
def test_unknown_fields_are_refused_in_every_table_of_a_partner(path):
    header = f"[[{path[:-2]}]]" if path.endswith("[]") else f"[{path}]" if path else ""
    found = problems({"ecluse.toml": HUB, "partners/birch.toml": f"{header}\nsurprise = 1\n"})
    expected = path.replace("[]", "[0]") + ".surprise"
    assert ("config.unknown-field", expected.strip(".")) in {(p.code, p.field) for p in found}


def test_a_near_miss_is_suggested():
    (problem,) = problems(files(as2('encypt = "aes-256-cbc"')))
    assert "encrypt" in problem.remedy


@pytest.mark.parametrize(
    ("contents", "field"),
    [
        (files(hub=HUB + '[store]\npassword = "swordfish"\n'), "store.password"),
        (files(hub=HUB + "[store]\npassword = 12345\n"), "store.password"),
        (files(hub=HUB + '[store]\npassword = "env:"\n'), "store.password"),
        (files(hub=HUB + '[keyring]\npassphrase = "swordfish"\n'), "keyring.passphrase"),
        (files(hub=HUB + '[store]\ndatabase = "postgresql://u:swordfish@db/e"\n'), "store.database"),
        (files(hub=HUB + '[store]\ndatabase = "postgresql://db/e?password=swordfish"\n'), "store.database"),
        (files(hub=HUB + '[blobs]\naccess_key = "env:A"\nsecret_key = "swordfish"\n'), "blobs.secret_key"),
        (files(hub=HUB + '[blobs]\nendpoint = "https://u:swordfish@s3"\n'), "blobs.endpoint"),
        (files(as2('basic_auth = { user = "u", password = "swordfish" }')), "as2.basic_auth.password"),
        (files(as2("").replace("https://", "https://u:swordfish@")), "as2.url"),
    ],
)
def test_literal_secrets_are_refused_and_not_repeated(contents, field):
    found = problems(contents)
    assert [(p.code, p.field) for p in found] == [("config.literal-secret", field)]
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_files(contents)
    shown = f"{caught.value!s} {caught.value!r} {caught.value.as_dict()} {found}"
    assert "swordfish" not in shown
    assert "12345" not in shown


@pytest.mark.parametrize("reference", ["env:DB_PASSWORD", "file:secrets/db", "keyring:db"])
def test_references_are_taken(reference):
    hub = Configuration.from_files(files(hub=HUB + f'[store]\npassword = "{reference}"\n')).hub
    assert hub.store.password == reference


@pytest.mark.parametrize(
    "line",
    [
        'sign = "sha-1"',
        'sign = "sha1"',
        'sign = "md5"',
        'encrypt = "3des-cbc"',
        'encrypt = "des-ede3-cbc"',
        'encrypt = "rc2-40"',
        'encrypt = "rc4"',
        'encrypt = "des"',
    ],
)
def test_weak_algorithms_are_never_written(line):
    (problem,) = problems(files(as2(line)))
    assert problem.code == "config.weak-algorithm"
    assert problem.field == f"as2.{line.split()[0]}"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("sign = true", "as2.sign"),
        ('sign = "sha-257"', "as2.sign"),
        ("encrypt = 1", "as2.encrypt"),
        ('receipt_timeout = "30"', "as2.receipt_timeout"),
        ('receipt_timeout = "0m"', "as2.receipt_timeout"),
        ("receipt_timeout = 30", "as2.receipt_timeout"),
        ('max_size = "10 GB"', "as2.max_size"),
        ("concurrency = 0", "as2.concurrency"),
        ("concurrency = 1.5", "as2.concurrency"),
        ("retry = 3", "as2.retry"),
        ("retry = { attempts = 0 }", "as2.retry.attempts"),
        ('async_receipt_hosts = "birch.example"', "as2.async_receipt_hosts"),
        ('async_receipt_hosts = ["https://x"]', "as2.async_receipt_hosts[0]"),
        ('async_receipt_hosts = ["x:99999"]', "as2.async_receipt_hosts[0]"),
        ('subject = "a\\nBcc: x"', "as2.subject"),
        ('our_id = "a\\"b"', "as2.our_id"),
        ('version = "2.0"', "as2.version"),
        ("subject = 2026-01-01", "as2.subject"),
    ],
)
def test_values_that_do_not_fit(line, field):
    found = problems(files(as2(line)))
    assert [(p.code, p.field) for p in found] == [("config.bad-value", field)]
    assert found[0].remedy


def test_clear_text_over_http_needs_an_exception():
    plain = as2("encrypt = false").replace("https:", "http:")
    assert refused(files(plain)) == {("config.clear-text", "as2.encrypt")}
    loopback = plain.replace("as2.birch.example", "127.0.0.1:4080")
    assert Configuration.from_files(files(loopback)).partners["birch"].as2.encrypt is False
    allowed = plain + '[[exceptions]]\nalgorithm="clear-text"\nreason="their VPN"\nuntil=2026-12-31\n'
    assert Configuration.from_files(files(allowed), NOW).partners
    password = as2('basic_auth = { user = "u", password = "env:P" }').replace("https:", "http:")
    assert refused(files(password)) == {("config.clear-text", "as2.basic_auth")}


EXCEPTION = '[[exceptions]]\nalgorithm = "sha-1"\nreason = "their old server"\nuntil = 2026-12-31\n'


@pytest.mark.parametrize("name", ["algorithm", "reason", "until"])
def test_an_exception_needs_all_three(name):
    short = "\n".join(line for line in EXCEPTION.splitlines() if not line.startswith(name))
    assert refused(files(PARTNER + short)) == {("config.missing-field", f"exceptions[0].{name}")}


def test_no_exception_for_what_is_hopeless():
    text = PARTNER + EXCEPTION.replace("sha-1", "md5")
    assert refused(files(text)) == {("config.weak-algorithm", "exceptions[0].algorithm")}


def test_an_exception_ends_with_its_last_day():
    text = files(PARTNER + EXCEPTION)
    assert Configuration.from_files(text, instant(2026, 12, 31, 23)).partners
    assert refused(text, instant(2027, 1, 1)) == {("config.expired-exception", "exceptions[0].until")}
    assert Configuration.from_files(text).partners, "a version of the past reads as it did"


def with_certificate(text: str, partner: str = PARTNER) -> dict[str, str]:
    return {**files(partner), "certificates/birch.pem": text}


def test_weak_certificates_are_refused_by_name_unless_allowed():
    authority = ("Root", key("2048"))
    weak_key = pem(certificate(kind="1024"))
    weak_signature = pem(signed_with("sha1", certificate(issuer=authority)))
    hopeless = pem(signed_with("md5", certificate(issuer=authority)))
    assert refused(with_certificate(weak_key)) == {("trust.weak-key", "certificates[0].file")}
    assert refused(with_certificate(weak_signature)) == {("trust.weak-signature", "certificates[0].file")}
    assert Configuration.from_files(with_certificate(weak_signature, PARTNER + EXCEPTION)).partners
    assert refused(with_certificate(hopeless, PARTNER + EXCEPTION)) == {
        ("trust.weak-signature", "certificates[0].file")
    }
    self_signed = pem(signed_with("sha1", certificate(kind="2048")))
    assert Configuration.from_files(with_certificate(self_signed)).partners
    assert refused(with_certificate(pem(certificate(kind="k1")))) == {
        ("trust.weak-key", "certificates[0].file"),
        ("trust.wrong-use", "certificates[0].use"),
    }


def test_a_weak_key_verifies_by_exception_and_is_never_encrypted_to():
    weak = pem(certificate(kind="1024"))
    allowed = EXCEPTION.replace("sha-1", "rsa-1024")
    assert refused(with_certificate(weak, PARTNER + allowed)) == {("trust.weak-key", "certificates[0].file")}
    verify = PARTNER.replace("url = ", "encrypt = false\nurl = ") + 'use = ["verify"]\n' + allowed
    assert Configuration.from_files(with_certificate(weak, verify)).partners


def test_uses_that_the_key_cannot_serve():
    ring = MemoryKeyring(lambda: NOW)
    signs = pem(ring.generate("s", "ed25519", subject="S"))
    assert refused(with_certificate(signs)) == {("trust.wrong-use", "certificates[0].use")}
    encrypts = pem(ring.generate("k", "ml-kem-768", subject="K", issuer="s"))
    assert refused(with_certificate(encrypts)) == {("trust.wrong-use", "certificates[0].use")}
    unsigned = as2("require_signed = false\nreceipt_signed = false") + 'use = ["encrypt"]\n'
    assert Configuration.from_files(with_certificate(encrypts, unsigned)).partners


def test_certificates_out_of_their_time_are_refused_where_they_are_all_there_is():
    old, future = pem(certificate(end=2025)), pem(certificate(begin=2030))
    assert {c for c, _ in refused(with_certificate(old), NOW)} == {"trust.expired"}
    assert {c for c, _ in refused(with_certificate(future), NOW)} == {"trust.not-yet-valid"}
    assert Configuration.from_files(with_certificate(old)).partners
    late = PARTNER + EXCEPTION.replace("sha-1", "expired-certificate")
    assert Configuration.from_files(with_certificate(old, late), NOW).partners
    both = PARTNER + '[[certificates]]\nfile = "certificates/old.pem"\n'
    assert Configuration.from_files({**files(both), "certificates/old.pem": old}, NOW).partners


def test_private_keys_are_refused_in_certificate_files():
    private = key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    found = problems(with_certificate(private + files()["certificates/birch.pem"]))
    assert [p.code for p in found] == ["trust.private-key"]
    assert private.splitlines()[1] not in str(found)


def test_missing_and_broken_certificate_files():
    without = files()
    del without["certificates/birch.pem"]
    assert refused(without) == {("config.missing-file", "certificates[0].file")}
    assert ("trust.bad-certificate", "") in refused(with_certificate("hello"))
    outside = PARTNER.replace("certificates/birch.pem", "certificates/../../etc/passwd")
    assert refused(files(outside)) == {("config.bad-value", "certificates[0].file")}


def test_what_an_active_partner_needs():
    bare = PARTNER.split("[[certificates]]", maxsplit=1)[0]
    assert refused(files(bare)) == {("config.missing-certificate", "certificates")}
    assert Configuration.from_files(files('state = "invited"\n' + bare)).partners


def test_two_partners_that_messages_cannot_tell_apart():
    twins = files() | {"partners/birch-two.toml": PARTNER}
    assert {c for c, _ in refused(twins)} == {"config.duplicate-as2-id"}
    apart = files() | {"partners/birch-two.toml": as2('our_id = "ASTER-TWO"')}
    assert len(Configuration.from_files(apart).partners) == 2
    assert {c for c, _ in refused(files(PARTNER.replace("BIRCH", "ASTER")))} == {"config.duplicate-as2-id"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[store]\ndatabase = "mysql://x"', "store.database"),
        ('[store]\ndatabase = "postgresql://"', "store.database"),
        ('[blobs]\nplace = "ftp://x"', "blobs.place"),
        ('[blobs]\nplace = "s3://"', "blobs.place"),
        ('[listen.as2]\naddress = "127.0.0.1:70000"', "listen.as2.address"),
        ('[listen.as2]\naddress = "127.0.0.1"', "listen.as2.address"),
        ('[listen.as2]\npath = "as2"', "listen.as2.path"),
        ("[inbox]\nfolder = true", "inbox.folder"),
        ('[log]\norigin = "a b"', "log.origin"),
        ('[[organisation.keys]]\nref = "../x"', "organisation.keys[0].ref"),
        ('[[organisation.keys]]\nref = "x"\nuse = ["sing"]', "organisation.keys[0].use[0]"),
        ('[[organisation.keys]]\nref = "x"\nuse = ["sign", "sign"]', "organisation.keys[0].use"),
        ('[[organisation.keys]]\nref = "x"\nuntil = 2026-02-30T00:00:00', "organisation.keys[0].until"),
        ('[[organisation.keys]]\nref = "x"\nuntil = "2026-02-30"', "organisation.keys[0].until"),
        (
            '[[organisation.keys]]\nref = "x"\nfrom = 2026-02-02\nuntil = 2026-01-01',
            "organisation.keys[0].until",
        ),
    ],
)
def test_hub_values_that_do_not_fit(text, field):
    found = problems({"ecluse.toml": HUB + text + "\n"})
    if "2026-02-30T" in text:
        assert found[0].code == "config.not-toml"
    else:
        assert [(p.code, p.field) for p in found] == [("config.bad-value", field)]


def test_moments_durations_and_sizes():
    assert instant_from("2026-01-01") == instant(2026)
    assert instant_until("2026-01-01") == instant(2026, 1, 2)
    assert instant_from("2026-01-01T02:00:00+02:00") == instant(2026)
    assert instant_until("2026-01-01 00:00:00z") == instant(2026)
    assert instant_until("9999-12-31") > instant(9999)
    assert seconds("90s") == 90
    assert seconds("2m") == 120
    assert seconds("500ms") == 0.5
    assert seconds("2d") == 172800
    assert octets("2 KiB") == 2048
    assert octets("1GiB") == 1 << 30
    assert octets("7 B") == 7


def test_toml_dates_need_no_offset_for_days_and_one_for_times():
    dated = PARTNER + "from = 2026-01-01\nuntil = 2027-01-01T12:00:00Z\n"
    entry = Configuration.from_files(files(dated)).certificates["birch"].entries[0]
    assert (entry.start, entry.end) == (instant(2026), instant(2027, 1, 1, 12))
    local = PARTNER + "until = 2027-01-01T12:00:00\n"
    assert refused(files(local)) == {("config.bad-value", "certificates[0].until")}


def test_folder_round_trip(tmp_path):
    contents = files()

    def write(path, data):
        path.write_bytes(data)

    written = export(contents, tmp_path, write)
    assert written == sorted(contents)
    (tmp_path / "notes.txt").write_text("left alone")
    assert read_folder(tmp_path) == contents
    assert export(contents, tmp_path, write) == []
    changed = {**contents, "ecluse.toml": HUB + "# more\n"}
    assert export(changed, tmp_path, write) == ["ecluse.toml"]
    with pytest.raises(ConfigurationError):
        export({"../evil.toml": ""}, tmp_path, write)
    assert not (tmp_path.parent / "evil.toml").exists()


def test_unreadable_folders(tmp_path):
    assert read_folder(tmp_path / "nowhere") == {}
    (tmp_path / "ecluse.toml").write_bytes(b"\xff")
    with pytest.raises(FolderError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "config.unreadable"


def test_configurations_do_not_change():
    configuration = Configuration.from_files(files())
    with pytest.raises(TypeError):
        configuration.partners["x"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        configuration.hub.organisation.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("file", ["ecluse.toml", "partner"])
def test_schemas_for_editors(file):
    schema = json_schema(file)
    definitions = schema["$defs"]
    for name, definition in definitions.items():
        assert definition["additionalProperties"] is False, name
        for field, value in definition["properties"].items():
            assert "$ref" in value or value.get("description"), f"{name}.{field}"
            assert {"type": "null"} not in value.get("anyOf", [])
    assert re.fullmatch(r"#/\$defs/(Hub|Partner)", schema["$ref"])
    assert msgspec.json.encode(schema)
    if file == "partner":
        assert {"const": False} in definitions["As2"]["properties"]["sign"]["anyOf"]
        assert "from" in definitions["CertificateEntry"]["properties"]

"""Each rule: one weakened thing that it finds in a hub that is otherwise healthy, and a neighbour that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from tests.support.posture import (
    DAY,
    ED25519,
    NOW,
    codes,
    facts,
    flow_facts,
    hub_facts,
    own_key,
    partner_facts,
    pgp,
    put,
    seen,
    ssh_rsa,
    with_flow,
    with_hub,
    with_partner,
)
from tests.support.trust import certificate, key, signed_with

from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import (
    AccessFacts,
    Approved,
    ArchiveFacts,
    Counts,
    Facts,
    HubFacts,
    LogFacts,
    Revoked,
    SecretFile,
    Shared,
    StampFacts,
)
from ecluse.posture.rule import DOMAINS, Severity
from ecluse.posture.rules import FLOW_RULES, HUB_RULES, IDLE_RULES, PARTNER_RULES, RULES
from ecluse.trust.assurance import Entry
from ecluse.trust.certificates import CertificateSet, Dated, describe
from ecluse.trust.changes.plan import Change
from ecluse.trust.settings.backup import BackupPlace, BackupSettings
from ecluse.trust.settings.flow import Duplicates, Retention
from ecluse.trust.settings.schema import ExceptionEntry, Folder, OwnKey

Make = Callable[[], Facts]


def partner(path: str, value: object) -> Make:
    return lambda: with_partner(path, value)


def hub(path: str, value: object) -> Make:
    return lambda: with_hub(path, value)


def flow(path: str, value: object) -> Make:
    return lambda: with_flow(path, value)


def exception(algorithm: str, until: str = "2026-12-31") -> Make:
    entry = ExceptionEntry(algorithm=algorithm, reason="an old product", until=until)  # type: ignore[arg-type]
    return partner("exceptions", (entry,))


def saw(*everything: object, approved: int | None = None) -> Make:
    at = None if approved is None else Approved(Instant(NOW - approved * DAY), "operator:ines")
    return lambda: facts(partner=replace(partner_facts(), seen=tuple(everything), approved=at))  # type: ignore[arg-type]


def certificates(*entries: Dated) -> Make:
    tls = partner_facts().certificates.entries[1]
    return lambda: facts(partner=replace(partner_facts(), certificates=CertificateSet((*entries, tls))))


def dated(days: int, *, kind: str = "ec", ahead: int = 0, made: object = None, long: int = 4) -> Dated:
    """Their certificate, to be used until so many days from now."""
    made = made or certificate("Birch", kind, begin=2026 - long // 2, end=2026 - long // 2 + long)
    use = frozenset(("verify", "encrypt", "mdn-verify", "tls-client"))
    start = Instant(NOW + ahead * DAY) if ahead else None
    return Dated(made, describe(made), use, start, Instant(NOW + days * DAY), (made,))  # type: ignore[arg-type]


def shown(**days: str) -> Make:
    entry = Entry(PartnerId("birch"), "agreement", "gdpr", **days)
    return lambda: facts(partner=replace(partner_facts(), assurance=(entry,)))


def told(state: str) -> Make:
    print_ = partner_facts().certificates.entries[0].info.fingerprint
    return lambda: facts(partner=replace(partner_facts(), revoked=(Revoked(print_, state),)))


def keys(*more: object) -> Make:
    return lambda: facts(hub=replace(hub_facts(), keys=(*hub_facts().keys, *more)))  # type: ignore[arg-type]


def ending_key(days: int) -> Make:
    return keys(replace(own_key("late", "tls-client"), ends=Instant(NOW + days * DAY)))


def their_pgp(**more: object) -> Make:
    return lambda: facts(partner=replace(partner_facts(), openpgp=(pgp("openpgp/birch.asc", **more),)))  # type: ignore[arg-type]


def our_pgp(**more: object) -> Make:
    return lambda: facts(hub=replace(hub_facts(), openpgp=(pgp("pgp", **more),)))  # type: ignore[arg-type]


def machine(**more: object) -> Make:
    base = hub_facts().machine
    return lambda: facts(hub=replace(hub_facts(), machine=replace(base, **more)))  # type: ignore[arg-type]


def backed_up(hub: HubFacts) -> HubFacts:
    places = {name: BackupPlace(place=f"/mnt/{name}") for name in ("to", "keys_to")}
    backup = BackupSettings(**places, recipients=("openpgp/safe.asc",))
    return replace(hub, settings=msgspec.structs.replace(hub.settings, backup=backup))


def log(**more: object) -> Make:
    base = hub_facts().log
    return lambda: facts(hub=replace(hub_facts(), log=replace(base, **more)))  # type: ignore[arg-type]


def archive(**more: object) -> Make:
    return lambda: facts(hub=replace(hub_facts(), archive=ArchiveFacts(**more)))  # type: ignore[arg-type]


def stamped(**more: object) -> Make:
    return log(stamps=(StampFacts("alder", **more),))  # type: ignore[arg-type]


def asked(**more: object) -> Make:
    (base,) = hub_facts().settings.log.authorities
    return hub("log.authorities", (msgspec.structs.replace(base, **more),))


def hub_with(**more: object) -> Make:
    return lambda: facts(hub=replace(hub_facts(), **more))  # type: ignore[arg-type]


def counts(**more: object) -> Make:
    return lambda: facts(hub=replace(hub_facts(), counts=Counts(**more)))  # type: ignore[arg-type]


def shared(kind: str, name: str) -> Make:
    return lambda: facts(hub=replace(hub_facts(), shared=(Shared(kind, name, ("birch", "cedar")),)))  # type: ignore[arg-type]


def secret(state: str, days: int = 1) -> Make:
    file = SecretFile("file:birch", "ftps.password", state, Instant(NOW - days * DAY))  # type: ignore[arg-type]
    return lambda: facts(partner=replace(partner_facts(), secrets=(file,)))


def running(**more: object) -> Make:
    return lambda: facts(flow=replace(flow_facts(), **more))  # type: ignore[arg-type]


def quiet_partner(state: str) -> Make:
    return partner("state", state)


def drifted() -> Facts:
    change = Change("change", "partner:birch", "as2.encrypt", "aes-256-gcm", "aes-128-cbc")
    return facts(
        partner=replace(partner_facts(), approved=Approved(Instant(NOW), "operator:ines", (change,)))
    )


def plain_listener() -> Facts:
    settings = put(hub_facts().settings, "listen.as2.tls", None)
    return facts(hub=replace(hub_facts(), settings=settings))


def anonymous() -> Facts:
    settings = put(put(partner_facts().settings, "webdav.user", None), "webdav.tls.client_key", None)
    return facts(partner=replace(partner_facts(), settings=settings))


def clear_basic_auth() -> Facts:
    return with_partner("as2.url", "http://as2.birch.example/as2")


CASES: dict[str, tuple[Make, Make]] = {
    # code: (what it finds, what it leaves)
    "lifecycle.assurance-ended": (shown(ends="2026-05-31"), shown(ends="2026-12-31")),
    "lifecycle.assurance-ending": (shown(ends="2026-07-30"), shown(ends="2026-12-31")),
    "lifecycle.assurance-due": (shown(due="2026-05-31"), shown(due="2026-12-31")),
    "authentication.access-to-go": (
        lambda: facts(replace(hub_facts(), access=AccessFacts(NOW + DAY, ("partner:birch: log in",)))),
        lambda: facts(replace(hub_facts(), access=AccessFacts(NOW + DAY))),
    ),
    "operations.request-due": (
        lambda: facts(replace(hub_facts(), asked=(("q1", Instant(NOW + 3 * DAY)),))),
        lambda: facts(replace(hub_facts(), asked=(("q1", Instant(NOW + 9 * DAY)),))),
    ),
    "authentication.access-review-due": (
        lambda: facts(replace(hub_facts(), access=AccessFacts(NOW - DAY))),
        lambda: facts(replace(hub_facts(), access=AccessFacts(NOW + DAY))),
    ),
    "authentication.access-never-reviewed": (
        lambda: facts(replace(hub_facts(), access=AccessFacts())),
        lambda: facts(replace(hub_facts(), access=AccessFacts(NOW + DAY))),
    ),
    "crypto.as2-unsigned": (partner("as2.sign", False), partner("as2.sign", "sha-256")),
    "crypto.as2-unencrypted": (partner("as2.encrypt", False), partner("as2.encrypt", "aes-256-gcm")),
    "crypto.weak-cipher": (partner("as2.encrypt", "aes-128-cbc"), partner("as2.encrypt", "aes-256-cbc")),
    "crypto.weak-cipher-gcm": (partner("as2.encrypt", "aes-128-gcm"), partner("as2.encrypt", "aes-256-gcm")),
    "crypto.unauthenticated-cipher": (
        partner("as2.encrypt", "aes-256-cbc"),
        partner("as2.encrypt", "aes-256-gcm"),
    ),
    "crypto.key-padding": (partner("as2.key_padding", "pkcs1"), partner("as2.key_padding", "oaep-sha256")),
    "crypto.key-padding-sha-1": (
        partner("as2.key_padding", "oaep-sha1"),
        partner("as2.key_padding", "pkcs1"),
    ),
    "crypto.signature-padding": (partner("as2.sign_scheme", "pkcs1"), partner("as2.sign_scheme", "auto")),
    "crypto.algorithm-protection": (
        partner("as2.algorithm_protection", False),
        partner("as2.algorithm_protection", True),
    ),
    "crypto.accepts-unsigned": (partner("as2.require_signed", False), partner("as2.require_signed", True)),
    "crypto.accepts-unencrypted": (
        partner("as2.require_encrypted", False),
        partner("as2.require_encrypted", True),
    ),
    "crypto.openpgp-accepts-unsigned": (
        partner("openpgp.require_signed", False),
        partner("openpgp.require_signed", True),
    ),
    "crypto.openpgp-accepts-unencrypted": (
        partner("openpgp.require_encrypted", False),
        partner("openpgp.require_encrypted", True),
    ),
    "crypto.openpgp-old-format": (partner("openpgp.format", "rfc4880"), partner("openpgp.format", "auto")),
    "crypto.openpgp-also-read": (
        partner("openpgp.recipients", ("openpgp/other.asc",)),
        partner("openpgp.recipients", ()),
    ),
    "crypto.openpgp-weak-certificate": (their_pgp(weak="DSA 1024"), their_pgp()),
    "crypto.legacy-exception": (exception("3des"), exception("3des", "2026-06-14")),
    "crypto.unused-exception": (
        lambda: facts(
            partner=replace(
                exception("3des")().partners["birch"],  # type: ignore[index]
                seen=(seen("as2", "encryption-algorithm", "aes-256-cbc"),),
            )
        ),
        lambda: facts(
            partner=replace(
                exception("3des")().partners["birch"],  # type: ignore[index]
                seen=(seen("as2", "encryption-algorithm", "des-ede3-cbc", first=90),),
            )
        ),
    ),
    "crypto.weak-algorithm-seen": (
        saw(seen("as2", "signature-algorithm", "rsa-sha1")),
        saw(
            seen("as2", "signature-algorithm", "sha256"),
            seen("as2", "tls-version", "TLSv1.3"),
            seen("as2", "cipher", "TLS_AES_256_GCM_SHA384"),
            seen("sftp", "kex", "curve25519-sha256"),
        ),
    ),
    "crypto.algorithm-drift": (
        saw(
            seen("as2", "encryption-algorithm", "aes-256-gcm", first=90),
            seen("as2", "encryption-algorithm", "aes-128-cbc", first=1),
            approved=10,
        ),
        saw(seen("as2", "encryption-algorithm", "aes-128-cbc", first=11), approved=10),
    ),
    "crypto.short-rsa": (
        certificates(dated(900, kind="2048", long=16)),
        certificates(dated(900, kind="3072", long=16)),
    ),
    "crypto.weak-key": (certificates(dated(900, kind="1024")), certificates(dated(900, kind="2048"))),
    "crypto.weak-certificate-signature": (
        certificates(
            dated(
                900,
                made=signed_with(
                    "sha1", certificate("Birch", "2048", begin=2025, end=2028, issuer=("Root", key("2048")))
                ),
            )
        ),
        certificates(dated(900)),
    ),
    "crypto.target-without-openpgp": (flow("to.0.openpgp", "sign"), flow("to.0.channel", "folder:orders")),
    "crypto.source-without-openpgp": (flow("open.openpgp", False), flow("open.openpgp", True)),
    "crypto.own-short-rsa": (
        keys(replace(own_key("old", "decrypt", kind="2048", end=2032))),
        keys(own_key("old", "decrypt", kind="2048", end=2028)),
    ),
    "crypto.key-many-trades": (keys(own_key("tls", "sign")), keys(own_key("tls", "tls-client"))),
    "crypto.sign-and-decrypt": (
        hub("organisation.keys", (OwnKey(ref="main"),)),
        hub("organisation.keys", (OwnKey(ref="main", use=("sign",)),)),
    ),
    "crypto.own-openpgp-weak": (our_pgp(weak="RSA 1024"), our_pgp()),
    "crypto.keys-in-process": (hub("keyring.signer", None), hub("keyring.signer", "run/signer.sock")),
    "crypto.late-rekey": (hub("listen.sftp.rekey", "2 GiB"), hub("listen.sftp.rekey", "1 GiB")),
    "lifecycle.certificate-ended": (certificates(dated(-1)), certificates(dated(-1), dated(200))),
    "lifecycle.certificate-ending-week": (certificates(dated(5)), certificates(dated(5), dated(200))),
    "lifecycle.certificate-ending": (certificates(dated(20)), certificates(dated(20), dated(200))),
    "lifecycle.certificate-ending-quarter": (certificates(dated(60)), certificates(dated(100))),
    "lifecycle.certificate-revoked": (told("revoked"), told("good")),
    "lifecycle.revocation-unknown": (told("unknown"), told("good")),
    "lifecycle.own-certificate-revoked": (
        keys(replace(own_key("bad", "tls-client"), revoked=True)),
        keys(replace(own_key("bad"), revoked=True)),
    ),
    "lifecycle.revocation-off": (hub("revocation.mode", "off"), hub("revocation.mode", "soft")),
    "lifecycle.revocation-soft": (hub("revocation.mode", "soft"), hub("revocation.mode", "hard")),
    "lifecycle.revocation-late": (hub("revocation.max_age", "8d"), hub("revocation.max_age", "7d")),
    "lifecycle.revocation-replay": (hub("revocation.nonce", False), hub("revocation.nonce", True)),
    "lifecycle.late-renewal": (hub("acme.renew", "13d"), hub("acme.renew", "14d")),
    "transport.acme-cleartext": (
        hub("acme.directory", "http://acme.example/directory"),
        hub("acme.directory", "http://127.0.0.1:14000/dir"),
    ),
    "transport.authority-private-network": (
        hub("acme.allow_private_network", True),
        hub("revocation.allow_private_network", False),
    ),
    "authentication.long-proposals": (hub("changes.time_limit", "31d"), hub("changes.time_limit", "30d")),
    "lifecycle.certificate-left-over": (
        certificates(dated(-40), dated(200)),
        certificates(dated(-20), dated(200)),
    ),
    "lifecycle.certificate-not-yet": (
        certificates(dated(900, ahead=10)),
        certificates(dated(900, ahead=10), dated(100)),
    ),
    "lifecycle.certificate-long": (
        certificates(replace(dated(900, long=8), end=None)),
        certificates(replace(dated(900, long=4), end=None)),
    ),
    "lifecycle.openpgp-ended": (their_pgp(state="revoked"), their_pgp(ends=NOW + 40 * DAY)),
    "lifecycle.openpgp-ending": (their_pgp(ends=NOW + 20 * DAY), their_pgp(ends=NOW + 40 * DAY)),
    "lifecycle.openpgp-endless": (their_pgp(ends=None), their_pgp()),
    "lifecycle.expired-exception": (
        exception("expired-certificate"),
        exception("expired-certificate", "2026-06-14"),
    ),
    "lifecycle.exception-long": (exception("3des", "2028-01-01"), exception("3des", "2027-06-01")),
    "lifecycle.exception-ending": (exception("3des", "2026-06-20"), exception("3des", "2026-07-20")),
    "lifecycle.partner-quiet": (
        saw(seen("as2", "verify", "ab", first=300, last=200)),
        saw(seen("as2", "verify", "ab", first=300, last=100)),
    ),
    "lifecycle.retired-left-over": (quiet_partner("retired"), quiet_partner("suspended")),
    "lifecycle.own-certificate-ended": (ending_key(-1), ending_key(100)),
    "lifecycle.own-certificate-ending-week": (ending_key(5), ending_key(100)),
    "lifecycle.own-certificate-ending": (
        ending_key(20),
        keys(replace(own_key("late", "tls-client"), ends=Instant(NOW + 20 * DAY), replaced=True)),
    ),
    "lifecycle.own-certificate-ending-quarter": (ending_key(60), ending_key(100)),
    "lifecycle.unused-key": (keys(own_key("left")), keys(own_key("left", "tls-client"))),
    "lifecycle.own-openpgp-ended": (our_pgp(ends=NOW - DAY), our_pgp()),
    "lifecycle.own-openpgp-ending": (our_pgp(ends=NOW + 20 * DAY), our_pgp(ends=NOW + 40 * DAY)),
    "lifecycle.own-openpgp-endless": (our_pgp(ends=None), our_pgp()),
    "lifecycle.own-key-not-yet": (
        keys(replace(own_key("next", "tls-client"), begins=Instant(NOW + DAY))),
        keys(replace(own_key("next", "tls"), begins=Instant(NOW + DAY))),
    ),
    "lifecycle.no-own-key": (
        lambda: facts(hub=replace(hub_facts(), keys=hub_facts().keys[1:])),
        lambda: facts(hub=replace(hub_facts(), keys=(), as2=())),
    ),
    "transport.cleartext-ftp": (partner("ftps.mode", "clear"), partner("ftps.mode", "implicit")),
    "transport.cleartext-http": (clear_basic_auth, partner("as2.url", "http://127.0.0.1:4080/as2")),
    "transport.cleartext-store": (
        partner("s3.endpoint", "http://s3.birch.example"),
        partner("s3.endpoint", "http://localhost:9000"),
    ),
    "transport.cleartext-exception": (exception("clear-text"), exception("clear-text", "2026-06-14")),
    "transport.data-channel-exception": (
        exception("unverified-data-channel"),
        exception("unverified-data-channel", "2026-06-14"),
    ),
    "transport.tls-1.2": (partner("ftps.tls.min_version", "1.2"), partner("ftps.tls.min_version", "1.3")),
    "transport.unpinned-tls": (
        lambda: facts(
            partner=replace(
                partner_facts(), certificates=CertificateSet(partner_facts().certificates.entries[:1])
            )
        ),
        certificates(dated(900)),
    ),
    "transport.private-network": (
        partner("sftp.allow_private_network", True),
        partner("sftp.allow_private_network", False),
    ),
    "transport.receipt-hosts": (
        partner("as2.async_receipt_hosts", ("mdn.birch.example",)),
        partner("as2.async_receipt_hosts", ()),
    ),
    "transport.host-authority": (
        partner("sftp.host_keys", (f"@cert-authority {ED25519}",)),
        partner("sftp.host_keys", (ED25519,)),
    ),
    "transport.many-host-keys": (
        partner("sftp.host_keys", tuple(f"SHA256:{letter * 43}" for letter in "ABCD")),
        partner("sftp.host_keys", tuple(f"SHA256:{letter * 43}" for letter in "ABC")),
    ),
    "transport.server-drift": (
        saw(seen("sftp", "host-key", "SHA256:x", first=1), approved=10),
        saw(seen("sftp", "host-key", "SHA256:x", first=11), approved=10),
    ),
    "transport.plain-listener": (plain_listener, hub("listen.as2.address", "127.0.0.1:4080")),
    "transport.public-url": (
        hub("listen.as2.public_url", "http://as2.aster.example/as2"),
        hub("listen.as2.public_url", None),
    ),
    "transport.listener-tls-1.2": (
        hub("listen.as2.tls.min_version", "1.2"),
        hub("listen.as2.tls.min_version", "1.3"),
    ),
    "transport.no-client-certificates": (
        hub("listen.ftps.client_auth", "optional"),
        hub("listen.ftps.client_auth", "required"),
    ),
    "transport.ftps-session-reuse": (
        hub("listen.ftps.require_reuse", False),
        hub("listen.ftps.require_reuse", True),
    ),
    "transport.ftps-any-port": (
        hub("listen.ftps.passive_ports", None),
        hub("listen.ftps.passive_ports", "50000-50099"),
    ),
    "transport.ftps-many-ports": (
        hub("listen.ftps.passive_ports", "40000-60000"),
        hub("listen.ftps.passive_ports", "50000-50998"),
    ),
    "transport.listens-everywhere": (
        hub("listen.sftp.address", "0.0.0.0:4022"),
        hub("listen.sftp.address", "192.0.2.7:4022"),
    ),
    "transport.blobs-cleartext": (
        hub("blobs.endpoint", "http://s3.aster.example"),
        hub("blobs.endpoint", "http://127.0.0.1:9000"),
    ),
    "transport.database-unverified": (
        hub("store.database", "postgresql://ecluse@db.aster.example/ecluse?sslmode=require"),
        hub("store.database", "postgresql://ecluse@localhost/ecluse"),
    ),
    "authentication.password-alone": (
        partner("account.second_factor", False),
        partner("account.password", None),
    ),
    "authentication.unverified-partner": (
        partner("verification.level", "trust-on-first-use"),
        partner("verification.level", "in-person"),
    ),
    "authentication.any-address": (
        partner("account.addresses", ()),
        partner("account.addresses", ("192.0.2.1",)),
    ),
    "authentication.wide-network": (
        partner("account.addresses", ("198.0.0.0/8",)),
        partner("account.addresses", ("198.51.0.0/16", "2001:db8::/32")),
    ),
    "authentication.short-ssh-key": (
        partner("account.keys", (ssh_rsa(2048),)),
        partner("account.keys", (ssh_rsa(3072),)),
    ),
    "authentication.ssh-authority": (
        partner("account.authorities", (ED25519,)),
        partner("account.authorities", ()),
    ),
    "authentication.idle-account": (
        saw(seen("account-sftp", "user-key", "SHA256:x", first=300, last=190), seen("as2", "verify", "ab")),
        saw(seen("account-sftp", "user-key", "SHA256:x", first=300, last=170)),
    ),
    "authentication.login-drift": (
        saw(seen("account-sftp", "user-key", "SHA256:x", first=1), approved=10),
        saw(seen("account-sftp", "user-key", "SHA256:x", first=11), approved=10),
    ),
    "authentication.cleartext-password": (
        clear_basic_auth,
        partner("as2.url", "http://127.0.0.1:4080/as2"),
    ),
    "authentication.we-use-a-password": (
        partner("sftp.password", "keyring:birch-sftp"),
        partner("sftp.key", "other"),
    ),
    "authentication.no-client-key": (
        partner("ftps.tls.client_key", None),
        partner("ftps.tls.client_key", "other"),
    ),
    "authentication.anonymous-server": (anonymous, partner("webdav.user", None)),
    "authentication.ssh-agent": (partner("sftp.agent", True), partner("sftp.agent", False)),
    "authentication.single-operator": (
        lambda: facts(hub=replace(hub_facts(), operators=("ines",))),
        lambda: facts(hub=replace(hub_facts(), operators=("ines", "jules", "kim"))),
    ),
    "authentication.quick-recovery": (
        hub("changes.recovery_wait", "2d"),
        hub("changes.recovery_wait", False),
    ),
    "authentication.shared-key": (shared("ssh-key", "SHA256:x"), shared("nothing", "x")),
    "authentication.many-attempts": (
        hub("listen.sftp.guard.login_attempts", 7),
        hub("listen.sftp.guard.login_attempts", 6),
    ),
    "authentication.late-bans": (
        hub("listen.ftps.guard.ban_score", 21),
        hub("listen.ftps.guard.ban_score", 20),
    ),
    "authentication.open-doors": (
        hub("listen.sftp.guard.login_time", "61s"),
        hub("listen.sftp.guard.login_time", "60s"),
    ),
    "authentication.long-sessions": (
        hub("listen.sftp.guard.idle_time", "31m"),
        hub("listen.sftp.guard.idle_time", "30m"),
    ),
    "secrets.environment": (partner("ftps.password", "env:BIRCH"), partner("ftps.password", "keyring:x")),
    "secrets.exposed-file": (secret("exposed"), secret("good")),
    "secrets.missing": (secret("missing"), secret("good")),
    "secrets.old": (secret("good", 400), secret("good", 300)),
    "secrets.in-url": (
        partner("webdav.url", "https://dav.birch.example/in?access_token=1"),
        partner("webdav.url", "https://dav.birch.example/in?folder=keys"),
    ),
    "secrets.passphrase-beside-keys": (
        hub("keyring.passphrase", "file:passphrase"),
        hub("keyring.passphrase", "file:/run/x"),
    ),
    "secrets.shared": (shared("secret", "keyring:x"), shared("nothing", "x")),
    "flows.overwrites-theirs": (partner("ftps.replace", True), partner("ftps.replace", False)),
    "flows.overwrites-ours": (partner("account.replace", True), partner("account.replace", False)),
    "flows.half-files": (partner("account.temporary", ()), partner("account.temporary", ("*.part",))),
    "flows.kept-long": (partner("account.keep_outbound", "91d"), partner("account.keep_outbound", "90d")),
    "flows.stays-after-pickup": (
        partner("account.remove_after_pickup", False),
        partner("account.remove_after_pickup", True),
    ),
    "flows.large-account": (partner("account.quota", "2 TiB"), partner("account.quota", "1 TiB")),
    "flows.large-message": (partner("as2.max_size", "201 GiB"), partner("as2.max_size", "200 GiB")),
    "flows.patient-client": (partner("gcs.timeout", "16m"), partner("gcs.timeout", "15m")),
    "flows.hasty-retry": (partner("sftp.retry.attempts", 4), partner("sftp.retry.attempts", 5)),
    "flows.no-expectation": (flow("expect", ()), flow("name", "Other")),
    "flows.narrow-expectation": (
        flow("expect.0.days", ("mon", "tue")),
        flow("expect.0.days", ("mon", "tue", "wed", "thu", "fri")),
    ),
    "flows.no-retention": (flow("retention", None), flow("retention", Retention(payload="1d"))),
    "flows.long-retention": (
        flow("retention", Retention(payload="4000d")),
        flow("retention", Retention(payload="3650d")),
    ),
    "flows.no-duplicate-check": (flow("duplicates", None), flow("duplicates", Duplicates())),
    "flows.duplicates-delivered": (
        flow("duplicates.action", "deliver"),
        flow("duplicates.action", "quarantine"),
    ),
    "flows.duplicates-dropped": (flow("duplicates.action", "skip"), flow("duplicates.action", "quarantine")),
    "flows.short-memory": (flow("duplicates.window", "2d"), flow("duplicates.window", "3d")),
    "flows.every-partner": (flow("from.channel", "account:*"), flow("from.channel", "account:birch")),
    "flows.anything": (
        lambda: facts(
            flow=replace(
                flow_facts(), settings=put(put(flow_facts().settings, "from.names", ("*",)), "from.types", ())
            )
        ),
        flow("from.names", ("*",)),
    ),
    "flows.large-documents": (flow("from.max_size", "1 TiB"), flow("from.max_size", "200 GiB")),
    "flows.bombs": (flow("open.max_ratio", 1001), flow("open.max_ratio", 1000)),
    "flows.left-behind": (flow("from.after", "leave"), flow("from.after", "delete")),
    "flows.hasty": (flow("from.stable", "1s"), flow("from.stable", "2s")),
    "flows.slow-look": (flow("from.every", "2h"), flow("from.every", "1h")),
    "flows.by-hand": (flow("trigger", "command"), flow("trigger", "arrival")),
    "flows.since-later": (flow("since", "2026-06-16"), flow("since", "2026-06-15")),
    "flows.overtaking": (flow("order.on_failure", "continue"), flow("order.on_failure", "wait")),
    "flows.paused": (flow("state", "paused"), running(paused=Instant(NOW - DAY))),
    "flows.failing": (running(failures=3, cause="closed"), running(failures=2, cause="closed")),
    "flows.expectation-missed": (running(missed=("the morning's orders",)), running(missed=())),
    "flows.folder-overwrites": (
        hub("folders", {"orders": Folder(path="orders", replace=True)}),
        hub("folders", {"orders": Folder(path="orders")}),
    ),
    "flows.failed-deliveries": (counts(failed=1), counts()),
    "flows.overdue-receipts": (counts(overdue=1), counts()),
    "flows.stale-quarantine": (
        counts(quarantined=1, oldest_quarantine=Instant(NOW - 3 * DAY)),
        counts(quarantined=1, oldest_quarantine=Instant(NOW - DAY)),
    ),
    "evidence.no-receipt": (partner("as2.receipt", "none"), partner("as2.receipt", "async")),
    "evidence.unsigned-receipt": (partner("as2.receipt_signed", False), partner("as2.receipt_signed", True)),
    "evidence.unsigned-receipt-seen": (
        saw(seen("as2", "receipt", "unsigned")),
        saw(seen("as2", "receipt", "signed")),
    ),
    "evidence.late-receipt": (partner("as2.receipt_timeout", "25h"), partner("as2.receipt_timeout", "24h")),
    "evidence.no-upload-receipts": (partner("account.receipts", False), partner("account.receipts", True)),
    "evidence.size-only": (partner("sftp.verify", "size"), partner("sftp.verify", "digest")),
    "evidence.unconditional-writes": (partner("s3.conditional", False), partner("s3.conditional", True)),
    "evidence.old-as2-version": (partner("as2.version", "1.1"), partner("as2.version", "1.3")),
    "evidence.log-not-sealed": (
        log(unsealed=5, waiting_since=Instant(NOW - DAY // 12)),
        log(unsealed=5, waiting_since=Instant(NOW - DAY // 48)),
    ),
    "evidence.old-checkpoint": (
        log(checkpoint_size=5, newest=Instant(NOW - 2 * DAY)),
        log(checkpoint_size=5, newest=Instant(NOW)),
    ),
    "evidence.checkpoint-not-held": (log(held=False), log(held=True)),
    "evidence.never-verified": (log(verified=None), lambda: facts(hub=replace(hub_facts(), log=LogFacts()))),
    "evidence.verified-long-ago": (
        log(verified=Instant(NOW - 40 * DAY)),
        log(verified=Instant(NOW - 20 * DAY)),
    ),
    "evidence.archive-damaged": (archive(damaged=1), archive()),
    "evidence.archive-place-unavailable": (archive(place_error="blobs.unavailable: it is away"), archive()),
    "evidence.archive-clock-doubted": (archive(clock_doubt="It ran back."), archive()),
    "evidence.archive-undecided": (archive(refused=2), archive()),
    "evidence.archive-single-copy": (archive(single=("invoices",)), archive(used=True, administrators=2)),
    "evidence.archive-few-administrators": (
        archive(used=True, administrators=1),
        archive(used=True, administrators=2),
    ),
    "evidence.no-authority": (
        hub("log.authorities", ()),
        lambda: facts(),
    ),
    "evidence.stamp-overdue": (
        stamped(last=Instant(NOW - 3 * DAY)),
        stamped(last=Instant(NOW - 2 * DAY)),
    ),
    "evidence.stamp-late": (
        stamped(required=False, failures=3, error="http.unreachable: Nobody answers."),
        stamped(required=False, failures=1),
    ),
    "evidence.rare-stamps": (asked(every="8d"), asked(every="7d")),
    "evidence.short-renewal": (
        hub("log.longterm.renew_before", "29d"),
        hub("log.longterm.renew_before", "30d"),
    ),
    "evidence.authority-ends": (
        stamped(last=Instant(NOW), ends=Instant(NOW + 50 * DAY)),
        stamped(last=Instant(NOW), ends=Instant(NOW + 70 * DAY)),
    ),
    "evidence.clock-differs": (
        stamped(last=Instant(NOW), time=Instant(NOW + DAY)),
        stamped(last=Instant(NOW), time=Instant(NOW), ahead=-30_000_000),
    ),
    "evidence.record-unproven": (log(unproven=1), log(unproven=0)),
    "evidence.renewal-late": (
        log(unrenewed=Instant(NOW - 8 * DAY)),
        log(unrenewed=Instant(NOW - 6 * DAY)),
    ),
    "evidence.log-broken": (log(broken="It was put back."), log(broken="")),
    "evidence.log-continued": (log(breaks=("2026-06-01: the disk",)), log(breaks=())),
    "evidence.witness-silent": (log(silent=("birch",)), log(silent=())),
    "evidence.cosigned-log-broken": (log(troubled=("birch.example/log",)), log(troubled=())),
    "operations.drift": (
        drifted,
        lambda: facts(partner=replace(partner_facts(), approved=Approved(Instant(NOW), "operator:ines"))),
    ),
    "operations.disk-full": (machine(free=100 << 20), machine(free=50 << 30)),
    "operations.disk-low": (machine(free=2 << 30), machine(free=5 << 30)),
    "operations.clock": (machine(behind=6_000_000), machine(behind=4_000_000)),
    "operations.not-serving": (machine(alive=0), machine(alive=2)),
    "operations.no-backup": (machine(backup=None), machine(backup=Instant(NOW - DAY))),
    "operations.old-backup": (
        machine(backup=Instant(NOW - 3 * DAY)),
        machine(backup=Instant(NOW - DAY)),
    ),
    "operations.backup-failed": (machine(backup_error="backup.busy: somebody."), machine(backup_error="")),
    "operations.never-rehearsed": (
        lambda: facts(hub=backed_up(hub_facts())),
        lambda: facts(
            hub=backed_up(replace(hub_facts(), machine=replace(hub_facts().machine, rehearsed=Instant(NOW))))
        ),
    ),
    "operations.rehearsed-long-ago": (
        machine(rehearsed=Instant(NOW - 200 * DAY)),
        machine(rehearsed=Instant(NOW - 100 * DAY)),
    ),
    "operations.old-release": (
        machine(released=Instant(NOW - 300 * DAY)),
        machine(released=Instant(NOW - 200 * DAY)),
    ),
    "operations.old-python": (
        machine(python=(3, 11)),
        machine(python=(3, 12)),
    ),
    "operations.exposed-files": (machine(exposed=("keys",)), machine(exposed=())),
    "operations.open-folder": (machine(open_folders=("orders",)), machine(open_folders=())),
    "authentication.unapproved-start": (
        hub_with(started=(("keyring.folder", "keys in force, other at work"),)),
        hub_with(started=()),
    ),
    "operations.pending-changes": (machine(pending=1), machine(pending=0)),
    "operations.dead-jobs": (counts(dead_jobs=1), counts()),
    "operations.large-requests": (hub("listen.as2.max_size", "1 TiB"), hub("listen.as2.max_size", "20 GiB")),
    "operations.large-inline": (hub("blobs.inline_limit", "2 MiB"), hub("blobs.inline_limit", "1 MiB")),
    "operations.slow-stop": (
        hub("listen.as2.shutdown_grace", "11m"),
        hub("listen.as2.shutdown_grace", "10m"),
    ),
    "operations.no-contact": (hub("organisation.email", None), hub("organisation.email", "a@aster.example")),
}

TOGETHER: dict[str, set[str]] = {
    "crypto.unused-exception": {"crypto.legacy-exception"},
    "lifecycle.exception-long": {"crypto.legacy-exception"},
    "lifecycle.exception-ending": {"crypto.legacy-exception"},
    "transport.cleartext-http": {"authentication.cleartext-password"},
    "authentication.cleartext-password": {"transport.cleartext-http"},
    "authentication.anonymous-server": {"authentication.no-client-key"},
}
"""What one weakness is found as besides."""

LATER = {"operations.old-python": Instant(NOW + 600 * DAY)}
"""Rules whose weakness is a time."""


def test_the_healthy_hub_has_nothing_to_be_said() -> None:
    assert codes(facts()) == set()


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("code", CASES)
def test_it_finds_the_weakness_alone(code: str) -> None:
    make, _ = CASES[code]
    if code in LATER:
        assert code in codes(make(), LATER[code])
    else:
        assert codes(make()) == {code} | TOGETHER.get(code, set())


@pytest.mark.parametrize("code", CASES)
def test_it_leaves_its_neighbour(code: str) -> None:
    _, make = CASES[code]
    assert code not in codes(make())


def test_codes_are_of_a_domain_and_texts_are_sentences() -> None:
    for code, rule in RULES.items():
        assert rule.domain in DOMAINS, code
        assert code == code.lower(), code
        assert rule.title[0].isupper(), code
        assert not rule.title.endswith("."), code
        assert rule.why.endswith((".", "?")), code
        assert rule.remedy.endswith("."), code
        assert not rule.expected.endswith("."), code
        assert isinstance(rule.severity, Severity), code


def test_a_code_means_one_thing_wherever_it_looks() -> None:
    for rule in (*HUB_RULES, *PARTNER_RULES, *IDLE_RULES, *FLOW_RULES):
        known = RULES[rule.code]
        assert (rule.severity, rule.title, rule.why) == (known.severity, known.title, known.why)
    for rules in (HUB_RULES, PARTNER_RULES, FLOW_RULES):
        assert len({rule.code for rule in rules}) == len(rules)


def test_a_suspended_partner_harms_nobody() -> None:
    settings = put(put(partner_facts().settings, "state", "suspended"), "as2.sign", False)
    assert codes(facts(partner=replace(partner_facts(), settings=settings))) == set()

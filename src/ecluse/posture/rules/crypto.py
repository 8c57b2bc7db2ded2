"""What is signed and encrypted, with which algorithms and how long keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.model.basics import Instant, PartnerId
from ecluse.posture.facts import FlowFacts, HubFacts, OwnKeyFacts, PartnerFacts
from ecluse.posture.looks import being, empty, given, larger, one_of, places, weak
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.trust.certificates import CertificateInfo

__all__ = ["FLOW", "HUB", "PARTNER"]

SHORT_RSA: Final = 3072
"""Bits of RSA that give 128 bits of strength (NIST SP 800-57 part 1 rev. 5, table 2)."""
END_OF_2048: Final = Instant(1_924_992_000_000_000)
"""2031-01-01: 112 bits of strength do not protect beyond 2030 (NIST SP 800-57 part 1 rev. 5, table 4)."""


def _short(info: CertificateInfo) -> bool:
    return info.key.kind == "rsa" and info.key.bits < SHORT_RSA and info.not_after >= END_OF_2048


def _their_short_keys(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        if _short(entry.info) and not moment.passed(entry.info.not_after):
            yield Hit(entry.info.short, f"{entry.info.key.name}, valid beyond 2030: {entry.info.subject}")


def _their_weak_signatures(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        if entry.info.signature in ("sha1", "md5") and not entry.info.self_signed:
            yield Hit(entry.info.short, f"signed with {entry.info.signature.upper()}: {entry.info.subject}")


def _their_curves(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for entry in facts.certificates.entries:
        if entry.info.key.weakness:
            yield Hit(entry.info.short, f"{entry.info.key.name}: {entry.info.subject}")


def _our_short_keys(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for key in facts.keys:
        if key.use and _short(key.info) and not moment.passed(key.ends):
            yield Hit(f"key.{key.ref}", f"{key.info.key.name}, valid beyond 2030", partners=key.partners)


def _many_uses(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    uses: dict[str, set[str]] = {}
    for key in facts.keys:
        uses.setdefault(key.ref, set()).update(key.use)
    for ref, named in uses.items():
        kinds = {_TRADE[use] for use in named if use in _TRADE}
        if len(kinds) > 1:
            yield Hit(f"key.{ref}", f"used for {', '.join(sorted(named))}", partners=_users(facts.keys, ref))


_TRADE: Final = {
    "sign": "messages",
    "decrypt": "messages",
    "mdn-sign": "messages",
    "tls": "connections",
    "tls-client": "connections",
    "ssh": "ssh",
}


def _users(keys: tuple[OwnKeyFacts, ...], ref: str) -> tuple[PartnerId, ...]:
    return tuple(dict.fromkeys(each for key in keys if key.ref == ref for each in key.partners))


def _sign_and_decrypt(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for number, key in enumerate(facts.settings.organisation.keys):
        if "sign" in key.use and "decrypt" in key.use:
            yield Hit(
                f"organisation.keys[{number}].use",
                f"{key.ref} signs and decrypts",
                partners=_users(facts.keys, key.ref),
            )


def _their_openpgp(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.openpgp:
        if each.weak:
            yield Hit(each.fingerprint[-16:], f"{each.label}: {each.weak}")


def _our_openpgp(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.openpgp:
        if each.weak:
            yield Hit(f"openpgp.{each.label}", each.weak)


def _target_protection(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    for at, value in places(facts.settings, "to[].openpgp"):
        target = facts.settings.to[int(at[1])]
        partner = target.channel.partition(":")[2]
        if partner in facts.openpgp and value != "sign-and-encrypt":
            yield Hit(
                f"to[{at[1]}].openpgp",
                f'to {target.channel}: openpgp = "{value}"',
                fix=Fix((Put(at, "sign-and-encrypt"),)),
            )


def _source_protection(facts: FlowFacts, moment: Moment) -> Iterator[Hit]:
    kind, _, partner = (facts.settings.from_.channel or "").partition(":")
    if kind in ("", "folder", "as2") or partner not in facts.openpgp or facts.settings.open.openpgp:
        return
    yield Hit("open.openpgp", "open.openpgp = false", fix=Fix((Put(("open", "openpgp"), True),)))


def _rsa_signature(facts: PartnerFacts) -> bool:
    return facts.settings.as2 is not None and facts.settings.as2.sign is not False


PARTNER: Final = (
    Rule[PartnerFacts](
        "crypto.as2-unsigned",
        Severity.HIGH,
        "What we send over AS2 is not signed",
        "The partner can't tell that a document is ours and whole, and its receipt proves nothing about it.",
        'sign = "sha-256" or better',
        "Sign what is sent to them.",
        weak("as2.sign", test=being(False), better="sha-256"),
        "RFC 4130, section 2.3",
    ),
    Rule[PartnerFacts](
        "crypto.as2-unencrypted",
        Severity.HIGH,
        "What we send over AS2 is not encrypted",
        "Whoever holds the partner's TLS endpoint, or a proxy before it, reads the documents.",
        'encrypt = "aes-256-gcm" or "aes-256-cbc"',
        "Encrypt what is sent to them.",
        weak("as2.encrypt", test=being(False), better="aes-256-cbc"),
        "RFC 4130, section 2.3",
    ),
    Rule[PartnerFacts](
        "crypto.weak-cipher",
        Severity.LOW,
        "Content is encrypted with a key shorter than 256 bits",
        "128 bits hold today; what is recorded now and must stay secret for decades may not.",
        'encrypt = "aes-256-gcm" or "aes-256-cbc"',
        "Choose a cipher of 256 bits; every product that reads AES-128 reads AES-256.",
        weak(
            "as2.encrypt",
            test=one_of("aes-128-cbc", "aes-192-cbc"),
            better="aes-256-cbc",
        ),
        "NIST SP 800-57 part 1 rev. 5",
    ),
    Rule[PartnerFacts](
        "crypto.weak-cipher-gcm",
        Severity.LOW,
        "Content is encrypted with AES-GCM and a key shorter than 256 bits",
        "128 bits hold today; what is recorded now and must stay secret for decades may not.",
        'encrypt = "aes-256-gcm"',
        "Choose a cipher of 256 bits.",
        weak("as2.encrypt", test=one_of("aes-128-gcm", "aes-192-gcm"), better="aes-256-gcm"),
        "NIST SP 800-57 part 1 rev. 5",
    ),
    Rule[PartnerFacts](
        "crypto.unauthenticated-cipher",
        Severity.INFO,
        "Content is encrypted without integrity of its own",
        "CBC tells nothing of changed octets: only the signature inside does, after decryption.",
        'encrypt = "aes-256-gcm" where the partner\'s product reads it (RFC 5084)',
        "Ask the partner whether its product reads AES-GCM.",
        weak("as2.encrypt", test=one_of("aes-256-cbc"), better="aes-256-gcm"),
        "RFC 5084",
    ),
    Rule[PartnerFacts](
        "crypto.key-padding",
        Severity.INFO,
        "Content keys are wrapped with RSA PKCS#1 v1.5",
        "Its padding has leaked keys through error messages and timing again and again (Bleichenbacher, ROBOT).",
        'key_padding = "oaep-sha256"',
        "Ask the partner whether its product reads RSAES-OAEP.",
        weak("as2.key_padding", test=being("pkcs1"), better="oaep-sha256"),
        "RFC 8017, section 7.2",
    ),
    Rule[PartnerFacts](
        "crypto.key-padding-sha-1",
        Severity.LOW,
        "Content keys are wrapped with OAEP over SHA-1",
        "SHA-1 is not broken inside OAEP, but it is on its way out of every product and policy.",
        'key_padding = "oaep-sha256"',
        "Choose OAEP with SHA-256.",
        weak("as2.key_padding", test=being("oaep-sha1"), better="oaep-sha256"),
        "RFC 8017, section 7.1",
    ),
    Rule[PartnerFacts](
        "crypto.signature-padding",
        Severity.INFO,
        "RSA signatures are forced to PKCS#1 v1.5",
        "PSS has a proof where PKCS#1 v1.5 has only a record; new products read both.",
        'sign_scheme = "pss", or "auto"',
        "Ask the partner whether its product reads RSASSA-PSS.",
        weak("as2.sign_scheme", test=being("pkcs1"), better="pss", only=_rsa_signature),
        "RFC 8017, section 8",
    ),
    Rule[PartnerFacts](
        "crypto.algorithm-protection",
        Severity.LOW,
        "Signatures do not protect the names of their algorithms",
        "Without the attribute of RFC 6211 somebody on the way may let a signature be read under another algorithm.",
        "algorithm_protection = true",
        "Sign the algorithms too, unless the partner's product fails on it.",
        weak("as2.algorithm_protection", test=being(False), better=True),
        "RFC 6211",
    ),
    Rule[PartnerFacts](
        "crypto.accepts-unsigned",
        Severity.HIGH,
        "Their AS2 messages are taken without a signature",
        "Anybody who knows both AS2 ids can send an order in their name.",
        "require_signed = true",
        "Demand a signature.",
        weak("as2.require_signed", test=being(False), better=True),
        "RFC 4130, section 2.3",
    ),
    Rule[PartnerFacts](
        "crypto.accepts-unencrypted",
        Severity.MEDIUM,
        "Their AS2 messages are taken without encryption",
        "A message that was sent in clear by mistake is taken without a word, and so nobody notices.",
        "require_encrypted = true",
        "Demand encryption.",
        weak("as2.require_encrypted", test=being(False), better=True),
        "RFC 4130, section 2.3",
    ),
    Rule[PartnerFacts](
        "crypto.openpgp-accepts-unsigned",
        Severity.HIGH,
        "Their OpenPGP documents are taken without a signature",
        "Whoever can write to the place they come from can put a document of his own there.",
        "openpgp.require_signed = true",
        "Demand a signature.",
        weak("openpgp.require_signed", test=being(False), better=True),
    ),
    Rule[PartnerFacts](
        "crypto.openpgp-accepts-unencrypted",
        Severity.MEDIUM,
        "Their OpenPGP documents are taken without encryption",
        "A document that was sent in clear by mistake is taken without a word, and so nobody notices.",
        "openpgp.require_encrypted = true",
        "Demand encryption.",
        weak("openpgp.require_encrypted", test=being(False), better=True),
    ),
    Rule[PartnerFacts](
        "crypto.openpgp-old-format",
        Severity.LOW,
        "OpenPGP is written in the format of 2007",
        "It has no authenticated encryption: changed octets are told by a SHA-1 at the end.",
        'openpgp.format = "auto"',
        "Let their certificate say what they read.",
        weak("openpgp.format", test=being("rfc4880"), better="auto"),
        "RFC 9580, section 5.13.2",
    ),
    Rule[PartnerFacts](
        "crypto.openpgp-also-read",
        Severity.LOW,
        "Others can read what is encrypted for them",
        "Every further recipient is a key that can leak, and a company that sees their documents.",
        "openpgp.recipients without entries",
        "Take out recipients that nobody can name a reason for.",
        weak("openpgp.recipients", test=given, better=[]),
    ),
    Rule[PartnerFacts](
        "crypto.openpgp-weak-certificate",
        Severity.MEDIUM,
        "An OpenPGP certificate of theirs is below the floor",
        "What is encrypted to it, or signed with it, is no better than its weakest part.",
        "RSA of 2048 bits or more, or a curve; no DSA, no SHA-1",
        "Ask the partner for a certificate of today's kind, and put it in force with `ecluse pgp import --partner`.",
        _their_openpgp,
        "RFC 9580, section 9",
    ),
    Rule[PartnerFacts](
        "crypto.short-rsa",
        Severity.LOW,
        "An RSA key of theirs below 3072 bits is to last beyond 2030",
        "2048 bits give 112 bits of strength, which is not enough for what has to stay secret after 2030.",
        "RSA of 3072 bits or more, or EC P-256",
        "Ask for a longer key with the next certificate.",
        _their_short_keys,
        "NIST SP 800-57 part 1 rev. 5, table 4",
    ),
    Rule[PartnerFacts](
        "crypto.weak-key",
        Severity.HIGH,
        "A key of theirs is below the floor",
        "RSA below 2048 bits can be factored by whoever is patient; who does signs in their name.",
        "RSA of 2048 bits or more, EC P-256 or better",
        "Ask for a new key now, and suspend the partner if none comes.",
        _their_curves,
        "NIST SP 800-131A rev. 2",
    ),
    Rule[PartnerFacts](
        "crypto.weak-certificate-signature",
        Severity.MEDIUM,
        "A certificate of theirs is signed with SHA-1 or MD5",
        "Two certificates with one such signature can be made: the one that was checked need not be the one in use.",
        "a signature with SHA-256 or better",
        "Ask for a certificate signed with SHA-2.",
        _their_weak_signatures,
        "NIST SP 800-131A rev. 2",
    ),
)

FLOW: Final = (
    Rule[FlowFacts](
        "crypto.target-without-openpgp",
        Severity.MEDIUM,
        "Documents leave without the OpenPGP that the partner is set up for",
        "The partner gave keys so that documents are protected to the end; this target leaves them to the channel.",
        'openpgp = "sign-and-encrypt"',
        "Sign and encrypt to them, or take [openpgp] out of the partner's file.",
        _target_protection,
    ),
    Rule[FlowFacts](
        "crypto.source-without-openpgp",
        Severity.MEDIUM,
        "Documents are taken without opening the OpenPGP that the partner is set up for",
        "Nothing checks their signature, and what is encrypted goes on as it is.",
        "open.openpgp = true",
        "Open OpenPGP, so that what is not theirs is refused.",
        _source_protection,
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "crypto.own-short-rsa",
        Severity.LOW,
        "An RSA key of ours below 3072 bits is to last beyond 2030",
        "What partners encrypt to it may be recorded today and opened then.",
        "RSA of 3072 bits or more, or EC P-256",
        "Make its successor longer: `ecluse cert generate --kind rsa-3072`.",
        _our_short_keys,
        "NIST SP 800-57 part 1 rev. 5, table 4",
    ),
    Rule[HubFacts](
        "crypto.key-many-trades",
        Severity.LOW,
        "One key of ours proves us in several protocols",
        "A TLS server holds its key in memory beside every connection; what leaks there should not sign orders too.",
        "a key for messages, another for connections, another for SSH",
        "Make a key for each with `ecluse cert generate`, and name it in its place.",
        _many_uses,
        "NIST SP 800-57 part 1 rev. 5, section 5.2",
    ),
    Rule[HubFacts](
        "crypto.sign-and-decrypt",
        Severity.INFO,
        "One key of ours both signs and decrypts",
        "A key to decrypt is kept for old messages; one to sign should end with its term.",
        "a key for sign and one for decrypt",
        "Make a second key, and tell partners which certificate is for what.",
        _sign_and_decrypt,
        "NIST SP 800-57 part 1 rev. 5, section 5.2",
    ),
    Rule[HubFacts](
        "crypto.own-openpgp-weak",
        Severity.MEDIUM,
        "An OpenPGP key of ours is below the floor",
        "Partners' products begin to refuse it, and what is encrypted to it is weakly kept.",
        "Ed25519 and X25519, or RSA of 3072 bits",
        "Make a new one with `ecluse pgp generate`, and send partners its certificate.",
        _our_openpgp,
        "RFC 9580, section 9",
    ),
    Rule[HubFacts](
        "crypto.keys-in-process",
        Severity.INFO,
        "Private keys are in the memory of the process that partners talk to",
        "A flaw in a parser that lets somebody read memory lets him read the keys.",
        "keyring.signer, or keys in a key store",
        "Let `ecluse signer` hold the keys in a process of its own, or keep them in a device.",
        weak("keyring.signer", test=empty),
        "NIST SP 800-57 part 1 rev. 5, section 6.2.2",
    ),
    Rule[HubFacts](
        "crypto.late-rekey",
        Severity.LOW,
        "SSH keys are changed late",
        "After so many octets under one key its cipher's bounds come near.",
        'listen.sftp.rekey = "1 GiB" or less',
        "Let keys be changed after each gibibyte.",
        weak("listen.sftp.rekey", test=larger("1 GiB"), better="1 GiB"),
        "RFC 4253, section 9",
    ),
)

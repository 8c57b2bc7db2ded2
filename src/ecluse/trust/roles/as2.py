"""The roles of AS2 (RFC 4130): whose key signs, encrypts and proves what, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from ecluse.trust.roles.facts import Case, Difference, RoleSpec, RoleValue
from ecluse.trust.roles.judging import (
    below,
    former_certificates,
    other_than_newest,
    our_certificate,
    their_certificates,
)
from ecluse.trust.roles.tls import FLOOR as TLS_FLOOR
from ecluse.trust.roles.tls import client_key, other_server, server_anchors

__all__ = ["AS2"]

_SIGNING: Final = "RSA of 2048 bits, EC P-256, Ed25519 or ML-DSA; SHA-2"
_ENCRYPTING: Final = "RSA of 2048 bits, EC P-256, X25519 or ML-KEM; AES"


def _ours(case: Case, use: str) -> list[RoleValue]:
    """Keys of ours for a use, those that count first; also those that are out of their time."""
    current = case.view.own_keys(use, case.now)
    named = dict(case.view.keys.named(use))
    values = [our_certificate(case, ref, use, named.get(ref), current=True) for ref in current]
    return values + [
        our_certificate(case, ref, use, dated, current=False)
        for ref, dated in named.items()
        if ref not in current
    ]


def _decrypting(case: Case) -> list[RoleValue]:
    """Every key that decrypts counts, whatever its window; behind them the certificates that they had before."""
    newest = case.view.keys.at("decrypt", case.now)
    refs = dict.fromkeys((*newest, *case.view.decrypt_keys()))
    named = dict(case.view.keys.named("decrypt"))
    values = [our_certificate(case, ref, "decrypt", named.get(ref), current=True) for ref in refs]
    return values + [former for ref in refs for former in former_certificates(case, ref)]


def _sends_nothing(case: Case) -> str:
    return "" if case.view.as2.url else "There is no URL: they only send."


def _unsigned(case: Case) -> str:
    return _sends_nothing(case) or ("" if case.view.as2.sign else "We don't sign what we send.")


def _unencrypted(case: Case) -> str:
    return _sends_nothing(case) or ("" if case.view.as2.encrypt else "We don't encrypt what we send.")


def _no_receipts(case: Case) -> str:
    settings = case.view.as2
    if settings.url and settings.receipt != "none" and settings.receipt_signed:
        return ""
    return _sends_nothing(case) or "We ask for no signed receipts."


def _no_client(case: Case) -> str:
    return "" if case.view.shows_tls_client else "They need no certificate for our listener."


def _verified(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    yield from other_than_newest(case, "verify", values, "They sign with")
    scheme = case.last("signature-algorithm")
    if scheme == "none":
        yield Difference("unsigned", "They don't sign their messages.")
    elif scheme.endswith("sha1"):
        yield Difference("below-floor", f"They sign with {scheme}, which is {below(case, 'sha-1')}.")


def _decrypted(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    yield from other_than_newest(case, "decrypt", values, "They encrypt to")
    settings, cipher = case.view.as2, case.last("encryption-algorithm")
    # Whoever gave a receipt has read what we sent.
    reads = settings.encrypt if settings.url and case.last("receipt") else False
    if cipher == "none":
        yield Difference("unencrypted", "They don't encrypt their messages.")
    elif cipher == "3des":
        yield Difference("below-floor", f"They encrypt with 3des, which is {below(case, '3des')}.")
    elif isinstance(reads, str) and reads.endswith("-gcm") and cipher.endswith("-cbc"):
        yield Difference(
            "unauthenticated", f"They read {reads}, and send {cipher}, which is not authenticated."
        )
    if reads and settings.key_padding.startswith("oaep") and case.last("key-algorithm") == "rsa-pkcs1":
        yield Difference(
            "older-padding", "They read content keys padded with OAEP, and send them with PKCS #1 v1.5."
        )


def _answered(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    asked = case.last("receipt-asked")
    if asked == "none":
        yield Difference("no-receipts-asked", "They ask for no receipts of what they send.")
    elif asked == "unsigned":
        yield Difference("unsigned-receipts-asked", "They ask for receipts that are not signed.")


def _receipts(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    yield from other_than_newest(case, "mdn-verify", values, "They sign receipts with")
    if case.last("receipt") == "unsigned" and case.view.as2.receipt_signed:
        ever = any(each.value == "signed" for each in case.seen.values(case.channel, "receipt"))
        yield Difference(
            "receipts-unsigned", "They stopped signing receipts." if ever else "They never signed a receipt."
        )
    scheme = case.last("mdn-signature-algorithm")
    if scheme.endswith("sha1"):
        yield Difference("below-floor", f"They sign receipts with {scheme}, which is {below(case, 'sha-1')}.")


def _shown(case: Case, values: Sequence[RoleValue]) -> Iterator[Difference]:
    yield from other_than_newest(case, "tls-client", values, "They show our listener")


def _listener(case: Case) -> list[RoleValue]:
    tls = case.directory.hub.listen.as2.tls
    if tls is None:
        return []
    shown = case.directory.shown_key(tls.key, tls.successor)
    refs = [shown, *(ref for ref in (tls.key, tls.successor) if ref not in (None, shown))]
    return [our_certificate(case, ref, "tls", current=ref == shown) for ref in refs if ref is not None]


AS2: Final[tuple[RoleSpec, ...]] = (
    RoleSpec(
        "sign", "ours", "we sign messages with", partial(_ours, use="sign"), _unsigned, _SIGNING, one=True
    ),
    RoleSpec(
        "verify",
        "theirs",
        "they sign messages with",
        partial(their_certificates, use="verify"),
        lambda case: "" if case.view.as2.require_signed else "Their messages need no signature.",
        _SIGNING,
        used=("verify", "signature-algorithm", "version"),
        differs=_verified,
    ),
    RoleSpec(
        "encrypt",
        "theirs",
        "we encrypt to",
        partial(their_certificates, use="encrypt"),
        _unencrypted,
        _ENCRYPTING,
        one=True,
    ),
    RoleSpec(
        "decrypt",
        "ours",
        "they encrypt to",
        _decrypting,
        lambda case: "" if case.view.as2.require_encrypted else "Their messages need not be encrypted.",
        _ENCRYPTING,
        used=("decrypt", "encryption-algorithm", "key-algorithm"),
        differs=_decrypted,
    ),
    RoleSpec(
        "mdn-sign",
        "ours",
        "we sign receipts with",
        partial(_ours, use="mdn-sign"),
        floor=_SIGNING,
        one=True,
        used=("receipt-asked",),
        differs=_answered,
    ),
    RoleSpec(
        "mdn-verify",
        "theirs",
        "they sign receipts with",
        partial(their_certificates, use="mdn-verify"),
        _no_receipts,
        _SIGNING,
        used=("mdn-verify", "mdn-signature-algorithm", "receipt"),
        differs=_receipts,
    ),
    RoleSpec(
        "tls-server",
        "theirs",
        "their server shows",
        lambda case: server_anchors(case, case.view.as2.url),
        lambda case: (
            _sends_nothing(case)
            or ("" if (case.view.as2.url or "").startswith("https:") else "Their URL has no TLS.")
        ),
        TLS_FLOOR,
        used=("tls-server", "tls-version", "cipher"),
        differs=other_server,
    ),
    RoleSpec(
        "tls-client",
        "theirs",
        "they show our listener",
        partial(their_certificates, use="tls-client"),
        _no_client,
        TLS_FLOOR,
        used=("tls-client", "tls-client-version", "tls-client-cipher"),
        differs=_shown,
    ),
    RoleSpec(
        "our-tls-server",
        "ours",
        "our listener shows",
        _listener,
        lambda case: "Our listener speaks HTTP: a proxy before it ends TLS.",
        TLS_FLOOR,
    ),
    RoleSpec(
        "our-tls-client",
        "ours",
        "we show their server",
        lambda case: client_key(case, case.view.client_key(case.view.as2.tls)),
        lambda case: "Their server asks for no certificate of ours.",
        TLS_FLOOR,
    ),
)

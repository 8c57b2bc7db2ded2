"""What is asked of an authority about a checkpoint, and whether its answer is one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509

from ecluse.evidence.stamps.stamp import Stamp, as_instant
from ecluse.model.basics import Clock, Entropy
from ecluse.model.nouns import Checkpoint
from ecluse.wire.tsp import (
    TimeStampRequest,
    VerifiedToken,
    check_answer,
    read_response,
    read_token,
    verify_token,
)
from ecluse.wire.tsp.errors import UntrustedAuthority
from ecluse.wire.tsp.request import NONCE_SIZE

__all__ = ["Ask", "Authority", "ask", "ask_over"]

Ask = Callable[[bytes], bytes]
"""Sends a TimeStampReq to an authority and gives its TimeStampResp; raises our errors where it can't."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that may be asked.

    Attributes:
        name: The configuration's name for it.
        ask: How it is reached.
        roots: What its certificates have to lead to.
        hash: Lower-case name of the hash of the imprint.
        policy: Dotted policy that is asked for; ``None`` takes its own.
        others: Certificates that the way to a root may lead over.
        revoked: SHA-256 of certificates that are known to be revoked, hexadecimal.
    """

    name: str
    ask: Ask = field(repr=False)
    roots: tuple[x509.Certificate, ...]
    hash: str = "sha512"
    policy: str | None = None
    others: tuple[x509.Certificate, ...] = ()
    revoked: frozenset[str] = frozenset()


def ask_over(authority: Authority, hash: str, digest: bytes, entropy: Entropy) -> VerifiedToken:
    """A time-stamp over a digest, asked for and verified: nonce, imprint, policy, signer and chain.

    Raises:
        EcluseError: The authority was not reached, refuses, or answers something else.
    """
    request = TimeStampRequest(hash, digest, int.from_bytes(entropy(NONCE_SIZE), "big"), authority.policy)
    token = read_token(read_response(authority.ask(request.encode())))
    check_answer(token, request)
    verified = verify_token(token, authority.roots, others=authority.others)
    if authority.revoked and not authority.revoked.isdisjoint(
        hashlib.sha256(each).hexdigest() for each in verified.chain
    ):
        raise UntrustedAuthority(
            "A certificate that the time-stamp rests on was revoked.",
            remedy="Ask the authority what happened, and name another one.",
        )
    return verified


def ask(authority: Authority, checkpoint: Checkpoint, clock: Clock, entropy: Entropy) -> Stamp:
    """A time-stamp over the bytes of a checkpoint's note. Raises as :func:`ask_over` does."""
    digest = hashlib.new(authority.hash, checkpoint.note).digest()
    before = clock()
    verified = ask_over(authority, authority.hash, digest, entropy)
    after = clock()
    info = verified.token.info
    time = as_instant(verified.time)
    # Whatever lies between question and answer may be the moment that was stamped.
    ahead = time - after if time > after else min(time - before, 0)
    return Stamp(
        size=checkpoint.size,
        authority=authority.name,
        note_sha256=hashlib.sha256(checkpoint.note).hexdigest(),
        hash=verified.hash,
        token=verified.token.der,
        chain=verified.chain,
        time=time,
        accuracy=None if info.accuracy is None else info.accuracy.as_delta() // timedelta(microseconds=1),
        policy=info.policy,
        serial=str(info.serial),
        signature=verified.signature,
        algorithms=verified.algorithms,
        ends=as_instant(verified.ends),
        kept=after,
        ahead=ahead,
    )

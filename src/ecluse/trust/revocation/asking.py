"""Asking about many certificates: the ways of each in turn, a list that serves several fetched once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256

from ecluse.errors import EcluseError
from ecluse.model.basics import Entropy, Instant
from ecluse.trust.revocation.crl import Crl, read_crl
from ecluse.trust.revocation.ocsp import NONCE, make_question, read_answer
from ecluse.trust.revocation.targets import Target, Way
from ecluse.trust.revocation.verdict import BadAnswer, Verdict

__all__ = ["Ask", "Asking"]

Ask = Callable[[Way, bytes], bytes]
"""Sends a question (empty for a list) to a place and gives the answer; raises :class:`EcluseError`."""

MOST_KEPT: Final = 1 << 20
"""Octets of an answer that is kept to be shown to others; lists of large authorities are larger, and are published."""

MOST_LISTS: Final = 8
"""Lists that are held at once: some megabytes each."""


class Asking:
    """One round of questions, at one moment. Any thread may call :meth:`about`.

    Args:
        ask: Does the I/O.
        now: The time.
        max_age: Microseconds that an answer without ``nextUpdate`` counts.
        entropy: For nonces; ``None`` to send none.
    """

    def __init__(self, ask: Ask, now: Instant, max_age: int, entropy: Entropy | None = None) -> None:
        self._ask = ask
        self._now = now
        self._max_age = max_age
        self._entropy = entropy
        self._lock = threading.Lock()
        self.answers: dict[str, bytes] = {}
        """Answers that verdicts name in ``kept``."""
        self._lists: dict[tuple[str, bytes], Crl | EcluseError] = {}
        self._fetching: dict[tuple[str, bytes], threading.Lock] = {}

    def about(self, target: Target) -> Verdict:
        """What is known of a certificate: the first answer that counts. Never raises for what is wrong with one."""
        reasons: list[str] = []
        for way in target.ways:
            try:
                return self._ocsp(target, way) if way.method == "ocsp" else self._crl(target, way)
            except EcluseError as error:
                reasons.append(f"{way.place}: {error.cause.strip()}")
        return Verdict("unknown", self._now, reason=" ".join(reasons)[:1000] or "Nobody can be asked.")

    def _ocsp(self, target: Target, way: Way) -> Verdict:
        nonce = self._entropy(NONCE) if self._entropy is not None else None
        certificate = target.candidate.certificate
        answer = self._ask(way, make_question(certificate, target.issuer, nonce))
        verdict = read_answer(
            answer,
            certificate,
            target.issuer,
            self._now,
            source=way.place,
            max_age=self._max_age,
            nonce=nonce,
        )
        return self._keep(verdict, f"ocsp:{target.candidate.fingerprint}", answer)

    def _keep(self, verdict: Verdict, key: str, answer: bytes) -> Verdict:
        """The newest answer takes the place of the one before: it says of every earlier time what that one did."""
        if len(answer) > MOST_KEPT:
            return verdict
        with self._lock:
            self.answers[key] = answer
        return msgspec.structs.replace(verdict, kept=key)

    def _crl(self, target: Target, way: Way) -> Verdict:
        key = (way.place, target.issuer.fingerprint(SHA256()))
        with self._lock:
            turn = self._fetching.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                known = self._lists.get(key)
            if known is None:
                known = self._fetch(target, way)
                with self._lock:
                    self._lists[key] = known
                    while len(self._lists) > MOST_LISTS:
                        del self._lists[next(iter(self._lists))]
        if isinstance(known, EcluseError):
            raise BadAnswer(known.cause)
        verdict = known.verdict(target.candidate.certificate, self._now, way.place)
        name = f"crl:{key[1].hex()}:{sha256(way.place.encode()).hexdigest()[:16]}"
        return self._keep(verdict, name, self.answers.get(name) or known.data)

    def _fetch(self, target: Target, way: Way) -> Crl | EcluseError:
        try:
            return read_crl(self._ask(way, b""), target.issuer, self._now, self._max_age)
        except EcluseError as error:
            return error

"""Authorities are asked about the certificates in use, as ``[revocation]`` says, and what they said is kept.

One recurring job of the hub asks about what is due. A certificate that is found revoked is an event, and every
serving node takes it out of use within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509

from ecluse.app.log.stamps import authority_chains
from ecluse.app.node import REVOCATION_SETTING
from ecluse.channels.http.client import post
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.stream import request
from ecluse.channels.http.tls import client_tls
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx
from ecluse.trust.revocation import (
    KIND,
    MAX_ANSWER,
    MAX_CRL,
    Asking,
    BadAnswer,
    Candidate,
    Target,
    Verdict,
    Way,
    answer_record,
    candidates,
    newer,
    record_of,
    target_of,
    verdict_of,
)
from ecluse.trust.settings.fields import seconds

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["Checked", "check_certificates", "is_named", "revocation_checks"]

EVERY: Final = 300
"""Seconds between two looks at what is due."""
AGAIN: Final = 900 * 1_000_000
"""Microseconds until somebody who gave no answer that counts is asked again."""
SOONEST: Final = 300 * 1_000_000
"""Microseconds between two questions at least, whatever an answer says of its end."""
ASKERS: Final = 8
"""Questions under way at once: authorities are few, and each has its own way to slow down."""
AT_ONCE: Final = 500
"""Certificates between two writes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that was asked about.

    Attributes:
        candidate: Which.
        before: What was known; ``None`` for nothing.
        verdict: What is known; ``None`` where nobody can be asked.
    """

    candidate: Candidate
    before: Verdict | None
    verdict: Verdict | None


def revocation_checks(node: Node) -> Recurring:
    """The recurring work."""

    def work(context: JobContext) -> None:
        if node.directory.hub.revocation.mode == "off":
            return
        for _ in check_certificates(node, stopping=lambda: context.stopping or context.lost):
            context.check()

    return Recurring("revocation.check", Every(EVERY), work)


def check_certificates(
    node: Node,
    *,
    everything: bool = False,
    wanted: Callable[[Candidate], bool] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Checked]:
    """Ask about certificates, and keep what was said.

    Args:
        node: The hub.
        everything: Also about what is not due yet.
        wanted: Which of them; all by default.
        stopping: Asked between two rounds.

    Yields:
        Each with what is known of it; those that nobody can be asked about only with ``everything``.
    """
    configuration = node.directory.configuration
    found = [each for each in _in_use(node) if wanted is None or wanted(each)]
    authorities = _authorities(node)
    settings = configuration.hub.revocation
    for start in range(0, len(found), AT_ONCE):
        if stopping():
            return
        now = node.hub.clock()
        known = _known(node, found[start : start + AT_ONCE])
        targets: list[Target] = []
        for candidate in found[start : start + AT_ONCE]:
            record = known.get(candidate.fingerprint)
            if not everything and record is not None and record.due is not None and record.due > now:
                continue
            target = target_of(candidate, settings, authorities)
            if target is not None:
                targets.append(target)
            elif everything:
                yield Checked(candidate, None, None)
        yield from _round(node, targets, known, now)


def is_named(node: Node, text: str) -> Callable[[Candidate], bool]:
    """Which certificates a person means: those of a partner, a key or a file, or with such a fingerprint.

    Raises:
        NoSuchCertificate: None is meant.
    """
    digits = text.replace(":", "").replace(" ", "").lower()

    def means(candidate: Candidate) -> bool:
        by_print = len(digits) >= 8 and candidate.fingerprint.startswith(digits)
        return text in (candidate.owner or "us", candidate.name) or by_print

    authorities = {f"authority:{each.name}" for each in node.directory.hub.log.authorities}
    known = {"us", *node.keyring.references(), *node.directory.configuration.partners, *authorities}
    if text not in known and not any(map(means, _in_use(node))):
        raise NoSuchCertificate(f"No certificate in use goes by {text[:80]!a}.")
    return means


class NoSuchCertificate(EcluseError):
    """There is no certificate of that name."""

    code = "cert.no-such-certificate"
    fault = Fault.USAGE
    remedy = "Look at `ecluse cert list`; certificates that sign themselves have nobody to be asked."


def _in_use(node: Node) -> Iterator[Candidate]:
    own = [(ref, node.keyring.chain(ref)) for ref in node.keyring.references()]
    return candidates(node.directory.configuration, [*own, *authority_chains(node)])


def _authorities(node: Node) -> list[tuple[x509.Certificate, int]]:
    configuration = node.directory.configuration
    return [
        (certificate, number)
        for number, authority in enumerate(configuration.hub.revocation.authorities)
        for certificate in configuration.certificates_in(authority.certificate)
    ]


def _known(node: Node, found: Iterable[Candidate]) -> dict[str, Record]:
    def read(view: Tx) -> dict[str, Record]:
        records = (view.record(KIND, candidate.fingerprint) for candidate in found)
        return {record.key: record for record in records if record is not None}

    return node.store.read(read)  # type: ignore[arg-type]


def _round(node: Node, targets: list[Target], known: dict[str, Record], now: Instant) -> Iterator[Checked]:
    if not targets:
        return
    settings = node.directory.hub.revocation
    asking = Asking(
        partial(_ask, node),
        now,
        int(seconds(settings.max_age) * 1_000_000),
        node.hub.entropy if settings.nonce else None,
    )
    refresh = int(seconds(settings.refresh) * 1_000_000)
    with ThreadPoolExecutor(min(ASKERS, len(targets)), thread_name_prefix="revocation") as pool:
        answers = list(pool.map(asking.about, targets))
    checked: list[Checked] = []
    records: list[Record] = []
    for target, answer in zip(targets, answers, strict=True):
        candidate = target.candidate
        record = known.get(candidate.fingerprint)
        before = verdict_of(record) if record is not None else None
        verdict = newer(before, answer)
        due = Instant(now + (AGAIN if answer.state == "unknown" else refresh))
        if verdict.ends is not None and verdict.ends < due:
            due = Instant(max(verdict.ends, now + SOONEST))
        records.append(record_of(candidate.fingerprint, candidate.owner, verdict, now, due))
        checked.append(Checked(candidate, before, verdict))

    def write(tx: Tx) -> None:
        for record in records:
            tx.put_record(record)
        for key in {
            each.verdict.kept for each in checked if each.verdict is not None
        } & asking.answers.keys():
            tx.put_record(answer_record(key, asking.answers[key], now))
        changed = [each for each in checked if _state(each.before) != _state(each.verdict)]
        for each in changed:
            _tell(node, tx, each)
        if any({_state(each.before), _state(each.verdict)} & {"revoked", "unknown"} for each in changed):
            tx.put_setting(REVOCATION_SETTING, node.hub.new_id("r").encode())

    node.store.write(write)
    yield from checked


def _state(verdict: Verdict | None) -> str:
    return "" if verdict is None else verdict.state


def _tell(node: Node, tx: Tx, checked: Checked) -> None:
    """The event of a change, where it is one that people have to hear of."""
    verdict, was = checked.verdict, _state(checked.before)
    assert verdict is not None, "whoever was asked about has a verdict"
    if verdict.state == "revoked":
        kind = "certificate.revoked"
    elif was == "revoked":
        kind = "certificate.restored"
    elif verdict.state == "unknown" and was == "good":
        kind = "certificate.unproven"
    else:
        return
    candidate = checked.candidate
    facts = {
        "certificate_sha256": candidate.fingerprint,
        "certificate": candidate.name,
        "subject": candidate.certificate.subject.rfc4514_string()[:500],
        "since": iso(verdict.since) if verdict.since is not None else None,
        "reason": verdict.reason,
        "source": verdict.source,
        "mode": node.directory.hub.revocation.mode,
    }
    ours = candidate.name if candidate.name.startswith("authority:") else f"key:{candidate.name}"
    subject = f"partner:{candidate.owner}" if candidate.owner else ours
    node.hub.event(tx, kind, subject, facts)


# --- asking -------------------------------------------------------------------------------------------------


def _ask(node: Node, way: Way, question: bytes) -> bytes:
    """One question over HTTP, or one file of the hub's folder.

    Plain HTTP is usual and right here: answers are signed, and a responder over TLS would need answers itself.
    """
    if way.place.startswith("file:"):
        return _file(node, way.place.removeprefix("file:"))
    settings = node.directory.hub.revocation
    silence = seconds(settings.timeout)
    parts = urlsplit(way.place)
    egress = Egress(
        hosts=frozenset({(parts.hostname or "").lower()}),
        networks=PRIVATE_NETWORKS if settings.allow_private_network else (),
    )
    tls = client_tls(system=True) if parts.scheme.lower() == "https" else None
    limits = ClientLimits(
        connect=silence,
        stall=silence,
        reply_time=silence * 6,
        total=silence * 8,
        reply_bytes=MAX_ANSWER if way.method == "ocsp" else MAX_CRL,
    )
    if way.method == "ocsp":
        headers = [("Content-Type", "application/ocsp-request"), ("Accept", "application/ocsp-response")]
        reply = post(way.place, headers, question, egress=egress, tls=tls, limits=limits, idempotent=True)
        status, body = reply.status, reply.body
    else:
        with request(
            "GET", way.place, [("Accept", "*/*")], egress=egress, tls=tls, limits=limits
        ) as answered:
            status, body = answered.status, answered.read() if answered.status == 200 else b""
    if status != 200:
        raise BadAnswer(f"It answers with the status {status}.", fault=Fault.TRANSIENT)
    return body


def _file(node: Node, name: str) -> bytes:
    try:
        with open(node.folder / name, "rb") as file:
            data = file.read(MAX_CRL + 1)
    except OSError as error:
        raise _Unreadable(f"The file can't be read: {error.strerror}.") from None
    return data


class _Unreadable(EcluseError):
    """A revocation list in a file can't be read."""

    code = "revocation.unreadable"
    fault = Fault.OURS
    remedy = "Look at the path in [revocation] and at who may read it."

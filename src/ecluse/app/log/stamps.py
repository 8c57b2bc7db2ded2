"""Time-stamping authorities are asked as ``[[log.authorities]]`` says, and evidence records are renewed in time.

Two recurring jobs of the hub, which any node may do: one asks the authorities that are due, the other one renews. What
they do is also done by hand, by commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509

from ecluse.channels.http.client import post
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.tls import ClientTls, client_tls
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.longterm.algorithms import Algorithms
from ecluse.evidence.longterm.beginning import Longterm, gather
from ecluse.evidence.longterm.renewing import Renewed, renew, replan
from ecluse.evidence.record import Json
from ecluse.evidence.stamps.asking import Authority, ask, ask_over
from ecluse.evidence.stamps.keeping import authority_state, due_at, keep, keep_failure
from ecluse.evidence.stamps.stamp import Stamp, stamps
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import Conflict, Tx, View
from ecluse.trust.revocation import refused
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.stamps import TimeStampAuthority
from ecluse.wire.tsp.request import CONTENT_TYPE as ASKED
from ecluse.wire.tsp.response import CONTENT_TYPE as ANSWERED
from ecluse.wire.tsp.response import MAX_RESPONSE

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = [
    "NoCheckpoint",
    "NoSuchAuthority",
    "Stamped",
    "authorities",
    "authority_chains",
    "longterm",
    "longterm_work",
    "renew_evidence",
    "stamp_log",
    "stamper",
    "stamping",
    "trusted_roots",
]

LOOK_EVERY: Final = 300
"""Seconds between two looks at which authority is due."""
RENEW_EVERY: Final = 3600
"""Seconds between two looks at which evidence record is due."""
ASKERS: Final = 4
"""Authorities that are asked at once."""


class NoSuchAuthority(EcluseError):
    """The configuration has no authority of that name that is asked, or none at all."""

    code = "log.no-such-authority"
    fault = Fault.USAGE
    remedy = "Look at [[log.authorities]] in ecluse.toml."


class NoCheckpoint(EcluseError):
    """The log has no signed checkpoint so far, so there is nothing to stamp."""

    code = "log.no-checkpoint"
    fault = Fault.TRANSIENT
    remedy = "Let the hub serve for a minute: the log is signed then."


class AuthorityFailed(EcluseError):
    """An authority's server answers with something else than a time-stamp."""

    code = "tsp.http"
    fault = Fault.TRANSIENT
    remedy = "Look at the authority's address and at our credentials there."


@dataclass(frozen=True, slots=True)
class Stamped:
    """What asking an authority gave.

    Attributes:
        authority: Its name.
        stamp: The time-stamp, where it gave one.
        error: Why it gave none.
    """

    authority: str
    stamp: Stamp | None
    error: EcluseError | None


def authorities(node: Node) -> list[Authority]:
    """The authorities that are asked, in the order of the configuration."""
    revoked = _revoked(node)
    return [_authority(node, each, revoked) for each in node.directory.hub.log.authorities if each.ask]


def trusted_roots(node: Node) -> list[x509.Certificate]:
    """Roots of every authority, also of those that are not asked any more."""
    found = (root for each in node.directory.hub.log.authorities for root in _roots(node, each)[0])
    return list(dict.fromkeys(found))


def stamper(node: Node, name: str) -> Callable[[bytes], bytes]:
    """What gives an authority's token over a SHA-256 digest.

    Raises:
        NoSuchAuthority: There is none of that name that is asked. What it gives raises where the authority does not
            answer as it should.
    """
    for settings in node.directory.hub.log.authorities:
        if settings.name == name and settings.ask:
            authority = _authority(node, settings, _revoked(node))
            return lambda digest: ask_over(authority, "sha256", digest, node.hub.entropy).token.der
    raise NoSuchAuthority(f"No authority {name[:80]!a} is asked.")


def longterm(node: Node, *, actor: str = "hub") -> Longterm:
    """What evidence records are made and renewed with, as the configuration in force says."""
    settings = node.directory.hub.log.longterm

    def tell(tx: Tx, kind: str, data: Mapping[str, Json]) -> None:
        node.hub.event(tx, kind, "log", data, actor=actor)

    return Longterm(
        node.store,
        node.hub.clock,
        node.hub.entropy,
        Algorithms({name: date.fromisoformat(day) for name, day in settings.ends.items()}),
        int(seconds(settings.renew_before) * 1_000_000),
        tell,
    )


def stamping(node: Node) -> Recurring:
    """The recurring work of asking who is due."""

    def work(context: JobContext) -> None:
        if any(each.ask for each in node.directory.hub.log.authorities):
            stamp_log(node)

    return Recurring("log.stamp", Every(LOOK_EVERY), work)


def longterm_work(node: Node) -> Recurring:
    """The recurring work of renewing evidence records."""

    def work(context: JobContext) -> None:
        if node.directory.hub.log.authorities:
            renew_evidence(node, check=context.check)

    return Recurring("log.longterm", Every(RENEW_EVERY), work)


def stamp_log(node: Node, *, name: str | None = None, now: bool = False, actor: str = "hub") -> list[Stamped]:
    """Ask authorities for time-stamps on the newest checkpoint, and keep what they say.

    Args:
        node: The hub.
        name: Only this one.
        now: Also those that are not due.
        actor: Who has it done.

    Returns:
        For each that was asked, what it gave.

    Raises:
        NoSuchAuthority: None is to be asked.
        NoCheckpoint: There is nothing to stamp, and ``now`` was said.
    """
    wanted = [each for each in node.directory.hub.log.authorities if each.ask and name in (None, each.name)]
    if not wanted:
        what = (
            "No authority is configured that is asked"
            if name is None
            else f"No authority {name[:80]!a} is asked"
        )
        raise NoSuchAuthority(f"{what}.")
    moment = node.hub.clock()
    checkpoint, states = node.store.read(
        lambda view: (
            view.last_checkpoint(),
            {each.name: authority_state(view, each.name) for each in wanted},
        )
    )
    if checkpoint is None:
        if now:
            raise NoCheckpoint("The log has no checkpoint so far.")
        return []
    due = [
        each
        for each in wanted
        if now or due_at(states[each.name], int(seconds(each.every) * 1_000_000), moment) <= moment
    ]
    if not due:
        return []
    with ThreadPoolExecutor(min(ASKERS, len(due)), thread_name_prefix="stamps") as pool:
        work = partial(_stamp, node, checkpoint, longterm(node, actor=actor), _revoked(node))
        return list(pool.map(work, due))


def renew_evidence(
    node: Node, *, everything: bool = False, check: Callable[[], None] = lambda: None, actor: str = "hub"
) -> list[Renewed]:
    """Begin the evidence records of other data objects, and renew what is due.

    Args:
        node: The hub.
        everything: Renew also what is not due.
        check: Called between two steps; raises where the work has to stop.
        actor: Who has it done.

    Raises:
        EcluseError: No authority helped; what was done before stays.
    """
    work = longterm(node, actor=actor)
    asked = authorities(node)
    replan(work)
    sources = node.evidence_sources
    for source in sources.values():
        check()
        gather(work, source, asked)
    return renew(work, asked, trusted_roots(node), sources, everything=everything, check=check)


def _stamp(
    node: Node,
    checkpoint: Checkpoint,
    work: Longterm,
    revoked: frozenset[str],
    settings: TimeStampAuthority,
) -> Stamped:
    try:
        stamp = ask(_authority(node, settings, revoked), checkpoint, node.hub.clock, node.hub.entropy)
    except EcluseError as error:
        failure = error
        at = node.hub.clock()
        node.store.write(lambda tx: keep_failure(tx, work, settings.name, failure, at))
        return Stamped(settings.name, None, failure)
    with suppress(Conflict):  # another node had the same one stamped at the same moment, and kept it
        node.store.write(lambda tx: keep(tx, work, stamp))
    return Stamped(settings.name, stamp, None)


def _revoked(node: Node) -> frozenset[str]:
    """Certificates that ``[revocation]`` has us refuse."""
    mode = node.directory.hub.revocation.mode
    return frozenset() if mode == "off" else frozenset(node.store.read(lambda view: refused(view, mode)))


def authority_chains(node: Node) -> list[tuple[str, tuple[x509.Certificate, ...]]]:
    """For each authority that is asked, ``authority:NAME`` and the chain of its newest time-stamp."""

    def read(view: View) -> list[tuple[str, tuple[bytes, ...]]]:
        found = []
        for each in node.directory.hub.log.authorities:
            state = authority_state(view, each.name) if each.ask else None
            kept = stamps(view, state.size) if state is not None and state.kept is not None else []
            found += [
                (f"authority:{each.name}", stamp.chain) for stamp in kept if stamp.authority == each.name
            ]
        return found

    return [
        (name, tuple(x509.load_der_x509_certificate(each) for each in chain))
        for name, chain in node.store.read(read)
    ]


def _authority(node: Node, settings: TimeStampAuthority, revoked: frozenset[str]) -> Authority:
    roots, others = _roots(node, settings)
    return Authority(
        settings.name,
        partial(_ask, node, settings),
        roots,
        settings.hash.replace("sha-", "sha").replace("sha3-", "sha3_"),
        settings.policy,
        others,
        revoked,
    )


def _roots(
    node: Node, settings: TimeStampAuthority
) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    """What is trusted, and what a chain may lead over: where roots are in the file, only these are trusted."""
    held = node.directory.configuration.certificates_in(settings.roots)
    roots = tuple(each for each in held if each.subject == each.issuer)
    return (roots, tuple(each for each in held if each not in roots)) if roots else (held, ())


def _ask(node: Node, settings: TimeStampAuthority, question: bytes) -> bytes:
    """One question over HTTP. Plain HTTP is usual and right here: answers are signed, and repeat our nonce."""
    parts = urlsplit(settings.url)
    silence = seconds(settings.timeout)
    basic: tuple[str, str] | None = None
    if settings.user is not None and settings.password is not None:
        basic = (settings.user, node.resolver(settings.password).reveal_text())
    reply = post(
        settings.url,
        [("Content-Type", ASKED), ("Accept", ANSWERED)],
        question,
        egress=Egress(
            hosts=frozenset({(parts.hostname or "").lower()}),
            networks=PRIVATE_NETWORKS if settings.allow_private_network else (),
        ),
        tls=_tls(node, settings) if parts.scheme.lower() == "https" else None,
        basic=basic,
        limits=ClientLimits(
            connect=silence,
            stall=silence,
            reply_time=silence * 3,
            total=silence * 4,
            reply_bytes=MAX_RESPONSE,
        ),
        idempotent=True,
    )
    if reply.status != 200:
        raise AuthorityFailed(f"The authority's server answers with the status {reply.status}.")
    return reply.body


def _tls(node: Node, settings: TimeStampAuthority) -> ClientTls:
    if settings.ca is None:
        return client_tls(system=True)
    try:
        return client_tls(anchors=[node.directory.configuration.authority(settings.ca, node.folder)])
    except OSError as error:
        raise AuthorityFailed(
            f"The file {settings.ca} can't be read: {error.strerror}.",
            fault=Fault.OURS,
            remedy=f"Look at ca of the authority {settings.name} in [[log.authorities]].",
        ) from None

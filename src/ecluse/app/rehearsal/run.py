"""A rehearsal from beginning to end: against a copy of our channel, or against a partner's test endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from ecluse import durable
from ecluse.app.node import Node
from ecluse.app.rehearsal.answering import AnswerGround, answering_plays
from ecluse.app.rehearsal.copy import Copy, NothingToRehearse, open_copy
from ecluse.app.rehearsal.endpoint import Answer, Endpoint, serve_endpoint
from ecluse.app.rehearsal.play import Played, perform
from ecluse.app.rehearsal.posting import post_bytes
from ecluse.app.rehearsal.report import Report, report_text
from ecluse.app.rehearsal.sending import Ground, Heard, sending_plays
from ecluse.app.rehearsal.standin import Identity, Sender, Wire, make_identity
from ecluse.channels.as2.relation import Relation
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import iso
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState
from ecluse.store.port import Tx
from ecluse.trust.directory import PartnerView
from ecluse.wire.as2.mdn_reader import read_mdn
from ecluse.wire.smime.headers import Headers

__all__ = ["Agreement", "RehearsalRefused", "Rehearsed", "rehearse"]

Tell = Callable[[int, int], None]

_BY_ENDPOINT = frozenset({"message.foreign-receipt"})
"""Plays that need a listener of ours at the other side's reach."""


class RehearsalRefused(EcluseError):
    """A rehearsal against a partner's endpoint that nobody there agreed to."""

    code = "rehearsal.not-agreed"
    fault = Fault.USAGE
    remedy = (
        "Ask the partner for their test endpoint and their consent; give both with --against and --agreed."
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """A partner's consent to be sent wrong messages.

    Attributes:
        url: Their test endpoint.
        words: Who agreed, when, and how.
    """

    url: str
    words: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that was carried through.

    Attributes:
        report: What came of it.
        text: The signed report.
    """

    report: Report
    text: bytes


def rehearse(
    node: Node,
    view: PartnerView,
    *,
    agreement: Agreement | None = None,
    only: str = "*",
    actor: str,
    tell: Tell = lambda done, total: None,
) -> Rehearsed:
    """Rehearse with a partner, write the event, and give the signed report.

    Args:
        node: The hub; of a rehearsal against a copy nothing of it takes part but its configuration.
        view: The partner.
        agreement: Send to their own test endpoint instead of a copy of our channel.
        only: Pattern of the plays' codes that are played.
        actor: Who does it.
        tell: Called with plays done and plays in all.

    Raises:
        NothingToRehearse: There is no AS2 with the partner.
        RehearsalRefused: The endpoint is the one that real messages go to, or nobody agreed.
    """
    if agreement is None:
        with _stage(node, view) as (copy, endpoint, folder, tls):
            played = _against_copy(copy, endpoint, folder, tls, only, tell)
    else:
        played = _against_endpoint(node, view, agreement, only, tell)
    if not played:
        raise NothingToRehearse(f"No play that this channel allows is called {only[:100]!a}.")
    report = Report(
        hub=node.directory.organisation.name,
        partner=str(view.id),
        at=iso(node.hub.clock()),
        version=node.version,
        against="copy" if agreement is None else "endpoint",
        plays=tuple(played),
        url=agreement.url if agreement is not None else "",
        agreed=agreement.words if agreement is not None else "",
    )
    text = report_text(report, node.log_key, node.keyring.log_sign)

    def work(tx: Tx) -> None:
        facts = {
            "against": report.against,
            "url": report.url,
            "agreed": report.agreed,
            "held": sum(each.verdict == "held" for each in played),
            "failed": [each.code for each in played if each.verdict == "failed"],
            "report_sha256": sha256(text).hexdigest(),
        }
        node.hub.event(tx, "partner.rehearsed", f"partner:{view.id}", facts, actor=actor)

    node.store.write(work)
    return Rehearsed(report, text)


@contextmanager
def _stage(
    node: Node, view: PartnerView
) -> Iterator[tuple[Copy, Endpoint, Path, tuple[Identity, Identity, Identity] | None]]:
    """The copy and the server of the one who is played, in a folder that goes away."""
    if view.settings.as2 is None:
        raise NothingToRehearse(f"Nothing is exchanged with {view.name} over AS2.")
    now = node.hub.clock()
    url = view.as2.url or ""
    tls = None
    if url.lower().startswith("https:"):
        tls = (
            make_identity("ec-p256", "localhost", now, names=("localhost",)),
            make_identity("ec-p256", "localhost", now, names=("localhost",)),
            make_identity("ec-p256", "localhost", now, ended=True, names=("localhost",)),
        )
    with ExitStack() as stack:
        folder = stack.enter_context(durable.scratch_folder("ecluse-rehearsal-"))
        endpoint = stack.enter_context(serve_endpoint(tls[0] if tls is not None else None))
        scheme, host = ("https", "localhost") if tls is not None else ("http", "127.0.0.1")
        shown = tls[0] if tls is not None else None
        copy = stack.enter_context(
            open_copy(node, view, folder, f"{scheme}://{host}:{endpoint.port}/as2", shown)
        )
        yield copy, endpoint, folder, tls


def _against_copy(
    copy: Copy,
    endpoint: Endpoint,
    folder: Path,
    tls: tuple[Identity, Identity, Identity] | None,
    only: str,
    tell: Tell,
) -> list[Played]:
    with serve_endpoint(None) as trap:
        trap.take(lambda request: Answer(200))
        sending: Ground = _CopyGround(copy, trap)
        answering = AnswerGround(copy, endpoint, folder)
        first = [play for play in sending_plays() if fnmatchcase(play.code, only)]
        second = [play for play in answering_plays(answering, tls) if fnmatchcase(play.code, only)]
        total = len(first) + len(second)
        played: list[Played] = []
        for play in first:
            tell(len(played), total)
            played.append(perform(play, sending))
        for act in second:
            tell(len(played), total)
            played.append(perform(act, answering))
        tell(total, total)
        return played


def _against_endpoint(
    node: Node, view: PartnerView, agreement: Agreement, only: str, tell: Tell
) -> list[Played]:
    if view.settings.as2 is None:
        raise NothingToRehearse(f"Nothing is exchanged with {view.name} over AS2.")
    if not agreement.words.strip():
        raise RehearsalRefused("Wrong messages go to nobody who did not agree to them.")
    if agreement.url.rstrip("/") == (view.as2.url or "").rstrip("/"):
        raise RehearsalRefused("That is the address that real messages go to.")
    ground: Ground = _TheirGround(node, view, agreement.url)
    plays = [
        play for play in sending_plays() if play.code not in _BY_ENDPOINT and fnmatchcase(play.code, only)
    ]
    played: list[Played] = []
    for play in plays:
        tell(len(played), len(plays))
        played.append(perform(play, ground))
    tell(len(plays), len(plays))
    return played


class _CopyGround:
    """The copied listener, and an address that nobody should call."""

    def __init__(self, copy: Copy, trap: Endpoint) -> None:
        self._copy = copy
        self._trap = trap

    @property
    def sender(self) -> Sender:
        return self._copy.sender

    @property
    def trap(self) -> str:
        return f"http://127.0.0.1:{self._trap.port}/"

    def called(self) -> int:
        return len(self._trap.requests)

    def kept(self, id: str) -> bool | None:
        found = self._copy.node.store.read(
            lambda view: view.find_message(Direction.IN, self._copy.partner, id)
        )
        return found is not None and found.state is not MessageState.REJECTED

    def post(self, wire: Wire, *, announce: int = 0) -> Heard:
        url = f"http://127.0.0.1:{self._copy.port}/as2"
        node = self._copy.node
        keys = node.directory.keys
        now = node.hub.clock()
        refs = keys.at("mdn-sign", now) or keys.at("sign", now)
        answer = post_bytes(url, wire.headers, wire.body, announce=announce)
        return _heard(answer.status, answer.headers, answer.body, tuple(map(node.keyring.certificate, refs)))


class _TheirGround:
    """A partner's test endpoint: our own keys, their certificates, under the rules of a delivery to them."""

    def __init__(self, node: Node, view: PartnerView, url: str) -> None:
        now = node.hub.clock()
        relation = Relation(node.directory, view)
        self._node, self._view, self._url = node, view, url
        self._tls = relation.tls(url, now)
        recipient = view.encrypt_certificate(now) if isinstance(view.as2.encrypt, str) else None
        self._sender = Sender(
            view.our_id,
            view.their_id,
            relation.signers(now)[0],
            make_identity("rsa-2048", "a stranger", now).signer(),
            None,
            recipient,
            view.as2,
            node.hub.clock,
            node.hub.entropy,
        )

    @property
    def sender(self) -> Sender:
        return self._sender

    @property
    def trap(self) -> str:
        return ""

    def called(self) -> int:
        return 0

    def kept(self, id: str) -> bool | None:
        return None

    def post(self, wire: Wire, *, announce: int = 0) -> Heard:
        answer = post_bytes(self._url, wire.headers, wire.body, announce=announce, tls=self._tls)
        certificates = self._view.mdn_verify_certificates(self._node.hub.clock())
        return _heard(answer.status, answer.headers, answer.body, certificates)


def _heard(
    status: int, headers: list[tuple[str, str]], body: bytes, certificates: tuple[x509.Certificate, ...]
) -> Heard:
    receipt = None
    if body and 200 <= status < 300:
        try:
            receipt = read_mdn(Headers.of(headers), body, certificates=certificates)
        except EcluseError:
            receipt = None
    return Heard(status, receipt, body)

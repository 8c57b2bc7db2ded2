"""The hub's witnesses, and the hub as a witness: keys, the way there, and the work of a serving node."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from ecluse.app.log.sequencing import log_event, tell_broken
from ecluse.app.node import Node
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.stream import request
from ecluse.channels.http.tls import ClientTls, client_tls
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.witness.awaiting import Awaiting, awaiting_logs, drop_awaiting
from ecluse.evidence.witness.client import Ask, WitnessClient, WitnessRefused, states
from ecluse.evidence.witness.service import Witness, witnessed_logs
from ecluse.model.basics import Instant, iso
from ecluse.store.port import Tx, View
from ecluse.trust.addresses import split_url
from ecluse.trust.keys.notes import no_note_keys
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.log import WitnessSettings, cosigned_key, witness_keys
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import Sign
from ecluse.wire.tlog.witness import MAX_ANSWER, MAX_REQUEST

__all__ = [
    "awaiting_facts",
    "clients",
    "cosign_run",
    "cosign_work",
    "cosigned_facts",
    "decide_awaiting",
    "greet",
    "make_witness",
    "own_witness_keys",
    "silent_witnesses",
    "witness_facts",
]

_AT_ONCE: Final = 8
"""Witnesses that are asked at once."""

_PATIENCE: Final = 30.0
"""Seconds for a witness's answer; what comes later comes with the next checkpoint."""

_SILENCE: Final = 86_400_000_000
"""Microseconds after which a witness that cosigned nothing is told of."""

_GREETING: Final = 5.0
"""The same at the start, when the log waits for it with its first signature."""

Tell = Callable[[str, EcluseError], None]

_log = structlog.get_logger("ecluse.witness")


def own_witness_keys(node: Node) -> list[tuple[CosignerKey, Sign]]:
    """Our keys as a witness, with who signs with each.

    Raises:
        KeyringError: ``keyring.no-note-keys``: the keyring is of an older release.
    """
    name = node.directory.hub.log.witness_name or f"{node.directory.hub.log_origin}/witness"
    first, second = node.keyring.note_public("witness"), node.keyring.note_public("witness-ml-dsa")
    if first is None or second is None:
        raise no_note_keys()
    return [
        (CosignerKey(name, "ed25519", first), lambda data: node.keyring.note_sign("witness", data)),
        (CosignerKey(name, "ml-dsa-44", second), lambda data: node.keyring.note_sign("witness-ml-dsa", data)),
    ]


def make_witness(node: Node) -> Witness:
    """Our hub as a witness for the logs of ``[[log.cosigns]]``. Raises as :func:`own_witness_keys` does."""

    def logs() -> list[LogKey]:
        return [cosigned_key(each) for each in node.directory.hub.log.cosigns]

    return Witness(node.store, node.hub.clock, own_witness_keys(node), logs, log_event(node))


def clients(node: Node, sequencer: Sequencer, *, patience: float = _PATIENCE) -> list[WitnessClient]:
    """What asks each witness of ``[[log.witnesses]]``."""
    return [
        WitnessClient(
            node.store,
            node.hub.clock,
            node.log,
            each.name,
            witness_keys(each),
            _ask(node, each, patience),
            sequencer.confront,
            log_event(node),
        )
        for each in node.directory.hub.log.witnesses
    ]


def _logged(witness: str, error: EcluseError) -> None:
    _log.warning("witness", name=witness, **error.as_dict())


def greet(node: Node, sequencer: Sequencer, tell: Tell = _logged) -> None:
    """Ask every witness which head of our log it cosigned last, before the first signature of this process.

    One that is away is told of, and the log goes on: the next cosignature asks again.

    Args:
        node: The hub.
        sequencer: Of its log.
        tell: Told of each witness that does not answer as it should, by name; the service's own log by default.

    Raises:
        RolledBack: One shows a head that we signed and the log does not continue.
    """

    def look(client: WitnessClient) -> None:
        client.look()

    _ask_all(clients(node, sequencer, patience=_GREETING), look, tell)


def cosign_work(node: Node, sequencer: Sequencer) -> Recurring:
    """What a serving node does: have the newest checkpoint cosigned by every witness."""

    def work(context: JobContext) -> None:
        context.check()
        try:
            cosign_run(node, sequencer)
        except RolledBack as error:
            tell_broken(node, error)
            raise

    pace = int(seconds(node.bootstrap.hub.log.pace))
    return Recurring("log.cosign", Every(max(1, min(pace, 86_400))), work)


def cosign_run(node: Node, sequencer: Sequencer, tell: Tell = _logged) -> dict[str, int | None]:
    """Have the newest checkpoint cosigned; give what each witness signed now, ``None`` where there was nothing to do.

    ``tell`` is as for :func:`greet`.

    Raises:
        RolledBack: One shows a head that we signed and the log does not continue.
    """
    done: dict[str, int | None] = {}

    def submit(client: WitnessClient) -> None:
        done[client.name] = client.submit()

    _ask_all(clients(node, sequencer), submit, tell)
    return done


def _ask_all(asked: list[WitnessClient], work: Callable[[WitnessClient], None], tell: Tell) -> None:
    broken: list[RolledBack] = []

    def one(client: WitnessClient) -> None:
        try:
            work(client)
        except RolledBack as error:
            broken.append(error)
        except EcluseError as error:
            tell(client.name, error)

    if asked:
        with ThreadPoolExecutor(min(_AT_ONCE, len(asked)), thread_name_prefix="witness") as pool:
            list(pool.map(one, asked))
    if broken:
        raise broken[0]


def _ask(node: Node, settings: WitnessSettings, patience: float) -> Ask:
    place = split_url(settings.url)
    assert place is not None, "checked with the configuration"
    scheme, host, _ = place
    networks = PRIVATE_NETWORKS if settings.allow_private_network else ()
    egress = Egress(hosts=frozenset({host}), networks=networks)
    limits = ClientLimits(
        connect=min(patience, 10.0),
        stall=patience,
        reply_time=patience,
        total=2 * patience,
        reply_bytes=MAX_REQUEST,
    )
    base = settings.url.rstrip("/")

    def ask(method: str, path: str, body: bytes) -> tuple[int, bytes]:
        fields = [("User-Agent", "Ecluse"), ("Content-Type", "text/plain")]
        tls = _trust(node, settings) if scheme == "https" else None
        with request(
            method, f"{base}/{path}", fields, body, egress=egress, tls=tls, limits=limits, pool=node.pool
        ) as answer:
            return answer.status, answer.read()[: MAX_REQUEST if method == "GET" else MAX_ANSWER + 1]

    return ask


def _trust(node: Node, settings: WitnessSettings) -> ClientTls:
    if settings.ca is None:
        return client_tls(system=True)
    try:
        return client_tls(anchors=[node.directory.configuration.authority(settings.ca, node.folder)])
    except OSError as error:
        raise WitnessRefused(
            f"The file {settings.ca} can't be read: {error.strerror}.", remedy="Look at [[log.witnesses]] ca."
        ) from None


def witness_facts(node: Node) -> list[dict[str, Any]]:
    """How it stands with each of our witnesses, for ``--json``."""
    known = node.store.read(states)
    facts = []
    for settings in node.directory.hub.log.witnesses:
        state = known.get(settings.name)
        facts.append(
            {
                "name": settings.name,
                "url": settings.url,
                "witness": witness_keys(settings)[0].name,
                "size": state.size if state is not None and state.at else None,
                "at": iso(Instant(state.at)) if state is not None and state.at else None,
                "ahead": state.skew if state is not None else 0,
                "error": state.error if state is not None else "",
                "cause": state.cause if state is not None else "",
                "since": iso(Instant(state.since)) if state is not None and state.error else None,
                "went_back": state.went_back if state is not None else 0,
            }
        )
    return facts


def decide_awaiting(node: Node, origin: str, *, accept: bool, actor: str) -> Awaiting:
    """Decide on the first head of a log under another name: cosign it, or leave the log as it was.

    Args:
        node: Our hub.
        origin: The name.
        accept: Whether it is cosigned.
        actor: Who decides.

    Raises:
        NothingAwaits: No head waits under this name.
        KeyringError: Our keys as a witness can't be used.
    """

    def tell(tx: Tx, waits: Awaiting) -> None:
        data = {"log": origin, "size": waits.size, "root": waits.root, "theirs": waits.note}
        data |= {"before": waits.before, "cosigned": waits.cosigned, "cosigned_root": waits.cosigned_root}
        if accept:
            node.hub.event(tx, "witness.log-accepted", f"log:{origin}", data, actor=actor)
        else:
            node.hub.event(tx, "witness.log-refused", f"log:{origin}", data, actor=actor)

    if accept:
        return make_witness(node).accept(origin, tell)

    def work(tx: Tx) -> Awaiting:
        waits = drop_awaiting(tx, origin)
        tell(tx, waits)
        return waits

    return node.store.write(work)


def awaiting_facts(node: Node) -> list[dict[str, Any]]:
    """Heads of logs that we cosign and that a person has to decide on, for ``--json``."""
    return [
        {
            "origin": each.origin,
            "size": each.size,
            "root": each.root,
            "at": iso(Instant(each.at * 1_000_000)),
            "before": each.before,
            "cosigned": each.cosigned,
            "cosigned_root": each.cosigned_root,
        }
        for each in node.store.read(awaiting_logs)
    ]


def silent_witnesses(node: Node, view: View) -> list[str]:
    """Witnesses that have cosigned nothing for a day while there was something to."""
    known, last = states(view), view.last_checkpoint()
    if last is None:
        return []
    before = node.hub.clock() - _SILENCE
    names = []
    for settings in node.directory.hub.log.witnesses:
        state = known.get(settings.name)
        behind = state is None or state.size < last.size
        since = 0 if state is None else state.at
        first = state.since if state is not None and state.error and not state.at else since
        if behind and state is not None and first and first < before:
            names.append(settings.name)
    return names


def cosigned_facts(node: Node) -> list[dict[str, Any]]:
    """What is known of each log that we cosign or ever cosigned, for ``--json``."""
    names = {cosigned_key(each).name: each.name for each in node.directory.hub.log.cosigns}
    facts: list[dict[str, Any]] = []
    seen = set()
    for kept in node.store.read(witnessed_logs):
        base = kept.origin.partition("#")[0]
        seen.add(base)
        facts.append(
            {
                "name": names.get(base),
                "origin": kept.origin,
                "size": kept.size,
                "root": kept.root,
                "at": iso(Instant(kept.at * 1_000_000)),
                "trouble": kept.trouble,
                "trouble_size": kept.trouble_size,
            }
        )
    for base, name in names.items():
        if base not in seen:
            facts.append(
                {
                    "name": name,
                    "origin": base,
                    "size": None,
                    "root": None,
                    "at": None,
                    "trouble": "",
                    "trouble_size": 0,
                }
            )
    return facts

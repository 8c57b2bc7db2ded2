"""Aster's hub under a fault, between two partners that are well: what it was told, what it said, how it must end."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.support.remote_site import Failed
from tests.support.sites import Died, Headers, Site, content_of, walls, whole

from ecluse.channels.as2 import sender
from ecluse.channels.http.errors import Doubtful
from ecluse.channels.http.exchange import Reply
from ecluse.model.basics import Instant
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState
from ecluse.store.port import Conflict

__all__ = ["JOURNEYS", "LARGE", "SMALL", "START", "Bench"]

START = Instant(1_800_000_000_000_000)
SMALL, LARGE = 300, 300_000
"""Octets of a document that rides in its row, and of one that streams into a blob."""
JOURNEYS = {
    "receive": (("cedar", "aster", SMALL), ("cedar", "aster", LARGE)),
    "receive-later": (("birch", "aster", SMALL), ("birch", "aster", LARGE)),
    "send": (("aster", "cedar", SMALL), ("aster", "cedar", LARGE)),
    "send-later": (("aster", "birch", SMALL), ("aster", "birch", LARGE)),
}
"""Each with the receipt on the same connection or on one of its own."""

_ORIGINAL = re.compile(rb"Original-Message-ID:\s*(<[^>]+>)", re.I)
_PROCESSED = re.compile(rb"Disposition:[^\r\n]*;\s*processed\r\n", re.I)


class Bench:
    """One journey.

    Args:
        base: An empty folder for the three states.
        journey: One of :data:`JOURNEYS`.
        start: An instant of the clock.
    """

    def __init__(self, base: Path, journey: str, start: Instant = START) -> None:
        self.now = start
        self.roads = [(f"{journey}{n}", *road) for n, road in enumerate(JOURNEYS[journey])]
        names = {name for _, one, other, _ in self.roads for name in (one, other)}
        self.folders = {name: walls()[name].copy(base / name) for name in names}
        self.partner = (names - {"aster"}).pop()
        self.sites: dict[str, Any] = {self.partner: self.open(self.partner)}
        self.acknowledged: set[str] = set()
        """Labels of what an application handed in and was told to be kept."""
        self.answers: dict[bytes, set[bytes]] = defaultdict(set)
        self.requests: dict[str, tuple[Headers, bytes]] = {}
        """What the partner sent to Aster, by Message-ID; and whether that was acknowledged."""
        self.kept_by_aster: set[str] = set()
        self.failures: list[str] = []
        sender.post = self.post  # type: ignore[assignment]

    def clock(self) -> Instant:
        self.now = Instant(self.now + 1000)
        return self.now

    def open(self, name: str) -> Site:
        return Site(walls()[name], self.folders[name], clock=self.clock)

    # The wire

    def post(self, url: str, headers: Headers, body: Any, **_: object) -> Reply:
        data = whole(body)
        self._note(data)
        name = url.split("//")[1].split(".")[0]
        message_id = {key.lower(): value for key, value in headers}.get("message-id", "")
        if name == "aster" and self.is_message(headers):
            self.requests[message_id] = (headers, data)
        try:
            reply: Reply = self.sites[name].receive(headers, data)
        except (Died, KeyError):
            raise Doubtful("The other side is gone.") from None
        self._note(reply.body)
        if reply.status < 300 and name == "aster" and message_id in self.requests:
            self.kept_by_aster.add(message_id)
        if reply.status >= 300:
            self.failures.append(f"HTTP {reply.status}")
            assert reply.status == 503, f"a partner was answered {reply.status}"
            assert dict(reply.headers).get("retry-after"), "not told when to come again"
        return reply

    @staticmethod
    def is_message(headers: Headers) -> bool:
        return any(key.lower() == "disposition-notification-to" for key, _ in headers)

    @staticmethod
    def original_of(body: bytes) -> bytes | None:
        """The Message-ID that a receipt answers, where the body is one."""
        found = _ORIGINAL.search(body)
        return found[1] if found else None

    def _note(self, body: bytes) -> None:
        original, good = _ORIGINAL.search(body), _PROCESSED.search(body)
        if original and good:
            self.answers[original[1]].add(body)

    # The journey

    def hand_in(self) -> None:
        """Whoever does not know whether a document was taken hands it in again."""
        for label, one, other, size in self.roads:
            if label in self.acknowledged:
                continue
            try:
                self.sites[one].send(other, content_of(label, size), label)
            except Conflict:
                pass
            except Failed as failed:
                self.failures.append(str(failed))
                if str(failed) != "store.conflict":
                    continue
            self.acknowledged.add(label)

    def round(self) -> None:
        """Everyone does what is due; later everyone looks again."""
        self.hand_in()
        for _ in range(2):
            for name in (self.partner, "aster"):
                for act in ("work", "look_for_overdue", "seal_log"):
                    try:
                        getattr(self.sites[name], act)()
                    except Failed as failed:
                        self.failures.append(str(failed))
        self.now = Instant(self.now + 40 * 60_000_000)

    def rounds(self, count: int = 5) -> None:
        for _ in range(count):
            self.round()
            if self.quiet():
                return

    def quiet(self) -> bool:
        """As far as the partner can tell and the applications know."""
        partner = self.sites[self.partner]
        sent = partner.messages(Direction.OUT)
        if len(self.acknowledged) < len(self.roads):
            return False
        if sent:
            return all(partner.delivery_of(message).state is DeliveryState.CONFIRMED for message in sent)
        return len(partner.inbox_contents()) == len(self.roads) and not isinstance(self.sites["aster"], Site)

    def repeat_what_was_sent(self) -> None:
        """The partner sends every message again, whether or not it was answered."""
        for headers, body in self.requests.values():
            try:
                self.post("http://aster.example/as2", headers, body)
            except Doubtful:
                pass

    def recover(self) -> None:
        """Aster's hub is started again; time goes on until all is done."""
        self.sites["aster"] = self.open("aster")
        kept = {message.protocol_id for message in self.sites["aster"].messages(Direction.IN)}
        assert self.kept_by_aster <= kept, "lost what was acknowledged to the partner"
        sent = {message.subject for message in self.sites["aster"].messages(Direction.OUT)}
        known = {label for label, one, _, _ in self.roads if one == "aster" and label in self.acknowledged}
        assert known <= sent, "lost what was acknowledged to the application"
        stuck = list(self.sites["aster"].stuck())
        assert stuck == [], f"stuck for ever: {stuck}"
        self.now = Instant(self.now + 60_000_000)
        self.repeat_what_was_sent()
        self.rounds()
        self.repeat_what_was_sent()
        self.round()

    def check(self) -> None:
        """Everything arrived once; nobody's answer changed; both logs verify."""
        for label, one, other, size in self.roads:
            receiver = self.sites[other]
            count = receiver.inbox_contents().count(content_of(label, size))
            assert count == 1, f"{label} came to the application {count} times"
            found = [m for m in self.sites[one].messages(Direction.OUT) if m.subject == label]
            assert len(found) == 1, f"{label} is there {len(found)} times"
            state = self.sites[one].delivery_of(found[0]).state
            assert state is DeliveryState.CONFIRMED, f"{label} ends {state.value}"
        for original, bodies in self.answers.items():
            assert len(bodies) == 1, f"{original!r} has {len(bodies)} different answers"
        for name, site in self.sites.items():
            stuck = list(site.stuck())
            assert stuck == [], f"stuck for ever at {name}: {stuck}"
            site.seal_log()
            verdict = site.verify()
            assert verdict.ok, f"{name}: {verdict.problem}"
            assert verdict.pending == 0

    def close(self) -> None:
        for site in self.sites.values():
            site.close()

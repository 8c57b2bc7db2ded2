"""Hubs that join channels are killed, and so is a partner's server: what was acknowledged arrives, once, and whole.

Cedar uploads by SFTP what goes on to Birch by AS2; what lies on Cedar's server is fetched for Gale's account and a
folder of ours; what Birch sends goes to Cedar's server. Whatever the hub was doing when it died, the next one goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.bridge_node import POINTS
from tests.support.bridge_town import flow, sshd_of
from tests.support.bridges import House, SftpClient, until
from tests.support.postgres import PostgresServer
from tests.support.sites import content_of
from tests.support.sshd import Sshd

from ecluse.app.messages.outbox import send_files
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState

pytestmark = [pytest.mark.peer("sshd"), pytest.mark.peer("sftp")]

NODE = ("-m", "tests.support.bridge_node")
FOLDERS = '\n[folders.archive]\npath = "archive"\ncreate = true\n'
SOON = 'stable = "600ms"\nevery = "500ms"'
SIZES = (400, 400, 150_000, 1_200_000)
PATIENCE = 60.0
DOUBTFUL = (
    "upload committed",
    "collect kept",
    "collect done",
    "relay made account",
    "relay kept as2",
    "delivered as2",
    "delivered sftp",
    "delivered account",
)
"""Points where something was done and nobody was told."""

FLOWS = {
    "flows/up.toml": flow('channel = "account:cedar"', 'channel = "as2:birch"'),
    "flows/fetch.toml": flow(
        f'channel = "sftp:cedar"\nfolder = "outgoing"\n{SOON}',
        'channel = "account:gale"',
        'channel = "folder:archive"',
    ),
    "flows/down.toml": flow('channel = "as2:birch"', 'channel = "sftp:cedar"\nfolder = "in"'),
}


class Roads:
    """Aster's hub and all who exchange by it.

    Args:
        base: An empty folder.
        words: For Aster's node.
    """

    def __init__(self, base: Path, *words: str) -> None:
        self.base = base
        base.mkdir()
        self.aster = House(base / "aster", "aster", toml=FOLDERS, command=NODE, more=words)
        self.birch = House(base / "birch", "birch", sftp=False)
        self.aster.know(self.birch)
        self.birch.know(self.aster)
        self.sshd = Sshd(base / "far")
        self.sshd.allow(self.aster.node.keyring.ssh_public_key("ssh"))
        for name in ("outgoing", "in"):
            (self.sshd.files / name).mkdir()
        self.sshd.start()
        self.clients = {name: SftpClient(base / name, self.aster, name) for name in ("cedar", "gale")}
        partners = {
            f"partners/{name}.toml": f'name = "{name}"\n[account]\nuser = "{name}"\nkeys = ["{client.key}"]\n'
            for name, client in self.clients.items()
        }
        partners["partners/cedar.toml"] += sshd_of(self.sshd)
        self.aster.apply(partners | FLOWS)
        self.lives = 0
        self.quiet = threading.Event()
        self.uploaded: list[bytes] = []
        self.doubtful: list[bytes] = []
        self.dropped: list[bytes] = []
        self.sent: list[bytes] = []
        self.spoilt: list[bytes] = []
        self._labels = itertools.count(1)
        self._threads: list[threading.Thread] = []
        self._wrong: list[BaseException] = []

    def start(self) -> None:
        self.birch.start()
        self.aster.start()

    def close(self) -> None:
        self.quiet.set()
        for thread in self._threads:
            thread.join(60)
        self.aster.close()
        self.birch.close()
        self.sshd.kill_sessions()
        self.sshd.stop()

    # Traffic

    def go(self, seconds: float) -> None:
        """Traffic on all roads, for so long, each in a thread."""
        end = time.monotonic() + seconds

        def keep_on(step: Callable[[], None], pause: float) -> None:
            try:
                while time.monotonic() < end and not self.quiet.is_set():
                    step()
                    time.sleep(pause)
            except BaseException as error:
                self._wrong.append(error)

        for step, pause in ((self.upload, 0.05), (self.upload, 0.05), (self.drop, 0.25), (self.send, 0.3)):
            thread = threading.Thread(target=keep_on, args=(step, pause))
            thread.start()
            self._threads.append(thread)

    def _next(self) -> tuple[str, bytes]:
        label = f"d{next(self._labels)}"
        return f"{label}.edi", content_of(label, SIZES[hash(label) % len(SIZES)])

    def upload(self) -> None:
        """One document of Cedar's, acknowledged or not. Whoever heard nothing sends another one."""
        name, data = self._next()
        (self.clients["cedar"].folder / name).write_bytes(data)
        done = self.clients["cedar"].try_(f"put {name} inbound/{name}")
        (self.uploaded if done.returncode == 0 else self.doubtful).append(data)
        if done.returncode:
            time.sleep(0.2)

    def drop(self) -> None:
        """One document that lies at Cedar's from one moment to the next."""
        name, data = self._next()
        path = self.sshd.folder / name
        path.write_bytes(data)
        path.rename(self.sshd.files / "outgoing" / name)
        self.dropped.append(data)

    def trickle(self) -> None:
        """One that Cedar writes slowly: half of it is no document, unless the machine stands still meanwhile."""
        name, data = self._next()
        still, last = 0.0, time.monotonic()
        with (self.sshd.files / "outgoing" / name).open("wb") as file:
            for at in range(0, len(data), len(data) // 12 + 1):
                file.write(data[at : at + len(data) // 12 + 1])
                file.flush()
                still, last = max(still, time.monotonic() - last), time.monotonic()
                time.sleep(0.1)
        (self.dropped if still < 0.5 else self.spoilt).append(data)

    def send(self) -> None:
        """One document of Birch's."""
        name, data = self._next()
        path = self.base / name
        path.write_bytes(data)
        send_files(self.birch.node, PartnerId("aster"), [path], subject=name, actor="operator:test")
        self.sent.append(data)

    # Faults

    def rise(self) -> None:
        """Start Aster's hub again until it stays."""
        until(self._risen, PATIENCE)

    def _risen(self) -> bool:
        if not self.aster.alive:
            self.aster.kill()
            self.lives += 1
            with contextlib.suppress(AssertionError):
                self.aster.start()
        return self.aster.alive

    def kill_hub(self) -> None:
        self.aster.kill()
        self.rise()

    def kill_server(self, away: float) -> None:
        self.sshd.kill_sessions()
        self.sshd.stop()
        time.sleep(away)
        self.sshd.start()

    # The end

    def settle(self, patience: float = PATIENCE) -> None:
        """Wait until nothing is under way; Gale picks up meanwhile."""
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not self._wrong, self._wrong
        got = self.base / "gale" / "got"
        got.mkdir(exist_ok=True)

        def done() -> bool:
            self.rise()
            self.clients["gale"].try_("lcd got", "get outbound/*")
            return self._still()

        until(
            done, patience, lambda: f"never ends: {[*self.aster.unfinished(), *self.birch.unfinished()][:5]}"
        )

    def _still(self) -> bool:
        waiting = list((self.sshd.files / "outgoing").iterdir())
        return not waiting and not self.aster.unfinished() and not self.birch.unfinished()

    def check(self) -> None:
        """Everything that was acknowledged is there once; nothing is there twice, by half or under a passing name."""
        birch = Counter(data for found in self.birch.inbox().values() for data in found)
        _same("Birch", birch, self.uploaded, self.doubtful)
        far = {path.name: path.read_bytes() for path in (self.sshd.files / "in").iterdir()}
        _same("Cedar's server", Counter(far.values()), self.sent)
        if self.spoilt:
            pytest.skip("the machine stood still")
        archive = {path.name: path.read_bytes() for path in (self.aster.folder / "archive").iterdir()}
        _same("our folder", Counter(archive.values()), self.dropped)
        gale = {path.name: path.read_bytes() for path in (self.base / "gale" / "got").iterdir()}
        _same("Gale", Counter(gale.values()), self.dropped)
        for message in self.aster.messages(Direction.OUT):
            assert all(each.state is DeliveryState.CONFIRMED for each in self.aster.deliveries(message))
            receipts = self.aster.node.store.read(lambda view, m=message: view.receipts(m.id))
            assert any(receipt.positive for receipt in receipts)
        self.aster.check_log()
        self.birch.check_log()


def _same(where: str, came: Counter[bytes], wanted: list[bytes], maybe: list[bytes] = []) -> None:  # noqa: B006
    again = [data[40:60] for data, count in came.items() if count > 1]
    assert not again, f"twice at {where}: {again}"
    strange = [data[40:60] for data in came if data not in wanted and data not in maybe]
    assert not strange, f"no whole document of anybody's at {where}: {strange}"
    missing = [data[40:60] for data in wanted if data not in came]
    assert not missing, f"missing at {where}: {missing}"


@pytest.fixture
def roads(tmp_path: Path) -> Iterator[Callable[..., Roads]]:
    with contextlib.ExitStack() as stack:

        def build(*words: str) -> Roads:
            made = Roads(tmp_path / "town", *words)
            stack.callback(made.close)
            made.start()
            return made

        yield build


def kill_at_random(roads: Roads, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    roads.go(kills * 60.0)
    slow = threading.Thread(target=roads.trickle)
    slow.start()
    for number in range(kills):
        time.sleep(dice.uniform(0.4, 2.0))
        if number % 3 == 2:
            roads.kill_server(dice.uniform(0.0, 0.5))
        else:
            roads.kill_hub()
    slow.join()
    roads.quiet.set()
    roads.settle()
    roads.check()
    print(
        f"{kills} kills; {len(roads.uploaded)} uploads acknowledged, {len(roads.doubtful)} not, "
        f"{len(roads.dropped)} fetched, {len(roads.sent)} from Birch"
    )


def test_hub_and_server_are_killed(roads: Callable[..., Roads]) -> None:
    kill_at_random(roads(), 5, seed=7)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(6))
def test_hub_and_server_are_killed_at_length(roads: Callable[..., Roads], seed: int) -> None:
    kill_at_random(roads(), 60, seed)


def die_at_each(roads: Roads, points: Sequence[str], patience: float = PATIENCE) -> None:
    """Traffic for a hub that dies at each of these points, once."""
    deaths = roads.aster.folder / "deaths"
    roads.rise()
    for _ in range(40):
        roads.drop()
        roads.send()
        roads.upload()
        roads.rise()
        if set(os.listdir(deaths)) == set(points):
            break
        time.sleep(0.5)
    roads.settle(patience)
    assert set(os.listdir(deaths)) == set(points)


@pytest.mark.parametrize(
    "points", [DOUBTFUL, pytest.param(POINTS, marks=pytest.mark.soak)], ids=["doubtful", "all"]
)
def test_the_hub_dies_at_each_point(roads: Callable[..., Roads], points: Sequence[str]) -> None:
    it = roads("dies=" + ",".join(points))
    die_at_each(it, points)
    it.check()
    assert it.lives > len(points) // 2, "two threads may pass two points at once"


@pytest.mark.parametrize(
    ("mutant", "point", "found"),
    [
        ("deleted before it is kept", "collect done", "missing at"),
        ("a new id for each attempt", "relay made as2", "twice at Birch"),
        pytest.param("taken for new", "collect kept", "twice at Gale", marks=pytest.mark.soak),
    ],
)
def test_a_wrong_hub_is_found(roads: Callable[..., Roads], mutant: str, point: str, found: str) -> None:
    it = roads(f"dies={point}", f"mutant={mutant}")
    # What it lost may also keep the rest from ever coming to its end.
    with pytest.raises(AssertionError, match=f"{found}|never ends"):
        _die_and_check(it, point)


def _die_and_check(it: Roads, point: str) -> None:
    die_at_each(it, [point], 20)
    it.check()


@pytest.mark.peer("postgresql")
def test_two_nodes_collect_the_same_source_once(tmp_path: Path, postgres_server: PostgresServer) -> None:
    with contextlib.ExitStack() as stack:
        server = Sshd(tmp_path / "far")
        (server.files / "outgoing").mkdir()
        stack.enter_context(server)
        database = postgres_server.new_database()
        words = ("listen=127.0.0.1:0",)
        one = House(
            tmp_path / "aster", "aster", toml=FOLDERS, sftp=False, command=NODE, more=words, database=database
        )
        stack.callback(one.close)
        server.allow(one.node.keyring.ssh_public_key("ssh"))
        source = f'channel = "sftp:cedar"\nfolder = "outgoing"\nparallel = 2\n{SOON}'
        # What came twice would lie there twice: no two documents have one number.
        target = 'channel = "folder:archive"\nname = "{counter:6}-{name}"'
        one.apply(
            {
                "partners/cedar.toml": f'name = "Cedar"\n{sshd_of(server)}',
                "flows/fetch.toml": flow(source, target),
            }
        )
        nodes = [one, one.twin()]
        stack.callback(nodes[1].kill)
        for node in nodes:
            node.start()
        dice = random.Random(3)
        documents = {f"p{number}.edi": content_of(f"p{number}", 20_000) for number in range(120)}
        for number, (name, data) in enumerate(documents.items()):
            (tmp_path / name).write_bytes(data)
            (tmp_path / name).rename(server.files / "outgoing" / name)
            if number % 40 == 20:
                time.sleep(dice.uniform(0.7, 1.5))
                node = nodes[dice.randrange(2)]
                node.kill()
                node.start()
        until(
            lambda: not any((server.files / "outgoing").iterdir()) and not one.unfinished(),
            PATIENCE,
            lambda: str(one.unfinished()[:5]),
        )
        files = list((one.folder / "archive").iterdir())
        assert Counter(path.name[7:] for path in files) == Counter(documents.keys())
        assert all(path.read_bytes() == documents[path.name[7:]] for path in files)
        assert len(one.messages(Direction.IN)) == len(documents)
        one.check_log()

"""A company of the demo: its hub in a folder, and the process that serves it."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import tomli_w

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.partners.onboarding import Sure
from ecluse.app.settings import apply_files
from ecluse.demo.checks import Unheld, until
from ecluse.demo.interrupts import uninterrupted
from ecluse.model.basics import PartnerId
from ecluse.trust.card import Card, make_card, partner_files
from ecluse.trust.configuration import HUB_FILE, read_folder
from ecluse.trust.files.tomltext import edited

__all__ = ["RELOAD", "Company", "free_port"]

START: Final = 30.0
"""Seconds that a serving process may take until it answers, on a machine with much else to do."""
STOP: Final = 20.0
"""Seconds that it may take to end in good order."""
RELOAD: Final = 1.5
"""Seconds after which a serving process has taken up what was applied; it looks every second."""

_FAST: Final[dict[str, Any]] = {
    # A killed hub is back within seconds here, and nobody wants to wait for the usual half a minute.
    "retry": {"attempts": 100, "base": "200ms", "cap": "1s"},
    "allow_private_network": True,
}


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Company:
    """One of the two.

    Args:
        root: The demo's folder; the hub is made in it, under ``id``.
        id: Name of its folder, and of its file at the other company.
        name: The company's name.
        as2_id: Its AS2 id.
        port: Where its partners reach it over AS2.
        sftp_port: Where they reach it over SFTP; 0 where they don't.

    Attributes:
        node: The hub, opened by the demo's own process beside the one that serves.
        peak: Octets of memory that serving took at most, over all its processes; 0 where that can't be told.
    """

    def __init__(self, root: Path, id: str, name: str, as2_id: str, port: int, sftp_port: int = 0) -> None:
        self.id = PartnerId(id)
        self.name = name
        self.folder = root / id
        self.port = port
        self.sftp_port = sftp_port
        self.peak = 0
        self.log = root / "logs" / f"{id}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.node: Node = make_hub(
            self.folder,
            name=name,
            as2_id=as2_id,
            address=f"127.0.0.1:{port}",
            sftp=f"127.0.0.1:{sftp_port}" if sftp_port else None,
            actor="operator:demo",
        )

    @property
    def inbox(self) -> Path:
        """Where its application finds what was received."""
        return self.folder / "inbox"

    @property
    def whose(self) -> str:
        """The name as a possessive."""
        return f"{self.name}'" if self.name.endswith("s") else f"{self.name}'s"

    @property
    def as2_id(self) -> str:
        """Its AS2 id."""
        return self.node.directory.organisation.as2_id

    # Partners

    def card(self) -> str:
        """Its partner card."""
        return make_card(self.node.directory.hub, self.node.keyring, self.node.hub.clock())

    def add_partner(self, id: PartnerId, card: Card, **as2: Any) -> None:
        """Add the organisation of a card as partner, with some settings of AS2, and apply.

        Its phrase was compared on the telephone.
        """
        now = self.node.hub.clock()
        sure = Sure("call-back", f"the exchange desk of {card.name}").table("operator:demo", now, card)
        for path, text in partner_files(card, id, now=now, verification=sure).items():
            target = self.folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
        self.set_partner(id, reason=f"partner {card.name} added from its card", **_FAST, **as2)

    def change_hub(self, tables: Mapping[str, object], *, reason: str) -> int:
        """Change tables of ``ecluse.toml``, apply, and give the version's number."""
        path = self.folder / HUB_FILE
        path.write_text(edited(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
        apply_files(self.node, read_folder(self.folder), actor="operator:demo", reason=reason)
        return self.node.version

    def set_partner(self, id: PartnerId, *, reason: str, **as2: Any) -> int:
        """Change settings of AS2 in a partner's file, apply, and give the version's number."""
        path = self.folder / "partners" / f"{id}.toml"
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        settings["as2"].update(as2)
        path.write_text(tomli_w.dumps(settings), encoding="utf-8")
        apply_files(self.node, read_folder(self.folder), actor="operator:demo", reason=reason)
        return self.node.version

    # The serving process

    def start(self) -> None:
        """Serve in a process of its own, and return when it answers."""
        self.log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "ecluse", "serve", "--hub", str(self.folder)]
        with self.log.open("ab") as log, uninterrupted():
            # A session of its own: Ctrl-C reaches the demo alone, and the demo ends its processes.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, START, f"{self.whose} hub does not answer; see {self.log}")

    def _answers(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            raise Unheld(f"{self.whose} hub ended by itself; see {self.log}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/as2")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def at_rest(self) -> int:
        """Octets of memory that serving takes at present; what :meth:`lately` tells begins here."""
        if self._process is None:
            return 0
        self.lately()
        # Linux, proc_pid_clear_refs(5): 5 sets the peak back to what is in use.
        with suppress(OSError), open(f"/proc/{self._process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        return _memory(self._process.pid, "VmRSS")

    def lately(self) -> int:
        """Octets of memory that serving took at most since :meth:`at_rest`; 0 where that can't be told."""
        now = _memory(self._process.pid, "VmHWM") if self._process is not None else 0
        self.peak = max(self.peak, now)
        return now

    def kill(self) -> None:
        """End the serving process as a power cut does: SIGKILL, without a word."""
        if self._process is not None:
            self.lately()
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> bool:
        """End the serving process in good order; true where it ended by itself and without an error."""
        process = self._process
        if process is None:
            return True
        self.lately()
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._process = None
        return code == 0

    def close(self) -> None:
        """Leave no process behind. May be called at any time, also twice."""
        self.kill()
        self.node.close()


def _memory(pid: int, field: str) -> int:
    """Octets of memory of a process (Linux, proc_pid_status(5)): VmRSS at present, VmHWM at most; else 0."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            found = next((line for line in status if line.startswith(f"{field}:")), "")
    except OSError:
        return 0
    return int(found.split()[1]) * 1024 if found else 0

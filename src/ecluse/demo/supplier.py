"""A supplier with nothing but an SFTP client: its order reaches a customer by AS2, and the receipt comes back to it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Final

import asyncssh
import msgspec
import tomli_w

from ecluse.app.settings import apply_files
from ecluse.demo.checks import until
from ecluse.demo.company import Company
from ecluse.demo.stage import PATIENCE, Exchange, Stage
from ecluse.durable import write_new
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import MessageState
from ecluse.store.port import View
from ecluse.trust.configuration import read_folder

__all__ = ["bridge"]

ORDER: Final = "orders-5120.edi"
ID: Final = "cedar"
NAME: Final = "Cedar Mills"
CLIENT_TIME: Final = 30.0
"""Seconds that one run of the client may take."""


def bridge(stage: Stage) -> None:
    """Cedar Mills drops an order; a flow of Aster's hands it to Birch; what Birch signed comes back to Cedar."""
    aster, birch = stage.aster, stage.birch
    cedar = _Supplier(stage.root / ID, aster)
    _take_on(aster, birch, cedar.public_key)
    stage.check(
        aster.node.directory.partner(ID).active,
        f"{aster.name} gives {NAME} an account for SFTP, with its key, and a flow from there to {birch.name} by AS2",
    )
    until(lambda: "inbound" in cedar.run(["ls"]), PATIENCE, f"{NAME} can't log in; see {aster.log}")
    octets = resources.files("ecluse.demo").joinpath("documents", "orders-4711.edi").read_bytes()
    octets = octets.replace(b"4711", b"5120")
    for folder in (cedar.folder, stage.root / "documents"):
        write_new(folder / ORDER, [octets])
    cedar.run([f"put {ORDER} inbound/{ORDER}"])
    stage.screen.note(f"{NAME} drops {ORDER} into inbound with {cedar.client}")

    came = until(lambda: _uploaded(aster), PATIENCE, f"{aster.name} has no message of {NAME}'s")
    sent = until(lambda: _relayed(aster, came), PATIENCE, "the flow made no message for the customer")
    done = stage.follow("bridged", aster, birch, sent)
    stage.check(
        done.files[0].read_bytes() == octets and done.arrived.reference == "5120",
        f"it is in {birch.whose} inbox as {done.files[0].name}: the same octets, order 5120",
    )
    stage.check_receipt(done, "came to Aster's hub")
    _check_receipt(stage, cedar, octets, done)
    life = stage.trace(aster, came)
    stage.check(
        life.message.id == came.id
        and life.message.state is MessageState.DELIVERED
        and [branch.message.id for branch in life.branches] == [sent.id],
        "one trace tells it all: what came by SFTP, what left by AS2, and both answers",
    )


def _take_on(aster: Company, birch: Company, public_key: str) -> None:
    partner = {
        "name": NAME,
        "account": {"user": ID, "protocols": ["sftp"], "keys": [public_key]},
    }
    flow = {
        "name": f"Orders of {NAME} for {birch.name}",
        "from": {"channel": f"account:{ID}", "names": ["*.edi"], "types": ["edifact"]},
        "to": [{"channel": f"as2:{birch.id}", "name": f"{ID}-{{name}}", "subject": "Order {reference}"}],
    }
    for path, table in ((f"partners/{ID}.toml", partner), (f"flows/{ID}-orders.toml", flow)):
        target = aster.folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(tomli_w.dumps(table), encoding="utf-8")
    reason = f"{NAME} exchanges by SFTP"
    apply_files(aster.node, read_folder(aster.folder), actor="operator:demo", reason=reason)


def _uploaded(aster: Company) -> Message | None:
    def look(view: View) -> Message | None:
        return next(
            iter(view.messages(direction=Direction.IN, partner=aster.node.directory.partner(ID).id)), None
        )

    return aster.node.store.read(look)


def _relayed(aster: Company, came: Message) -> Message | None:
    life = aster.node.store.read(lambda view: view.children(came.id))
    return life[0] if life else None


def _check_receipt(stage: Stage, cedar: _Supplier, octets: bytes, done: Exchange) -> None:
    def receipts() -> list[Path]:
        cedar.run(["get receipts/*"])
        return sorted(cedar.folder.glob(f"{ORDER}.*"))

    found = until(
        lambda: files if len(files := receipts()) == 2 else None, PATIENCE, f"{NAME} finds no receipt"
    )
    facts = msgspec.json.decode(next(path for path in found if path.suffix == ".json").read_bytes())
    mdn = next(path for path in found if path.suffix == ".mdn").read_bytes()
    held = stage.trace(done.sender, done.sent).branches[0].receipts[-1]
    stage.check(
        facts["state"] == "delivered"
        and facts["documents"][0]["sha256"] == sha256(octets).hexdigest()
        and mdn == held.headers + b"\r\n" + held.body,
        f"{NAME} finds in receipts what became of it, and the receipt that {stage.birch.name} signed, octet by octet",
    )


class _Supplier:
    """Cedar Mills: a folder, a key, and an SFTP client; OpenSSH's where it is installed.

    Args:
        folder: Made; where its files lie.
        hub: Whose server it knows, by its host key.
    """

    def __init__(self, folder: Path, hub: Company) -> None:
        self.folder = folder
        self._port = hub.sftp_port
        folder.mkdir()
        key = asyncssh.generate_private_key("ssh-ed25519", comment=ID)
        write_new(folder / "key", [key.export_private_key()], 0o600)
        self.public_key = key.export_public_key().decode("ascii").strip()
        known = f"[127.0.0.1]:{self._port} {hub.node.keyring.ssh_public_key('ssh-host')}\n"
        write_new(folder / "known_hosts", [known.encode("ascii")])
        self._program = shutil.which("sftp")
        self.client = "OpenSSH's sftp" if self._program else "an SFTP client"

    def run(self, commands: Sequence[str]) -> str:
        """Log in, do commands of sftp's batch mode (``ls``, ``put``, ``get``), log out; give what it says.

        A failure gives an empty text: who needs it to work asks again.
        """
        if self._program is None:
            return asyncio.run(self._run_ours(commands))
        options = ("StrictHostKeyChecking=yes", "UserKnownHostsFile=known_hosts", "IdentitiesOnly=yes")
        arguments = [item for option in options for item in ("-o", option)]
        command = [self._program, "-F", "none", "-b", "-", "-i", "key", "-P", str(self._port), *arguments]
        try:
            ended = subprocess.run(
                [*command, f"{ID}@127.0.0.1"],
                input="".join(f"{line}\n" for line in commands).encode(),
                capture_output=True,
                cwd=self.folder,
                timeout=CLIENT_TIME,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
        return ended.stdout.decode("utf-8", "replace") if ended.returncode == 0 else ""

    async def _run_ours(self, commands: Sequence[str]) -> str:
        said = []
        try:
            async with (
                asyncssh.connect(
                    "127.0.0.1",
                    self._port,
                    username=ID,
                    client_keys=[str(self.folder / "key")],
                    known_hosts=str(self.folder / "known_hosts"),
                    config=None,
                ) as connection,
                connection.start_sftp_client() as sftp,
            ):
                for line in commands:
                    verb, *names = line.split()
                    if verb == "ls":
                        said += [str(name) for name in await sftp.listdir()]
                    elif verb == "put":
                        await sftp.put(str(self.folder / names[0]), names[1])
                    else:
                        await sftp.mget(names[0], str(self.folder))
        except (OSError, asyncssh.Error):
            return ""
        return "\n".join(said) or "done"

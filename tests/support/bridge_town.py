"""Aster, whose hub joins what its partners speak.

Birch speaks AS2 (a hub of its own). Cedar and Gale have accounts with Aster; Cedar has an SFTP server and OpenPGP
too. Dahlia has an FTPS server, Elder a bucket, Fir a WebDAV server. Where a foreign program is missing its partner
is too.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import obstore
from obstore.store import S3Store
from tests.support import ftp_servers, s3, stores, tls_certs
from tests.support.bridges import RETRY, House, SftpClient, tool
from tests.support.gnupg import GnuPG, gnupg
from tests.support.peers import missing
from tests.support.sshd import Sshd

from ecluse.app.messages.outbox import send_files
from ecluse.model.basics import PartnerId
from ecluse.trust.keys.openpgp import armored_certificate

__all__ = ["PASSWORD", "Town", "flow", "sshd_of"]

PASSWORD = "correct-horse-2"

FEW = 'retry = { base = "100ms", cap = "200ms", attempts = 3 }\n'
"""Attempts at Cedar's server, before it is for a person."""

FOLDERS = """
[folders.archive]
path = "archive"
create = true
[folders.drop]
path = "drop"
create = true
"""


def flow(source: str, *targets: str, top: str = "", **tables: str) -> str:
    """A flow's file."""
    rest = "".join(f"[{name}]\n{text}\n" for name, text in tables.items())
    to = "".join(f"[[to]]\n{target}\n" for target in targets)
    return f'name = "A flow"\n{top}\n[from]\n{source}\n{rest}{to}'


def sshd_of(server: Sshd, retry: str = RETRY) -> str:
    """``[sftp]`` of a partner whose server it is."""
    return (
        f'[sftp]\nhost = "127.0.0.1:{server.port}"\nuser = "{server.user}"\nkey = "ssh"\n'
        f'host_keys = ["{server.fingerprint}"]\nallow_private_network = true\n{retry}'
    )


class Town:
    """All of them, at work.

    Args:
        base: An empty folder.
        flows: Aster's, by id.
    """

    def __init__(self, base: Path, flows: Mapping[str, str]) -> None:
        self.base = base
        self._flows = flows
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _build(self) -> None:
        base, hold = self.base, self._held
        self.aster = House(base / "aster", "aster", toml=FOLDERS, ftps=True, pgp=True)
        hold.callback(self.aster.close)
        self.birch = House(base / "birch", "birch", sftp=False)
        hold.callback(self.birch.close)
        self.aster.know(self.birch, 'compress = "before-signing"\n')
        self.birch.know(self.aster)
        aster = self.aster
        self.sshd = Sshd(base / "cedar-server").start()
        hold.callback(self.sshd.__exit__)
        self.sshd.allow(aster.node.keyring.ssh_public_key("ssh"))
        self.cedar = SftpClient(base / "cedar", aster, "cedar")
        self.gale = SftpClient(base / "gale", aster, "gale")
        self.gpg: GnuPG = hold.enter_context(gnupg())
        files = {
            "openpgp/cedar.asc": self._gpg_keys(),
            "partners/cedar.toml": f'name = "Cedar"\n{self._account(self.cedar)}{sshd_of(self.sshd, FEW)}'
            '[openpgp]\ncertificates = ["openpgp/cedar.asc"]\n',
            "partners/gale.toml": f'name = "Gale"\n{self._account(self.gale)}',
        }
        if not missing("vsftpd"):
            files |= self._dahlia()
        if not missing("s3"):
            files |= self._elder()
        if not missing("wsgidav"):
            self.dav = stores.wsgidav()
            (self.dav.folder / "fir").mkdir(exist_ok=True)
            files["partners/fir.toml"] = (
                f'name = "Fir"\n[webdav]\nurl = "{self.dav.endpoint}/fir"\nallow_private_network = true\n{RETRY}'
            )
        aster.apply(files)
        here = {path.removeprefix("partners/").removesuffix(".toml") for path in files} | {"birch"}
        absent = {"dahlia", "elder", "fir"} - here
        aster.apply(
            {
                f"flows/{id}.toml": text
                for id, text in self._flows.items()
                if not any(f':{partner}"' in text for partner in absent)
            }
        )
        (aster.folder / "drop").mkdir()
        self.birch.start()
        aster.start()

    def _gpg_keys(self) -> str:
        """Cedar has a key and knows ours; its certificate."""
        self.gpg.key("cedar@cedar.example", "ed25519", "cv25519")
        self.gpg.run("--import", data=self._certificate())
        return self.gpg.public("cedar@cedar.example").decode()

    def _certificate(self) -> bytes:
        return armored_certificate(self.aster.node.keyring.openpgp_certificate("pgp")).encode()

    def _account(self, client: SftpClient) -> str:
        user = client.folder.name
        password = self.aster.secret(user, PASSWORD)
        return f'[account]\nuser = "{user}"\nkeys = ["{client.key}"]\npassword = "{password}"\n'

    def _dahlia(self) -> dict[str, str]:
        shown = tls_certs.make("127.0.0.1")
        self.vsftpd = self._held.enter_context(ftp_servers.vsftpd(self.base, shown))
        password = self.aster.secret("dahlia", "aster@example")
        return {
            "certificates/dahlia.pem": shown.pem.decode(),
            "partners/dahlia.toml": f'name = "Dahlia"\n[ftps]\nhost = "127.0.0.1:{self.vsftpd.port}"\n'
            f'user = "anonymous"\npassword = "{password}"\nfolder = "in"\nallow_private_network = true\n{RETRY}'
            '[[certificates]]\nfile = "certificates/dahlia.pem"\nuse = ["tls"]\n',
        }

    def _elder(self) -> dict[str, str]:
        server = s3.s3_server()
        name = f"b{secrets.token_hex(6)}"
        server.make_bucket(name)
        self.bucket = S3Store(
            name,
            endpoint=server.endpoint,
            region=s3.REGION,
            access_key_id=s3.ACCESS_KEY,
            secret_access_key=s3.SECRET,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        access = self.aster.secret("elder-access", s3.ACCESS_KEY)
        secret = self.aster.secret("elder-secret", s3.SECRET)
        return {
            "partners/elder.toml": f'name = "Elder"\n[s3]\nbucket = "{name}"\nendpoint = "{server.endpoint}"\n'
            f'access_key = "{access}"\nsecret_key = "{secret}"\nallow_private_network = true\n{RETRY}'
        }

    # What the tests do in it

    def object(self, key: str) -> bytes:
        """What lies in Elder's bucket, read by another client."""
        return bytes(obstore.get(self.bucket, key).bytes())

    def birch_sends(self, name: str, data: bytes) -> None:
        """Birch's application hands a document in for Aster."""
        path = self.base / name
        path.write_bytes(data)
        send_files(self.birch.node, PartnerId("aster"), [path], subject=name, actor="operator:test")

    def curl(self, *words: object, code: int = 0, user: str = "cedar") -> bytes:
        """curl at Aster's FTPS listener; a word that begins with ``/`` is a path there."""
        where = f"ftp://localhost:{self.aster.ftps_port}"
        said = [
            f"{where}{word}" if str(word).startswith("/in") or str(word).startswith("/out") else word
            for word in words
        ]
        ca = self.aster.folder / "tls.pem"
        return tool(
            "curl",
            "-sS",
            "--ipv4",
            "--cacert",
            ca,
            "--ssl-reqd",
            "--tls-max",
            "1.2",
            "-u",
            f"{user}:{PASSWORD}",
            *said,
            code=code,
        )

    def at_birch(self, name: str) -> list[bytes]:
        """What Birch's application has of that name."""
        return self.birch.inbox().get(name, [])

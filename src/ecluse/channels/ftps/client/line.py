"""One connection to an FTP server, on libcurl: commands, transfers and listings, one after the other.

libcurl resumes the control connection's TLS session on data connections, under TLS 1.2 and 1.3, which servers
demand. Nothing is shared between two lines: no connection, no session, no cache of names.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections import deque
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import pycurl

from ecluse.channels.ftps.client.errors import Doubtful, ServerRefused, refusal, trouble
from ecluse.channels.ftps.client.place import Place
from ecluse.channels.http.tls import CIPHERS
from ecluse.errors import EcluseError
from ecluse.model.paths import BadPath
from ecluse.wire.ftp import Reply

__all__ = ["Line"]

HELD: Final = 1 << 20
"""Octets of a download that are held before libcurl is made to wait."""
SHORTEST: Final = 0.001
LONGEST: Final = 0.1
"""Seconds between two looks whether libcurl goes on. It may hold lines of a reply in its own buffers, where no
descriptor tells of them (proftpd sends each in a TLS record of its own): one looks again soon, then less often."""
_REPLIES: Final = 200
"""Lines of replies that are kept of one operation; FEAT has some thirty."""
_LINE: Final = 2048
_SESSION: Final = re.compile(r"SSL connection using (\S+) / (\S+)")
_VERSIONS: Final = {"1.2": pycurl.SSLVERSION_TLSv1_2, "1.3": pycurl.SSLVERSION_TLSv1_3}
_MODES: Final = {"implicit": "ftps", "explicit": "ftp", "clear": "ftp"}
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Line:
    """For one thread at a time. Connects with its first operation, and again when the connection was lost.

    Args:
        place: The server.

    Attributes:
        tls: TLS version and cipher of the control connection; empty in clear.
        certificate: SHA-256 of the server's certificate, in hexadecimal digits; empty in clear.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tls = ""
        self.certificate = ""
        self._curl = pycurl.Curl()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, 1)
        self._replies: deque[bytes] = deque(maxlen=_REPLIES)
        self._features: frozenset[str] | None = None
        self._activity = 0

    @property
    def seen(self) -> dict[str, str | None]:
        """What the server showed, by role (:mod:`ecluse.trust.sightings`); nothing before a connection."""
        version, _, cipher = self.tls.partition(" ")
        if self.place.mode == "clear" and self._activity:
            version = "none"
        return {"tls-version": version, "cipher": cipher, "tls-server": self.certificate}

    def close(self) -> None:
        """Say goodbye and let go. Never raises."""
        self._curl.close()
        self._multi.close()

    def command(self, text: str, what: str) -> Reply:
        """Send one command; give the reply to it.

        Args:
            text: Verb and argument.
            what: What is tried, for errors (``rename the file``).

        Raises:
            ServerRefused: The reply is 400 or more.
            EcluseError: There is no reply.
        """
        return self.commands([text], what)

    def commands(self, texts: list[str], what: str) -> Reply:
        """Send commands; give the reply to the last one.

        Raises:
            ServerRefused: One of them was refused. The ones behind it were sent all the same: they lean on it.
        """
        curl = self._fresh("")
        curl.setopt(pycurl.NOBODY, 1)
        # The asterisk lets a refusal stand: without it libcurl would close the connection.
        curl.setopt(pycurl.QUOTE, [b"*" + _safe(text).encode() for text in texts])
        self._perform(what)
        replies = [reply for line in self._replies if (reply := _reply(line)) is not None][-len(texts) :]
        for reply in replies:
            if reply.code >= 400:
                raise refusal(reply.code, reply.text, what)
        if not replies:
            raise ServerRefused("The server sent no reply.")
        return replies[-1]

    @property
    def features(self) -> frozenset[str]:
        """What the server says that it speaks (RFC 2389): the first words of its lines, in upper case."""
        if self._features is None:
            try:
                self.command("FEAT", "list its features")
                lines = [
                    line.decode("utf-8", "replace").strip().upper()
                    for line in self._replies
                    if line[:1] == b" "
                ]
            except ServerRefused:
                lines = []
            self._features = frozenset(line.split(" ")[0] for line in lines if line)
        return self._features

    def facts(self, path: str) -> str:
        """The facts of one path (MLST), as a line of a listing; empty where the reply has none."""
        self.command(f"MLST {path}", "ask for the file's facts")
        for line in self._replies:
            if line.startswith(b" "):
                return line.strip(b"\r\n")[1:].decode("utf-8", "replace")
        return ""

    def upload(self, path: str, chunks: Iterator[bytes], *, append: bool = False) -> None:
        """Store a file, or append to one.

        Args:
            path: Where.
            chunks: Its octets, at most 1 MiB at a time.
            append: What is there stays, and these come behind it.

        Raises:
            Doubtful: All was sent, and no answer came.
            EcluseError: It is not stored, or not whole.
        """
        source = _Source(chunks)
        curl = self._fresh(path)
        curl.setopt(pycurl.UPLOAD, 1)
        curl.setopt(pycurl.APPEND, 1 if append else 0)
        curl.setopt(pycurl.READFUNCTION, source.read)
        if self.place.rate:
            curl.setopt(pycurl.MAX_SEND_SPEED_LARGE, self.place.rate)
        try:
            self._perform("store the file")
        except EcluseError as error:
            if source.error is not None:
                raise source.error from None
            if source.ended and not isinstance(error, ServerRefused):
                raise Doubtful("All was sent, and the server did not say that it has it.") from None
            raise

    def download(self, path: str, offset: int = 0, *, listing: str = "") -> Iterator[bytes]:
        """The octets of a file, as they come; of a listing, where ``listing`` is its command. In bounded memory.

        Raises:
            EcluseError: They did not all come.
        """
        curl = self._fresh(path, folder=bool(listing))
        if listing:
            curl.setopt(pycurl.CUSTOMREQUEST, listing)
        if offset:
            curl.setopt(pycurl.RESUME_FROM_LARGE, offset)
        if self.place.rate:
            curl.setopt(pycurl.MAX_RECV_SPEED_LARGE, self.place.rate)
        return self._stream("list the folder" if listing else "read the file")

    def _stream(self, what: str) -> Iterator[bytes]:
        held = bytearray()  # of a listing libcurl gives a line at a time
        paused = False

        def take(data: bytes) -> int | None:
            nonlocal paused, held
            if len(held) >= HELD:
                paused = True
                return int(pycurl.WRITEFUNC_PAUSE)
            held += data
            return None

        self._curl.setopt(pycurl.WRITEFUNCTION, take)
        for _ in self._steps(what):
            if held:
                block, held = bytes(held), bytearray()
                yield from (block[at : at + HELD] for at in range(0, len(block), HELD))
                if paused:
                    paused = False
                    self._curl.pause(pycurl.PAUSE_CONT)

    def _perform(self, what: str) -> None:
        for _ in self._steps(what):
            pass

    def _steps(self, what: str) -> Iterator[None]:
        """Run the operation that the handle is set up for, a step at a time.

        The connection is the multi handle's, and stays with it from one operation to the next.
        """
        curl, multi = self._curl, self._multi
        multi.add_handle(curl)
        try:
            running, wait, seen = 1, SHORTEST, self._activity
            while running:
                _, running = multi.perform()
                yield
                wait = SHORTEST if self._activity != seen else min(LONGEST, wait * 2)
                seen = self._activity
                if running:
                    own = multi.timeout()
                    multi.select(min(wait, own / 1000) if own >= 0 else wait)
            for _, number, _ in multi.info_read()[2]:
                raise self._error(number, what)
            self._learn()
        finally:
            multi.remove_handle(curl)

    def _error(self, number: int, what: str) -> EcluseError:
        reply = self._last()
        return trouble(number, int(self._curl.getinfo(pycurl.RESPONSE_CODE)) or reply.code, reply.text, what)

    def _last(self) -> Reply:
        return next((reply for line in reversed(self._replies) if (reply := _reply(line))), Reply(0, ""))

    def _learn(self) -> None:
        """Keep the server's certificate of the first operation."""
        if self.place.mode == "clear" or self.certificate:
            return
        chain = self._curl.getinfo(pycurl.INFO_CERTINFO)
        for name, value in chain[0] if chain else ():
            if name == "Cert":
                der = ssl.PEM_cert_to_DER_cert(value)
                self.certificate = hashlib.sha256(der).hexdigest()

    def _fresh(self, path: str, *, folder: bool = False) -> pycurl.Curl:
        """The handle, set up for one operation. Its connection stays."""
        curl, place = self._curl, self.place
        curl.reset()
        self._replies.clear()
        host = f"[{place.host}]" if ":" in place.host else place.host
        shown = quote(_safe(path), safe="/")
        if shown.startswith("/"):
            shown = "%2F" + shown[1:]
        if folder and shown:
            shown = shown.rstrip("/") + "/"
        curl.setopt(pycurl.URL, f"{_MODES[place.mode]}://{host}:{place.port}/{shown}")
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_FTP | pycurl.PROTO_FTPS)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NETRC, 0)
        curl.setopt(pycurl.NOSIGNAL, 1)
        # Only checked addresses are connected to, for commands and for data, whatever PASV says.
        curl.setopt(
            pycurl.RESOLVE, [f"{place.host}:{place.port}:{','.join(map(_bracketed, place.addresses))}"]
        )
        curl.setopt(pycurl.FTP_SKIP_PASV_IP, 1)
        curl.setopt(pycurl.FTP_FILEMETHOD, pycurl.FTPMETHOD_NOCWD)
        curl.setopt(pycurl.USERNAME, place.user.encode())
        curl.setopt(pycurl.PASSWORD, place.password)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(place.timeout * 1000))
        curl.setopt(pycurl.FTP_RESPONSE_TIMEOUT, max(1, int(place.timeout)))
        curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
        curl.setopt(pycurl.LOW_SPEED_TIME, max(1, int(place.timeout)))
        curl.setopt(pycurl.BUFFERSIZE, 256 << 10)
        curl.setopt(pycurl.UPLOAD_BUFFERSIZE, 256 << 10)
        curl.setopt(pycurl.HEADERFUNCTION, self._heard)
        curl.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        if place.mode != "clear":
            self._secure(curl)
        return curl

    def _secure(self, curl: pycurl.Curl) -> None:
        place = self.place
        curl.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
        curl.setopt(pycurl.FTPSSLAUTH, pycurl.FTPAUTH_TLS)
        curl.setopt(pycurl.SSLVERSION, _VERSIONS[place.minimum])
        curl.setopt(pycurl.SSL_CIPHER_LIST, CIPHERS)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0 if place.pins else 2)
        curl.setopt(pycurl.OPT_CERTINFO, 1)
        if place.pins:
            curl.setopt(pycurl.PINNEDPUBLICKEY, ";".join(place.pins))
        if place.anchors:
            curl.setopt(pycurl.CAINFO_BLOB, place.anchors)
            curl.unsetopt(pycurl.CAPATH)
        else:
            system = ssl.get_default_verify_paths()
            if system.cafile:
                curl.setopt(pycurl.CAINFO, system.cafile)
            if system.capath:
                curl.setopt(pycurl.CAPATH, system.capath)
        if place.key:
            curl.setopt(pycurl.SSLCERT_BLOB, place.certificate)
            curl.setopt(pycurl.SSLKEY_BLOB, place.key)
        if not self.tls:
            # What was agreed on is only told so; it never shows what is sent, and only its own text is looked at.
            curl.setopt(pycurl.VERBOSE, 1)
            curl.setopt(pycurl.DEBUGFUNCTION, self._told)

    def _heard(self, line: bytes) -> None:
        self._activity += 1
        self._replies.append(line[:_LINE])

    def _told(self, kind: int, text: bytes) -> None:
        if kind == pycurl.INFOTYPE_TEXT and not self.tls:
            match = _SESSION.search(text.decode("utf-8", "replace"))
            if match:
                self.tls = f"{match[1]} {match[2]}"


class _Source:
    """Chunks, in the pieces that libcurl asks for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.ended = False
        self.error: Exception | None = None

    def read(self, size: int) -> bytes | int:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            self.ended = True
            return b""
        except Exception as error:  # noqa: BLE001 - raised again by the caller: it can't cross libcurl
            self.error = error
            return int(pycurl.READFUNC_ABORT)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


def _reply(line: bytes) -> Reply | None:
    match = re.match(rb"([1-5][0-9]{2}) (.*)", line.strip(b"\r\n"))
    return None if match is None else Reply(int(match[1]), match[2].decode("utf-8", "replace"))


def _safe(text: str) -> str:
    """A path or command whose line nothing can end early."""
    if _UNSAFE.search(text):
        raise BadPath("A name has a control character in it, or is not Unicode.")
    return text


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

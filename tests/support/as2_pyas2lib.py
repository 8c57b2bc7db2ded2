"""pyas2lib with an HTTP server around it: a trading partner that is not ours, both ways."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support import pyas2lib_shim
from tests.support.as2_hubs import HOST, Answer
from tests.support.as2_world import Party

pyas2lib = pyas2lib_shim.load()

PASSWORD = "opened in tests"


def wire(headers: Any, body: bytes) -> bytes:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode() + b"\r\n" + body


class Foreign:
    """The partner: its server, and the messages it sends.

    Args:
        who: Its key and certificate; its AS2 ids all stand for this one party.
        hub_certificate: PEM of the hub's.
        hub_id: The hub's AS2 id.
    """

    def __init__(self, who: Party, hub_certificate: bytes, hub_id: str) -> None:
        self.who = who
        self.hub_id = hub_id
        self._hub_certificate = hub_certificate
        self.received: dict[str, tuple[str, bytes]] = {}
        self.receipts: dict[str, tuple[str, Any]] = {}
        self._sent: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._later: list[threading.Thread] = []
        foreign = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                headers, content = foreign.take(self.path, list(self.headers.items()), body)
                self.send_response(200)
                for name, value in headers:
                    self.send_header(name, " ".join(str(value).split()))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def organisation(self, as2_id: str) -> Any:
        key = self.who.pkcs12(PASSWORD.encode())
        return pyas2lib.Organization(
            as2_name=as2_id,
            sign_key=key,
            sign_key_pass=PASSWORD,
            decrypt_key=key,
            decrypt_key_pass=PASSWORD,
            domain="foreign.example",
            mdn_url=f"http://{HOST}:{self.port}/receipt",
        )

    def hub(self, **options: Any) -> Any:
        """The hub, as the partner has it on file."""
        return pyas2lib.Partner(
            as2_name=self.hub_id,
            verify_cert=self._hub_certificate,
            encrypt_cert=self._hub_certificate,
            validate_certs=False,
            **options,
        )

    def take(self, path: str, headers: list[tuple[str, str]], body: bytes) -> tuple[list[Any], bytes]:
        """What its server answers."""
        with self._lock:
            if path == "/receipt":
                mdn = pyas2lib.Mdn()
                status, detail = mdn.parse(wire(headers, body), lambda id, _: self._sent[id])
                self.receipts[mdn.orig_message_id] = (status, detail)
                return [], b""
            message = pyas2lib.Message()
            status, failure, mdn = message.parse(
                wire(headers, body), find_org_cb=self.organisation, find_partner_cb=lambda _: self.hub()
            )
            found = {name.lower(): value for name, value in headers}
            self.received[found["message-id"]] = (f"{status} {failure[0] or ''}".strip(), message.content)
        if mdn is None:
            return [], b""
        if mdn.mdn_mode == "ASYNC":
            work = threading.Thread(
                target=self._post, args=(mdn.mdn_url, list(mdn.headers.items()), mdn.content)
            )
            work.start()
            return [], b""
        return list(mdn.headers.items()), mdn.content

    @staticmethod
    def _post(url: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        place = urlsplit(url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        with contextlib.closing(connection):
            fields = {name: " ".join(str(value).split()) for name, value in headers}
            connection.request("POST", place.path, body, fields)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())

    def send(self, as2_id: str, url: str, payload: bytes, **options: Any) -> tuple[Any, str]:
        """Build a message and post it; gives it, and what its receipt says (empty where there is none)."""
        message = pyas2lib.Message(sender=self.organisation(as2_id), receiver=self.hub(**options))
        message.build(payload, filename="orders.edi", content_type="application/edifact")
        self._sent[message.message_id] = message
        answer = self._post(url, list(message.headers.items()), message.content)
        assert answer.status in (200, 204), answer
        if not answer.body:
            return message, ""
        status, detail = pyas2lib.Mdn().parse(wire(answer.headers, answer.body), lambda *_: message)
        return message, f"{status} {detail or ''}".strip()


@contextlib.contextmanager
def foreign(who: Party, hub_certificate: bytes, hub_id: str) -> Iterator[Foreign]:
    partner = Foreign(who, hub_certificate, hub_id)
    try:
        yield partner
    finally:
        partner.close()

"""Certificates for our TLS listeners by ACME (RFC 8555, http-01), ordered in time and taken up without an outage.

The key stays and gets another certificate, so that partners who pin the key see no change, and those who pin the
authority neither. A listener shows the new certificate to whoever connects from then on; connections go on with what
they began with.

This is a client of the project's own, some 400 lines with its core in :mod:`ecluse.wire.acme`: the usual library brings
``requests``, which knows nothing of the limits and the allow-list that the hub's own HTTP client keeps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.app.keys.certificates import generate_key, install_certificate
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits, Limits
from ecluse.channels.http.message import Request, Response
from ecluse.channels.http.server import Listener, Server
from ecluse.channels.http.stream import request
from ecluse.channels.http.tls import ClientTls, client_tls
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.trust.addresses import split_url
from ecluse.trust.certificates import describe
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.schema import Acme
from ecluse.wire.acme import (
    CHALLENGE_PATH,
    MAX_ANSWER,
    AcmeError,
    AcmeKey,
    Authorization,
    Directory,
    Order,
    base64url,
    read_answer,
    read_problem,
    signed,
)

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["AcmeDoor", "acme_work", "certified_keys", "due", "renew"]

ACCOUNT: Final = "acme-account"
"""Name of the account's key in the keyring."""
CHALLENGE: Final = "acme-challenge"
"""Kind of the records that answer challenges; the key is the token. Every node that listens answers from them."""
LOOK_EVERY: Final = 3600
"""Seconds between two looks for certificates that end soon."""
_PATIENCE: Final = 90.0
"""Seconds for the authority to look at an answer, or to make a certificate."""
_STEP: Final = 0.5
_NONCES: Final = 6
"""Nonces that a request is tried with: a server may refuse one for no fault of ours (RFC 8555 s6.5)."""
_SHARE: Final = 3
"""A certificate is renewed in the last third of its life at the latest, however short that is."""

_log = structlog.get_logger("ecluse.acme")
_T = TypeVar("_T")


class AcmeNotAgreed(EcluseError):
    """Nobody agreed to the authority's terms, or nothing is configured."""

    code = "acme.not-configured"
    fault = Fault.USAGE
    remedy = "Set [acme] with directory, names and agree = true in ecluse.toml, and apply it."


def certified_keys(node: Node) -> tuple[str, ...]:
    """The keys of our TLS listeners, whose certificates are ordered where ``[acme]`` is set."""
    hub, directory = node.directory.hub, node.directory
    listeners = [each for each in (hub.listen.as2.tls, hub.listen.ftps) if each is not None]
    return tuple(dict.fromkeys(directory.shown_key(each.key, each.successor) for each in listeners))


def due(node: Node, ref: str, settings: Acme) -> bool:
    """Whether a key's certificate is to be ordered: it is its own issuer, lacks a name, or ends soon."""
    certificate = node.keyring.certificate(ref)
    info = describe(certificate)
    if info.self_signed or not set(settings.names) <= set(_names(certificate)):
        return True
    life = info.not_after - info.not_before
    return info.not_after - node.hub.clock() < min(int(seconds(settings.renew) * 1_000_000), life // _SHARE)


def acme_work(node: Node) -> Recurring:
    """What a serving node does: order what is due."""

    def work(context: JobContext) -> None:
        settings = node.directory.hub.acme
        for ref in certified_keys(node) if settings is not None and settings.agree else ():
            context.check()
            if settings is not None and due(node, ref, settings):
                try:
                    renew(node, ref, actor="hub")
                except EcluseError as error:
                    _failed(node, ref, error)

    return Recurring("acme.renew", Every(LOOK_EVERY), work)


def _failed(node: Node, ref: str, error: EcluseError) -> None:
    ends = iso(describe(node.keyring.certificate(ref)).not_after)
    facts = {"reason": error.code, "cause": error.cause, "not_after": ends}
    node.store.write(lambda tx: node.hub.event(tx, "key.not-renewed", f"key:{ref}", facts))
    _log.warning("certificate not renewed", key=ref, ends=ends, **error.as_dict())


def renew(node: Node, ref: str, *, actor: str) -> x509.Certificate:
    """Order a certificate for a key, and install it.

    Raises:
        AcmeNotAgreed: Nothing is configured, or nobody agreed to the terms.
        AcmeError: The authority refuses, or can't be understood.
        EcluseError: It can't be reached.
    """
    settings = node.directory.hub.acme
    if settings is None or not settings.agree:
        raise AcmeNotAgreed("No authority is configured, or nobody agreed to its terms.")
    authority = _Authority(node, settings)
    order_url, order = authority.order(settings.names)
    if len(order.authorizations) > len(settings.names):
        raise AcmeError("The authority asks for more proofs than there are names.")
    for url in order.authorizations:
        _prove(node, authority, url)
    csr = x509.load_pem_x509_csr(node.keyfiles.request(ref, "", settings.names).encode())
    encoded = base64url(csr.public_bytes(Encoding.DER))
    authority.post(order.finalize, {"csr": encoded}, Order)
    order = authority.wait(order_url, Order, lambda found: found.status in ("valid", "invalid"))
    if order.status != "valid" or order.certificate is None:
        why = order.error.detail if order.error is not None else "it gives no reason"
        raise AcmeError(f"The authority makes no certificate: {why}"[:500])
    pem = authority.download(order.certificate)
    return install_certificate(node, ref, pem, actor=actor)


def _prove(node: Node, authority: _Authority, url: str) -> None:
    """Prove control over one name (RFC 8555 s7.5.1)."""
    found = authority.post(url, None, Authorization)
    if found.status == "valid":
        return
    challenge = found.http()
    now = node.hub.clock()
    body = authority.key.authorization(challenge.token).encode("ascii")
    record = Record(CHALLENGE, challenge.token, now, body, due=Instant(now + int(_PATIENCE * 2_000_000)))
    node.store.write(lambda tx: tx.put_record(record))
    try:
        authority.post(challenge.url, {}, None)
        found = authority.wait(url, Authorization, lambda each: each.status != "pending")
    finally:
        node.store.write(lambda tx: tx.drop_record(CHALLENGE, challenge.token))
    if found.status != "valid":
        name = found.identifier.value
        raise AcmeError(
            f"The authority does not find us at {name}: {found.why()}.",
            remedy=f"Port 80 of {name} has to lead to [acme] listen, from everywhere.",
        )


class _Authority:
    """One authority's server, as one account sees it."""

    def __init__(self, node: Node, settings: Acme) -> None:
        place = split_url(settings.directory)
        assert place is not None, "checked with the configuration"
        networks = PRIVATE_NETWORKS if settings.allow_private_network else ()
        # Its resources may be on hosts of other names (RFC 8555 s7.1.1); what is private stays out of reach.
        self._egress = Egress(hosts=None, networks=networks)
        self._limits = ClientLimits(reply_time=30.0, stall=30.0, total=60.0, reply_bytes=MAX_ANSWER)
        self._tls = _trust(node, settings)
        self._nonce_url = ""
        self._nonce = ""
        self._account: str | None = None
        self.key = _account_key(node)
        status, _, body = self._ask("GET", settings.directory, b"")
        if status != 200:
            raise read_problem(status, body)
        self._directory = read_answer(body, Directory)
        self._register(settings)

    def _register(self, settings: Acme) -> None:
        wanted: dict[str, Any] = {"termsOfServiceAgreed": True}
        if settings.email is not None:
            wanted["contact"] = [f"mailto:{settings.email}"]
        _, headers, _ = self._signed(self._directory.new_account, wanted)
        self._account = headers.get("location", "")
        if split_url(self._account) is None:
            raise AcmeError("The authority does not say which account is ours.")

    def order(self, names: tuple[str, ...]) -> tuple[str, Order]:
        """Order a certificate; gives the order's URL too."""
        wanted = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        _, headers, body = self._signed(self._directory.new_order, wanted)
        url = headers.get("location", "")
        if split_url(url) is None:
            raise AcmeError("The authority does not say where the order is.")
        return url, read_answer(body, Order)

    def post(self, url: str, payload: object | None, kind: type[_T] | None) -> Any:
        """Ask for something; gives the answer as ``kind``, where one is named."""
        _, _, body = self._signed(url, payload)
        return None if kind is None else read_answer(body, kind)

    def wait(self, url: str, kind: type[_T], done: Callable[[_T], bool]) -> _T:
        """Ask again until it is done. Raises :class:`AcmeError` where that takes too long."""
        end = time.monotonic() + _PATIENCE
        while True:
            found: _T = self.post(url, None, kind)
            if done(found):
                return found
            if time.monotonic() > end:
                raise AcmeError(f"The authority takes longer than {_PATIENCE:g} seconds.")
            time.sleep(_STEP)

    def download(self, url: str) -> bytes:
        """A certificate with its issuers, PEM."""
        return self._signed(url, None)[2]

    def _signed(self, url: str, payload: object | None) -> tuple[int, dict[str, str], bytes]:
        for attempt in range(1, _NONCES + 1):
            if not self._nonce:
                self._ask("HEAD", self._directory.new_nonce, b"")
            nonce, self._nonce = self._nonce, ""
            if not nonce:
                raise AcmeError("The authority gives no nonce.")
            status, headers, body = self._ask(
                "POST", url, signed(self.key, url, nonce, payload, self._account)
            )
            if 200 <= status < 300:
                return status, headers, body
            error = read_problem(status, body)
            if error.code != "acme.bad-nonce" or attempt == _NONCES:
                raise error
        raise AssertionError("the loop returns or raises")

    def _ask(self, method: str, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if split_url(url) is None:
            raise AcmeError("The authority gives a URL that is none.")
        fields = [("User-Agent", "Ecluse"), ("Accept-Language", "en")]
        if body:
            fields.append(("Content-Type", "application/jose+json"))
        tls = self._tls if url.lower().startswith("https:") else None
        with request(method, url, fields, body, egress=self._egress, tls=tls, limits=self._limits) as answer:
            content = b"" if method == "HEAD" else answer.read()
            headers = dict(reversed(answer.headers))
            self._nonce = headers.get("replay-nonce", "")[:200]
            return answer.status, headers, content


def _trust(node: Node, settings: Acme) -> ClientTls:
    if settings.ca is None:
        return client_tls(system=True)
    try:
        return client_tls(anchors=[node.directory.configuration.authority(settings.ca, node.folder)])
    except OSError as error:
        raise AcmeNotAgreed(
            f"The file {settings.ca} can't be read: {error.strerror}.", remedy="Look at [acme] ca."
        ) from None


def _account_key(node: Node) -> AcmeKey:
    if ACCOUNT not in node.keyring.references():
        generate_key(node, ACCOUNT, "ec-p256", subject="ACME account", days=3650, actor="hub")
    public = node.keyring.certificate(ACCOUNT).public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.key_size != 256:
        raise AcmeNotAgreed(f"The key {ACCOUNT} is no EC key on P-256.", remedy="Give that key another name.")
    numbers, signer = public.public_numbers(), node.keyring.signer(ACCOUNT)
    return AcmeKey(
        numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"), lambda data: signer.sign(data, "sha256")
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return found.get_values_for_type(x509.DNSName)


class AcmeDoor:
    """The listener that answers challenges, and nothing else.

    Args:
        node: The opened hub.
        settings: ``[acme]`` at the start.
    """

    def __init__(self, node: Node, settings: Acme) -> None:
        self._node = node
        self._settings = settings
        host, _, port = settings.listen.rpartition(":")
        limits = Limits(head_time=10.0, keep_alive=5.0, body_bytes=1024, connections=64)
        self._server = Server(self._answer, [Listener(host.strip("[]"), int(port))], limits, _log)
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises :class:`~ecluse.channels.http.errors.ListenFailed`."""
        self.port = (await self._server.start())[0]
        _log.info("answering challenges", address=self._settings.listen, port=self.port)

    async def stop(self) -> None:
        """End."""
        await self._server.stop(1.0)

    async def _answer(self, request: Request) -> Response:
        close = ("Connection", "close")
        if request.method not in ("GET", "HEAD") or not request.path.startswith(CHALLENGE_PATH):
            return Response(404, [("Content-Type", "text/plain"), close], b"There is nothing here.\n")
        token = request.path.removeprefix(CHALLENGE_PATH)[:200]
        record = await asyncio.to_thread(self._node.store.read, lambda view: view.record(CHALLENGE, token))
        if record is None or (record.due or Instant(0)) < self._node.hub.clock():
            return Response(404, [("Content-Type", "text/plain"), close], b"There is nothing here.\n")
        return Response(200, [("Content-Type", "application/octet-stream"), close], record.body)

"""Opening an AS2 message: HTTP body in, documents and what proves them out, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from ecluse.errors import EcluseError
from ecluse.wire.as2._entity import Body, Entity
from ecluse.wire.as2._run import Place, Run, as_failure, fail
from ecluse.wire.as2.disposition import UNEXPECTED_ERROR
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import Event, Opened, UnwrapPolicy
from ecluse.wire.cms.errors import Misuse
from ecluse.wire.smime.headers import Headers
from ecluse.wire.smime.mic import DEFAULT_DIGEST

__all__ = ["Unwrapper"]

_SLICE = 2_097_152
_SMALL_SLICE = 8_192
"""Octets fed at once where compression is, or may yet be, inside: zlib makes up to 1032 of one."""


class Unwrapper:
    """Opens one message, push style. Memory does not depend on its size.

    ``feed`` (or ``iterate``, which bounds what comes at once out of compressed octets) gives ``KeyNeeded``
    where a layer is encrypted: find the key, call ``supply_key``, then feed on (``Limits.held`` octets at
    most may be fed before). Where no key is held, or unwrapping it fails in whatever way, supply ``b""``: the
    message is then read to its end and answered as any other that can't be decrypted.

    ``Exact`` and ``PartData`` come while the message is still unproven: keep them in quarantine. Only
    ``Opened``, the last event of ``close``, says that every tag and signature was right. Any failure before
    it means that nothing may be released.

    Args:
        headers: The header of the HTTP request.
        policy: What is asked of the partner.
    """

    def __init__(self, headers: Headers, policy: UnwrapPolicy) -> None:
        self._headers = headers
        self._run = Run(policy, Entity)
        self._body: Body | None = None
        self._failure: As2Failure | None = None
        self.unproven: list[Event] = []
        """After a failure: what the failing call had found before it. For diagnosis; never to be released."""

    def feed(self, data: bytes) -> list[Event]:
        """Take the next octets of the body, decoded from any HTTP transfer coding.

        Raises:
            As2Failure: The message can't be accepted; every later call raises it again.
        """
        return self._do(data)

    def iterate(self, data: bytes) -> Iterator[Event]:
        """Feed ``data`` in slices and give the events as each is done: what inflates greatly is never whole.

        After ``KeyNeeded`` was given, call ``supply_key`` (and take what it gives) before going on.

        Raises:
            As2Failure: As :meth:`feed`.
        """
        at = 0
        while at < len(data):
            settled = self._run.parts and not self._run.compressed
            size = _SLICE if settled else _SMALL_SLICE
            yield from self._do(data if at == 0 and size >= len(data) else data[at : at + size])
            at += size

    def supply_key(self, cek: bytes) -> list[Event]:
        """Go on with the content-encryption key that ``KeyNeeded`` asked for.

        A key that opens nothing shows in ``close``, not here.

        Raises:
            As2Failure: The message has failed before.
            Misuse: No key is awaited.
        """
        if self._run.waiting is None:
            raise Misuse("A key was supplied that nothing asked for.")
        return self._do(None, cek)

    def close(self) -> list[Event]:
        """The body is at its end. The last event is ``Opened``.

        Raises:
            As2Failure: The message is cut short, or a signature, tag or structure is wrong.
            Misuse: A key is still awaited.
        """
        if self._failure is None and self._run.waiting is not None:
            raise Misuse("The message was closed while a key is awaited.")
        return self._do(None)

    def _do(self, data: bytes | None, cek: bytes | None = None) -> list[Event]:
        if self._failure is not None:
            raise self._failure
        run = self._run
        try:
            if self._body is None:
                self._body = Body(run, Place(), self._headers)
            if data is not None:
                if data:
                    self._body.feed(data)
            elif cek is not None:
                if run.waiting is not None:
                    run.waiting.supply_key(cek)
            else:
                self._body.close()
                if run.late is not None:
                    raise run.late
                run.events.append(self._opened())
        except EcluseError as error:
            self.unproven, run.events = run.events, []
            self._failure = as_failure(error, Place())
            raise self._failure from None
        events, run.events = run.events, []
        return events

    def _opened(self) -> Opened:
        run = self._run
        protections = tuple(found for found in run.protections if found is not None)
        if run.digester is None or not run.parts or len(protections) != len(run.protections):
            fail("A layer of the message stayed unopened.", UNEXPECTED_ERROR, "Send the whole message again.")
        found = run.mics if run.mics is not None else run.digester.digests(run.digests_wanted())
        mics = MappingProxyType(dict(found))
        wanted = run.policy.mic_digest or run.signature_digest or DEFAULT_DIGEST
        return Opened(
            protections,
            mics,
            wanted if wanted in mics else DEFAULT_DIGEST,
            run.exact_size,
            run.parts,
            run.is_mdn,
            run.canonical,
            tuple(run.warnings),
            run.digester.digests((DEFAULT_DIGEST,))[DEFAULT_DIGEST],
        )

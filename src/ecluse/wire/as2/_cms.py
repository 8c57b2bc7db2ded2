"""Layers of CMS of a message being opened: encrypted, compressed, or opaquely signed."""

from __future__ import annotations

from msgspec.structs import replace

from ecluse.errors import EcluseError
from ecluse.wire.as2._run import Inner, Place, Run, as_failure, fail, undecryptable
from ecluse.wire.as2._signed import note_signature
from ecluse.wire.as2.disposition import AUTHENTICATION_FAILED, INTEGRITY_CHECK_FAILED, UNEXPECTED_ERROR
from ecluse.wire.as2.errors import As2Failure
from ecluse.wire.as2.events import Compressed, Encrypted
from ecluse.wire.cms import oids
from ecluse.wire.cms.detach import detached_again
from ecluse.wire.cms.errors import CmsError
from ecluse.wire.cms.events import Content, ContentKind, Event, KeyNeeded, LayerEnded, LayerStarted, Signers
from ecluse.wire.cms.reader import Reader
from ecluse.wire.smime.mic import ALL_DIGESTS, Digester

__all__ = ["CmsLayer"]

_KIND_SHOWN = 32
"""Octets within which a ContentInfo has shown its content type."""
_SIGNATURE_FAULTS = (AUTHENTICATION_FAILED, INTEGRITY_CHECK_FAILED)
_ENCRYPTED = (ContentKind.ENVELOPED, ContentKind.AUTH_ENVELOPED)


class CmsLayer:
    """A layer of CMS, recognised by its own content type, whatever smime-type says.

    A fault of what is inside is held back until the layer has ended: if that fails, it was the cause, and it
    alone is answered, however the octets were cut. A fault that a supplied key brings to light is answered
    last of all, when every layer around has ended well; and a layer that is closed while it waits for its
    key, because all of it came in one piece, closes once it has the key.

    Args:
        run: The message.
        place: Where its *body* stands.
    """

    def __init__(self, run: Run, place: Place) -> None:
        self._run = run
        self._place = place
        self._index = run.enter(place)
        self._reader = Reader(run.policy.limits, run.policy.allowed)
        self._kind: ContentKind | None = None
        self._key: KeyNeeded | None = None
        self._inside = place
        self._child: Inner | None = None
        self._digester: Digester | None = None
        self._head: bytes | None = b""
        self._held: As2Failure | None = None
        self._unproven: As2Failure | None = None
        self._dead = self._closing = False

    def feed(self, data: bytes) -> None:
        if self._dead:
            return
        # An error takes back the events of its own call: the kind of the layer, which decides the answer to
        # an error, is therefore asked for by itself.
        if self._head is not None:
            data = self._head + data
            if len(data) < _KIND_SHOWN:
                self._head = data
                return
            self._head = None
            self._feed(data[:_KIND_SHOWN])
            data = data[_KIND_SHOWN:]
        self._feed(data)

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            events = self._reader.feed(data)
        except CmsError as error:
            raise self._failure(error) from None
        self._handle(events)

    def supply_key(self, cek: bytes) -> None:
        """Go on with the key; raises nothing."""
        self._run.waiting = None
        try:
            self._handle(self._reader.supply_key(cek))
            if self._closing:
                self.close()
        except EcluseError as error:
            self._dead = True
            self._run.late = self._run.late or as_failure(error, self._place, self._kind)

    def close(self) -> None:
        if self._dead:
            return
        if self._run.waiting is self:
            self._closing = True
            return
        if self._head is not None:
            head, self._head = self._head, None
            self._feed(head)
        try:
            events = self._reader.close()
        except CmsError as error:
            raise self._failure(error) from None
        self._handle(events)
        if self._unproven is not None:
            raise self._unproven

    def _failure(self, error: CmsError) -> As2Failure:
        return as_failure(error, self._place, self._kind)

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Content):
                self._content(event.data)
            elif isinstance(event, LayerStarted):
                self._start(event.kind)
            elif isinstance(event, KeyNeeded):
                self._key = event
                self._run.waiting = self
                self._run.events.append(event)
            elif isinstance(event, Signers):
                self._signers(event)
            else:
                self._end(event)

    def _start(self, kind: ContentKind) -> None:
        self._kind = kind
        run, place = self._run, self._place
        inside = replace(place, depth=place.depth + 1, origin=None)
        if kind is ContentKind.COMPRESSED:
            if run.compressed:
                fail("The message is compressed twice.", UNEXPECTED_ERROR, "Compress once (RFC 5402 s3).")
            run.compressed = True
        elif kind is ContentKind.SIGNED:
            run.signed = True
            self._digester = Digester(run.digests_wanted(), extra=ALL_DIGESTS, canonical=False)
            if not place.in_scope:
                inside = replace(inside, in_scope=True, origin=run.begin_scope(self._digester))
        elif kind in _ENCRYPTED:
            run.encrypted = True
            inside = replace(inside, malleable=kind is ContentKind.ENVELOPED)
        else:
            fail(f"A CMS layer is {kind.value}, which protects nothing.", UNEXPECTED_ERROR, "Send S/MIME.")
        self._inside = inside
        self._child = run.entity(inside, header_required=False)

    def _content(self, data: bytes) -> None:
        if self._held is not None or self._child is None:
            return
        try:
            if self._digester is not None:
                self._digester.update(data)
                if not self._place.in_scope:
                    self._run.exact(data)
            self._child.feed(data)
        except EcluseError as error:
            self._hold(error)

    def _hold(self, error: EcluseError) -> None:
        """Keep the fault for the end of the layer."""
        failure = as_failure(error, self._inside)
        if self._kind is ContentKind.ENVELOPED and (
            self._run.policy.conceal or failure.disposition not in _SIGNATURE_FAULTS
        ):
            # A fault that garbage can cause comes out only where the padding happened to be right: told apart
            # from a wrong padding it would tell that.
            failure = undecryptable()
        self._held = failure

    def _signers(self, found: Signers) -> None:
        try:
            if found.detached or self._digester is None:
                fail("A signed layer has no content.", AUTHENTICATION_FAILED, "Send multipart/signed.")
            scope = not self._place.in_scope
            signature = detached_again(found)
            note_signature(self._run, self._index, found, self._digester, signature, scope=scope)
        except As2Failure as failure:
            if not self._place.malleable:
                raise
            # Only once nothing follows: what does may be garbage whose padding happens to be right.
            self._unproven = failure

    def _end(self, event: LayerEnded) -> None:
        if self._held is None and self._child is not None:
            try:
                self._child.close()
                if event.content_type != oids.DATA and not self._child.has_header:
                    fail(
                        f"A layer holds another one without a MIME header ({event.content_type}).",
                        UNEXPECTED_ERROR,
                        "Send every layer as a MIME entity (RFC 8551 s3).",
                    )
            except EcluseError as error:
                self._hold(error)
        if self._held is not None:
            raise self._held
        if self._kind is ContentKind.COMPRESSED:
            self._run.protections[self._index] = Compressed()
        elif self._key is not None:
            self._run.protections[self._index] = Encrypted(
                self._key.algorithm, self._kind is ContentKind.AUTH_ENVELOPED, len(self._key.recipients)
            )

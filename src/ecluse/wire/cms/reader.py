"""One layer of CMS, from octets to events.

The grammar below reads like the ASN.1 of the RFCs: a generator goes through the fields in order and waits
where the input has run out. Content streams through a sink and is never held; everything else is bounded by
:class:`~ecluse.wire.cms.limits.Limits`.
"""

from __future__ import annotations

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.asn1 import CONSTRUCTED, CONTEXT, OCTET_STRING, SEQUENCE, SET, Asn1Error, Asn1LimitError
from ecluse.wire.cms import oids
from ecluse.wire.cms._attributes import algorithm_identifier, signed_octets
from ecluse.wire.cms._fields import initialisation, read_recipients, read_signer
from ecluse.wire.cms._sinks import CbcSink, DigestSink, GcmSink, InflateSink
from ecluse.wire.cms._tape import Sink, Tape, Waiting
from ecluse.wire.cms.algorithms import DIGESTS, ContentCipher, cipher
from ecluse.wire.cms.errors import (
    CmsError,
    DecryptionFailed,
    LimitExceeded,
    Malformed,
    Misuse,
    Truncated,
    UnsupportedAlgorithm,
)
from ecluse.wire.cms.events import (
    Content,
    ContentKind,
    Event,
    KeyNeeded,
    LayerEnded,
    LayerStarted,
    SignerInfo,
    Signers,
)
from ecluse.wire.cms.limits import Limits

__all__ = ["Limits", "Reader", "read_detached"]

PADDING = b"\r\n\t \0"
"""What may follow a layer: the line ends and fill octets that transports leave behind it."""

AUTHENTICATED_ATTRIBUTES = 16 * 1024
"""Octets; each block costs some 20 microseconds (see ``_ghash``), and a content type takes two."""

KINDS = {
    oids.DATA: ContentKind.DATA,
    oids.SIGNED_DATA: ContentKind.SIGNED,
    oids.ENVELOPED_DATA: ContentKind.ENVELOPED,
    oids.AUTH_ENVELOPED_DATA: ContentKind.AUTH_ENVELOPED,
    oids.COMPRESSED_DATA: ContentKind.COMPRESSED,
}

_0 = CONTEXT | CONSTRUCTED
_1 = CONTEXT | CONSTRUCTED | 1
_2 = CONTEXT | CONSTRUCTED | 2


class Reader:
    """Reads one ContentInfo (RFC 5652 s3) in BER or DER, recognised by its content type.

    Events come in this order: ``LayerStarted``; for an enveloped layer ``KeyNeeded``, once; ``Content`` any
    number of times; for a signed layer ``Signers``; ``LayerEnded``. A layer inside another is read by a
    second reader that is fed with the ``Content`` of the first.

    Nothing that an encrypted layer gave may be believed, nor an error in it be answered, before the layer's
    ``LayerEnded``: with a wrong key the content is noise, and what a reader further in says about noise
    would tell an attacker something. Finish the outer layer first, and prefer its error. (CBC authenticates
    nothing: one wrong key in 256 leaves a padding that looks right.)

    After an error the reader is dead: every later call raises the same error.

    Args:
        limits: What the layer may cost.
        allowed: Names of old algorithms that are let through (:data:`~ecluse.wire.cms.algorithms.LEGACY`).
    """

    def __init__(self, limits: Limits | None = None, allowed: frozenset[str] = frozenset()) -> None:
        self._limits = limits or Limits()
        self._allowed = allowed
        self._tape = Tape(self._limits)
        self._events: list[Event] = []
        self._size = 0
        self._key: bytes | None = None
        self._key_needed = False
        self._held = 0
        self._ended = False
        self._error: CmsError | None = None
        self._machine = self._layer()

    # --- what the caller does ----------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> list[Event]:
        """Take the next octets and give what they complete.

        ``data`` is read in place, and not referred to after the call unless it is ``bytes``. After
        ``KeyNeeded`` the rest of the input is held, and at most ``Limits.held`` octets more: call
        :meth:`supply_key` before feeding on.

        Raises:
            CmsError: What is wrong with the layer. Nothing else is raised, whatever the octets.
        """
        if self._error is not None:
            raise self._error
        if not isinstance(data, bytes):
            data = memoryview(data)  # a bytearray too: it is the caller's, and never grown here
            if not (data.format == "B" and data.ndim == 1 and data.c_contiguous):
                data = data.tobytes()
        if not data:
            return []
        if self._key_needed:
            self._held += len(data)
            if self._held > self._limits.held:
                return self._fail(LimitExceeded("Too much was fed while a key is awaited."))
        self._tape.append(data)
        return self._advance()

    def supply_key(self, cek: bytes) -> list[Event]:
        """Go on with the content-encryption key that ``KeyNeeded`` asked for.

        A key of the wrong length is not an error here: the layer is read to its end, which is then
        :class:`DecryptionFailed`, as for any other wrong key.

        Raises:
            CmsError: As :meth:`feed`; :class:`Misuse` where no key is awaited.
        """
        if self._error is not None:
            raise self._error
        if not self._key_needed:
            raise Misuse("A key was supplied that nothing asked for.")
        self._key = bytes(cek)
        self._key_needed = False
        return self._advance()

    def close(self) -> list[Event]:
        """The input is over.

        Raises:
            Truncated: It ended inside the layer.
            Misuse: A key is still awaited.
        """
        if self._error is not None:
            raise self._error
        if self._key_needed:
            return self._fail(Misuse("The input was closed while a key is awaited."))
        if not self._ended:
            return self._fail(Truncated("The message ends in the middle."))
        return []

    # --- the machine -------------------------------------------------------------------------------------

    def _advance(self) -> list[Event]:
        self._events = []
        try:
            if not self._ended:
                next(self._machine, None)
            if self._ended and self._tape.take_rest().strip(PADDING):
                return self._fail(Malformed("There are octets after the end of the message."))
        except Asn1LimitError as error:
            return self._fail(LimitExceeded(error.cause))
        except Asn1Error as error:
            return self._fail(Malformed(error.cause))
        except CmsError as error:
            return self._fail(error)
        self._tape.settle()
        events, self._events = self._events, []
        return events

    def _fail(self, error: CmsError) -> list[Event]:
        self._error = error
        self._machine.close()
        self._events = []
        raise error from None

    def _emit(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.content:
            raise LimitExceeded(f"The content is larger than {self._limits.content} octets.")
        self._events.append(Content(data))

    def _emit_provisional(self, data: bytes) -> None:
        self._emit(data)
        self._events[-1] = Content(data, provisional=True)

    def _pass(self, piece: bytes | memoryview) -> None:
        self._emit(bytes(piece))

    # --- the grammar -------------------------------------------------------------------------------------

    def _layer(self) -> Waiting[None]:
        """ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT } (RFC 5652 s3)."""
        tape = self._tape
        yield from tape.enter(SEQUENCE)
        oid = (yield from tape.element()).as_oid()
        kind = KINDS.get(oid)
        if kind is None:
            raise UnsupportedAlgorithm(f"The message is of a CMS content type that is not read ({oid}).")
        self._events.append(LayerStarted(kind, oid))
        yield from tape.enter(_0)
        if kind is ContentKind.DATA:
            inner = oids.DATA
            yield from tape.content(OCTET_STRING, self._pass)
        else:
            yield from tape.enter(SEQUENCE)
            (yield from tape.element()).expect(asn1.INTEGER)
            if kind is ContentKind.SIGNED:
                inner = yield from self._signed_data()
            elif kind is ContentKind.COMPRESSED:
                inner = yield from self._compressed_data()
            else:
                inner = yield from self._enveloped_data(kind is ContentKind.AUTH_ENVELOPED)
            yield from tape.leave()
        yield from tape.leave()
        yield from tape.leave()
        self._events.append(LayerEnded(kind, self._size, inner))
        self._ended = True

    def _signed_data(self) -> Waiting[str]:
        """SignedData after its version (RFC 5652 s5.1)."""
        tape = self._tape
        declared = (yield from tape.element()).expect(SET).children
        names = {name for field in declared if (name := self._digest_name(algorithm_identifier(field).oid))}
        sink = DigestSink(sorted(names), self._emit)
        content_type, detached = yield from self._encapsulated(sink.write)
        certificates: tuple[bytes, ...] = ()
        tag = yield from tape.peek()
        if tag == _0:
            given = (yield from tape.element()).children
            if len(given) > self._limits.certificates:
                raise LimitExceeded(f"There are more than {self._limits.certificates} certificates.")
            certificates = tuple(entry.raw for entry in given if entry.tag == SEQUENCE)
            tag = yield from tape.peek()
        if tag == _1:
            yield from tape.element()  # revocation lists: trust has its own, from a source that it chose
        signers = yield from self._signer_infos()
        digests = {} if detached else sink.digests()
        self._events.append(Signers(signers, certificates, content_type, detached, digests))
        return content_type

    def _digest_name(self, oid: str) -> str | None:
        """Name of a digest to compute, or ``None``: an unknown or forbidden one is the signer's matter."""
        found = DIGESTS.get(oid)
        if found is None or (found.legacy is not None and found.legacy not in self._allowed):
            return None
        return found.name

    def _signer_infos(self) -> Waiting[tuple[SignerInfo, ...]]:
        infos = (yield from self._tape.element()).expect(SET).children
        if len(infos) > self._limits.signers:
            raise LimitExceeded(f"There are more than {self._limits.signers} signers.")
        return tuple(read_signer(info) for info in infos)

    def _encapsulated(self, sink: Sink) -> Waiting[tuple[str, bool]]:
        """EncapsulatedContentInfo (RFC 5652 s5.2): its type, and whether the content is absent."""
        tape = self._tape
        yield from tape.enter(SEQUENCE)
        content_type = (yield from tape.element()).as_oid()
        absent = (yield from tape.peek()) == 0
        if not absent:
            yield from tape.enter(_0)
            yield from tape.content(OCTET_STRING, sink)
            yield from tape.leave()
        yield from tape.leave()
        return content_type, absent

    def _compressed_data(self) -> Waiting[str]:
        """CompressedData after its version (RFC 3274 s1.1)."""
        algorithm = algorithm_identifier((yield from self._tape.element()).expect(SEQUENCE))
        if algorithm.oid != oids.ZLIB:
            raise UnsupportedAlgorithm(f"The message is compressed by other than zlib ({algorithm.oid}).")
        sink = InflateSink(self._limits, self._emit)
        content_type, absent = yield from self._encapsulated(sink.write)
        if absent:
            raise Malformed("The compressed content is absent.")
        sink.finish()
        return content_type

    def _enveloped_data(self, authenticated: bool) -> Waiting[str]:
        """EnvelopedData (RFC 5652 s6.1) or AuthEnvelopedData (RFC 5083 s2.1) after its version."""
        tape = self._tape
        if (yield from tape.peek()) == _0:
            yield from tape.element()  # originatorInfo: certificates that only static key agreement needs
        recipients = read_recipients((yield from tape.element()).expect(SET), self._limits.recipients)
        yield from tape.enter(SEQUENCE)
        content_type = (yield from tape.element()).as_oid()
        algorithm = algorithm_identifier((yield from tape.element()).expect(SEQUENCE))
        how = cipher(algorithm.oid, self._allowed)
        if how.authenticated != authenticated:
            raise Malformed(f"{how.name} does not belong into this kind of enveloped data.")
        iv, shortest_tag = initialisation(how, algorithm.parameters)
        self._events.append(KeyNeeded(recipients, algorithm, how.key_length))
        self._key_needed = True
        while self._key_needed:
            yield
        if authenticated:
            yield from self._authenticated_content(how, iv, shortest_tag)
        else:
            key, doomed = self._take_key(how)
            sink = CbcSink(key, iv, triple_des=how.name == "3des", doomed=doomed, emit=self._emit)
            del key
            yield from tape.content(CONTEXT, sink.write)
            yield from tape.leave()
            if (yield from tape.peek()) == _1:
                yield from tape.element()  # unprotected attributes: nobody vouches for them
            sink.finish()
        return content_type

    def _authenticated_content(self, how: ContentCipher, nonce: bytes, shortest_tag: int) -> Waiting[None]:
        """The content of AuthEnvelopedData and what follows it: attributes, tag, attributes."""
        tape = self._tape
        key, doomed = self._take_key(how)
        sink = GcmSink(key, nonce, doomed=doomed, emit=self._emit_provisional)
        del key
        yield from tape.content(CONTEXT, sink.write)
        yield from tape.leave()
        additional = b""
        if (yield from tape.peek()) == _1:
            attributes = yield from tape.element()
            additional = signed_octets(attributes)
            if len(additional) > AUTHENTICATED_ATTRIBUTES:
                raise LimitExceeded("The authenticated attributes are too large.")
        tag = (yield from tape.element()).expect(OCTET_STRING).as_octets()
        if (yield from tape.peek()) == _2:
            yield from tape.element()
        if not shortest_tag <= len(tag) <= how.block:
            raise DecryptionFailed
        sink.finish(tag, additional)

    def _take_key(self, how: ContentCipher) -> tuple[bytes, bool]:
        """The key that was supplied and False; or, where it can't be one, a stand-in and True."""
        key, self._key = self._key or b"", None
        if len(key) == how.key_length:
            return key, False
        return bytes(how.key_length), True


def read_detached(data: bytes, limits: Limits) -> Signers | None:
    """What a :class:`Reader` says of a detached SignedData, from one that is held whole, at half the price.

    ``None`` where it is anything else, or anything is unusual or wrong with it: ask a reader then.
    """
    try:
        root = asn1.parse(data, asn1.ParseLimits(limits.depth, limits.elements)).expect(SEQUENCE)
        kind, content = root.children
        (signed,) = content.expect(_0).children
        version, digests, encapsulated, *rest = signed.expect(SEQUENCE).children
        version.expect(asn1.INTEGER)
        for field in digests.expect(SET).children:
            algorithm_identifier(field)
        (content_type,) = encapsulated.expect(SEQUENCE).children
        given = rest.pop(0).children if rest[0].tag == _0 else ()
        if rest[0].tag == _1:
            del rest[0]
        (infos,) = rest
        signers = infos.expect(SET).children
        if kind.as_oid() != oids.SIGNED_DATA or len(data) > limits.header:
            return None
        if len(given) > limits.certificates or len(signers) > limits.signers:
            return None
        return Signers(
            tuple(read_signer(signer) for signer in signers),
            tuple(entry.raw for entry in given if entry.tag == SEQUENCE),
            content_type.as_oid(),
            True,
        )
    except (EcluseError, ValueError, IndexError):
        return None

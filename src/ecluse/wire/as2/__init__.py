"""AS2 (RFC 4130, 5402, 6017, 6362): requests, messages and receipts as bytes, without a socket or a clock.

Out: :class:`~ecluse.wire.as2.build.MessageBuilder` signs, compresses and encrypts in one pass.
In: :func:`~ecluse.wire.as2.headers.parse_request` reads the HTTP header,
:class:`~ecluse.wire.as2.unwrap.Unwrapper` opens the body layer by layer, or raises
:class:`~ecluse.wire.as2.errors.As2Failure` with the disposition to answer.
Receipts: :func:`~ecluse.wire.as2.mdn.build_mdn`, :func:`~ecluse.wire.as2.mdn_reader.read_mdn` and
:func:`~ecluse.wire.as2.receipt.check_receipt`.
"""

"""MIME and S/MIME structure over exact bytes (RFC 2045-2047, 2183, 2231, 1847, 8551), never reserialised.

:mod:`~ecluse.wire.smime.headers` reads header blocks and their parameters,
:mod:`~ecluse.wire.smime.multipart` splits a stream at its boundary,
:mod:`~ecluse.wire.smime.transfer` undoes a Content-Transfer-Encoding,
:mod:`~ecluse.wire.smime.mic` digests what was signed, and
:mod:`~ecluse.wire.smime.filename` makes a partner's file name safe. All of it is push style and keeps no more
than a header block or a delimiter's length of the stream.
"""

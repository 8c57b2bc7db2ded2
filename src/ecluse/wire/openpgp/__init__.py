"""Streaming OpenPGP (RFC 9580, and RFC 4880 as it is found in the field): octets pulled through, events out.

Reading: :func:`~ecluse.wire.openpgp.reader.read_message` pulls the pieces of a message and gives events; private
keys never enter it: it asks for the session key. Writing: :func:`~ecluse.wire.openpgp.writer.write_message`.
:mod:`~ecluse.wire.openpgp.certificate` reads certificates and says what holds at a time;
:mod:`~ecluse.wire.openpgp.secret` and :mod:`~ecluse.wire.openpgp.pkesk` are what a keyring does with a key.

Times are whole seconds since 1970, as OpenPGP has them.
"""

"""zip and gzip as streams: octets in, documents out, within limits; and the other way round.

One layer is opened, never an archive inside an archive. Nothing of a name in an archive is a path here: who keeps the
documents names them.

- :mod:`~ecluse.wire.archive.gzip`  RFC 1952
- :mod:`~ecluse.wire.archive.zip`   PKWARE's APPNOTE 6.3.10, read front to back and then held against its directory
"""

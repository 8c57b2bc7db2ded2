"""Streaming Cryptographic Message Syntax (RFC 5652, 5083, 3274, 9629): bytes in, events out.

Reading: :class:`~ecluse.wire.cms.reader.Reader` takes one CMS layer (BER or DER, any chunking) and gives
:mod:`~ecluse.wire.cms.events`; a nested layer is another ``Reader`` fed with the ``Content`` of the first.
Keys never enter it: it says ``KeyNeeded`` and is handed the content-encryption key.
:mod:`~ecluse.wire.cms.verify` checks one signer against one certificate.

Writing: the classes of :mod:`~ecluse.wire.cms.writer` are stages (``start``, ``feed``, ``finish``) that
give BER indefinite-length streams; :func:`~ecluse.wire.cms.sign.sign_detached` gives a DER signature.
:mod:`~ecluse.wire.cms.keys` holds what a keyring does with a private key: sign, and unwrap a key.
"""

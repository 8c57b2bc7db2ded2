"""AS2 over HTTP (RFC 4130): the shell around :mod:`ecluse.wire.as2`.

- :mod:`~ecluse.channels.as2.receiver`  the listener's handler: messages and asynchronous receipts come in
- :mod:`~ecluse.channels.as2.opening`   OPEN: a body, layer by layer, into the chamber's intake
- :mod:`~ecluse.channels.as2.answering` the MDN that answers a message
- :mod:`~ecluse.channels.as2.sender`    SEAL and DELIVER: build once, post, judge the receipt
- :mod:`~ecluse.channels.as2.receipts`  what a partner's MDN proves
- :mod:`~ecluse.channels.as2.seen`      what a partner was seen to use: keys and algorithms
"""

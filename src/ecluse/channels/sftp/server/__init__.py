"""The SFTP listener: partners log in with keys, certificates or passwords, and see a virtual tree of their own.

Nothing but SFTP version 3 is spoken over it: no shell, command, SCP, forwarding, agent, X11, environment or
compression is offered. asyncssh does SSH; what a partner asks is read by :mod:`ecluse.wire.sftp` and answered from
a :class:`~ecluse.exchange.tree.Tree`.

    algorithms   which ones are offered
    authority    who a client is: the one place that gives an identity, after it was proven
    connection   SSH, within limits
    hotpath      the same, faster
    channel      one channel: SFTP or nothing
    session      requests of one channel in order, replies with back-pressure
    operations   what each request does to the tree
    listener     sockets, an event loop of its own, sessions counted
"""

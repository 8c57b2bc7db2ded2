"""The FTPS server: partners' clients on their virtual folders, over TLS only.

:class:`FtpsServer` listens and gives each connection a :class:`~ecluse.channels.ftps.server.session.Session`, which
reads commands and finds them in a table. What a session may do it asks a :class:`Reception`; what a partner sees is a
:class:`~ecluse.exchange.tree.Tree`. Nothing here knows a real path.
"""

from ecluse.channels.ftps.server.limits import SessionLimits
from ecluse.channels.ftps.server.listener import Door, FtpsServer
from ecluse.channels.ftps.server.reception import Guest, Reception, Visit

__all__ = ["Door", "FtpsServer", "Guest", "Reception", "SessionLimits", "Visit"]

"""The FTPS client: partners' FTP servers, to collect from (:class:`FtpsSource`) and to deliver to
(:class:`FtpsChannel`).

A :class:`~ecluse.channels.ftps.client.place.Place` says where the server is and who may answer; a
:class:`~ecluse.channels.ftps.client.line.Line` is one connection to it.
"""

from ecluse.channels.ftps.client.channel import FtpsChannel
from ecluse.channels.ftps.client.remote import FtpsRemote, FtpsSource

__all__ = ["FtpsChannel", "FtpsRemote", "FtpsSource"]

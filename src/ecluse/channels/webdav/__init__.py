"""WebDAV servers of partners, over our own HTTP client.

A document is written under a temporary name and moved to its own, never over another file: MOVE with ``Overwrite: F``
(RFC 4918 section 9.9.3) is the one step that every server tried makes so. obstore has a WebDAV store too; it can't
stream an upload, can't create without overwriting, and stops listing at the first name that its own paths can't be.
"""

from ecluse.channels.webdav.channel import WebDavChannel
from ecluse.channels.webdav.places import WebDavPlace, WebDavPlaces
from ecluse.channels.webdav.remote import WebDavSource

__all__ = ["WebDavChannel", "WebDavPlace", "WebDavPlaces", "WebDavSource"]

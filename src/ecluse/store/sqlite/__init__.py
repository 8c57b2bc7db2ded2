"""The embedded store: two SQLite files, one writer thread with group commit, many readers.

``<name>.db`` holds everything but the wrapped keys of blobs; those are in ``<name>-keys.db``, so that a
backup of the first can't bring back what was erased. :class:`SqliteStore` is the public face.
"""

from ecluse.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]

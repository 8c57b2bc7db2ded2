"""The grown store: many stateless nodes on one PostgreSQL (13 or later).

Tables are in the schema ``ecluse``, wrapped keys of blobs in ``ecluse_keys``, so that a dump of the first
can't bring back what was erased. :class:`PostgresStore` is the public face.
"""

from ecluse.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

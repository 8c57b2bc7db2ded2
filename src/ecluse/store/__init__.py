"""State: one tiny port, two native implementations (SQLite, PostgreSQL), one conformance suite.

A unit of work is a plain function of a :class:`~ecluse.store.port.Tx`. ``Store.write`` runs it in one durable
transaction: all of it or none. It may be run again after a conflict, so it does nothing but call its ``Tx``.
"""

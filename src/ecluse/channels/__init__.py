"""A server and a client for each protocol: the I/O shell around a core in :mod:`ecluse.wire`.

A channel registers with the chamber behind :class:`ecluse.exchange.port.Channel`; what comes in by it enters the
chamber as an :class:`ecluse.exchange.intake.Intake`.
"""

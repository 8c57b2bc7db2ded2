"""Channels: one folder a protocol, each an I/O shell (a server, a client) around its core in ``wire``."""

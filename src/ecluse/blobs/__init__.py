"""Bytes at rest: every blob is sealed under a key of its own, in chunks, and durable before it counts.

:mod:`~ecluse.blobs.port` is what a place for bytes must do (local disk, S3, memory);
:mod:`~ecluse.blobs.vault` seals and opens over any of them, in flat memory.
"""

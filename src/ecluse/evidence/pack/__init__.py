"""Evidence packs: one file that proves what became of messages to somebody who has no hub.

The format is ``ecluse.pack/1`` (``docs/evidence-pack-format.md``). This room writes the container, the manifest and its
note; what goes in is gathered by :mod:`ecluse.app.packs`.
"""

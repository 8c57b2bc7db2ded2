"""Evidence packs: everything that proves what became of messages, gathered into one file for somebody who has no hub.

- :mod:`~ecluse.app.packs.export`       one pack, from the choice of its checkpoint to the event that tells of it
- :mod:`~ecluse.app.packs.choice`       which messages, and whether the log is signed far enough
- :mod:`~ecluse.app.packs.message`      what there is of one message, in its :mod:`~ecluse.app.packs.folder`
- :mod:`~ecluse.app.packs.content`      documents and the octets of the wire
- :mod:`~ecluse.app.packs.testimony`    receipts, our answer, the MICs, and who signed
- :mod:`~ecluse.app.packs.as2`          what AS2 adds: the octets that MICs are over, who signed, what receipts say
- :mod:`~ecluse.app.packs.certificates` certificates and their issuers, and what is known of their revocation
- :mod:`~ecluse.app.packs.versions`     the configuration that governed
- :mod:`~ecluse.app.packs.heads`        who else vouches for the log
- :mod:`~ecluse.app.packs.notes`        what is missing, and why
- :mod:`~ecluse.app.packs.summary`      the same for people, in English and French
- :mod:`~ecluse.app.packs.show`         what a pack says that it holds
"""

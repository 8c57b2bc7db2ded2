"""Backups: the hub copied out while it serves, sealed for somebody else; put back; and both rehearsed.

- :mod:`~ecluse.app.backup.run`        one backup: the state, then its bytes, then the keys
- :mod:`~ecluse.app.backup.keys`       the copy of the blobs' keys, apart from all backups, of which one state stands
- :mod:`~ecluse.app.backup.keep`       list backups, let go of old ones
- :mod:`~ecluse.app.backup.check`      verify what lies in the places, without any private key
- :mod:`~ecluse.app.backup.restore`    a hub again, in an empty place
- :mod:`~ecluse.app.backup.aftermath`  what was on its way when the backup was taken waits for a person
- :mod:`~ecluse.app.backup.rehearse`   restored on trial, checked, measured, and gone
- :mod:`~ecluse.app.backup.copy`       how erasures reach the copy of the keys
- :mod:`~ecluse.app.backup.work`       the job of a serving hub

The format is specified in docs/backup-format.md.
"""

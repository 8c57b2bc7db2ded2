"""The one place that wires the house together, and what the command line (or any other front) can ask of a hub.

- :mod:`~ecluse.app.folder`       a hub's folder: made once by ``init``
- :mod:`~ecluse.app.node`         an opened hub: store, vault, keyring, directory, channels
- :mod:`~ecluse.app.settings`     versions of the configuration: plan, apply, export
- :mod:`~ecluse.app.service`      a serving node: listener, jobs, log, schedule
- :mod:`~ecluse.app.health`       what ``doctor`` looks at
- :mod:`~ecluse.app.outbox`       files for a partner, handed in once; :mod:`~ecluse.app.follow` them to their receipt
- :mod:`~ecluse.app.lookup`       a message by what a person knows of it; :mod:`~ecluse.app.life` all that is known
- :mod:`~ecluse.app.partners`     partners as people see them, and cards
- :mod:`~ecluse.app.certificates` every certificate; keys and secrets in the keyring
- :mod:`~ecluse.app.proofs`       the log verified, records proven
- :mod:`~ecluse.app.events`       every kind of event there is
"""

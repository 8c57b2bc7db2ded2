"""The one place that wires the house together.

- :mod:`~ecluse.app.folder`   a hub's folder: made once by ``init``
- :mod:`~ecluse.app.node`     an opened hub: store, vault, keyring, directory, channels
- :mod:`~ecluse.app.settings` versions of the configuration: plan, apply, export
- :mod:`~ecluse.app.service`  a serving node: listener, jobs, log, schedule
- :mod:`~ecluse.app.health`   what ``doctor`` looks at
"""

"""Ecluse: a secure exchange hub between a company and its business partners.

Every document that comes in or goes out passes through one chamber, where it is opened, checked, kept,
proven and sealed again. The rooms of the house, top to bottom (each imports only what stands below it):

    cli                               how people and applications come in
    app                               the one place that wires it all together
    channels                          a server and a client for each protocol, around a core in ``wire``
    exchange                          the chamber
    trust  evidence  engine           what the chamber leans on
    store  blobs                      state and bytes, native implementations behind small ports
    model                             the nouns and the state tables
    wire                              protocol cores: bytes in, events out; no I/O, no clock, no randomness
    errors                            the one error family
"""

__version__ = "0.1.0"

"""Private keys: used behind references, not read.

``keyring`` is the port; ``keyfiles`` (files) and ``memory`` (the twin for tests) hold keys in this process by
``held`` and ``openpgp``; keys held elsewhere are in :mod:`ecluse.trust.keystores`. ``making`` and ``importing`` are
the two ways in, ``own`` joins the keyring with what the configuration names.
"""

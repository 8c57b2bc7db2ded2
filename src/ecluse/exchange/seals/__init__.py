"""Seals: signatures that stand on a document itself, made where a flow asks and checked where they come.

- :mod:`~ecluse.exchange.seals.facts`      what a seal says, and what was found of it
- :mod:`~ecluse.exchange.seals.cades`      around or beside any document (CAdES, ETSI EN 319 122)
- :mod:`~ecluse.exchange.seals.pades`      in a PDF (PAdES, ETSI EN 319 142)
- :mod:`~ecluse.exchange.seals.xades`      in an XML document (XAdES, ETSI EN 319 132)
- :mod:`~ecluse.exchange.seals.container`  around a set of documents (ASiC-E, ETSI EN 319 162)
- :mod:`~ecluse.exchange.seals.trust`      whether whoever sealed is believed
- :mod:`~ecluse.exchange.seals.desk`       the same by a configuration: which key seals, whom we believe

A seal proves who stood behind a document and that it did not change since, to anybody, years later and far from the
channel that it came by. What is sealed leaves through a channel that has protections of its own.
"""

"""RFC 4998 evidence records over the log's checkpoints: what is proven today stays proven when algorithms end.

A day's first time-stamp of an authority begins a record (``beginning``); before its certificate or an algorithm ends,
it is renewed (``renewing``), a thousand records with one time-stamp, as ``plan`` decides by the table of
``algorithms``. ``kept`` is what the store keeps, ``sources`` the port by which other rooms have data objects of
theirs covered, and ``checking`` verifies it all.
"""

from ecluse.evidence.longterm.kept import EvidenceRecordFile, KeptRecord, records_for

__all__ = ["EvidenceRecordFile", "KeptRecord", "records_for"]

"""RFC 4998 evidence records: proof that data existed, kept alive beyond any one signature, hash or authority.

``structure`` writes and reads an EvidenceRecord; ``tree`` makes one time-stamp serve many data objects; ``renewal``
says what the next time-stamp has to be over; ``verify`` follows a record from its first time-stamp to its last.
Everything is bytes in and facts out: no I/O, no clock, no randomness.
"""

from ecluse.wire.ers.renewal import chain_digest, rehashed_leaf, renewal_leaf
from ecluse.wire.ers.structure import ArchiveTimeStamp, EvidenceRecord, read_record
from ecluse.wire.ers.tree import HashTree
from ecluse.wire.ers.verify import Step, VerifiedRecord, verify_record

__all__ = [
    "ArchiveTimeStamp",
    "EvidenceRecord",
    "HashTree",
    "Step",
    "VerifiedRecord",
    "chain_digest",
    "read_record",
    "rehashed_leaf",
    "renewal_leaf",
    "verify_record",
]

"""Whether certificates were revoked: authorities are asked, their answers proven, and what was said is kept.

    verdict     what an answer comes to, and how long it counts
    crl         revocation lists (RFC 5280)      ocsp    answers about one certificate (RFC 6960)
    signatures  of authorities on both
    targets     which certificates, and whom to ask
    asking      many of them, with the I/O passed in
    keeping     as records, and which are refused

An answer that is unsigned, somebody else's, over, from the future, cut or about something else proves nothing: it
gives the state ``unknown``, and never ``good``.
"""

from ecluse.trust.revocation.asking import Ask, Asking
from ecluse.trust.revocation.crl import MAX_CRL, read_crl
from ecluse.trust.revocation.keeping import (
    ANSWER,
    KIND,
    answer_record,
    every_verdict,
    record_of,
    refused,
    shown,
    verdict_of,
)
from ecluse.trust.revocation.ocsp import MAX_ANSWER, make_question, read_answer
from ecluse.trust.revocation.targets import Candidate, Target, Way, candidates, target_of
from ecluse.trust.revocation.verdict import BadAnswer, Verdict, newer

__all__ = [
    "ANSWER",
    "KIND",
    "MAX_ANSWER",
    "MAX_CRL",
    "Ask",
    "Asking",
    "BadAnswer",
    "Candidate",
    "Target",
    "Verdict",
    "Way",
    "answer_record",
    "candidates",
    "every_verdict",
    "make_question",
    "newer",
    "read_answer",
    "read_crl",
    "record_of",
    "refused",
    "shown",
    "target_of",
    "verdict_of",
]

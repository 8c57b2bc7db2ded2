"""Says what an evidence pack of an exchange hub proves, by whom, and what it does not.

It needs no hub and no network, and shares no code with the hub: it is written from the specifications, so that the two
check each other. Read it from below: ``text`` and ``der`` read octets; ``proofs``, ``notes``, ``cms``, ``mime``,
``receipts``, ``certificates``, ``stamps`` and ``renewals`` each know one standard; ``pack`` opens the file,
``records``, ``log``, ``account``, ``content``, ``people`` and ``message`` put the pieces together, and ``verify``
is the order in which that is done. ``words`` holds the sentences.
"""

from ecluse_verify.log import Keys
from ecluse_verify.report import Finding, Level, Report, Step
from ecluse_verify.text import Bad
from ecluse_verify.verify import verify_pack, verify_proof

__all__ = ["Bad", "Finding", "Keys", "Level", "Report", "Step", "verify_pack", "verify_proof"]

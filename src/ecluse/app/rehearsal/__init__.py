"""A rehearsal: a difficult partner is played against a copy of a channel's configuration, before a real one is met.

The copy is a hub of its own in a folder that is thrown away, with keys made for the occasion: no key, document or
record of the real hub takes part. Each play says what was done, what should come of it and what did; all of them
together are a report that the hub signs.

    play      what a play is, and how it ends
    standin   keys, messages and receipts of the one who is played
    copy      the copied configuration, served
    endpoint  a server that answers as a script says
    sending   plays in which they send: spoiled, swapped, repeated messages
    answering plays in which they receive: wrong, late, unsigned, repeated receipts
    weak      what nobody should send any more
    report    the signed report
    run       all of it; also against a partner's own test endpoint
"""

from ecluse.app.rehearsal.play import Outcome, Play, Played
from ecluse.app.rehearsal.report import check_report, report_text
from ecluse.app.rehearsal.run import Agreement, RehearsalRefused, Rehearsed, rehearse

__all__ = [
    "Agreement",
    "Outcome",
    "Play",
    "Played",
    "RehearsalRefused",
    "Rehearsed",
    "check_report",
    "rehearse",
    "report_text",
]

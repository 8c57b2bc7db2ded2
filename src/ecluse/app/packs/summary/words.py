"""What a summary says, as one table of words for each language."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["Words"]


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one language. Those with braces take values."""

    language: str
    title: str
    lead: str
    made: str
    log: str
    log_key: str
    head: str
    records: str
    root: str
    messages: str
    not_detailed: str
    message: str
    way: str
    inbound: str
    outbound: str
    partner: str
    protocol: str
    protocol_id: str
    reference: str
    subject: str
    state: str
    states: Mapping[str, str]
    created: str
    governed: str
    governed_by: str
    made_of: str
    led_to: str
    reason: str
    documents: str
    document: str
    type: str
    octets: str
    withheld: str
    mic: str
    ours: str
    theirs_receipt: str
    theirs_answer: str
    equal: str
    yes: str
    no: str
    not_compared: str
    certificates: str
    certificate: str
    used_for: str
    uses: Mapping[str, str]
    owner: str
    us: str
    valid: str
    issuer: str
    revocation: str
    verdicts: Mapping[str, str]
    receipts: str
    received: str
    says: str
    positive: str
    negative: str
    answer: str
    deliveries: str
    channel: str
    attempts: str
    events: str
    place: str
    at: str
    what: str
    by: str
    event_words: Mapping[str, str]
    vouchers: str
    stamp: str
    cosigned: str
    nobody: str
    breaks: str
    broke: str
    decision_signed: str
    decision_unsigned: str
    missing: str
    nothing_missing: str
    how: str
    how_text: str
    claimed: str

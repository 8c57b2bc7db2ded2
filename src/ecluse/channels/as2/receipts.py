"""CONFIRM over AS2: what a partner's MDN proves, on the same connection or on one of its own."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import msgspec

from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, ReceiptBytes, Refused
from ecluse.exchange.receipts import late_receipt
from ecluse.model.basics import Instant
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.store.port import View
from ecluse.trust.directory import PartnerView
from ecluse.wire.as2.errors import MdnError
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.receipt import check_receipt, read_mdn

__all__ = ["judge", "receive_receipt"]

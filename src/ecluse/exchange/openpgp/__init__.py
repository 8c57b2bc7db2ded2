"""OpenPGP in the chamber: documents opened and sealed with the partners' certificates and our keys.

:func:`~ecluse.exchange.openpgp.opening.open_message` and :func:`~ecluse.exchange.openpgp.sealing.seal_message`
say exactly who may; :class:`~ecluse.exchange.openpgp.partners.PartnerProtection` takes that from a partner's file.
Both stream. What ``open_message`` wrote may be used once it has returned, and not where it raised.
"""

from ecluse.exchange.openpgp.errors import ProtectionError
from ecluse.exchange.openpgp.opening import Opened, SignatureFacts, open_message
from ecluse.exchange.openpgp.partners import PartnerProtection
from ecluse.exchange.openpgp.sealing import Sealed, seal_message

__all__ = [
    "Opened",
    "PartnerProtection",
    "ProtectionError",
    "Sealed",
    "SignatureFacts",
    "open_message",
    "seal_message",
]

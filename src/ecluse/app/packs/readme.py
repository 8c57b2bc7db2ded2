"""What a pack says of itself in plain text: what it is, and how to check it."""

from __future__ import annotations

from typing import Final

from ecluse.model.basics import Instant, iso

__all__ = ["readme"]

_TEXT: Final = """\
This is an evidence pack (ecluse.pack/1) of the log {origin}, made {made}.

It holds what a company's exchange hub keeps of one or several messages: the documents, what was signed, what the other
side answered, the certificates, the configuration in force, and the records of the hub's log with the proof that each
stands in that log. summary.en.html and summary.fr.html tell it to people.

To check it, without any hub and without a network:

    ecluse-verify PACK --key LOGKEY

LOGKEY is the log's verifier key. Get it from the company by another way than this file: log/keys.json is what the pack
says of itself, and proves nothing.

The core of it with sha256sum and openssl alone, in the unpacked folder:

    sha256sum manifest.json
        is the second line of manifest.note, which the log's key signed.
    sha256sum messages/ID/documents/0
        is in manifest.json, and in the record message.accepted (member sha256): the records are the base64 text after
        "extra " in messages/ID/events/*.tlog-proof.
    openssl cms -verify -binary -inform DER -in messages/ID/wire/signature.p7s -content messages/ID/wire/entity \\
        -certfile certificates/SIGNER.pem -noverify -out /dev/null
        shows who signed the message.
    {{ cat messages/ID/receipts/0.headers; echo; cat messages/ID/receipts/0.body; }} |
        openssl smime -verify -noverify -out /dev/null
        shows who signed the receipt; Received-content-MIC in it is the digest of messages/ID/wire/entity:
    openssl dgst -sha256 -binary messages/ID/wire/entity | openssl base64

What each file is, and what binds it to the log: docs/evidence-pack-format.md of Ecluse.
"""


def readme(origin: str, made: Instant) -> str:
    """The text.

    Args:
        origin: Name of the log.
        made: When the pack was made.
    """
    return _TEXT.format(origin=origin, made=iso(made))

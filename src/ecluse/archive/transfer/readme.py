"""What a reader of an export finds in it, in words."""

from __future__ import annotations

from typing import Final

__all__ = ["README"]

README: Final = """\
This is an archive of business documents, or a part of one, as a hub (Ecluse) exported it.

Everything in it is plain files in a BagIt bag (RFC 8493). To see that none of them was changed:

    sha256sum --quiet -c tagmanifest-sha256.txt && sha256sum --quiet -c manifest-sha256.txt

To see that the hub's log signed exactly this manifest: export.note is a signed note (C2SP signed-note) over three
lines, of which the second is the SHA-256 of manifest-sha256.txt. The key is in bag-info.txt and in
data/system/log/key: take it from the hub's operator by another way before you rely on it.
`ecluse archive verify-export FOLDER --log-key KEY` does all of it.

data/messages/PREFIX/ID
    message.json        what the hub says of the message that carried the documents
    wire                the bytes as they crossed the line, with their signature where they had one
    protocol/           receipts of the other side and our answer, byte for byte
    journal/            each event in the life of the message and its documents: .tlog-proof is the record with
                        its proof of inclusion in the hub's log (C2SP tlog-proof); .leaf is a record without one
    former/N/           the same of the hubs that had it before
    documents/N/        document        the document itself
                        metadata.json   what the archive knows of it
                        receipt.json    the deposit receipt; receipt.note is the log's signature over its SHA-256
data/system
    holds/              legal holds
    disposals/          what was destroyed, and who approved it
    profiles/           for how long documents are kept, as files of the hub's configuration
    log/                the log's verifier key, and its last checkpoint

Times in message.json and metadata.json are microseconds since 1970-01-01T00:00:00Z; amounts are in the minor unit of
their currency. A document whose state is "disposed" was destroyed: its metadata and journal are all that is left.
"""

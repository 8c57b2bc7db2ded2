-- The archive: documents that are kept as long as they must be, unchanged.

-- One document. `refs` and `body` are JSON; `day` is ISO 8601.
CREATE TABLE archive (
    id TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    part INTEGER NOT NULL,
    blob TEXT NOT NULL,
    partner TEXT NOT NULL,
    direction TEXT NOT NULL,
    deposited INTEGER NOT NULL,
    profile TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    flow TEXT NOT NULL,
    type TEXT NOT NULL,
    reference TEXT NOT NULL,
    refs BLOB NOT NULL,
    day TEXT NOT NULL,
    amount INTEGER,
    currency TEXT NOT NULL,
    starts INTEGER,
    ends INTEGER,
    state TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX archive_by_message ON archive (message, part);
CREATE INDEX archive_by_profile ON archive (profile, state, id);
CREATE INDEX archive_by_partner ON archive (partner, day, id);
CREATE INDEX archive_by_type ON archive (type, day, id);
CREATE INDEX archive_by_day ON archive (day, id);
CREATE INDEX archive_by_reference ON archive (reference, id) WHERE reference <> '';
CREATE INDEX archive_by_amount ON archive (amount, id) WHERE amount IS NOT NULL;
CREATE INDEX archive_by_digest ON archive (sha256);
CREATE INDEX archive_ending ON archive (ends, id) WHERE ends IS NOT NULL AND state <> 'disposed';
CREATE INDEX archive_damaged ON archive (id) WHERE state = 'damaged';

-- Which blobs a document stands on: the one that holds it, and the bytes as they crossed the line.
CREATE TABLE archive_blobs (
    blob TEXT NOT NULL,
    archive TEXT NOT NULL,
    PRIMARY KEY (blob, archive)
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_blobs_by_archive ON archive_blobs (archive);

-- The care that is taken of each of these blobs.
CREATE TABLE archive_bytes (
    blob TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    due INTEGER,
    size INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    copied INTEGER,
    place TEXT NOT NULL,
    locked INTEGER,
    checked INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX archive_bytes_due ON archive_bytes (due, blob) WHERE due IS NOT NULL;
CREATE INDEX archive_bytes_damaged ON archive_bytes (blob) WHERE state = 'damaged';

-- Written once. No statement of ours does any of this; the database does not let one slip through either.
CREATE TRIGGER archive_written_once BEFORE UPDATE OF id, message, part, blob, deposited, sha256, size ON archive BEGIN
    SELECT RAISE(ABORT, 'archive: what an archived document is does not change');
END;
CREATE TRIGGER archive_stays BEFORE DELETE ON archive BEGIN
    SELECT RAISE(ABORT, 'archive: the row of an archived document is not deleted');
END;
CREATE TRIGGER archive_disposed_once BEFORE UPDATE OF state ON archive
WHEN old.state = 'disposed' AND new.state <> 'disposed' BEGIN
    SELECT RAISE(ABORT, 'archive: what was disposed of does not come back');
END;
CREATE TRIGGER archive_blobs_stay BEFORE DELETE ON archive_blobs BEGIN
    SELECT RAISE(ABORT, 'archive: what an archived document stands on does not change');
END;
CREATE TRIGGER archive_keeps_blobs BEFORE DELETE ON blobs WHEN EXISTS (
    SELECT 1 FROM archive_blobs AS b JOIN archive AS a ON a.id = b.archive
    WHERE b.blob = old.id AND a.state <> 'disposed'
) BEGIN
    SELECT RAISE(ABORT, 'archive: bytes that are archived are not deleted');
END;

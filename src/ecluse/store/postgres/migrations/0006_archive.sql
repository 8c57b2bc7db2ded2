-- The archive: documents that are kept as long as they must be, unchanged.

-- One document. `refs` and `body` are JSON; `day` is ISO 8601.
CREATE TABLE archive (
    id TEXT COLLATE "C" PRIMARY KEY,
    message TEXT COLLATE "C" NOT NULL,
    part BIGINT NOT NULL,
    blob TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    deposited BIGINT NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    flow TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    refs BYTEA NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    amount BIGINT,
    currency TEXT COLLATE "C" NOT NULL,
    starts BIGINT,
    ends BIGINT,
    state TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL
);
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
    blob TEXT COLLATE "C" NOT NULL,
    archive TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (blob, archive)
);
CREATE INDEX archive_blobs_by_archive ON archive_blobs (archive);

-- The care that is taken of each of these blobs.
CREATE TABLE archive_bytes (
    blob TEXT COLLATE "C" PRIMARY KEY,
    state TEXT COLLATE "C" NOT NULL,
    due BIGINT,
    size BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    copied BIGINT,
    place TEXT COLLATE "C" NOT NULL,
    locked BIGINT,
    checked BIGINT
);
CREATE INDEX archive_bytes_due ON archive_bytes (due, blob) WHERE due IS NOT NULL;
CREATE INDEX archive_bytes_damaged ON archive_bytes (blob) WHERE state = 'damaged';

-- Written once. No statement of ours does any of this; the database does not let one slip through either.
CREATE FUNCTION archive_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'archive: %', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER archive_written_once BEFORE UPDATE OF id, message, part, blob, deposited, sha256, size ON archive
FOR EACH ROW EXECUTE FUNCTION archive_refuses('what an archived document is does not change');
CREATE TRIGGER archive_stays BEFORE DELETE ON archive
FOR EACH ROW EXECUTE FUNCTION archive_refuses('the row of an archived document is not deleted');
CREATE TRIGGER archive_disposed_once BEFORE UPDATE OF state ON archive
FOR EACH ROW WHEN (old.state = 'disposed' AND new.state <> 'disposed')
EXECUTE FUNCTION archive_refuses('what was disposed of does not come back');
CREATE TRIGGER archive_blobs_stay BEFORE DELETE ON archive_blobs
FOR EACH ROW EXECUTE FUNCTION archive_refuses('what an archived document stands on does not change');

CREATE FUNCTION archive_keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (
        SELECT 1 FROM ecluse.archive_blobs AS b JOIN ecluse.archive AS a ON a.id = b.archive
        WHERE b.blob = old.id AND a.state <> 'disposed'
    ) THEN
        RAISE EXCEPTION 'archive: bytes that are archived are not deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN old;
END $$;
CREATE TRIGGER archive_keeps_blobs BEFORE DELETE ON blobs FOR EACH ROW EXECUTE FUNCTION archive_keeps();

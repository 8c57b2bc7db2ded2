-- What partners see in their folders. No octets are here: a row names the document of a message, or blobs of its own.

-- One name in one folder. `segments` is JSON: pairs of blob id and size, in order.
CREATE TABLE files (
    partner TEXT COLLATE "C" NOT NULL,
    folder TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    size BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    message TEXT NOT NULL,
    part INTEGER NOT NULL,
    delivery TEXT COLLATE "C" NOT NULL,
    segments BYTEA NOT NULL,
    expires BIGINT,
    PRIMARY KEY (partner, folder, name)
);
CREATE INDEX files_expiring ON files (expires) WHERE expires IS NOT NULL;
CREATE INDEX files_by_delivery ON files (delivery) WHERE delivery <> '';

-- What a partner's folders hold, counted along with every change of them. Each connection counts in a row of its
-- own, and the sum is what counts: with one row, all uploads of a partner would wait for each other's commits.
CREATE TABLE file_usage (
    partner TEXT COLLATE "C" NOT NULL,
    slot INTEGER NOT NULL,
    octets BIGINT NOT NULL,
    files BIGINT NOT NULL,
    PRIMARY KEY (partner, slot)
);
-- The rows are updated all the time, and none of their indexed columns is: room on the page keeps that cheap.
ALTER TABLE file_usage SET (fillfactor = 25, autovacuum_vacuum_scale_factor = 0.02);

CREATE FUNCTION count_files() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whose TEXT;
    grown BIGINT := 0;
    more BIGINT := 0;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        whose := OLD.partner;
        grown := grown - OLD.size;
        more := more - 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        whose := NEW.partner;
        grown := grown + NEW.size;
        more := more + 1;
    END IF;
    IF grown <> 0 OR more <> 0 THEN
        INSERT INTO file_usage AS counted (partner, slot, octets, files)
        VALUES (whose, pg_backend_pid() % 64, grown, more)
        ON CONFLICT (partner, slot) DO UPDATE SET octets = counted.octets + excluded.octets,
            files = counted.files + excluded.files;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER files_counted AFTER INSERT OR DELETE OR UPDATE OF size ON files
    FOR EACH ROW EXECUTE FUNCTION count_files();

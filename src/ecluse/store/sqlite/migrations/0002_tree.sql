-- What partners see in their folders. No octets are here: a row names the document of a message, or blobs of its own.

-- One name in one folder. `segments` is JSON: pairs of blob id and size, in order.
CREATE TABLE files (
    partner TEXT NOT NULL,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    message TEXT NOT NULL,
    part INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    segments BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (partner, folder, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX files_expiring ON files (expires) WHERE expires IS NOT NULL;
CREATE INDEX files_by_delivery ON files (delivery) WHERE delivery <> '';

-- What a partner's folders hold, counted along with every change of them.
CREATE TABLE file_usage (
    partner TEXT PRIMARY KEY,
    octets INTEGER NOT NULL,
    files INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER files_added AFTER INSERT ON files BEGIN
    INSERT INTO file_usage (partner, octets, files) VALUES (new.partner, new.size, 1)
    ON CONFLICT (partner) DO UPDATE SET octets = octets + new.size, files = files + 1;
END;
CREATE TRIGGER files_resized AFTER UPDATE OF size ON files WHEN new.size <> old.size BEGIN
    UPDATE file_usage SET octets = octets + new.size - old.size WHERE partner = new.partner;
END;
CREATE TRIGGER files_dropped AFTER DELETE ON files BEGIN
    UPDATE file_usage SET octets = octets - old.size, files = files - 1 WHERE partner = old.partner;
END;

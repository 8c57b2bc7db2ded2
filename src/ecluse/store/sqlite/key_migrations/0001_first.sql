-- Wrapped keys of blobs, in a file of their own: a backup of the main file can't bring a dropped key back.
CREATE TABLE blob_keys (id TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;

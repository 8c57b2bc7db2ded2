-- Small facts that change: proposals, findings, rotations. Their bodies belong to the rooms that keep them.
CREATE TABLE records (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT '',
    due INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_owner ON records (kind, owner, key);
CREATE INDEX records_by_state ON records (kind, state, key);
CREATE INDEX records_due ON records (kind, due) WHERE due IS NOT NULL;

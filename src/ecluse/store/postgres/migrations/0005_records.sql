-- Small facts that change: proposals, findings, rotations. Their bodies belong to the rooms that keep them.
CREATE TABLE records (
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    owner TEXT COLLATE "C" NOT NULL DEFAULT '',
    state TEXT COLLATE "C" NOT NULL DEFAULT '',
    due BIGINT,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX records_by_owner ON records (kind, owner, key);
CREATE INDEX records_by_state ON records (kind, state, key);
CREATE INDEX records_due ON records (kind, due) WHERE due IS NOT NULL;

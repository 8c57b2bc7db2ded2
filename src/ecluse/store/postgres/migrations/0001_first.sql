-- The tables of the grown hub: many nodes on one PostgreSQL.
--
-- Ids sort by time and octet by octet (COLLATE "C"), as they do on SQLite. Instants are microseconds since
-- 1970 (UTC). The search path is the schema `ecluse`.

-- Wrapped keys of blobs, in a schema of their own: `pg_dump --exclude-schema=ecluse_keys` leaves them out, so
-- that a backup of the rest can't bring a dropped key back.
CREATE SCHEMA IF NOT EXISTS ecluse_keys;
CREATE TABLE ecluse_keys.blob_keys (id TEXT COLLATE "C" PRIMARY KEY, wrapped BYTEA NOT NULL);
-- A deleted key stays in its page until the table is vacuumed: that is done after every deletion, not seldom.
ALTER TABLE ecluse_keys.blob_keys SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);

-- One document on its way, once. `parts` and `wire` are JSON; `search` is case-folded text.
CREATE TABLE messages (
    id TEXT COLLATE "C" PRIMARY KEY,
    direction TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    protocol TEXT NOT NULL,
    protocol_id TEXT NOT NULL,
    state TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    parts BYTEA NOT NULL,
    wire_blob TEXT NOT NULL,
    wire BYTEA NOT NULL,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL,
    config_version BIGINT NOT NULL,
    search TEXT NOT NULL
);
-- A message is unique by the protocol's own id; one that was rejected may come again.
CREATE UNIQUE INDEX messages_once ON messages (direction, partner, protocol_id) WHERE state <> 'rejected';
CREATE INDEX messages_rejected ON messages (direction, partner, protocol_id, id) WHERE state = 'rejected';
CREATE INDEX messages_by_state ON messages (direction, state, id);
CREATE INDEX messages_by_partner ON messages (partner, id);

-- One message to one channel.
CREATE TABLE deliveries (
    id TEXT COLLATE "C" PRIMARY KEY,
    message TEXT COLLATE "C" NOT NULL,
    partner TEXT COLLATE "C" NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    receipt_due BIGINT,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX deliveries_by_message ON deliveries (message);
CREATE INDEX deliveries_overdue ON deliveries (receipt_due) WHERE state = 'sent';

-- The other side's answers of record, exact.
CREATE TABLE receipts (
    id TEXT COLLATE "C" PRIMARY KEY,
    delivery TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    positive SMALLINT NOT NULL,
    verdict TEXT NOT NULL,
    headers BYTEA NOT NULL,
    body BYTEA NOT NULL,
    received BIGINT NOT NULL
);
CREATE INDEX receipts_by_message ON receipts (message);

-- Our own answers, exact, one for a message. `headers` is JSON.
CREATE TABLE answers (
    message TEXT COLLATE "C" PRIMARY KEY,
    status INTEGER NOT NULL,
    headers BYTEA NOT NULL,
    body BYTEA NOT NULL,
    positive SMALLINT NOT NULL,
    created BIGINT NOT NULL,
    return_to TEXT NOT NULL
);

-- Where the bytes of a blob are. Its wrapped key is in the schema `ecluse_keys`, never here.
CREATE TABLE blobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    inline BYTEA,
    created BIGINT NOT NULL
);

-- The log: an inbox row until the sequencer gives it its place in the tree.
CREATE TABLE events (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    leaf BYTEA NOT NULL,
    place BIGINT
);
CREATE INDEX events_by_subject ON events (subject, seq);
CREATE INDEX events_unsealed ON events (seq) WHERE place IS NULL;
CREATE UNIQUE INDEX events_by_place ON events (place) WHERE place IS NOT NULL;

-- Hashes of the tree, by level (0 is the leaves) and place in the level.
CREATE TABLE log_nodes (
    level INTEGER NOT NULL,
    place BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, place)
);

-- How many leaves are sealed: one row, which a sequencer moves on.
CREATE TABLE log_head (one BIGINT PRIMARY KEY CHECK (one = 1), size BIGINT NOT NULL);
INSERT INTO log_head VALUES (1, 0);

-- Signed heads of the log.
CREATE TABLE checkpoints (
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    note BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (size, at)
);

-- Durable work.
CREATE TABLE jobs (
    key TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    payload BYTEA NOT NULL,
    due BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    owner TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    fault TEXT NOT NULL,
    error TEXT NOT NULL
);
-- Every job is updated a few times: its dead rows are cleared early.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
-- Lane and kind stand in the index so that a full lane is passed over without reading its rows.
CREATE INDEX jobs_due ON jobs (due, lane, kind) WHERE state = 'due';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_done ON jobs (due) WHERE state = 'done';

-- Every version of the configuration. `files` is JSON.
CREATE TABLE config_versions (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    files BYTEA NOT NULL
);

CREATE TABLE settings (name TEXT COLLATE "C" PRIMARY KEY, value BYTEA NOT NULL);

-- Heartbeats.
CREATE TABLE nodes (name TEXT COLLATE "C" PRIMARY KEY, beat BIGINT NOT NULL);

-- The tables of the embedded hub.
--
-- Ids sort by time, so that most inserts append. Instants are microseconds since 1970 (UTC). Small rows
-- stand in their primary key (WITHOUT ROWID); rows that may be large don't.

-- One document on its way, once. `parts` and `wire` are JSON; `search` is case-folded text.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    direction TEXT NOT NULL,
    partner TEXT NOT NULL,
    protocol TEXT NOT NULL,
    protocol_id TEXT NOT NULL,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    subject TEXT NOT NULL,
    reference TEXT NOT NULL,
    parts BLOB NOT NULL,
    wire_blob TEXT NOT NULL,
    wire BLOB NOT NULL,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL,
    config_version INTEGER NOT NULL,
    search TEXT NOT NULL
) STRICT;
-- A message is unique by the protocol's own id; one that was rejected may come again.
CREATE UNIQUE INDEX messages_once ON messages (direction, partner, protocol_id) WHERE state <> 'rejected';
CREATE INDEX messages_rejected ON messages (direction, partner, protocol_id, id) WHERE state = 'rejected';
CREATE INDEX messages_by_state ON messages (direction, state, id);
CREATE INDEX messages_by_partner ON messages (partner, id);

-- One message to one channel.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    partner TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    receipt_due INTEGER,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_message ON deliveries (message);
CREATE INDEX deliveries_overdue ON deliveries (receipt_due) WHERE state = 'sent';

-- The other side's answers of record, exact.
CREATE TABLE receipts (
    id TEXT PRIMARY KEY,
    delivery TEXT NOT NULL,
    message TEXT NOT NULL,
    kind TEXT NOT NULL,
    positive INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    received INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_by_message ON receipts (message);

-- Our own answers, exact, one for a message. `headers` is JSON.
CREATE TABLE answers (
    message TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    positive INTEGER NOT NULL,
    created INTEGER NOT NULL,
    return_to TEXT NOT NULL
) STRICT;

-- Where the bytes of a blob are. Its wrapped key is in the key file, never here.
CREATE TABLE blobs (
    id TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    inline BLOB,
    created INTEGER NOT NULL
) STRICT;

-- Keys that are to be deleted from the key file: written with the blob's deletion, gone once it is done.
CREATE TABLE key_drops (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- The log: an inbox row until the sequencer gives it its place in the tree.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    leaf BLOB NOT NULL,
    place INTEGER
) STRICT;
CREATE INDEX events_by_subject ON events (subject, seq);
CREATE INDEX events_unsealed ON events (seq) WHERE place IS NULL;
CREATE UNIQUE INDEX events_by_place ON events (place) WHERE place IS NOT NULL;

-- Hashes of the tree, by level (0 is the leaves) and place in the level.
CREATE TABLE log_nodes (
    level INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

-- How many leaves are sealed: one row, which a sequencer moves on.
CREATE TABLE log_head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL) STRICT;
INSERT INTO log_head VALUES (1, 0);

-- Signed heads of the log.
CREATE TABLE checkpoints (
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (size, at)
) STRICT;

-- Durable work.
CREATE TABLE jobs (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    payload BLOB NOT NULL,
    due INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    owner TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    fault TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Lane and kind stand in the index so that a full lane is passed over without reading its rows.
CREATE INDEX jobs_due ON jobs (due, lane, kind) WHERE state = 'due';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_done ON jobs (due) WHERE state = 'done';

-- Every version of the configuration. `files` is JSON.
CREATE TABLE config_versions (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    files BLOB NOT NULL
) STRICT;

CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- Heartbeats.
CREATE TABLE nodes (name TEXT PRIMARY KEY, beat INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Flows: messages that are made of others, deliveries that relay, and what a flow remembers.

ALTER TABLE messages ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN relay TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN flow TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN shredded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_by_origin ON messages (origin, id) WHERE origin <> '';
CREATE INDEX messages_by_flow ON messages (flow, id) WHERE flow <> '';
CREATE INDEX messages_unshredded ON messages (flow, updated, id) WHERE flow <> '' AND origin = '' AND shredded = 0;

ALTER TABLE deliveries ADD COLUMN flow TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN target INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN order_key TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_by_flow ON deliveries (flow, state, id) WHERE flow <> '';
CREATE INDEX deliveries_begun ON deliveries (flow, created, id) WHERE flow <> '' AND target = 0;
CREATE INDEX deliveries_in_order ON deliveries (flow, target, order_key, created, id)
    WHERE order_key <> '' AND state NOT IN ('confirmed', 'given-up');

-- Which content a flow has seen, by digest (32 octets), and in which message first.
CREATE TABLE flow_digests (
    flow TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (flow, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX flow_digests_by_time ON flow_digests (flow, at);

-- Numbers that count up: file names of flows.
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

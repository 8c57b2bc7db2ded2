-- The statements of the embedded store. Values are bound in the order of the question marks.

-- name: message
-- A message by the hub's id.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE id = ?;

-- name: find_message
-- The one message with a protocol id that is not rejected (index messages_once).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE direction = ? AND partner = ? AND protocol_id = ? AND state <> 'rejected';

-- name: find_rejected
-- The newest rejected message with a protocol id (index messages_rejected).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE direction = ? AND partner = ? AND protocol_id = ? AND state = 'rejected'
ORDER BY id DESC LIMIT 1;

-- name: messages
-- The list of messages; conditions are put in from the pieces below.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages;

-- name: messages.direction
direction = ?
-- name: messages.partner
partner = ?
-- name: messages.states
state IN (SELECT value FROM json_each(?))
-- name: messages.search
instr(search, ?) > 0
-- name: messages.flow
flow = ? AND flow <> ''
-- name: messages.before
id < ?
-- name: messages.order
ORDER BY id DESC LIMIT ?

-- name: count_messages
-- Read from the index messages_by_state alone.
SELECT direction, state, count(*) FROM messages GROUP BY direction, state;

-- name: traffic
-- Ids sort by time: a range of the primary key, of the time asked for alone.
SELECT partner, flow, count(*) FROM messages WHERE id >= ? GROUP BY partner, flow;

-- name: add_message
-- Nothing is added where the id, or the protocol id of a message that is not rejected, is taken.
INSERT INTO messages (id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts,
    wire_blob, wire, reason_code, reason, config_version, origin, relay, flow, shredded, search)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: update_message
-- All but the identity.
UPDATE messages SET protocol = ?, state = ?, created = ?, updated = ?, subject = ?, reference = ?, parts = ?, wire_blob = ?,
    wire = ?, reason_code = ?, reason = ?, config_version = ?, origin = ?, relay = ?,
    flow = ?, shredded = ?, search = ?
WHERE id = ?;

-- name: delivery
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE id = ?;

-- name: deliveries
-- Of one message, oldest first.
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE message = ? ORDER BY id;

-- name: siblings
-- All deliveries of the messages that some belong to.
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE message IN (
    SELECT message FROM deliveries WHERE id IN (SELECT value FROM json_each(?)));

-- name: messages_of
-- Those of some ids.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE id IN (SELECT value FROM json_each(?));

-- name: receipts_of
-- Of some messages, oldest first.
SELECT id, delivery, message, kind, positive, verdict, headers, body, received
FROM receipts WHERE message IN (SELECT value FROM json_each(?)) ORDER BY received, id;

-- name: blobs_of
SELECT id, size, sha256, inline, created FROM blobs WHERE id IN (SELECT value FROM json_each(?));

-- name: blob_keys_of
-- In the key file.
SELECT id, wrapped FROM blob_keys WHERE id IN (SELECT value FROM json_each(?));

-- name: overdue
-- Sent, and the receipt did not come in time (index deliveries_overdue).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE state = 'sent' AND receipt_due < ? ORDER BY receipt_due LIMIT ?;

-- name: add_delivery
INSERT INTO deliveries (id, message, partner, channel, state, attempts, created, updated, receipt_due,
    reason_code, reason, flow, target, order_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: update_delivery
-- All but whose it is.
UPDATE deliveries SET state = ?, attempts = ?, created = ?, updated = ?, receipt_due = ?, reason_code = ?,
    reason = ?, flow = ?, target = ?, order_key = ?
WHERE id = ?;

-- name: receipts
-- Of one message, oldest first.
SELECT id, delivery, message, kind, positive, verdict, headers, body, received
FROM receipts WHERE message = ? ORDER BY received, id;

-- name: add_receipt
INSERT INTO receipts (id, delivery, message, kind, positive, verdict, headers, body, received)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: answer
SELECT message, status, headers, body, positive, created, return_to FROM answers WHERE message = ?;

-- name: put_answer
INSERT OR REPLACE INTO answers (message, status, headers, body, positive, created, return_to)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: blob
SELECT id, size, sha256, inline, created FROM blobs WHERE id = ?;

-- name: blob_exists
SELECT 1 FROM blobs WHERE id = ?;

-- name: blobs_before
-- Ids after one, in order.
SELECT id FROM blobs WHERE id > ? ORDER BY id LIMIT ?;

-- name: add_blob
INSERT INTO blobs (id, size, sha256, inline, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: drop_blob
DELETE FROM blobs WHERE id = ?;

-- name: add_key_drop
-- The intent: from here on the key is as good as gone, whatever happens to this process.
INSERT INTO key_drops (id) VALUES (?) ON CONFLICT DO NOTHING;

-- name: key_drops
SELECT id FROM key_drops ORDER BY id;

-- name: key_drops_of
SELECT id FROM key_drops WHERE id IN (SELECT value FROM json_each(?));

-- name: forget_key_drop
DELETE FROM key_drops WHERE id = ?;

-- name: blob_key
-- In the key file.
SELECT wrapped FROM blob_keys WHERE id = ?;

-- name: keys_from
-- In the key file.
SELECT id, wrapped FROM blob_keys WHERE id > ? ORDER BY id LIMIT ?;

-- name: add_blob_key
-- In the key file. A key may stand here already where the main commit of its first try failed.
INSERT OR REPLACE INTO blob_keys (id, wrapped) VALUES (?, ?);

-- name: drop_blob_key
-- In the key file.
DELETE FROM blob_keys WHERE id = ?;

-- name: events
-- Of one subject, in the order they were recorded.
SELECT id, at, kind, subject, leaf, place, beside FROM events WHERE subject = ? ORDER BY seq;

-- name: events_from
-- Sealed ones from a place on (index events_by_place).
SELECT id, at, kind, subject, leaf, place, beside FROM events
WHERE place IS NOT NULL AND place >= ? ORDER BY place LIMIT ?;

-- name: unsealed
-- The inbox (index events_unsealed).
SELECT seq, leaf FROM events WHERE place IS NULL ORDER BY seq LIMIT ?;

-- name: append_event
INSERT INTO events (id, at, kind, subject, leaf, beside) VALUES (?, ?, ?, ?, ?, ?);

-- name: log_size
SELECT size FROM log_head;

-- name: grow_log
-- Nothing where another sequencer moved the head.
UPDATE log_head SET size = ? WHERE size = ?;

-- name: seal_events
-- Of a run of row numbers: each place is as far from its number as that of the first.
UPDATE events SET place = seq + ? WHERE seq BETWEEN ? AND ? AND place IS NULL;

-- name: log_node
SELECT hash FROM log_nodes WHERE level = ? AND place = ?;

-- name: log_nodes_run
SELECT place, hash FROM log_nodes WHERE level = ? AND place >= ? AND place < ?;

-- name: put_log_node
INSERT OR REPLACE INTO log_nodes (level, place, hash) VALUES (?, ?, ?);

-- name: checkpoints
-- Newest first.
SELECT size, root, note, at FROM checkpoints ORDER BY size DESC, at DESC LIMIT ?;

-- name: checkpoints_from
-- In order of size.
SELECT size, root, note, at FROM checkpoints WHERE size >= ? ORDER BY size, at LIMIT ?;

-- name: add_checkpoint
INSERT INTO checkpoints (size, root, note, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: job
SELECT key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error
FROM jobs WHERE key = ?;

-- name: jobs
-- Those that are not done come first, then by time.
SELECT key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error FROM jobs;

-- name: jobs.kind
kind = ?
-- name: jobs.order
ORDER BY state = 'done', due, key LIMIT ?

-- name: add_job
INSERT INTO jobs (key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: claim_jobs
-- Due jobs and running ones whose lease ended, oldest first. ?1 owner, ?2 now, ?3 end of the lease,
-- ?4 limit, ?5 kinds (JSON list; all where empty), ?6 lanes to pass over (JSON list).
UPDATE jobs SET state = 'running', owner = ?1, lease_until = ?3, attempts = attempts + 1, fence = fence + 1
WHERE key IN (
    SELECT key FROM (
        SELECT key, due FROM (
            SELECT key, due FROM jobs WHERE state = 'due' AND due <= ?2
            AND (?5 = '[]' OR kind IN (SELECT value FROM json_each(?5)))
            AND lane NOT IN (SELECT value FROM json_each(?6))
            ORDER BY due LIMIT ?4)
        UNION ALL
        SELECT key, due FROM (
            SELECT key, due FROM jobs WHERE state = 'running' AND lease_until <= ?2
            AND (?5 = '[]' OR kind IN (SELECT value FROM json_each(?5)))
            AND lane NOT IN (SELECT value FROM json_each(?6))
            ORDER BY due LIMIT ?4)
    ) ORDER BY due, key LIMIT ?4)
RETURNING key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error;

-- name: release_jobs
-- Of an owner that is known to be dead.
UPDATE jobs SET lease_until = 0 WHERE state = 'running' AND owner = ?;

-- name: extend_lease
UPDATE jobs SET lease_until = ? WHERE key = ? AND owner = ? AND fence = ? AND state = 'running';

-- name: finish_job
UPDATE jobs SET state = 'done', owner = '', lease_until = 0, fault = '', error = ''
WHERE key = ? AND owner = ? AND fence = ? AND state = 'running';

-- name: finish_jobs
-- Several, each as finish_job: JSON list of key, owner and fence.
UPDATE jobs SET state = 'done', owner = '', lease_until = 0, fault = '', error = ''
FROM json_each(?) AS held
WHERE jobs.key = json_extract(held.value, '$[0]') AND owner = json_extract(held.value, '$[1]')
    AND fence = json_extract(held.value, '$[2]') AND state = 'running';

-- name: retry_job
UPDATE jobs SET state = 'due', due = ?, owner = '', lease_until = 0, fault = ?, error = ?
WHERE key = ? AND owner = ? AND fence = ? AND state = 'running';

-- name: bury_job
UPDATE jobs SET state = 'dead', owner = '', lease_until = 0, fault = ?, error = ?
WHERE key = ? AND owner = ? AND fence = ? AND state = 'running';

-- name: wake_job
-- The fence stays as it is: an old claim must not fit the next one.
UPDATE jobs SET state = 'due', due = ?, attempts = 0, owner = '', lease_until = 0, fault = '', error = ''
WHERE key = ? AND state <> 'running';

-- name: prune_jobs
DELETE FROM jobs WHERE key IN (SELECT key FROM jobs WHERE state = 'done' AND due < ? ORDER BY due LIMIT ?);

-- name: config
SELECT number, at, actor, reason, files FROM config_versions WHERE number = ?;

-- name: config_number
-- Who watches for another version reads no files for it.
SELECT coalesce(max(number), 0) FROM config_versions;

-- name: config_history
-- Newest first, without their files: of thousands of partners each has megabytes.
SELECT number, at, actor, reason FROM config_versions ORDER BY number DESC LIMIT ?;

-- name: add_config
INSERT INTO config_versions (number, at, actor, reason, files) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: setting
SELECT value FROM settings WHERE name = ?;

-- name: put_setting
INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?);

-- name: nodes
SELECT name, beat FROM nodes ORDER BY name;

-- name: beat
INSERT OR REPLACE INTO nodes (name, beat) VALUES (?, ?);

-- name: children
-- Messages that flows made of one, oldest first (index messages_by_origin).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE origin = ? AND origin <> '' ORDER BY id;

-- name: arrivals
-- What came for a flow in a time, oldest first (index deliveries_begun).
SELECT m.id, direction, m.partner, protocol, protocol_id, m.state, m.created, m.updated, subject, reference, parts,
    wire_blob, wire, m.reason_code, m.reason, config_version, origin, relay, m.flow, shredded, d.created
FROM deliveries AS d JOIN messages AS m ON m.id = d.message
WHERE d.flow = ? AND d.flow <> '' AND d.target = 0 AND d.created >= ? AND d.created < ?
ORDER BY d.created, d.id LIMIT ?;

-- name: flow_counts
-- Deliveries of every flow by state, read from the index deliveries_by_flow alone.
SELECT flow, state, count(*) FROM deliveries WHERE flow <> '' GROUP BY flow, state;

-- name: waiting
-- Deliveries of a flow that wait, oldest first, after one (index deliveries_by_flow).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = ? AND flow <> '' AND state = 'waiting' AND id > ? ORDER BY id LIMIT ?;

-- name: ahead
-- The last delivery before one of the same flow, target and key that has not ended (index deliveries_in_order).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = ? AND target = ? AND order_key = ? AND order_key <> ''
    AND state NOT IN ('confirmed', 'given-up') AND (created, id) < (?, ?)
ORDER BY created DESC, id DESC LIMIT 1;

-- name: behind
-- The next delivery of the same flow, target and key that has not ended (index deliveries_in_order).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = ? AND target = ? AND order_key = ? AND order_key <> ''
    AND state NOT IN ('confirmed', 'given-up') AND (created, id) > (?, ?)
ORDER BY created, id LIMIT 1;

-- name: digest_seen
-- Which message of a flow had this content first, and when.
SELECT message, at FROM flow_digests WHERE flow = ? AND sha256 = ?;

-- name: claim_digest
-- One statement: of two that claim the same content at once, the second waits, and finds the first.
INSERT INTO flow_digests (flow, sha256, message, at) VALUES (?, ?, ?, ?)
ON CONFLICT (flow, sha256) DO UPDATE SET
    message = CASE WHEN flow_digests.at <= ? THEN excluded.message ELSE flow_digests.message END,
    at = CASE WHEN flow_digests.at <= ? THEN excluded.at ELSE flow_digests.at END
RETURNING message, at;

-- name: put_digest
INSERT INTO flow_digests (flow, sha256, message, at) VALUES (?, ?, ?, ?)
ON CONFLICT (flow, sha256) DO UPDATE SET message = excluded.message, at = excluded.at;

-- name: prune_digests
DELETE FROM flow_digests WHERE flow = ? AND at < ?;

-- name: next_number
INSERT INTO counters (name, value) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value;

-- name: claim_job
-- One job by its key, unless somebody holds its lease.
UPDATE jobs SET state = 'running', owner = ?, lease_until = ?, attempts = attempts + 1, fence = fence + 1
WHERE key = ? AND (state <> 'running' OR lease_until <= ?)
RETURNING key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error;

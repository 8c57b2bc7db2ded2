-- The statements of the PostgreSQL store. Values are bound in the order of the placeholders.

-- name: message
-- A message by the hub's id.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE id = %s;

-- name: find_message
-- The one message with a protocol id that is not rejected (index messages_once).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE direction = %s AND partner = %s AND protocol_id = %s AND state <> 'rejected';

-- name: find_rejected
-- The newest rejected message with a protocol id (index messages_rejected).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE direction = %s AND partner = %s AND protocol_id = %s AND state = 'rejected'
ORDER BY id DESC LIMIT 1;

-- name: messages
-- The list of messages; conditions are put in from the pieces below.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages;

-- name: messages.direction
direction = %s
-- name: messages.partner
partner = %s
-- name: messages.states
state = ANY(%s)

-- name: messages.search
strpos(search, %s) > 0

-- name: messages.flow
flow = %s AND flow <> ''
-- name: messages.before
id < %s
-- name: messages.order
ORDER BY id DESC LIMIT %s

-- name: count_messages
-- Read from the index messages_by_state alone.
SELECT direction, state, count(*) FROM messages GROUP BY direction, state;

-- name: traffic
-- Ids sort by time: a range of the primary key, of the time asked for alone.
SELECT partner, flow, count(*) FROM messages WHERE id >= %s GROUP BY partner, flow;

-- name: add_message
-- Nothing is added where the id, or the protocol id of a message that is not rejected, is taken.
INSERT INTO messages (id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts,
    wire_blob, wire, reason_code, reason, config_version, origin, relay, flow, shredded, search)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: update_message
-- All but the identity.
UPDATE messages SET protocol = %s, state = %s, created = %s, updated = %s, subject = %s, reference = %s, parts = %s, wire_blob = %s,
    wire = %s, reason_code = %s, reason = %s, config_version = %s, origin = %s, relay = %s,
    flow = %s, shredded = %s, search = %s
WHERE id = %s;

-- name: delivery
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE id = %s;

-- name: deliveries
-- Of one message, oldest first.
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE message = %s ORDER BY id;

-- name: overdue
-- Sent, and the receipt did not come in time (index deliveries_overdue).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE state = 'sent' AND receipt_due < %s ORDER BY receipt_due LIMIT %s;

-- name: add_delivery
-- Not waited for: a taken id fails the transaction.
INSERT INTO deliveries (id, message, partner, channel, state, attempts, created, updated, receipt_due,
    reason_code, reason, flow, target, order_key)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: update_delivery
-- All but whose it is.
UPDATE deliveries SET state = %s, attempts = %s, created = %s, updated = %s, receipt_due = %s, reason_code = %s,
    reason = %s, flow = %s, target = %s, order_key = %s
WHERE id = %s;

-- name: receipts
-- Of one message, oldest first.
SELECT id, delivery, message, kind, positive, verdict, headers, body, received
FROM receipts WHERE message = %s ORDER BY received, id;

-- name: add_receipt
-- Not waited for: a taken id fails the transaction.
INSERT INTO receipts (id, delivery, message, kind, positive, verdict, headers, body, received)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s);

-- name: answer
SELECT message, status, headers, body, positive, created, return_to FROM answers WHERE message = %s;

-- name: put_answer
INSERT INTO answers (message, status, headers, body, positive, created, return_to)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (message) DO UPDATE SET status = excluded.status, headers = excluded.headers, body = excluded.body,
    positive = excluded.positive, created = excluded.created, return_to = excluded.return_to;

-- name: blob
SELECT id, size, sha256, inline, created FROM blobs WHERE id = %s;

-- name: blobs_before
-- Ids after one, in order.
SELECT id FROM blobs WHERE id > %s ORDER BY id LIMIT %s;

-- name: add_blob
-- Not waited for: a taken id fails the transaction.
INSERT INTO blobs (id, size, sha256, inline, created) VALUES (%s, %s, %s, %s, %s);

-- name: drop_blob
DELETE FROM blobs WHERE id = %s;

-- name: blob_key
-- A key without its row (restored tables beside kept keys) opens nothing.
SELECT wrapped FROM ecluse_keys.blob_keys WHERE id = %s AND EXISTS (SELECT FROM blobs WHERE blobs.id = blob_keys.id);

-- name: keys_from
SELECT id, wrapped FROM ecluse_keys.blob_keys WHERE id > %s ORDER BY id LIMIT %s;

-- name: add_blob_key
INSERT INTO ecluse_keys.blob_keys (id, wrapped) VALUES (%s, %s)
ON CONFLICT (id) DO UPDATE SET wrapped = excluded.wrapped;

-- name: drop_blob_key
DELETE FROM ecluse_keys.blob_keys WHERE id = %s;

-- name: events
-- Of one subject, in the order they were recorded.
SELECT id, at, kind, subject, leaf, place, beside FROM events WHERE subject = %s ORDER BY seq;

-- name: events_from
-- Sealed ones from a place on (index events_by_place).
SELECT id, at, kind, subject, leaf, place, beside FROM events
WHERE place IS NOT NULL AND place >= %s ORDER BY place LIMIT %s;

-- name: unsealed
-- The inbox (index events_unsealed).
SELECT seq, leaf FROM events WHERE place IS NULL ORDER BY seq LIMIT %s;

-- name: append_event
INSERT INTO events (id, at, kind, subject, leaf, beside) VALUES (%s, %s, %s, %s, %s, %s);

-- name: log_size
SELECT size FROM log_head;

-- name: grow_log
-- Locks the head until the transaction ends; nothing where another sequencer moved it.
UPDATE log_head SET size = %s WHERE size = %s;

-- name: seal_events
-- All at once: row numbers and their places.
UPDATE events SET place = sealed.place
FROM unnest(%s::bigint[], %s::bigint[]) AS sealed (seq, place)
WHERE events.seq = sealed.seq AND events.place IS NULL;

-- name: log_nodes
-- All that are wanted at once.
SELECT level, place, hash FROM log_nodes
JOIN unnest(%s::integer[], %s::bigint[]) AS wanted (level, place) USING (level, place);

-- name: put_log_nodes
INSERT INTO log_nodes (level, place, hash) SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::bytea[])
ON CONFLICT (level, place) DO UPDATE SET hash = excluded.hash;

-- name: checkpoints
-- Newest first.
SELECT size, root, note, at FROM checkpoints ORDER BY size DESC, at DESC LIMIT %s;

-- name: checkpoints_from
-- In order of size.
SELECT size, root, note, at FROM checkpoints WHERE size >= %s ORDER BY size, at LIMIT %s;

-- name: add_checkpoint
INSERT INTO checkpoints (size, root, note, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: job
SELECT key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error
FROM jobs WHERE key = %s;

-- name: jobs
-- Those that are not done come first, then by time.
SELECT key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error FROM jobs;

-- name: jobs.kind
kind = %s
-- name: jobs.order
ORDER BY state = 'done', due, key LIMIT %s

-- name: add_job
INSERT INTO jobs (key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: claim_jobs
-- Due jobs and running ones whose lease ended, oldest first. Rows that another claim holds are passed over.
WITH due AS (
    SELECT key, due FROM jobs WHERE state = 'due' AND due <= %(now)s
    AND (%(kinds)s::text[] = '{}' OR kind = ANY(%(kinds)s::text[])) AND lane <> ALL(%(lanes)s::text[])
    ORDER BY due, key LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), left_over AS (
    SELECT key, due FROM jobs WHERE state = 'running' AND lease_until <= %(now)s
    AND (%(kinds)s::text[] = '{}' OR kind = ANY(%(kinds)s::text[])) AND lane <> ALL(%(lanes)s::text[])
    ORDER BY due, key LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), picked AS (
    SELECT key FROM (SELECT * FROM due UNION ALL SELECT * FROM left_over) AS claimable
    ORDER BY due, key LIMIT %(limit)s
)
UPDATE jobs SET state = 'running', owner = %(owner)s, lease_until = %(until)s, attempts = attempts + 1,
    fence = fence + 1
FROM picked WHERE jobs.key = picked.key
RETURNING jobs.key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error;

-- name: release_jobs
-- Of an owner that is known to be dead.
UPDATE jobs SET lease_until = 0 WHERE state = 'running' AND owner = %s;

-- name: extend_lease
UPDATE jobs SET lease_until = %s WHERE key = %s AND owner = %s AND fence = %s AND state = 'running';

-- name: finish_job
UPDATE jobs SET state = 'done', owner = '', lease_until = 0, fault = '', error = ''
WHERE key = %s AND owner = %s AND fence = %s AND state = 'running';

-- name: retry_job
UPDATE jobs SET state = 'due', due = %s, owner = '', lease_until = 0, fault = %s, error = %s
WHERE key = %s AND owner = %s AND fence = %s AND state = 'running';

-- name: bury_job
UPDATE jobs SET state = 'dead', owner = '', lease_until = 0, fault = %s, error = %s
WHERE key = %s AND owner = %s AND fence = %s AND state = 'running';

-- name: wake_job
-- The fence stays as it is: an old claim must not fit the next one.
UPDATE jobs SET state = 'due', due = %s, attempts = 0, owner = '', lease_until = 0, fault = '', error = ''
WHERE key = %s AND state <> 'running';

-- name: prune_jobs
DELETE FROM jobs WHERE key IN (
    SELECT key FROM jobs WHERE state = 'done' AND due < %s ORDER BY due LIMIT %s FOR UPDATE SKIP LOCKED);

-- name: config
SELECT number, at, actor, reason, files FROM config_versions WHERE number = %s;

-- name: config_number
-- Who watches for another version reads no files for it.
SELECT coalesce(max(number), 0) FROM config_versions;

-- name: config_history
-- Newest first, without their files: of thousands of partners each has megabytes.
SELECT number, at, actor, reason FROM config_versions ORDER BY number DESC LIMIT %s;

-- name: add_config
INSERT INTO config_versions (number, at, actor, reason, files) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: setting
SELECT value FROM settings WHERE name = %s;

-- name: put_setting
INSERT INTO settings (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: nodes
SELECT name, beat FROM nodes ORDER BY name;

-- name: beat
INSERT INTO nodes (name, beat) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET beat = excluded.beat;

-- name: children
-- Messages that flows made of one, oldest first (index messages_by_origin).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE origin = %s AND origin <> '' ORDER BY id;

-- name: arrivals
-- What came for a flow in a time, oldest first (index deliveries_begun).
SELECT m.id, direction, m.partner, protocol, protocol_id, m.state, m.created, m.updated, subject, reference, parts,
    wire_blob, wire, m.reason_code, m.reason, config_version, origin, relay, m.flow, shredded, d.created
FROM deliveries AS d JOIN messages AS m ON m.id = d.message
WHERE d.flow = %s AND d.flow <> '' AND d.target = 0 AND d.created >= %s AND d.created < %s
ORDER BY d.created, d.id LIMIT %s;

-- name: flow_counts
-- Deliveries of every flow by state, read from the index deliveries_by_flow alone.
SELECT flow, state, count(*) FROM deliveries WHERE flow <> '' GROUP BY flow, state;

-- name: waiting
-- Deliveries of a flow that wait, oldest first, after one (index deliveries_by_flow).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = %s AND flow <> '' AND state = 'waiting' AND id > %s ORDER BY id LIMIT %s;

-- name: ahead
-- The last delivery before one of the same flow, target and key that has not ended (index deliveries_in_order).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = %s AND target = %s AND order_key = %s AND order_key <> ''
    AND state NOT IN ('confirmed', 'given-up') AND (created, id) < (%s, %s)
ORDER BY created DESC, id DESC LIMIT 1;

-- name: behind
-- The next delivery of the same flow, target and key that has not ended (index deliveries_in_order).
SELECT id, message, partner, channel, state, attempts, created, updated, receipt_due, reason_code, reason,
    flow, target, order_key
FROM deliveries WHERE flow = %s AND target = %s AND order_key = %s AND order_key <> ''
    AND state NOT IN ('confirmed', 'given-up') AND (created, id) > (%s, %s)
ORDER BY created, id LIMIT 1;

-- name: digest_seen
-- Which message of a flow had this content first, and when.
SELECT message, at FROM flow_digests WHERE flow = %s AND sha256 = %s;

-- name: claim_digest
-- One statement: of two that claim the same content at once, the second waits, and finds the first.
INSERT INTO flow_digests (flow, sha256, message, at) VALUES (%s, %s, %s, %s)
ON CONFLICT (flow, sha256) DO UPDATE SET
    message = CASE WHEN flow_digests.at <= %s THEN excluded.message ELSE flow_digests.message END,
    at = CASE WHEN flow_digests.at <= %s THEN excluded.at ELSE flow_digests.at END
RETURNING message, at;

-- name: put_digest
INSERT INTO flow_digests (flow, sha256, message, at) VALUES (%s, %s, %s, %s)
ON CONFLICT (flow, sha256) DO UPDATE SET message = excluded.message, at = excluded.at;

-- name: prune_digests
DELETE FROM flow_digests WHERE flow = %s AND at < %s;

-- name: next_number
INSERT INTO counters (name, value) VALUES (%s, 1)
ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value;

-- name: claim_job
-- One job by its key, unless somebody holds its lease.
UPDATE jobs SET state = 'running', owner = %s, lease_until = %s, attempts = attempts + 1, fence = fence + 1
WHERE key = %s AND (state <> 'running' OR lease_until <= %s)
RETURNING key, kind, lane, payload, due, state, attempts, owner, lease_until, fence, fault, error;

-- The statements of erasing. Values are bound in the order of their marks.

-- name: roots_of_flow
-- What came from outside for a flow, in order of id (index messages_by_flow).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE flow = ? AND flow <> '' AND origin = '' AND id > ? AND id < ? ORDER BY id LIMIT ?;

-- name: roots_of_none
-- The same of what no flow took (a range of the primary key).
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE flow = '' AND origin = '' AND id > ? AND id < ? ORDER BY id LIMIT ?;

-- name: message_files
-- Names in partners' folders that stand for its documents (index files_by_message).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE message = ? AND message <> '' ORDER BY folder, name;

-- name: besides
-- Events whose personal values are kept, in order.
SELECT seq, id, kind, subject, at, beside FROM events WHERE seq > ? AND beside IS NOT NULL ORDER BY seq LIMIT ?;

-- name: forget_beside
-- Of all events about one subject (index events_by_subject).
UPDATE events SET beside = NULL WHERE subject = ? AND beside IS NOT NULL;

-- name: forget_beside_row
UPDATE events SET beside = NULL WHERE seq = ? AND beside IS NOT NULL;

-- name: blank_receipts
UPDATE receipts SET headers = x'', body = x'' WHERE message = ?;

-- name: blank_answer
UPDATE answers SET headers = x'5b5d', body = x'', return_to = '' WHERE message = ?;

-- name: blank_delivery_reasons
UPDATE deliveries SET reason = '' WHERE message = ? AND reason <> '';

-- name: blank_protocol_id
UPDATE messages SET protocol_id = ? WHERE id = ?;

-- name: record_kinds
SELECT DISTINCT kind FROM records ORDER BY kind;

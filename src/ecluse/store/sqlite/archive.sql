-- The statements of the embedded store about the archive. Values are bound in the order of the question marks.

-- name: archived
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE id = ?;

-- name: archived_of
-- The documents of a message (index archive_by_message).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE message = ? ORDER BY part;

-- name: archive_list
-- Newest first.
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive;

-- name: archive_list.profile
profile = ?
-- name: archive_list.partner
partner = ?
-- name: archive_list.state
state = ?
-- name: archive_list.type
type = ?
-- name: archive_list.before
id < ?
-- name: archive_list.order
ORDER BY id DESC LIMIT ?

-- name: archive_ending
-- What is to be decided on, the longest ended first (index archive_ending).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE ends IS NOT NULL AND state <> 'disposed' AND ends <= ? AND (ends, id) > (?, ?)
ORDER BY ends, id LIMIT ?;

-- name: archive_counts
-- Read from the index archive_by_profile alone.
SELECT profile, state, count(*) FROM archive GROUP BY profile, state;

-- name: add_archived
-- Nothing is added where the document is in the archive already.
INSERT INTO archive (id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: update_archived
-- What the document is is not among these.
UPDATE archive SET partner = ?, direction = ?, profile = ?, flow = ?, type = ?, reference = ?, refs = ?, day = ?,
    amount = ?, currency = ?, starts = ?, ends = ?, state = ?, body = ?
WHERE id = ?;

-- name: add_archive_blob
INSERT INTO archive_blobs (blob, archive) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: archive_blobs_of
SELECT blob FROM archive_blobs WHERE archive = ? ORDER BY blob;

-- name: archive_holders
SELECT archive FROM archive_blobs WHERE blob = ? ORDER BY archive;

-- name: archive_bytes
SELECT blob, state, due, size, sealed, copied, place, locked, checked FROM archive_bytes WHERE blob = ?;

-- name: archive_bytes_due
-- The longest due first (index archive_bytes_due).
SELECT blob, state, due, size, sealed, copied, place, locked, checked FROM archive_bytes
WHERE due IS NOT NULL AND due <= ? ORDER BY due, blob LIMIT ?;

-- name: archive_bytes_counts
SELECT state, count(*), sum(CASE WHEN copied IS NULL THEN 0 ELSE 1 END), min(checked), min(due)
FROM archive_bytes GROUP BY state;

-- name: archive_bytes_before
-- For the sweep: what an archived document stands on is no orphan, whatever became of its row.
SELECT blob FROM archive_bytes WHERE blob > ? AND state <> 'gone' ORDER BY blob LIMIT ?;

-- name: add_archive_bytes
-- Nothing is added where another document stands on the same blob.
INSERT INTO archive_bytes (blob, state, due, size, sealed, copied, place, locked, checked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: update_archive_bytes
UPDATE archive_bytes SET state = ?, due = ?, size = ?, sealed = ?, copied = ?, place = ?, locked = ?, checked = ?
WHERE blob = ?;

-- name: restore_blob
-- The sealed bytes of a small blob, as they were: size and digest of the clear text stay.
UPDATE blobs SET inline = ? WHERE id = ? AND inline IS NOT NULL;

-- The statements of the PostgreSQL store about the archive. Values are bound in the order of the placeholders.

-- name: archived
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE id = %s;

-- name: archived_of
-- The documents of a message (index archive_by_message).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE message = %s ORDER BY part;

-- name: archive_list
-- Newest first.
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive;

-- name: archive_list.profile
profile = %s
-- name: archive_list.partner
partner = %s
-- name: archive_list.state
state = %s
-- name: archive_list.type
type = %s
-- name: archive_list.before
id < %s
-- name: archive_list.order
ORDER BY id DESC LIMIT %s

-- name: archive_ending
-- What is to be decided on, the longest ended first (index archive_ending).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE ends IS NOT NULL AND state <> 'disposed' AND ends <= %s AND (ends, id) > (%s, %s)
ORDER BY ends, id LIMIT %s;

-- name: archive_counts
-- Read from the index archive_by_profile alone.
SELECT profile, state, count(*) FROM archive GROUP BY profile, state;

-- name: add_archived
-- Nothing is added where the document is in the archive already.
INSERT INTO archive (id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING;

-- name: update_archived
-- What the document is is not among these.
UPDATE archive SET partner = %s, direction = %s, profile = %s, flow = %s, type = %s, reference = %s, refs = %s, day = %s,
    amount = %s, currency = %s, starts = %s, ends = %s, state = %s, body = %s
WHERE id = %s;

-- name: add_archive_blob
INSERT INTO archive_blobs (blob, archive) VALUES (%s, %s) ON CONFLICT DO NOTHING;

-- name: archive_blobs_of
SELECT blob FROM archive_blobs WHERE archive = %s ORDER BY blob;

-- name: archive_holders
SELECT archive FROM archive_blobs WHERE blob = %s ORDER BY archive;

-- name: archive_bytes
SELECT blob, state, due, size, sealed, copied, place, locked, checked FROM archive_bytes WHERE blob = %s;

-- name: archive_bytes_due
-- The longest due first (index archive_bytes_due).
SELECT blob, state, due, size, sealed, copied, place, locked, checked FROM archive_bytes
WHERE due IS NOT NULL AND due <= %s ORDER BY due, blob LIMIT %s;

-- name: archive_bytes_counts
SELECT state, count(*), sum(CASE WHEN copied IS NULL THEN 0 ELSE 1 END), min(checked), min(due)
FROM archive_bytes GROUP BY state;

-- name: archive_bytes_before
-- For the sweep: what an archived document stands on is no orphan, whatever became of its row.
SELECT blob FROM archive_bytes WHERE blob > %s AND state <> 'gone' ORDER BY blob LIMIT %s;

-- name: add_archive_bytes
-- Nothing is added where another document stands on the same blob.
INSERT INTO archive_bytes (blob, state, due, size, sealed, copied, place, locked, checked)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING;

-- name: update_archive_bytes
UPDATE archive_bytes SET state = %s, due = %s, size = %s, sealed = %s, copied = %s, place = %s, locked = %s, checked = %s
WHERE blob = %s;

-- name: restore_blob
-- The sealed bytes of a small blob, as they were: size and digest of the clear text stay.
UPDATE blobs SET inline = %s WHERE id = %s AND inline IS NOT NULL;

-- name: lock_holds
-- The register of legal holds, for who changes it: until the end of the transaction nobody reads it to delete by.
SELECT pg_advisory_xact_lock(%s);

-- name: share_holds
-- The same for those who read it to delete by: it does not change until they are done.
SELECT pg_advisory_xact_lock_shared(%s);

-- The statements of the embedded store about records. Values are bound in the order of the question marks.

-- name: record
SELECT kind, key, at, body, owner, state, due, revision FROM records WHERE kind = ? AND key = ?;

-- name: records
-- A page in order of key (the primary key, or the index of the condition).
SELECT kind, key, at, body, owner, state, due, revision FROM records;

-- name: records.kind
kind = ?
-- name: records.owner
owner = ?
-- name: records.state
state = ?
-- name: records.after
key > ?
-- name: records.order
ORDER BY key LIMIT ?

-- name: records_due
-- The longest due first (index records_due).
SELECT kind, key, at, body, owner, state, due, revision FROM records
WHERE kind = ? AND due <= ? ORDER BY due, key LIMIT ?;

-- name: add_record
-- Nothing is added where the key is taken.
INSERT INTO records (kind, key, at, body, owner, state, due, revision) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT DO NOTHING;

-- name: put_record
INSERT INTO records (kind, key, at, body, owner, state, due, revision) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (kind, key) DO UPDATE SET at = excluded.at, body = excluded.body, owner = excluded.owner,
    state = excluded.state, due = excluded.due, revision = records.revision + 1;

-- name: replace_record
-- Nothing where it was written since.
UPDATE records SET at = ?, body = ?, owner = ?, state = ?, due = ?, revision = revision + 1
WHERE kind = ? AND key = ? AND revision = ?;

-- name: drop_record
DELETE FROM records WHERE kind = ? AND key = ?;

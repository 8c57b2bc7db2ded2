-- The statements of the PostgreSQL store about records. Values are bound in the order of the placeholders.

-- name: record
SELECT kind, key, at, body, owner, state, due, revision FROM records WHERE kind = %s AND key = %s;

-- name: records
-- A page in order of key (the primary key, or the index of the condition).
SELECT kind, key, at, body, owner, state, due, revision FROM records;

-- name: records.kind
kind = %s
-- name: records.owner
owner = %s
-- name: records.state
state = %s
-- name: records.after
key > %s
-- name: records.order
ORDER BY key LIMIT %s

-- name: records_due
-- The longest due first (index records_due).
SELECT kind, key, at, body, owner, state, due, revision FROM records
WHERE kind = %s AND due <= %s ORDER BY due, key LIMIT %s;

-- name: add_record
-- Nothing is added where the key is taken.
INSERT INTO records (kind, key, at, body, owner, state, due, revision) VALUES (%s, %s, %s, %s, %s, %s, %s, 1)
ON CONFLICT DO NOTHING;

-- name: put_record
INSERT INTO records (kind, key, at, body, owner, state, due, revision) VALUES (%s, %s, %s, %s, %s, %s, %s, 1)
ON CONFLICT (kind, key) DO UPDATE SET at = excluded.at, body = excluded.body, owner = excluded.owner,
    state = excluded.state, due = excluded.due, revision = records.revision + 1;

-- name: replace_record
-- Nothing where it was written since.
UPDATE records SET at = %s, body = %s, owner = %s, state = %s, due = %s, revision = revision + 1
WHERE kind = %s AND key = %s AND revision = %s;

-- name: drop_record
DELETE FROM records WHERE kind = %s AND key = %s;

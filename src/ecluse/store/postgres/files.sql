-- The statements of the PostgreSQL store about partners' folders. Values are bound in the order of the placeholders.

-- name: file
-- By its place (the primary key).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE partner = %s AND folder = %s AND name = %s;

-- name: files
-- A page of a folder, in order of name.
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE partner = %s AND folder = %s AND name > %s ORDER BY name LIMIT %s;

-- name: delivery_files
-- What a delivery put out (index files_by_delivery).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE delivery = %s AND delivery <> '' ORDER BY part, id;

-- name: expired_files
-- The longest expired first (index files_expiring).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE expires < %s ORDER BY expires LIMIT %s;

-- name: file_usage
SELECT coalesce(sum(octets), 0)::bigint, coalesce(sum(files), 0)::bigint FROM file_usage WHERE partner = %s;

-- name: add_file
-- Nothing is added where the place is taken.
INSERT INTO files (partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires,
    content)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: update_file
-- All but its place; nothing where another one lies there by now.
UPDATE files SET id = %s, state = %s, size = %s, modified = %s, message = %s, part = %s, delivery = %s, segments = %s, expires = %s,
    content = %s
WHERE partner = %s AND folder = %s AND name = %s AND id = %s;

-- name: drop_file
DELETE FROM files WHERE partner = %s AND folder = %s AND name = %s AND id = %s;

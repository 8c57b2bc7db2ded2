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

-- name: file_and_usage
-- One row, whatever there is.
SELECT u.octets, u.files,
    f.partner, f.folder, f.name, f.id, f.state, f.size, f.modified, f.message, f.part, f.delivery, f.segments,
    f.expires, f.content
FROM (SELECT %s::text AS partner, %s::text AS folder, %s::text AS name) AS place
CROSS JOIN LATERAL (
    SELECT coalesce(sum(octets), 0)::bigint AS octets, coalesce(sum(files), 0)::bigint AS files
    FROM file_usage WHERE file_usage.partner = place.partner
) AS u
LEFT JOIN files AS f ON f.partner = place.partner AND f.folder = place.folder AND f.name = place.name;

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

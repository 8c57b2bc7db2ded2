-- The statements of the embedded store about partners' folders. Values are bound in the order of the question marks.

-- name: file
-- By its place (the primary key).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE partner = ? AND folder = ? AND name = ?;

-- name: files
-- A page of a folder, in order of name.
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE partner = ? AND folder = ? AND name > ? ORDER BY name LIMIT ?;

-- name: delivery_files
-- What a delivery put out (index files_by_delivery).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE delivery = ? AND delivery <> '' ORDER BY part, id;

-- name: expired_files
-- The longest expired first (index files_expiring).
SELECT partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires, content
FROM files WHERE expires < ? ORDER BY expires LIMIT ?;

-- name: file_usage
SELECT octets, files FROM file_usage WHERE partner = ?;

-- name: file_and_usage
-- One row, whatever there is.
SELECT coalesce(u.octets, 0), coalesce(u.files, 0),
    f.partner, f.folder, f.name, f.id, f.state, f.size, f.modified, f.message, f.part, f.delivery, f.segments,
    f.expires, f.content
FROM (SELECT ? AS partner, ? AS folder, ? AS name) AS place
LEFT JOIN file_usage AS u ON u.partner = place.partner
LEFT JOIN files AS f ON f.partner = place.partner AND f.folder = place.folder AND f.name = place.name;

-- name: add_file
-- Nothing is added where the place is taken.
INSERT INTO files (partner, folder, name, id, state, size, modified, message, part, delivery, segments, expires,
    content)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: update_file
-- All but its place; nothing where another one lies there by now.
UPDATE files SET id = ?, state = ?, size = ?, modified = ?, message = ?, part = ?, delivery = ?, segments = ?, expires = ?,
    content = ?
WHERE partner = ? AND folder = ? AND name = ? AND id = ?;

-- name: drop_file
DELETE FROM files WHERE partner = ? AND folder = ? AND name = ? AND id = ?;

-- The statements about searches in the archive. Values are bound in the order of the placeholders.

-- name: archive_search
-- Newest day first. A search is driven by one of its conditions, which has an index; the others are checked in that index
-- (`_too`: written so that the planner leaves their indexes alone).
SELECT day, id FROM archive;

-- name: archive_search.partner
partner = ?
-- name: archive_search.partner_too
+partner = ?
-- name: archive_search.type
type = ?
-- name: archive_search.type_too
+type = ?
-- name: archive_search.currency
currency = ?
-- name: archive_search.currency_too
+currency = ?
-- name: archive_search.profile
profile = ?
-- name: archive_search.profile_too
+profile = ?
-- name: archive_search.direction_too
+direction = ?
-- name: archive_search.state
state = ? AND state <> 'kept'
-- name: archive_search.state_too
+state = ?
-- name: archive_search.since
day >= ?
-- name: archive_search.since_too
+day >= ?
-- name: archive_search.last
day <= ?
-- name: archive_search.until
day <= ? AND day <> ''
-- name: archive_search.until_too
+day <= ? AND day <> ''
-- name: archive_search.amount
amount BETWEEN ? AND ?
-- name: archive_search.amount_too
+amount BETWEEN ? AND ?
-- name: archive_search.ids
id IN (SELECT value FROM json_each(?))
-- name: archive_search.number_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND number >= ? AND number < ?)
-- name: archive_search.own_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND number >= ? AND number < ? AND kind >= 'own:' AND kind < 'own;')
-- name: archive_search.invoice_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND number >= ? AND number < ? AND kind IN ('own:invoice', 'invoice', 'text'))
-- name: archive_search.before
(day, id) < (?, ?)
-- name: archive_search.before_too
(+day, id) < (?, ?)
-- name: archive_search.order
ORDER BY day DESC, id DESC LIMIT ?

-- name: archive_probe
-- How many answer to one condition, counted so far and no further.
SELECT count(*) FROM (SELECT 1 FROM archive;

-- name: archive_probe.partner
partner = ?
-- name: archive_probe.type
type = ?
-- name: archive_probe.currency
currency = ?
-- name: archive_probe.profile
profile = ?
-- name: archive_probe.state
state = ? AND state <> 'kept'
-- name: archive_probe.amount
amount BETWEEN ? AND ?
-- name: archive_probe.order
LIMIT ?)

-- name: archive_numbered
-- Which documents have or name such a number; some several times, so that the first ones are there at once.
SELECT archive FROM archive_refs;

-- name: archive_numbered.number
number >= ? AND number < ?
-- name: archive_numbered.own
number >= ? AND number < ? AND kind >= 'own:' AND kind < 'own;'
-- name: archive_numbered.invoice
number >= ? AND number < ? AND kind IN ('own:invoice', 'invoice', 'text')
-- name: archive_numbered.order
LIMIT ?

-- name: archive_span
-- From when to when their days are, read from the primary key alone, so far and no further.
SELECT min(day), max(day), count(*) FROM (SELECT day FROM archive_refs;

-- name: archive_span.number
number >= ? AND number < ?
-- name: archive_span.own
number >= ? AND number < ? AND kind >= 'own:' AND kind < 'own;'
-- name: archive_span.invoice
number >= ? AND number < ? AND kind IN ('own:invoice', 'invoice', 'text')
-- name: archive_span.order
LIMIT ?)

-- name: archive_kinds
-- Which documents have or name exactly this number, and as what.
SELECT kind, archive FROM archive_refs WHERE number = ? ORDER BY kind, archive LIMIT ?;

-- name: archived_in
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive;

-- name: archived_in.ids
id IN (SELECT value FROM json_each(?))
-- name: archived_in.order
LIMIT ?

-- name: archive_from
-- In the order of ids, which is that of their deposit.
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE id > ? ORDER BY id LIMIT ?;

-- name: add_archive_ref
INSERT INTO archive_refs (number, kind, day, archive) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: drop_archive_ref
DELETE FROM archive_refs WHERE number = ? AND kind = ? AND day = ? AND archive = ?;

-- name: messages_between
-- In the order of ids, which is that of time.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE id > ? AND id < ? ORDER BY id LIMIT ?;

-- name: archived_between
-- The documents of these messages (index archive_by_message).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE message > ? AND message <= ? ORDER BY message, part;

-- name: archive_messages
-- Messages that have archived documents, in the order of ids (index archive_by_message).
SELECT DISTINCT message FROM archive WHERE message > ? ORDER BY message LIMIT ?;

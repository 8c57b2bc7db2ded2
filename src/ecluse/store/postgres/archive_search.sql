-- The statements about searches in the archive. Values are bound in the order of the placeholders.

-- name: archive_search
-- Newest day first. A search is driven by one of its conditions, which has an index; the others are checked in that index
-- (`_too`: written so that the planner leaves their indexes alone).
SELECT day, id FROM archive;

-- name: archive_search.partner
partner = %s
-- name: archive_search.partner_too
coalesce(partner, '') = %s
-- name: archive_search.type
type = %s
-- name: archive_search.type_too
coalesce(type, '') = %s
-- name: archive_search.currency
currency = %s
-- name: archive_search.currency_too
coalesce(currency, '') = %s
-- name: archive_search.profile
profile = %s
-- name: archive_search.profile_too
coalesce(profile, '') = %s
-- name: archive_search.direction_too
coalesce(direction, '') = %s
-- name: archive_search.state
state = %s AND state <> 'kept'
-- name: archive_search.state_too
coalesce(state, '') = %s
-- name: archive_search.since
day >= %s
-- name: archive_search.since_too
coalesce(day, '') >= %s
-- name: archive_search.last
day <= %s
-- name: archive_search.until
day <= %s AND day <> ''
-- name: archive_search.until_too
coalesce(day, '') <= %s AND day <> ''
-- name: archive_search.amount
amount BETWEEN %s AND %s
-- name: archive_search.amount_too
(amount + 0) BETWEEN %s AND %s
-- name: archive_search.ids
id = ANY(%s)
-- OFFSET, and the number in an expression, keep the planner from reading the whole range of numbers.
-- name: archive_search.number_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND coalesce(number, '') >= %s AND coalesce(number, '') < %s OFFSET 0)
-- name: archive_search.own_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND coalesce(number, '') >= %s AND coalesce(number, '') < %s AND kind >= 'own:' AND kind < 'own;' OFFSET 0)
-- name: archive_search.invoice_too
EXISTS (SELECT 1 FROM archive_refs AS r WHERE r.archive = archive.id AND coalesce(number, '') >= %s AND coalesce(number, '') < %s AND kind IN ('own:invoice', 'invoice', 'text') OFFSET 0)
-- name: archive_search.before
(day, id) < (%s, %s)
-- name: archive_search.before_too
(coalesce(day, ''), id) < (%s, %s)
-- name: archive_search.order
ORDER BY day DESC, id DESC LIMIT %s

-- name: archive_probe
-- How many answer to one condition, counted so far and no further.
SELECT count(*) FROM (SELECT 1 FROM archive;

-- name: archive_probe.partner
partner = %s
-- name: archive_probe.type
type = %s
-- name: archive_probe.currency
currency = %s
-- name: archive_probe.profile
profile = %s
-- name: archive_probe.state
state = %s AND state <> 'kept'
-- name: archive_probe.amount
amount BETWEEN %s AND %s
-- name: archive_probe.order
LIMIT %s) AS found

-- name: archive_numbered
-- Which documents have or name such a number; some several times, so that the first ones are there at once.
SELECT archive FROM archive_refs;

-- name: archive_numbered.number
number >= %s AND number < %s
-- name: archive_numbered.own
number >= %s AND number < %s AND kind >= 'own:' AND kind < 'own;'
-- name: archive_numbered.invoice
number >= %s AND number < %s AND kind IN ('own:invoice', 'invoice', 'text')
-- name: archive_numbered.order
LIMIT %s

-- name: archive_span
-- From when to when their days are, read from the primary key alone, so far and no further.
SELECT min(day), max(day), count(*) FROM (SELECT day FROM archive_refs;

-- name: archive_span.number
number >= %s AND number < %s
-- name: archive_span.own
number >= %s AND number < %s AND kind >= 'own:' AND kind < 'own;'
-- name: archive_span.invoice
number >= %s AND number < %s AND kind IN ('own:invoice', 'invoice', 'text')
-- name: archive_span.order
LIMIT %s) AS found

-- name: archive_kinds
-- Which documents have or name exactly this number, and as what.
SELECT kind, archive FROM archive_refs WHERE number = %s ORDER BY kind, archive LIMIT %s;

-- name: archived_in
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive;

-- name: archived_in.ids
id = ANY(%s)
-- name: archived_in.order
LIMIT %s

-- name: archive_from
-- In the order of ids, which is that of their deposit.
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE id > %s ORDER BY id LIMIT %s;

-- name: add_archive_ref
INSERT INTO archive_refs (number, kind, day, archive) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING;

-- name: drop_archive_ref
DELETE FROM archive_refs WHERE number = %s AND kind = %s AND day = %s AND archive = %s;

-- name: messages_between
-- In the order of ids, which is that of time.
SELECT id, direction, partner, protocol, protocol_id, state, created, updated, subject, reference, parts, wire_blob,
    wire, reason_code, reason, config_version, origin, relay, flow, shredded
FROM messages WHERE id > %s AND id < %s ORDER BY id LIMIT %s;

-- name: archived_between
-- The documents of these messages (index archive_by_message).
SELECT id, message, part, blob, partner, direction, deposited, profile, sha256, size, flow, type, reference, refs, day,
    amount, currency, starts, ends, state, body
FROM archive WHERE message > %s AND message <= %s ORDER BY message, part;

-- name: archive_messages
-- Messages that have archived documents, in the order of ids (index archive_by_message).
SELECT DISTINCT message FROM archive WHERE message > %s ORDER BY message LIMIT %s;

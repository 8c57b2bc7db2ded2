-- What the archive is searched by.

-- Every number that an archived document has or names, in lower case. `kind` says which: `own` for its own ones, the kind
-- of document that is named, or `word` for the end of a number from one of its words on, so that a person who
-- remembers the end of a number finds it. `day` is the document's.
CREATE TABLE archive_refs (
    number TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    archive TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (number, kind, day, archive)
);
CREATE INDEX archive_refs_of ON archive_refs (archive, number);

-- A search reads one of these from its newest day on, and looks at no row that it does not show: what else may be asked
-- for stands in the index.
DROP INDEX archive_by_partner;
DROP INDEX archive_by_type;
DROP INDEX archive_by_day;
DROP INDEX archive_by_amount;
CREATE INDEX archive_by_partner ON archive (partner, day, id, type, direction, currency, profile, state, amount);
CREATE INDEX archive_by_type ON archive (type, day, id, partner, direction, currency, profile, state, amount);
CREATE INDEX archive_by_day ON archive (day, id, type, partner, direction, currency, profile, state, amount);
CREATE INDEX archive_by_amount ON archive (amount, day, id, type, partner, direction, currency, profile, state)
    WHERE amount IS NOT NULL;
CREATE INDEX archive_by_currency ON archive (currency, day, id, type, partner, direction, profile, state, amount);
CREATE INDEX archive_by_matter ON archive (profile, day, id, type, partner, direction, currency, state, amount);
CREATE INDEX archive_by_state ON archive (state, day, id, type, partner, direction, currency, profile, amount)
    WHERE state <> 'kept';

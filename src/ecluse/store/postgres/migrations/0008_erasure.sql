-- What erasing persons' data needs.

-- The values that stand in an event's leaf as commitments alone, with their salts: JSON; gone once they were erased.
ALTER TABLE events ADD COLUMN beside BYTEA;

-- Names in partners' folders that stand for documents of a message.
CREATE INDEX files_by_message ON files (message) WHERE message <> '';

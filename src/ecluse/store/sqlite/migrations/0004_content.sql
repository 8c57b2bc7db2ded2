-- Small files of ours (receipts) lie in their row: they say what the rows of their message say.

ALTER TABLE files ADD COLUMN content BLOB NOT NULL DEFAULT x'';

-- A conference that was removed: records name it, so its row stays. Its id is never used again.
ALTER TABLE conference ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- What of a journal is not in the database: places that were damaged, missing or not understood,
-- and journals that were left. `since` and `until` say when calls were written there.
CREATE TABLE journal_place (
    journal  BLOB NOT NULL,
    segment  INTEGER NOT NULL,
    position INTEGER NOT NULL,
    lack     TEXT NOT NULL,
    extent   INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (journal, segment, position, lack)
) WITHOUT ROWID;

-- New accounts, conferences and passcodes are numbered behind all that a record names, also of a
-- record that this database took and whose account it never had.
INSERT INTO sqlite_sequence (name, seq) SELECT 'account', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'account');
INSERT INTO sqlite_sequence (name, seq) SELECT 'conference', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'conference');
INSERT INTO sqlite_sequence (name, seq) SELECT 'passcode', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'passcode');
UPDATE sqlite_sequence SET seq = max(seq,
        coalesce((SELECT max(account_id) FROM leg), 0),
        coalesce((SELECT max(account_id) FROM session), 0))
    WHERE name = 'account';
UPDATE sqlite_sequence SET seq = max(seq,
        coalesce((SELECT max(conference_id) FROM leg), 0),
        coalesce((SELECT max(conference_id) FROM session), 0))
    WHERE name = 'conference';

-- The highest rate plan that a record names: a new deck gets a higher one.
CREATE TABLE named_plan (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    plan INTEGER NOT NULL
);

INSERT INTO named_plan (id, plan) VALUES (1, 0);

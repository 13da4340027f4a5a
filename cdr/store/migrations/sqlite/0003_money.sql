-- Rate decks and invoices. Both are immutable: a correction is a new version, or a credit note.

-- One version of the rates of a plan, as the file that was read. Validated before it is stored.
CREATE TABLE rate_deck (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    plan     INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    name     TEXT NOT NULL,
    csv      TEXT NOT NULL,
    sha256   BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    UNIQUE (plan, version)
);

-- An issued invoice; numbers of a series have no gaps.
CREATE TABLE invoice (
    series     TEXT NOT NULL,
    number     INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account (id),
    period     TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    document   TEXT NOT NULL,
    sha256     BLOB NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID;

-- Which charge of which leg stands on which invoice: each on one at most.
CREATE TABLE invoiced (
    leg_id BLOB NOT NULL,
    charge TEXT NOT NULL,
    series TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (leg_id, charge),
    FOREIGN KEY (series, number) REFERENCES invoice (series, number)
) WITHOUT ROWID;

CREATE TRIGGER rate_deck_is_kept BEFORE UPDATE ON rate_deck
BEGIN SELECT RAISE(ABORT, 'a rate deck is never changed'); END;
CREATE TRIGGER rate_deck_stays BEFORE DELETE ON rate_deck
BEGIN SELECT RAISE(ABORT, 'a rate deck is never removed'); END;
CREATE TRIGGER invoice_is_kept BEFORE UPDATE ON invoice
BEGIN SELECT RAISE(ABORT, 'an issued invoice is never changed'); END;
CREATE TRIGGER invoice_stays BEFORE DELETE ON invoice
BEGIN SELECT RAISE(ABORT, 'an issued invoice is never removed'); END;

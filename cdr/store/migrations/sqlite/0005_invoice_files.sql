-- What was issued is kept as the bytes of its files, apart from the row that names the invoice:
-- every check of a foreign key reads that row, and it held the whole document.

-- A file of an issued invoice, by its extension: pdf, csv, json.
CREATE TABLE invoice_file (
    id     INTEGER NOT NULL PRIMARY KEY,
    series TEXT NOT NULL,
    number INTEGER NOT NULL,
    name   TEXT NOT NULL,
    length INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    UNIQUE (series, number, name),
    FOREIGN KEY (series, number) REFERENCES invoice (series, number)
);

-- Its bytes, in order.
CREATE TABLE invoice_part (
    file  INTEGER NOT NULL REFERENCES invoice_file (id),
    part  INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (file, part)
);

INSERT INTO invoice_file (series, number, name, length, sha256)
    SELECT series, number, 'json', length(CAST(document AS BLOB)), sha256 FROM invoice;
INSERT INTO invoice_part (file, part, bytes)
    SELECT f.id, 0, CAST(i.document AS BLOB)
    FROM invoice_file f JOIN invoice i ON i.series = f.series AND i.number = f.number;
ALTER TABLE invoice DROP COLUMN document;

CREATE INDEX invoice_by_account ON invoice (account_id, period);

CREATE TRIGGER invoice_file_is_kept BEFORE UPDATE ON invoice_file
BEGIN SELECT RAISE(ABORT, 'a file of an issued invoice is never changed'); END;
CREATE TRIGGER invoice_file_stays BEFORE DELETE ON invoice_file
BEGIN SELECT RAISE(ABORT, 'a file of an issued invoice is never removed'); END;
CREATE TRIGGER invoice_part_is_kept BEFORE UPDATE ON invoice_part
BEGIN SELECT RAISE(ABORT, 'a file of an issued invoice is never changed'); END;
CREATE TRIGGER invoice_part_stays BEFORE DELETE ON invoice_part
BEGIN SELECT RAISE(ABORT, 'a file of an issued invoice is never removed'); END;

-- For calls answered from when on a version of a deck holds; from when it was added, unless it
-- corrects an earlier one.
ALTER TABLE rate_deck ADD COLUMN since INTEGER;

-- Whose database this is: ids of accounts mean something in one data folder only.
CREATE TABLE data_folder (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    folder BLOB NOT NULL
);

-- Which journal the position is one of; NULL where it was written before journals had a name.
ALTER TABLE ingest_position ADD COLUMN journal BLOB;

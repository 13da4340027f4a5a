-- What administrators change. A running bridge reads `directory_version` and loads the rest when
-- it has moved.

CREATE TABLE account (
    id                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name              TEXT NOT NULL,
    address           TEXT NOT NULL DEFAULT '',
    tenant_id         INTEGER NOT NULL DEFAULT 0,
    status            TEXT NOT NULL,
    record            INTEGER NOT NULL,
    dial_out_prefixes TEXT NOT NULL,
    dial_out_max      INTEGER NOT NULL,
    security_passcode INTEGER NOT NULL,
    reference_number  TEXT NOT NULL,
    caller_id         TEXT,
    time_zone         TEXT NOT NULL,
    currency          TEXT NOT NULL,
    country_code      TEXT NOT NULL,
    rate_plan         INTEGER NOT NULL
);

CREATE TABLE conference (
    id                  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id          INTEGER NOT NULL REFERENCES account (id),
    name                TEXT NOT NULL,
    starts_with         TEXT NOT NULL,
    max_legs            INTEGER NOT NULL,
    announce            TEXT NOT NULL,
    enabled             INTEGER NOT NULL,
    ends_with_moderator INTEGER NOT NULL
);

CREATE INDEX conference_by_account ON conference (account_id);

-- One row for each version of a passcode; a retired one stays, because records name it.
-- `verifier` is a keyed hash, `sealed` is encrypted; neither key is in this file.
CREATE TABLE passcode (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    conference_id INTEGER NOT NULL REFERENCES conference (id),
    role          TEXT NOT NULL,
    verifier      BLOB NOT NULL,
    sealed        BLOB NOT NULL,
    mask          TEXT NOT NULL,
    retired       INTEGER NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX passcode_in_use ON passcode (verifier) WHERE retired = 0;
CREATE INDEX passcode_by_conference ON passcode (conference_id);

CREATE TABLE dial_in (
    number      TEXT NOT NULL PRIMARY KEY,
    aliases     TEXT NOT NULL,
    account_id  INTEGER REFERENCES account (id),
    access_kind TEXT NOT NULL,
    language    TEXT NOT NULL,
    welcome     TEXT
) WITHOUT ROWID;

CREATE TABLE directory_version (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);

INSERT INTO directory_version (id, version) VALUES (1, 1);

CREATE TRIGGER account_added AFTER INSERT ON account
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER account_changed AFTER UPDATE ON account
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER account_removed AFTER DELETE ON account
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER conference_added AFTER INSERT ON conference
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER conference_changed AFTER UPDATE ON conference
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER conference_removed AFTER DELETE ON conference
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER passcode_added AFTER INSERT ON passcode
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER passcode_changed AFTER UPDATE ON passcode
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER passcode_removed AFTER DELETE ON passcode
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER dial_in_added AFTER INSERT ON dial_in
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER dial_in_changed AFTER UPDATE ON dial_in
BEGIN UPDATE directory_version SET version = version + 1; END;
CREATE TRIGGER dial_in_removed AFTER DELETE ON dial_in
BEGIN UPDATE directory_version SET version = version + 1; END;

-- What the journal says. Everything here can be deleted and filled again from the segments.
-- Identifiers are 16 bytes, times are microseconds since 1970 in UTC, numbers are E.164 digits.

-- Every revision of a leg, as it was written.
CREATE TABLE leg_rev (
    leg_id BLOB NOT NULL,
    rev    INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (leg_id, rev)
) WITHOUT ROWID;

-- The highest revision of each leg: the columns that are searched, and the whole in `body`.
CREATE TABLE leg (
    leg_id          BLOB NOT NULL PRIMARY KEY,
    node_id         INTEGER NOT NULL,
    boot_id         BLOB NOT NULL,
    leg_seq         INTEGER NOT NULL,
    rev             INTEGER NOT NULL,
    state           TEXT NOT NULL,
    tenant_id       INTEGER NOT NULL,
    account_id      INTEGER,
    conf_id         BLOB,
    conference_id   INTEGER,
    direction       TEXT NOT NULL,
    access_kind     TEXT NOT NULL,
    dnis            TEXT,
    ani             TEXT,
    dialed_number   TEXT,
    invited_at      INTEGER NOT NULL,
    answered_at     INTEGER,
    joined_at       INTEGER,
    left_at         INTEGER,
    disconnected_at INTEGER,
    duration_ms     INTEGER NOT NULL,
    conf_ms         INTEGER NOT NULL,
    q850            INTEGER,
    sip_status      INTEGER,
    release_by      TEXT,
    close_reason    TEXT,
    sip_call_id     TEXT NOT NULL,
    reference       TEXT,
    body            BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX leg_by_invitation ON leg (invited_at);
CREATE INDEX leg_by_account ON leg (account_id, invited_at);
CREATE INDEX leg_by_end ON leg (account_id, disconnected_at);
CREATE INDEX leg_by_session ON leg (conf_id);
CREATE INDEX leg_by_conference ON leg (conference_id, invited_at);
CREATE INDEX leg_by_ani ON leg (ani, invited_at);
CREATE INDEX leg_by_dnis ON leg (dnis, invited_at);
CREATE INDEX leg_by_dialed ON leg (dialed_number, invited_at);
CREATE INDEX leg_by_seq ON leg (boot_id, leg_seq);

CREATE TABLE conference_rev (
    conf_id BLOB NOT NULL,
    rev     INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (conf_id, rev)
) WITHOUT ROWID;

CREATE TABLE session (
    conf_id       BLOB NOT NULL PRIMARY KEY,
    rev           INTEGER NOT NULL,
    state         TEXT NOT NULL,
    account_id    INTEGER NOT NULL,
    conference_id INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    body          BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX session_by_start ON session (started_at);
CREATE INDEX session_by_account ON session (account_id, started_at);

CREATE TABLE feature (
    leg_id      BLOB NOT NULL,
    feature_seq INTEGER NOT NULL,
    conf_id     BLOB,
    conf_seq    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    code        TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    body        BLOB NOT NULL,
    PRIMARY KEY (leg_id, feature_seq)
) WITHOUT ROWID;

CREATE INDEX feature_by_session ON feature (conf_id, conf_seq);

-- How far the journal has been read; written together with the rows.
CREATE TABLE ingest_position (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    segment  INTEGER NOT NULL,
    position INTEGER NOT NULL
);

INSERT INTO ingest_position (id, segment, position) VALUES (1, 0, 0);

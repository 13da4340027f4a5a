-- Who changed what, and when. Each entry has the hash of the one before in its own: what is
-- changed or removed afterwards is noticed. No digits of a passcode are in it.

CREATE TABLE audit (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    via        TEXT NOT NULL,
    actor      TEXT NOT NULL,
    account_id INTEGER,
    kind       TEXT NOT NULL,
    object     TEXT NOT NULL,
    name       TEXT NOT NULL,
    act        TEXT NOT NULL,
    before     BLOB NOT NULL,
    hash       BLOB NOT NULL
);

CREATE INDEX audit_by_account ON audit (account_id, seq);

-- What is otherwise since then.
CREATE TABLE audit_field (
    seq    INTEGER NOT NULL REFERENCES audit (seq),
    n      INTEGER NOT NULL,
    field  TEXT NOT NULL,
    before TEXT,
    after  TEXT,
    PRIMARY KEY (seq, n)
) WITHOUT ROWID;

CREATE TRIGGER audit_is_kept BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'an entry of the audit log is never changed'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'an entry of the audit log is never removed'); END;
CREATE TRIGGER audit_field_is_kept BEFORE UPDATE ON audit_field
BEGIN SELECT RAISE(ABORT, 'an entry of the audit log is never changed'); END;
CREATE TRIGGER audit_field_stays BEFORE DELETE ON audit_field
BEGIN SELECT RAISE(ABORT, 'an entry of the audit log is never removed'); END;

//! The numbers that records name: no account, conference, passcode or rate plan that is made later
//! may get one of them.
//!
//! A database that is older than its journal, restored from a backup, has forgotten whose they
//! were: a new customer of an old number would be invoiced the calls of another.

use partyline_cdr_record::Record;
use sqlx::sqlite::SqliteConnection;

use crate::StoreError;
use crate::store::{Store, int, unsigned};

/// The highest numbers that some records name.
#[derive(Debug, Default)]
pub(super) struct Highest {
    account: u64,
    conference: u64,
    passcode: u64,
    plan: u64,
}

impl Highest {
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Leg(leg) => {
                let passcodes = leg.access_codes.iter().map(|code| code.passcode.0);
                self.account = self.account.max(leg.account_id.map_or(0, |id| id.0));
                self.conference = self.conference.max(leg.conference_id.map_or(0, |id| id.0));
                self.passcode = self.passcode.max(passcodes.max().unwrap_or_default());
                self.plan = self.plan.max(leg.rate_context.into());
            }
            Record::Conference(session) => {
                self.account = self.account.max(session.account_id.0);
                self.conference = self.conference.max(session.conference_id.0);
            }
            Record::Feature(_) | Record::Tick(_) | Record::Dialog(_) => {}
        }
    }

    /// Numbers what is made from now on behind these.
    pub(super) async fn lift(&self, tx: &mut SqliteConnection) -> Result<(), StoreError> {
        let lift = "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1 AND seq < ?2";
        for (table, highest) in [
            ("account", self.account),
            ("conference", self.conference),
            ("passcode", self.passcode),
        ] {
            sqlx::query(lift).bind(table).bind(int(highest)).execute(&mut *tx).await?;
        }
        let lift = sqlx::query("UPDATE named_plan SET plan = ?1 WHERE plan < ?1");
        lift.bind(int(self.plan)).execute(&mut *tx).await?;
        Ok(())
    }
}

impl Store {
    /// The number that the next account gets at least: behind every account that was made here or
    /// that a record names.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn next_account(&self) -> Result<u64, StoreError> {
        let highest = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'account'");
        Ok(unsigned(&highest.fetch_one(&self.pool).await?, "seq")? + 1)
    }

    /// The number that the next rate plan gets: behind every plan that has a deck or that a record
    /// names.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn next_plan(&self) -> Result<u32, StoreError> {
        let highest = "SELECT max(plan, coalesce((SELECT max(plan) FROM rate_deck), 0)) AS plan \
            FROM named_plan";
        let highest = unsigned(&sqlx::query(highest).fetch_one(&self.pool).await?, "plan")?;
        u32::try_from(highest + 1).map_err(|_| StoreError::Column("plan"))
    }
}

//! Records as `partyline cdr … --json` prints them, read without any code of the bridge.

use anyhow::{Context, Result};
use serde_json::Value;

/// A leg's record.
#[derive(Clone, Debug)]
pub struct Leg(Value);

/// An event of a leg.
#[derive(Clone, Debug)]
pub struct Event(Value);

impl Leg {
    /// Reads one line.
    ///
    /// # Errors
    /// It is no JSON object with a leg.
    pub fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).context("cdr list --json")?;
        value.get("leg_id").context("a leg without an id")?;
        Ok(Self(value))
    }

    /// A field of text; empty when it is null.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A field with a whole number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }

    /// The leg's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text("leg_id")
    }

    /// From answer to end.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.number("duration_ms").unwrap_or_default()
    }

    /// Whether it was answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !self.text("answered_at").is_empty()
    }

    /// Whether its record is complete.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.text("state"), "closed" | "orphan_closed")
    }
}

impl Event {
    /// Reads one line.
    ///
    /// # Errors
    /// It is no JSON object with an event.
    pub fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).context("cdr features --json")?;
        value.get("event").context("an event without a name")?;
        Ok(Self(value))
    }

    /// A field of text; empty when it is null.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its name, such as `record_start`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// The leg it happened to.
    #[must_use]
    pub fn leg(&self) -> &str {
        self.text("leg_id")
    }

    /// Whether it was done, neither denied nor failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.text("outcome") == "ok"
    }
}

//! What name servers said, as long as it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_model::Time;

use super::{Question, Records};

/// Answers that are kept; beyond it the one that ends first makes room.
const MOST: usize = 4096;
/// Records of one answer that are kept.
const MOST_RECORDS: usize = 16;
/// The least time an answer holds, so that the steps of one lookup see the same.
const LEAST: Duration = Duration::from_secs(5);
/// The most time an answer holds.
pub(super) const LONGEST: Duration = Duration::from_secs(3600);
/// The most time it holds that there is nothing (RFC 2308 §5): somebody may be about to mend that.
const LONGEST_NOTHING: Duration = Duration::from_secs(30);
/// How long it is made do with what is known when name servers fail.
const PAUSE: Duration = Duration::from_secs(10);
/// How long after its end an answer is still better than none.
const STALE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
struct Entry {
    records: Records,
    /// Until when name servers are not asked again.
    fresh: Time,
    /// Until when the records are better than nothing.
    end: Time,
    /// Whether name servers did not answer when they were asked last.
    failed: bool,
}

/// What is known of a question.
pub(super) struct Known<'a> {
    pub(super) records: &'a Records,
    /// Until when it is not asked again.
    pub(super) fresh: Time,
    /// Whether it is known of old only, or made up: name servers did not answer.
    pub(super) failed: bool,
}

/// Answers by their questions.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Question, Entry>,
    by_end: BTreeSet<(Time, Question)>,
}

impl Cache {
    /// Takes an answer in.
    pub(super) fn learn(&mut self, now: Time, question: Question, records: Records, ttl: Duration) {
        let records = records.cut(MOST_RECORDS);
        let (longest, stale) =
            if records.is_empty() { (LONGEST_NOTHING, Duration::ZERO) } else { (LONGEST, STALE) };
        let fresh = now + ttl.clamp(LEAST, longest);
        self.put(question, Entry { records, fresh, end: fresh + stale, failed: false });
    }

    /// The name servers did not answer: what was known holds on, or nothing does for a moment.
    pub(super) fn make_do(&mut self, now: Time, question: Question) {
        let fresh = now + PAUSE;
        let known = self.entries.remove(&question);
        let entry = match known {
            Some(known) if known.end > now => {
                self.by_end.remove(&(known.end, question.clone()));
                Entry { fresh, failed: true, ..known }
            }
            Some(_) | None => {
                Entry { records: question.nothing(), fresh, end: fresh, failed: true }
            }
        };
        self.put(question, entry);
    }

    fn put(&mut self, question: Question, entry: Entry) {
        self.by_end.insert((entry.end, question.clone()));
        if let Some(before) = self.entries.insert(question.clone(), entry)
            && self.entries.get(&question).is_some_and(|entry| entry.end != before.end)
        {
            self.by_end.remove(&(before.end, question));
        }
        while self.entries.len() > MOST
            && let Some((_, question)) = self.by_end.pop_first()
        {
            self.entries.remove(&question);
        }
    }

    /// What is known; `None` when it is to be asked. With `make_do` what is old is taken too.
    pub(super) fn get(&self, now: Time, question: &Question, make_do: bool) -> Option<Known<'_>> {
        let entry = self.entries.get(question)?;
        let until = if make_do { entry.end } else { entry.fresh };
        let Entry { records, fresh, failed, .. } = entry;
        (now < until).then_some(Known { records, fresh: *fresh, failed: *failed || now >= *fresh })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.by_end.len())
    }
}

impl Question {
    /// The answer that there are no such records.
    fn nothing(&self) -> Records {
        match self {
            Self::Naptr(_) => Records::Naptr(Vec::new()),
            Self::Srv(_) => Records::Srv(Vec::new()),
            Self::A(_) | Self::Aaaa(_) => Records::Addresses(Vec::new()),
        }
    }
}

impl Records {
    fn is_empty(&self) -> bool {
        match self {
            Self::Naptr(records) => records.is_empty(),
            Self::Srv(records) => records.is_empty(),
            Self::Addresses(records) => records.is_empty(),
        }
    }

    /// The best `most` of them.
    fn cut(mut self, most: usize) -> Self {
        match &mut self {
            Self::Naptr(records) => {
                records.sort_by_key(|record| (record.order, record.preference));
                records.truncate(most);
            }
            Self::Srv(records) => {
                records.sort_by_key(|record| record.priority);
                records.truncate(most);
            }
            Self::Addresses(records) => records.truncate(most),
        }
        self
    }
}

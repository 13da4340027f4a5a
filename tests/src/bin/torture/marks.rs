//! The marks of each attack: passed, missed, or not to be judged because the machine was busy.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use bridge_tests::real::checks::{Checks, say};

use crate::stalls::Stall;

/// How a mark that needs time came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Reached.
    Met,
    /// Missed by no more than a busy machine may be the cause of.
    Near,
    /// Missed by more.
    Missed,
}

impl Outcome {
    /// Of a mark and of the wider one that a busy machine is held to.
    pub(crate) fn of(met: bool, near: bool) -> Self {
        match (met, near) {
            (true, _) => Self::Met,
            (false, true) => Self::Near,
            (false, false) => Self::Missed,
        }
    }
}

/// All marks of a run.
#[derive(Default)]
pub(crate) struct Marks {
    checks: Checks,
    busy: Vec<String>,
}

impl Marks {
    /// A mark that holds on any machine.
    pub(crate) fn mark(&mut self, passed: bool, what: impl Display, detail: impl Display) {
        self.checks.check(passed, what, detail);
    }

    /// A mark that needs a machine with time. `outcome` says by how much it was missed: what a busy
    /// machine cannot explain is missed on any.
    pub(crate) fn timed(
        &mut self,
        outcome: Outcome,
        stall: &Stall,
        what: impl Display,
        detail: impl Display,
    ) {
        if outcome != Outcome::Near || !stall.is_busy() {
            return self.checks.check(outcome == Outcome::Met, what, detail);
        }
        say(format_args!("BUSY  {what}: {detail} ({stall})"));
        self.busy.push(what.to_string());
    }

    /// Takes over the marks of another.
    pub(crate) fn append(&mut self, other: Self) {
        self.checks.append(other.checks);
        self.busy.extend(other.busy);
    }

    /// The end: what could not be judged is a failure where `strict`.
    pub(crate) fn finish(self, strict: bool) -> ExitCode {
        let code = self.checks.finish("torture");
        if self.busy.is_empty() {
            return code;
        }
        say(format_args!(
            "torture: the machine was too busy to judge {} mark(s); run it again on a quiet one: {}",
            self.busy.len(),
            self.busy.join("; ")
        ));
        if strict { ExitCode::FAILURE } else { code }
    }
}

/// The least value that so many of a thousand do not exceed; nothing of nothing.
pub(crate) fn permille(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    let place = (times.len() * share).div_ceil(1000).saturating_sub(1);
    times.get(place).copied().unwrap_or_default()
}

/// Milliseconds for people.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_ninth_of_a_hundred_is_p99() {
        let mut times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(permille(&mut times, 990), Duration::from_millis(99));
        assert_eq!(permille(&mut times, 500), Duration::from_millis(50));
        assert_eq!(permille(&mut [], 990), Duration::ZERO);
    }
}

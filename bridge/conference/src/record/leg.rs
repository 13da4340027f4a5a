//! One leg's record as it grows: stamps, durations, places, the close.

use std::time::Duration;

use partyline_cdr_record::{
    AccessCode, Attestation, AuthMethod, CloseReason, DialogNames, DialoutKind, Direction, Flags,
    LegRecord, LegState, Origin, Quality, Record, ReleaseBy, Text,
};
use partyline_model::{Number, Role, Time, Uuid, WallTime};

use super::{Behalf, Close, Event, EventPlace, Place, millis};
use crate::event::{Offered, Summary};
use crate::lookup::Found;

/// One leg's record as it grows.
pub(crate) struct LegBook {
    record: LegRecord,
    invited: Time,
    answered: Option<Time>,
    /// The last sign of life, when that was before the end.
    ended: Option<Time>,
    place: Place,
    since: Time,
    conference: Duration,
    hold: Duration,
    private: Duration,
    events: u32,
}

impl LegBook {
    /// A leg that came in.
    pub(crate) fn inbound(
        origin: Origin,
        ids: (Uuid, u64),
        at: (Time, WallTime),
        offered: &Offered,
    ) -> Self {
        let mut record = LegRecord::open(origin, ids.0, ids.1, Direction::In, at.1);
        record.dnis = offered.dnis;
        record.dnis_raw = Text::new(&offered.dnis_raw);
        record.ani = offered.ani;
        record.ani_presentation = offered.ani_presentation;
        record.ani_attest = offered.ani_attest;
        record.trunk_in = Some(offered.trunk);
        Self::new(record, at.0).named(&offered.dialog)
    }

    /// For whom a leg is called that this one asks for.
    pub(crate) const fn behalf(&self) -> Behalf {
        Behalf {
            leg: Some(self.record.leg_id),
            tenant: self.record.tenant_id,
            account: self.record.account_id,
            conference: self.record.conference_id,
            plan: self.record.rate_context,
            tz_offset_min: self.record.tz_offset_min,
        }
    }

    /// A leg that is dialled into a conference.
    pub(crate) fn outbound(
        origin: Origin,
        ids: (Uuid, u64),
        at: (Time, WallTime),
        by: Behalf,
        (number, kind): (Number, DialoutKind),
    ) -> Self {
        let mut record = LegRecord::open(origin, ids.0, ids.1, Direction::Out, at.1);
        record.dialed_number = Some(number);
        record.dialout_kind = kind;
        record.dialout_by_leg = by.leg;
        record.tenant_id = by.tenant;
        record.account_id = by.account;
        record.rate_context = by.plan;
        record.tz_offset_min = by.tz_offset_min;
        record.conference_id = by.conference;
        Self::new(record, at.0)
    }

    fn new(record: LegRecord, invited: Time) -> Self {
        Self {
            record,
            invited,
            answered: None,
            ended: None,
            place: Place::Outside,
            since: invited,
            conference: Duration::ZERO,
            hold: Duration::ZERO,
            private: Duration::ZERO,
            events: 0,
        }
    }

    fn named(mut self, dialog: &DialogNames) -> Self {
        self.name(dialog);
        self
    }

    /// Takes the dialog's names.
    pub(crate) fn name(&mut self, dialog: &DialogNames) {
        self.record.name_dialog(dialog);
    }

    pub(crate) const fn record(&self) -> &LegRecord {
        &self.record
    }

    /// For fields that nothing is derived from.
    pub(crate) const fn record_mut(&mut self) -> &mut LegRecord {
        &mut self.record
    }

    pub(crate) const fn leg_id(&self) -> Uuid {
        self.record.leg_id
    }

    /// Whether the certificate of the caller's signature is still awaited.
    pub(crate) fn awaits_verdict(&self) -> bool {
        self.record.ani_attest == Some(Attestation::Unchecked)
    }

    pub(crate) const fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// How long the leg was in the conference, so far.
    pub(crate) fn conf_ms(&self) -> u64 {
        millis(self.conference)
    }

    /// The revision that the record is at, to be written.
    pub(crate) fn revision(&self) -> Record {
        Record::Leg(Box::new(self.record.clone()))
    }

    /// The next revision, to be written.
    pub(crate) fn next_revision(&mut self) -> Record {
        self.record.rev = self.record.rev.saturating_add(1);
        self.revision()
    }

    /// The stamp of `now`: never from the wall clock of `now`.
    pub(crate) fn stamp(&self, now: Time) -> WallTime {
        self.record.invited_at + now.since(self.invited)
    }

    /// The callee rings; whether for the first time.
    pub(crate) fn rings(&mut self, now: Time) -> bool {
        let first = self.record.ringing_at.is_none();
        if first {
            self.record.ringing_at = Some(self.stamp(now));
        }
        first
    }

    /// The plan that the leg's account has now, where it is known: at the offer what an attempt
    /// pays by, at the answer what the call does.
    pub(crate) const fn pays_by(&mut self, plan: Option<u32>) {
        if let Some(plan) = plan {
            self.record.rate_context = plan;
        }
    }

    pub(crate) fn answer(&mut self, now: Time) {
        self.answered = Some(now);
        self.record.answer(self.stamp(now));
    }

    /// The answer did not leave after all.
    pub(crate) const fn unanswer(&mut self) {
        self.answered = None;
    }

    /// The last sign of life came at `at`, and the leg is charged no longer.
    pub(crate) fn ended_at(&mut self, at: Time) {
        self.ended = Some(at);
        self.move_to(self.place, at);
        // What others did to it since, such as starting its conference, does not count either.
        let mut left = self.answered.map_or(Duration::ZERO, |answered| at.since(answered));
        for spent in [&mut self.hold, &mut self.conference, &mut self.private] {
            *spent = left.min(*spent);
            left -= *spent;
        }
    }

    /// A conference passcode was accepted.
    pub(crate) fn authenticate(&mut self, found: &Found, now: Time) {
        let at = self.stamp(now);
        self.record.tenant_id = found.tenant_id;
        self.record.account_id = Some(found.grant.account);
        self.record.conference_id = Some(found.grant.conference);
        self.record.rate_context = found.rate_plan;
        self.record.access_code_role = Some(found.code.role);
        self.record.access_codes.push(AccessCode { at, ..found.code.clone() });
        self.record.auth_method = AuthMethod::Code;
    }

    /// A moderator passcode was accepted in the conference.
    pub(crate) fn promote(&mut self, found: &Found, now: Time) {
        let at = self.stamp(now);
        self.record.access_code_role = Some(found.code.role);
        self.record.access_codes.push(AccessCode { at, ..found.code.clone() });
    }

    /// The security passcode was given too.
    pub(crate) const fn verified(&mut self) {
        self.record.auth_method = AuthMethod::CodeAndSecurity;
    }

    pub(crate) const fn auth_failed(&mut self) {
        self.record.auth_failures = self.record.auth_failures.saturating_add(1);
    }

    /// From `now` on the leg spends its time in `place`.
    pub(crate) fn move_to(&mut self, place: Place, now: Time) {
        let now = self.ended.map_or(now, |ended| ended.min(now));
        let spent = now.since(self.since);
        match self.place {
            Place::Outside => {}
            Place::Hold => self.hold += spent,
            Place::Conference => self.conference += spent,
            Place::Private => self.private += spent,
        }
        let inside = |place| matches!(place, Place::Conference | Place::Private);
        if inside(self.place) && !inside(place) {
            self.record.left_at = Some(self.stamp(now));
        }
        if place == Place::Conference && self.record.joined_at.is_none() {
            self.record.joined_at = Some(self.stamp(now));
        }
        (self.place, self.since) = (place, now);
    }

    /// Closes the leg at `now`. `wall` is what the wall clock reads.
    pub(crate) fn close(&mut self, now: Time, wall: WallTime, close: Close) {
        self.move_to(Place::Outside, now);
        // An answer that nobody confirmed made no call: nothing to charge.
        let answered = self.answered.filter(|_| close.reason != CloseReason::NoAck);
        if close.reason == CloseReason::NoAck {
            // Nor was anybody anywhere, though a place may have been taken with the answer.
            (self.conference, self.hold, self.private) = Default::default();
            (self.record.joined_at, self.record.left_at) = (None, None);
        }
        let record = &mut self.record;
        record.state = LegState::Closed;
        record.close_reason = Some(close.reason);
        record.release_by = Some(close.by);
        record.conf_ms = millis(self.conference);
        record.hold_ms = millis(self.hold);
        record.breakout_ms = millis(self.private);
        let ended = self.ended.unwrap_or(now);
        record.duration_ms = answered.map_or(0, |at| millis(ended.since(at)));
        record.q850 = close.q850.or(Some(close.reason.default_q850()));
        if answered.is_none() {
            record.answered_at = None;
        }
        record.close_with(close.code);
        let end = record.answered_at.map(|at| at + Duration::from_millis(record.duration_ms));
        let stamp = self.stamp(now);
        let end = end.unwrap_or(stamp);
        let record = &mut self.record;
        record.disconnected_at = Some(end);
        record.joined_at = record.joined_at.map(|joined| joined.min(end));
        record.left_at = record.left_at.map(|left| left.min(end));
        let skew = wall.as_micros().saturating_sub(stamp.as_micros()) / 1000;
        record.clock_skew_ms =
            i32::try_from(skew).unwrap_or(if skew < 0 { i32::MIN } else { i32::MAX });
        if skew.abs() > 1000 {
            record.flags = record.flags.with(Flags::CLOCK_SUSPECT);
        }
    }

    /// One event of this leg, which has `role`. `session` is the session and the event's number in it.
    pub(crate) fn event(
        &mut self,
        now: Time,
        session: Option<(Uuid, u64)>,
        (role, event): (Option<Role>, Event),
    ) -> Record {
        self.events += 1;
        event.record(EventPlace {
            of: self.record.leg_id,
            seq: self.events,
            session,
            at: self.stamp(now),
            offset: now.since(self.invited),
            role,
        })
    }

    pub(crate) fn measured(&mut self, quality: Quality) {
        self.record.quality = Some(quality);
    }

    /// For the log line; the leg is closed.
    pub(crate) fn summary(&self, stray_digits: u32) -> Summary {
        let record = &self.record;
        Summary {
            leg_id: record.leg_id,
            direction: record.direction,
            conf_id: record.conf_id,
            role: record.access_code_role,
            duration: record.answered_at.map(|_| Duration::from_millis(record.duration_ms)),
            close_reason: record.close_reason.unwrap_or(CloseReason::Internal),
            release_by: record.release_by.unwrap_or(ReleaseBy::System),
            code: record.status_code(),
            stray_digits,
        }
    }
}

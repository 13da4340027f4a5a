//! Who is not listened to at all for a while: sources of garbage, scanners, and who guesses at
//! passwords or passcodes.
//!
//! An offence costs points, which are forgotten one in six seconds; at a hundred of them the source
//! is banned, for a minute first, then for twice as long each time, up to a day. Each six hours
//! without a ban take one step back.
//!
//! The source of a datagram may be forged, and a ban must not be a weapon against whose address it
//! is. So of sources that trunks have only those offences count that prove where their sender is: by
//! an answer to a question of ours, by the ACK of a call, or on a connection. A stranger is not served
//! anyway, and loses nothing by a ban, unless it is the far end of a call: then it has none for that. A trunk's own host and a carrier's networks are never banned but
//! by the operator's word, which hosts are not by either, nor where somebody was
//! right with a passcode or a password within a day: an office is not shut out for one of its
//! telephones.
//!
//! Bounds: [`MOST`] sources have points or had a ban, [`MOST_BANS`] are banned. Of the former the one
//! that is forgotten first makes room; of the latter the ban that ends first, before any of the
//! operator's. Nothing is kept over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::rate::host;

/// Sources that have points, or had a ban that is not forgotten.
const MOST: usize = 8192;
/// Sources that are banned at one time.
const MOST_BANS: usize = 4096;
/// Sources where somebody was right.
const MOST_VOUCHED: usize = 16 * 1024;
/// Points at which a source is banned.
const FULL: u32 = 100;
/// In which one point is forgotten.
const FORGETS: Duration = Duration::from_secs(6);
/// The first ban.
const FIRST: Duration = Duration::from_secs(60);
/// The longest.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Doublings to the longest.
const MOST_STEPS: u32 = 11;
/// Without a ban, one doubling is taken back in so long.
const STEP_BACK: Duration = Duration::from_secs(6 * 3600);
/// For how long a source is not banned where somebody was right.
const VOUCHED: Duration = Duration::from_secs(24 * 3600);

/// What a source is banned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offence {
    /// What came is not SIP.
    Garbage,
    /// A request of a program that looks for telephones that it could use.
    Scan,
    /// A wrong password.
    Password,
    /// Wrong passcodes, as many as close a telephone's address.
    Passcode,
    /// The operator says so.
    Operator,
}

impl Offence {
    /// Every offence.
    pub const ALL: [Self; 5] =
        [Self::Garbage, Self::Scan, Self::Password, Self::Passcode, Self::Operator];

    /// As lists and metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Scan => "scan",
            Self::Password => "password",
            Self::Passcode => "passcode",
            Self::Operator => "operator",
        }
    }

    const fn points(self) -> u32 {
        match self {
            Self::Garbage => 5,
            Self::Scan => 20,
            // A telephone with an old password is looked at five times, and then once in two minutes;
            // an office may have several of them.
            Self::Password => 2,
            Self::Passcode => 50,
            Self::Operator => FULL,
        }
    }
}

/// Who a source is, as far as bans go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No trunk has the address.
    Stranger,
    /// A trunk of telephones has it, or a part of its /64 of IPv6, in a network.
    Known,
    /// A carrier has it in a network: what comes from there, its callers may have written.
    Carrier,
    /// The address is a trunk's own host.
    Host,
}

/// The sources that are banned, for who looks at what comes before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Banned(BTreeMap<IpAddr, Option<Time>>);

impl Banned {
    /// Whether nothing of `source` is listened to at `now`.
    pub fn has(&self, now: Time, source: IpAddr) -> bool {
        !self.0.is_empty()
            && self.0.get(&host(source)).is_some_and(|until| until.is_none_or(|until| now < until))
    }
}

/// A ban, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// An address of IPv4, or a /64 of IPv6.
    pub source: IpAddr,
    /// Why.
    pub offence: Offence,
    /// When it ends; `None` when the operator ends it.
    pub until: Option<Time>,
    /// How often the source was banned, as far as that is not forgotten.
    pub times: u32,
}

/// Why a source cannot be banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbannable {
    /// The source is the host of a trunk.
    TrunkHost,
    /// As many as there may be are banned by the operator.
    Full,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BanCounts {
    offences: [u64; Offence::ALL.len()],
    bans: [u64; Offence::ALL.len()],
}

impl BanCounts {
    /// How often something was done that a source may be banned for, by its name.
    pub fn offences(&self) -> Vec<(&'static str, u64)> {
        Offence::ALL.iter().map(|offence| offence.name()).zip(self.offences).collect()
    }

    /// How many bans began, by the name of what they are for.
    pub fn bans(&self) -> Vec<(&'static str, u64)> {
        Offence::ALL.iter().map(|offence| offence.name()).zip(self.bans).collect()
    }
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// When all points are forgotten.
    clean_at: Time,
    /// Doublings as of `since`.
    steps: u32,
    since: Time,
    ban: Option<(Offence, Option<Time>)>,
    /// Whether each of its points is for what proved to be from here.
    is_proven: bool,
}

impl Row {
    /// The doublings that are left at `now`.
    fn steps(&self, now: Time) -> u32 {
        let back = now.since(self.since).as_secs() / STEP_BACK.as_secs();
        self.steps.saturating_sub(u32::try_from(back).unwrap_or(u32::MAX))
    }

    /// When the row is as good as none.
    fn forgotten_at(&self) -> Time {
        self.clean_at.max(self.since + STEP_BACK * self.steps)
    }
}

/// The bans, and who is on the way to one.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    rows: BTreeMap<IpAddr, Row>,
    /// Rows without a ban, by when they are forgotten.
    free: BTreeSet<(Time, IpAddr)>,
    /// Bans that end by themselves, by when.
    ends: BTreeSet<(Time, IpAddr)>,
    /// Bans that the operator ends.
    endless: BTreeSet<IpAddr>,
    vouched: BTreeMap<IpAddr, Time>,
    vouched_in_order: BTreeSet<(Time, IpAddr)>,
    counts: BanCounts,
}

impl Bans {
    /// Somebody was right at `source`.
    pub(crate) fn vouch(&mut self, now: Time, source: IpAddr) {
        let source = host(source);
        if let Some(before) = self.vouched.insert(source, now) {
            self.vouched_in_order.remove(&(before, source));
        }
        self.vouched_in_order.insert((now, source));
        if self.vouched.len() > MOST_VOUCHED
            && let Some((_, oldest)) = self.vouched_in_order.pop_first()
        {
            self.vouched.remove(&oldest);
        }
    }

    /// Notes an offence of `source`, which is where it says, or may be; the ban that begins.
    /// `speaks` says whether somebody's call is there, who would be heard no more: it is asked where a
    /// ban would begin for what is not proven.
    pub(crate) fn note(
        &mut self,
        now: Time,
        source: IpAddr,
        (offence, is_proven): (Offence, bool),
        (standing, speaks): (Standing, impl FnOnce() -> bool),
    ) -> Option<Ban> {
        self.count(offence, |counts| &mut counts.offences);
        let source = host(source);
        let vouched = self.vouched.get(&source).is_some_and(|at| now.since(*at) < VOUCHED);
        let counts = match standing {
            Standing::Stranger => !vouched,
            Standing::Known => is_proven && !vouched,
            Standing::Carrier | Standing::Host => false,
        };
        self.expire(now);
        let before = self.rows.get(&source).copied();
        if !counts || before.is_some_and(|row| row.ban.is_some()) {
            return None;
        }
        let (clean_at, since) = (now, now);
        let new = Row { clean_at, steps: 0, since, ban: None, is_proven };
        let mut row = before.unwrap_or(new);
        row.is_proven = is_proven && (row.is_proven || row.clean_at <= now);
        row.clean_at = row.clean_at.max(now) + FORGETS * offence.points();
        let most = FORGETS * FULL;
        if row.clean_at - now < most || !row.is_proven && speaks() {
            // It may be banned at the next word when the call is over.
            row.clean_at = row.clean_at.min(now + most);
            self.put(now, source, row);
            return None;
        }
        let steps = row.steps(now);
        let until = now + (FIRST * (1 << steps.min(MOST_STEPS))).min(LONGEST);
        Some(self.begin(now, source, (offence, row.is_proven), Some(until)))
    }

    /// Bans `source` as the operator says.
    pub(crate) fn add(
        &mut self,
        now: Time,
        source: IpAddr,
        lasting: Option<Duration>,
        standing: Standing,
    ) -> Result<Ban, Unbannable> {
        self.expire(now);
        let source = host(source);
        match standing {
            Standing::Host => return Err(Unbannable::TrunkHost),
            Standing::Stranger | Standing::Known | Standing::Carrier => {}
        }
        if self.endless.len() >= MOST_BANS && !self.endless.contains(&source) {
            return Err(Unbannable::Full);
        }
        self.count(Offence::Operator, |counts| &mut counts.offences);
        self.remove(now, source);
        let until = lasting.map(|lasting| now + lasting);
        Ok(self.begin(now, source, (Offence::Operator, true), until))
    }

    /// Ends a ban; whether there was one.
    pub(crate) fn remove(&mut self, now: Time, source: IpAddr) -> bool {
        self.expire(now);
        let source = host(source);
        let is_banned = self.rows.get(&source).is_some_and(|row| row.ban.is_some());
        if is_banned {
            self.take_out(source);
        }
        is_banned
    }

    /// Ends the ban of a source that is the far end of a call by now, where it may be for what others
    /// said in its name; whether there was one.
    pub(crate) fn spare(&mut self, now: Time, source: IpAddr) -> bool {
        let row = self.rows.get(&host(source));
        row.is_some_and(|row| row.ban.is_some() && !row.is_proven) && self.remove(now, source)
    }

    /// Ends the bans of hosts that are a trunk's by now; whether there were any.
    pub(crate) fn free(&mut self, now: Time, is_trunks: impl Fn(IpAddr) -> bool) -> bool {
        let ends = self.ends.iter().map(|(_, source)| *source);
        let hosts: Vec<_> =
            ends.chain(self.endless.iter().copied()).filter(|source| is_trunks(*source)).collect();
        hosts.iter().fold(false, |any, source| self.remove(now, *source) | any)
    }

    /// Whether nobody is banned.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.endless.is_empty()
    }

    /// Whom nobody listens to.
    pub(crate) fn banned(&self) -> Arc<Banned> {
        let until = |(source, row): (&IpAddr, &Row)| row.ban.map(|(_, until)| (*source, until));
        let banned = self.ends.iter().map(|(_, source)| source).chain(&self.endless);
        let rows = banned.filter_map(|source| self.rows.get_key_value(source));
        Arc::new(Banned(rows.filter_map(until).collect()))
    }

    /// The bans at `now`, by address.
    pub(crate) fn list(&self, now: Time) -> Vec<Ban> {
        let lasts = |until: Option<Time>| until.is_none_or(|until| now < until);
        let ban = |(source, row): (&IpAddr, &Row)| {
            let (offence, until) = row.ban.filter(|(_, until)| lasts(*until))?;
            Some(Ban { source: *source, offence, until, times: row.steps })
        };
        self.rows.iter().filter_map(ban).collect()
    }

    pub(crate) const fn counts(&self) -> &BanCounts {
        &self.counts
    }

    fn begin(
        &mut self,
        now: Time,
        source: IpAddr,
        (offence, is_proven): (Offence, bool),
        until: Option<Time>,
    ) -> Ban {
        let before = self.rows.get(&source).map_or(0, |row| row.steps(now));
        let times = (before + 1).min(MOST_STEPS);
        if self.ends.len() + self.endless.len() >= MOST_BANS
            && let Some((_, first)) = self.ends.first().copied()
        {
            self.remove(now, first);
        }
        self.count(offence, |counts| &mut counts.bans);
        // Its six hours count from its end.
        let since = until.unwrap_or(now);
        let ban = Some((offence, until));
        self.put(now, source, Row { clean_at: now, steps: times, since, ban, is_proven });
        Ban { source, offence, until, times }
    }

    /// Puts a row in its place, and makes room for it.
    fn put(&mut self, now: Time, source: IpAddr, row: Row) {
        self.take_out(source);
        match row.ban {
            Some((_, Some(until))) => drop(self.ends.insert((until, source))),
            Some((_, None)) => drop(self.endless.insert(source)),
            None if row.forgotten_at() <= now => return,
            None => drop(self.free.insert((row.forgotten_at(), source))),
        }
        self.rows.insert(source, row);
        // Never itself: who is new could offend as he likes.
        let mut others = self.free.iter().map(|(_, other)| *other).filter(|other| *other != source);
        let first = others.next();
        if let Some(first) = first.filter(|_| self.rows.len() > MOST) {
            self.take_out(first);
        }
    }

    fn take_out(&mut self, source: IpAddr) {
        let Some(row) = self.rows.remove(&source) else { return };
        match row.ban {
            Some((_, Some(until))) => drop(self.ends.remove(&(until, source))),
            Some((_, None)) => drop(self.endless.remove(&source)),
            None => drop(self.free.remove(&(row.forgotten_at(), source))),
        }
    }

    /// Ends what is over.
    fn expire(&mut self, now: Time) {
        while let Some((until, source)) = self.ends.first().copied().filter(|(at, _)| *at <= now) {
            let Some(row) = self.rows.get(&source).copied() else { return };
            self.put(now, source, Row { ban: None, since: until, ..row });
        }
        while let Some((_, source)) = self.free.first().copied().filter(|(at, _)| *at <= now) {
            self.take_out(source);
        }
    }

    fn count(
        &mut self,
        offence: Offence,
        of: impl FnOnce(&mut BanCounts) -> &mut [u64; Offence::ALL.len()],
    ) {
        let slots = of(&mut self.counts).iter_mut().zip(Offence::ALL);
        slots.filter(|(_, other)| *other == offence).for_each(|(count, _)| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Offends until a ban begins; after how many times that is, and for how long.
    fn until_banned(
        bans: &mut Bans,
        now: Time,
        source: IpAddr,
        how: (Offence, bool),
        standing: Standing,
    ) -> Option<(usize, Duration)> {
        (1..1000).find_map(|times| {
            let ban = bans.note(now, source, how, (standing, || false))?;
            Some((times, ban.until.expect("it ends") - now))
        })
    }

    #[test]
    fn a_ban_doubles_up_to_a_day_and_is_forgotten_step_by_step() {
        let mut bans = Bans::default();
        let mut now = NOW;
        let mut next = |now: Time| {
            let how = (Offence::Garbage, false);
            until_banned(&mut bans, now, ip(1), how, Standing::Stranger).expect("banned")
        };
        let mut lasted = Vec::new();
        for _ in 0..13 {
            let (times, lasts) = next(now);
            assert_eq!(times, 20);
            lasted.push(lasts.as_secs() / 60);
            now += lasts;
        }
        assert_eq!(lasted, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]);
        now += STEP_BACK * 10;
        assert_eq!(next(now).1, secs(120), "ten steps back");
        now += secs(120) + STEP_BACK * 2;
        assert_eq!(next(now).1, secs(60), "all of it");
    }

    #[test]
    fn who_offends_now_and_then_is_not_banned() {
        let mut bans = Bans::default();
        for n in 0..10_000 {
            let now = NOW + secs(30 * n);
            let how = (Offence::Garbage, true);
            assert_eq!(bans.note(now, ip(1), how, (Standing::Known, || false)), None);
        }
        let old_password = (Offence::Password, true);
        for n in 0..1000 {
            let now = NOW + secs(400_000 + 120 * n);
            assert_eq!(
                bans.note(now, ip(2), old_password, (Standing::Known, || false)),
                None,
                "a telephone"
            );
        }
    }

    #[test]
    fn nobody_whose_address_is_forged_is_banned() {
        let mut bans = Bans::default();
        for offence in [Offence::Garbage, Offence::Scan] {
            let mut ban = |n, proven, standing| {
                until_banned(&mut bans, NOW, ip(n), (offence, proven), standing).is_some()
            };
            assert!(!ban(1, false, Standing::Known) && !ban(2, false, Standing::Host));
            assert!(!ban(3, true, Standing::Host), "nor a trunk's host for anything");
            assert!(!ban(4, true, Standing::Carrier), "nor a carrier for its callers' words");
            let other = 10 + u32::from(offence == Offence::Scan);
            assert!(ban(other, true, Standing::Known));
            assert!(ban(20 + other, false, Standing::Stranger), "who is not served anyway");
        }
        bans.vouch(NOW, ip(4));
        let forged = (Offence::Scan, false);
        assert_eq!(until_banned(&mut bans, NOW, ip(4), forged, Standing::Stranger), None);
        let how = (Offence::Password, true);
        assert_eq!(until_banned(&mut bans, NOW, ip(4), how, Standing::Known), None);
        let later = NOW + VOUCHED;
        assert!(until_banned(&mut bans, later, ip(4), how, Standing::Known).is_some());
    }

    #[test]
    fn a_far_end_is_spared_for_what_others_may_have_said_and_not_for_its_own_words() {
        let mut bans = Bans::default();
        let how = |proven| ((Offence::Garbage, proven), Standing::Stranger);
        for (n, proven) in [(1, true), (2, false)] {
            let (how, standing) = how(proven);
            until_banned(&mut bans, NOW, ip(n), how, standing).expect("banned");
        }
        let speaks = || true;
        bans.note(NOW, ip(3), how(false).0, (Standing::Stranger, speaks));
        for _ in 0..100 {
            let noted = bans.note(NOW, ip(3), how(true).0, (Standing::Stranger, speaks));
            assert_eq!(noted, None, "one of its points may be for others' words");
        }
        bans.add(NOW, ip(4), None, Standing::Known).expect("banned");
        assert_eq!([1, 2, 3, 4].map(|n| bans.spare(NOW, ip(n))), [false, true, false, false]);
        let banned = bans.banned();
        assert_eq!([1, 2, 3, 4].map(|n| banned.has(NOW, ip(n))), [true, false, false, true]);
    }

    #[test]
    fn the_gate_knows_who_is_banned_until_when() {
        let mut bans = Bans::default();
        let how = (Offence::Scan, false);
        until_banned(&mut bans, NOW, ip(1), how, Standing::Stranger);
        let v6: IpAddr = "2001:db8:1:2::3".parse().expect("an address");
        bans.add(NOW, v6, None, Standing::Known).expect("banned");
        let banned = bans.banned();
        assert!(banned.has(NOW, ip(1)) && banned.has(NOW + secs(59), ip(1)));
        assert!(!banned.has(NOW + secs(60), ip(1)) && !banned.has(NOW, ip(2)));
        let neighbour: IpAddr = "2001:db8:1:2:ffff::9".parse().expect("an address");
        assert!(banned.has(NOW + secs(1_000_000), neighbour), "its /64");
        let listed: Vec<_> = bans.list(NOW + secs(30)).iter().map(|ban| ban.offence).collect();
        assert_eq!(listed, [Offence::Scan, Offence::Operator]);
        assert_eq!(bans.list(NOW + secs(60)).len(), 1);
        assert!(bans.remove(NOW, neighbour) && !bans.remove(NOW, neighbour));
        assert!(!bans.banned().has(NOW, v6));
    }

    #[test]
    fn an_operator_bans_whom_he_will_but_no_trunk() {
        let mut bans = Bans::default();
        let refused = bans.add(NOW, ip(1), None, Standing::Host);
        assert_eq!(refused, Err(Unbannable::TrunkHost));
        bans.vouch(NOW, ip(2));
        let ban = bans.add(NOW, ip(2), Some(secs(7200)), Standing::Known).expect("banned");
        assert_eq!(ban.until, Some(NOW + secs(7200)));
        assert!(bans.free(NOW, |source| source == ip(2)), "it is a trunk's by now");
        assert!(!bans.banned().has(NOW, ip(2)) && !bans.free(NOW, |_| true));
    }

    #[test]
    fn a_world_of_offenders_takes_a_bounded_memory_and_frees_nobody_who_was_banned_for_long() {
        let mut bans = Bans::default();
        bans.add(NOW, ip(u32::MAX >> 8), None, Standing::Known).expect("banned");
        let guesser = ip(0xff_fff0);
        let mut now = NOW;
        for _ in 0..8 {
            let how = (Offence::Password, true);
            until_banned(&mut bans, now, guesser, how, Standing::Known);
            now += secs(600);
        }
        for n in 0..100_000 {
            let how = (Offence::Garbage, false);
            bans.note(now, ip(n), how, (Standing::Stranger, || false));
            if n < 10_000 {
                until_banned(&mut bans, now, ip(200_000 + n), how, Standing::Stranger);
            }
            bans.vouch(now, ip(n));
        }
        assert!(bans.rows.len() <= MOST && bans.ends.len() + bans.endless.len() <= MOST_BANS);
        assert_eq!(bans.rows.len(), bans.free.len() + bans.ends.len() + bans.endless.len());
        assert!(bans.vouched.len() <= MOST_VOUCHED && bans.vouched_in_order.len() <= MOST_VOUCHED);
        let banned = bans.banned();
        assert!(banned.has(now, guesser) && banned.has(now, ip(u32::MAX >> 8)));
        assert!(banned.has(now, ip(209_999)) && !banned.has(now, ip(200_000)), "the first goes");
    }
}

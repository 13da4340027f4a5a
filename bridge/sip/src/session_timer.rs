//! Session timers (RFC 4028): who refreshes a session, how often, and when it is given up.
//!
//! Headers and time go in, headers and a deadline come out. Which request refreshes, and how it
//! fares, is for the endpoint to know. It is more patient than the RFC where a peer answers a
//! refresh with a refusal: whoever answers is there.

use std::fmt;
use std::time::Duration;

use partyline_model::Time;

use crate::message::{Headers, Name, Status, Value};

/// The option tag of session timers.
pub(crate) const TIMER: &str = "timer";

/// The smallest interval there may be without leave (RFC 4028 §4).
const MIN_SE: Duration = Duration::from_secs(90);
/// What a peer may ask for and is held to; what is shorter is taken as this.
const SHORTEST: Duration = Duration::from_secs(10);
/// A refresh has its answer, or none, after 64*T1 (RFC 3261 §17.1).
const UNANSWERED: Duration = Duration::from_secs(40);
/// How long a refresher waits for another chance when a change of the session is under way.
const BUSY: Duration = Duration::from_secs(5);

/// What session timers are to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimers {
    /// Who begins with them.
    pub mode: TimerMode,
    /// The interval that we ask for.
    pub expires: Duration,
    /// The shortest interval that we take, 90 s or more (Min-SE).
    pub min_se: Duration,
}

impl Default for SessionTimers {
    /// The peer's word goes; 1800 s and 90 s.
    fn default() -> Self {
        Self { mode: TimerMode::Accept, expires: Duration::from_secs(1800), min_se: MIN_SE }
    }
}

/// Who begins with session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerMode {
    /// Nobody: the extension is not spoken.
    Off,
    /// The peer: its wish is granted.
    #[default]
    Accept,
    /// We: sessions are refreshed, whatever the peer speaks.
    Offer,
    /// We, and a peer that does not speak the extension is not spoken with.
    Require,
}

/// Which side of a request refreshes (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresher {
    Uac,
    Uas,
}

/// A Session-Expires header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionExpires {
    pub(crate) interval: Duration,
    pub(crate) refresher: Option<Refresher>,
}

impl SessionExpires {
    /// The header of a message; none where it is malformed or zero.
    fn read(headers: &Headers) -> Option<Self> {
        let (interval, parameters) = seconds(headers.text(&Name::SessionExpires)?)?;
        let mut parameters = parameters.split(';').filter_map(|text| text.split_once('='));
        let named = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("refresher"));
        let refresher = named.and_then(|(_, value)| {
            let is = |side: &str| value.trim().eq_ignore_ascii_case(side);
            is("uac").then_some(Refresher::Uac).or(is("uas").then_some(Refresher::Uas))
        });
        let interval = Some(interval).filter(|interval| !interval.is_zero())?;
        Some(Self { interval: interval.max(SHORTEST), refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        };
        write!(f, "{}{refresher}", self.interval.as_secs())
    }
}

/// Seconds, and the parameters behind them.
fn seconds(text: &str) -> Option<(Duration, &str)> {
    let (number, parameters) = text.split_once(';').unwrap_or((text, ""));
    let number = number.trim();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let secs = number.parse::<u32>().unwrap_or(u32::MAX);
    digits.then_some((Duration::from_secs(secs.into()), parameters))
}

/// What a request of the peer says of session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimersAsked {
    wish: Option<SessionExpires>,
    min_se: Duration,
    /// Whether the peer speaks the extension.
    speaks: bool,
}

impl TimersAsked {
    pub(crate) fn read(headers: &Headers) -> Self {
        let min_se = headers.text(&Name::MinSe).and_then(seconds);
        Self {
            wish: SessionExpires::read(headers),
            min_se: min_se.map_or(Duration::ZERO, |(least, _)| least),
            speaks: [Name::Supported, Name::Require].iter().any(|name| has(headers, name, TIMER)),
        }
    }
}

/// Whether a list of tokens has this one.
pub(crate) fn has(headers: &Headers, name: &Name, token: &str) -> bool {
    headers.items(name).any(|item| item.eq_ignore_ascii_case(token))
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 422: the interval is below this one.
    TooSmall(Duration),
    /// 421: the peer does not speak the extension.
    Unspoken,
}

impl Refused {
    pub(crate) fn status(self) -> Status {
        match self {
            Self::TooSmall(_) => Status::SESSION_INTERVAL_TOO_SMALL,
            Self::Unspoken => Status::EXTENSION_REQUIRED,
        }
    }

    pub(crate) fn dress(self, headers: &mut Headers) {
        match self {
            Self::TooSmall(least) => headers.add(Name::MinSe, least.as_secs().to_string()),
            Self::Unspoken => headers.add(Name::Require, TIMER),
        }
    }
}

/// Who has to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Us,
    Peer,
}

/// A timer that runs.
#[derive(Clone, Copy, Debug)]
struct Running {
    interval: Duration,
    side: Side,
    due: Time,
}

impl Running {
    /// From `now` on: we refresh at half the interval, and give a peer up that has not refreshed by
    /// a third of the interval before its end, or by 32 s (RFC 4028 §10).
    fn from(now: Time, interval: Duration, side: Side) -> Self {
        let wait = match side {
            Side::Us => interval / 2,
            Side::Peer => interval - (interval / 3).min(Duration::from_secs(32)),
        };
        Self { interval, side, due: now + wait }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionDue {
    Nothing,
    Refresh,
    Expired,
}

/// The session timer of one dialog.
#[derive(Debug)]
pub(crate) struct SessionTimer {
    terms: SessionTimers,
    /// What the peer's last request said.
    asked: TimersAsked,
    /// The shortest interval that everybody on the way takes, as far as 422 said.
    least: Duration,
    running: Option<Running>,
    /// Whether the peer takes UPDATE.
    updates: bool,
    /// Whether a refresh of ours is under way.
    refreshing: bool,
}

impl SessionTimer {
    pub(crate) fn new(terms: SessionTimers) -> Self {
        let (asked, least) = (TimersAsked::default(), Duration::ZERO);
        Self { terms, asked, least, running: None, updates: false, refreshing: false }
    }

    /// When [`SessionTimer::take_due`] has something.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.running.map(|running| running.due)
    }

    /// Notes which methods a message says that the peer takes.
    pub(crate) fn heed_allow(&mut self, headers: &Headers) {
        if headers.first(&Name::Allow).is_some() {
            self.updates = has(headers, &Name::Allow, "UPDATE");
        }
    }

    /// The peer takes UPDATE, or it said that it does not.
    pub(crate) fn set_updates(&mut self, updates: bool) {
        self.updates = updates;
    }

    pub(crate) fn updates(&self) -> bool {
        self.updates
    }

    pub(crate) fn is_refreshing(&self) -> bool {
        self.refreshing
    }

    /// Whether a request of the peer is refused for its interval (RFC 4028 §9). A peer that does not
    /// speak the extension could make nothing of 422: it gets a longer interval instead.
    pub(crate) fn refusal(&self, asked: &TimersAsked) -> Option<Refused> {
        let SessionTimers { mode, min_se, .. } = self.terms;
        match mode {
            TimerMode::Off => None,
            TimerMode::Require if !asked.speaks => Some(Refused::Unspoken),
            TimerMode::Accept | TimerMode::Offer | TimerMode::Require => {
                let short = asked.wish.is_some_and(|wish| wish.interval < min_se);
                (short && asked.speaks).then(|| Refused::TooSmall(min_se.max(asked.min_se)))
            }
        }
    }

    /// Notes what a request asks, for its 2xx.
    pub(crate) fn ask(&mut self, asked: TimersAsked) {
        self.asked = asked;
    }

    /// What a 2xx to the peer's request says; from it on the timer runs anew (RFC 4028 §9).
    pub(crate) fn grant(&mut self, now: Time, headers: &mut Headers) {
        let TimersAsked { wish, min_se, speaks } = self.asked;
        let kept = self.running.filter(|running| running.side == Side::Us);
        let (interval, refresher) = match (self.terms.mode, wish) {
            (TimerMode::Off, _) => return,
            (_, Some(wish)) => (wish.interval, wish.refresher),
            // A peer that has changed the session without a word of timers: they go on if they
            // cost it nothing.
            (mode, None) => match kept {
                Some(running) => (running.interval, Some(Refresher::Uas)),
                None if mode == TimerMode::Accept => return self.running = None,
                None => (self.terms.expires, None),
            },
        };
        let interval = interval.max(self.terms.min_se).max(min_se);
        let refresher = match refresher {
            _ if !speaks => Refresher::Uas,
            Some(named) => named,
            None => Refresher::Uac,
        };
        let side = if refresher == Refresher::Uas { Side::Us } else { Side::Peer };
        self.start(now, interval, side);
        let granted = SessionExpires { interval, refresher: Some(refresher) };
        headers.add(Name::SessionExpires, granted.to_string());
        if speaks {
            headers.add(Name::Require, TIMER);
        }
    }

    /// What an INVITE or UPDATE of ours says. Within a call it keeps the roles as they are
    /// (RFC 4028 §7.4).
    pub(crate) fn wish(&self, headers: &mut Headers) {
        let begins = match self.terms.mode {
            TimerMode::Off => return,
            TimerMode::Accept => !self.least.is_zero(),
            TimerMode::Offer | TimerMode::Require => true,
        };
        let (interval, refresher) = match self.running {
            Some(Running { interval, side: Side::Us, .. }) => (interval, Some(Refresher::Uac)),
            Some(Running { interval, side: Side::Peer, .. }) => (interval, Some(Refresher::Uas)),
            None if begins => (self.terms.expires, None),
            None => return,
        };
        let wish = SessionExpires { interval: interval.max(self.least), refresher };
        headers.add(Name::SessionExpires, wish.to_string());
        if self.least > MIN_SE {
            headers.add(Name::MinSe, self.least.as_secs().to_string());
        }
        if self.terms.mode == TimerMode::Require {
            headers.add(Name::Require, TIMER);
        }
    }

    /// What the 2xx to an INVITE or UPDATE of ours grants (RFC 4028 §7.2); its word goes, though we
    /// did not ask.
    pub(crate) fn granted(&mut self, now: Time, headers: &Headers) {
        self.refreshing = false;
        let kept = self.running.filter(|running| running.side == Side::Us);
        let (interval, side) = match (self.terms.mode, SessionExpires::read(headers)) {
            (TimerMode::Off, _) => return,
            (_, Some(granted)) => {
                let theirs = granted.refresher == Some(Refresher::Uas);
                (granted.interval, if theirs { Side::Peer } else { Side::Us })
            }
            // The peer does not speak the extension: that we refresh does it no harm.
            (mode, None) => match kept {
                Some(running) => (running.interval, Side::Us),
                None if mode == TimerMode::Accept => return self.running = None,
                None => (self.terms.expires.max(self.least), Side::Us),
            },
        };
        self.start(now, interval, side);
    }

    fn start(&mut self, now: Time, interval: Duration, side: Side) {
        self.refreshing = false;
        self.running = Some(Running::from(now, interval, side));
    }

    /// Takes a 422; `false` when it says nothing that could be done.
    pub(crate) fn lengthen(&mut self, headers: &Headers) -> bool {
        let least = headers.text(&Name::MinSe).and_then(seconds);
        let Some((least, _)) = least.filter(|&(least, _)| least > self.least) else { return false };
        self.least = least;
        self.terms.mode != TimerMode::Off
    }

    /// What is due at `now`. A refresh is due again after a while unless it was answered.
    pub(crate) fn take_due(&mut self, now: Time) -> SessionDue {
        let Some(running) = self.running.as_mut().filter(|running| running.due <= now) else {
            return SessionDue::Nothing;
        };
        running.due = now + (running.interval / 4).max(UNANSWERED);
        match running.side {
            Side::Us => SessionDue::Refresh,
            Side::Peer => SessionDue::Expired,
        }
    }

    /// A refresh of ours goes out.
    pub(crate) fn refresh(&mut self) {
        self.refreshing = true;
    }

    /// A refresh has to wait, since a change of the session is under way.
    pub(crate) fn put_off(&mut self, now: Time) {
        if let Some(running) = &mut self.running {
            running.due = now + BUSY;
        }
    }

    /// The peer answered a request of ours, and refused it: it is there. A refresh goes out again
    /// after `pause`, or a quarter of the interval.
    pub(crate) fn refused(&mut self, now: Time, pause: Option<Duration>) {
        self.refreshing = false;
        if let Some(running) = self.running.as_mut().filter(|running| running.side == Side::Us) {
            let quarter = running.interval / 4;
            running.due = now + pause.map_or(quarter, |pause| pause.min(quarter));
        }
    }
}

/// The Retry-After of a response.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    let value = headers.first(&Name::RetryAfter).map(Value::as_str)?;
    let number = value.split(['(', ';', ' ']).next().unwrap_or_default();
    seconds(number).map(|(after, _)| after)
}

//! A registration of ours at a registrar (RFC 3261 §10.2, RFC 3327, RFC 3608), as a state machine:
//! final responses and time go in, REGISTER requests come out.
//!
//! One request is out at a time. It is answered for when the far end asks who we are, goes to the
//! next target when one is silent or broken, and is sent anew long before what was granted ends.
//!
//! Not here: the transaction, the target's address, and who may hold the account: never start two
//! registrations of one, on one node or on two.

mod granted;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use partyline_model::{IdSource, Time};

use self::granted::Granted;
pub use self::granted::Routes;
use crate::auth::{Authentication, Login, Unanswerable};
use crate::message::{Message, Method, Name, StartLine, Status, Uri};

/// How long a binding is asked for by default.
pub const DEFAULT_EXPIRES: Duration = Duration::from_secs(600);
/// The longest that a registrar's Min-Expires is followed to.
const MOST_EXPIRES: Duration = Duration::from_secs(86_400);
/// The longest that a Retry-After is followed to.
const MOST_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// The longest wait after a connection is gone.
const A_MOMENT: Duration = Duration::from_secs(2);
/// How long the last goodbye waits for its response.
const GOODBYE: Duration = Duration::from_secs(4);
/// The shortest time between two refreshes, however short the registrar grants.
const LEAST_REFRESH: Duration = Duration::from_secs(5);
/// How often one request is sent again with a longer time to live (423).
const MOST_BRIEF: u8 = 2;
/// Failures that a refusal counts as: who is told that his password is wrong does not ask every
/// 30 s, since many far ends ban whoever does.
const REFUSED_WEIGHT: u32 = 2;

/// What is registered where.
#[derive(Clone, Debug)]
pub struct RegisterConfig {
    /// The address of record: To and From.
    pub aor: Uri,
    /// The Request-URI: the domain of the registrar, without a user.
    pub registrar: Uri,
    /// Where calls are to come to. The user part is a token of ours that nobody guesses: by it the
    /// binding is known among others in the response.
    pub contact: Uri,
    /// How long a binding is asked for.
    pub expires: Duration,
    /// Route headers of the REGISTER, for an outbound proxy.
    pub routes: Vec<Uri>,
    /// Whether a refresh answers the nonce that is known, or waits to be asked.
    pub reuse_nonce: bool,
    /// The wait after a first failure; it doubles with each, and each is shortened at random by up
    /// to a half (RFC 5626 §4.5).
    pub first_retry: Duration,
    /// The longest wait.
    pub most_retry: Duration,
}

impl RegisterConfig {
    /// 600 s asked for, retries from 30 s to 30 min, no nonce used twice.
    pub fn new(aor: Uri, registrar: Uri, contact: Uri) -> Self {
        Self {
            aor,
            registrar,
            contact,
            expires: DEFAULT_EXPIRES,
            routes: Vec::new(),
            reuse_nonce: false,
            first_retry: Duration::from_secs(30),
            most_retry: Duration::from_secs(1_800),
        }
    }
}

/// Why there is no binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// No target answers, or each says that it cannot now; the last status, if there was one.
    Unreachable(Option<Status>),
    /// The registrar refuses.
    Rejected(Status),
    /// The registrar asks who we are, and that cannot be answered.
    Unauthorized(Unanswerable),
    /// The registrar says yes and names a binding that has ended.
    NotGranted,
    /// What was granted ended before it could be renewed.
    Expired,
}

/// Something to do or to know.
#[derive(Debug)]
pub enum RegisterOutput {
    /// A REGISTER to carry to the target of this rank, without Via and Max-Forwards. Its final
    /// response, or that there is none, comes back.
    Send {
        /// The request.
        request: Message,
        /// The rank of the target, from 0.
        target: usize,
    },
    /// There is a binding, or it has moved to another target.
    Up {
        /// The rank of the target that granted it.
        target: usize,
    },
    /// There is none, said once for each reason in a row. It is tried again, without end.
    Down(DownReason),
    /// The binding was taken back, as far as anybody answered; nothing follows.
    Stopped,
}

/// What a request is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    Bind,
    Unbind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not started, or stopped.
    Idle,
    /// A request is out.
    Asking(Errand),
    /// The next one goes out then.
    Waiting { until: Time },
}

/// Whether there is the connection that the binding hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    There,
    /// Another is asked for.
    Gone,
    /// The request that is out went with it.
    GoneMeanwhile,
}

/// What the registrar granted.
struct Bound {
    until: Time,
    target: usize,
    routes: Routes,
}

/// A registration.
pub struct Registration {
    config: RegisterConfig,
    login: Option<Arc<Login>>,
    random: Box<dyn IdSource>,
    call_id: String,
    tag: String,
    cseq: u32,
    phase: Phase,
    bound: Option<Bound>,
    /// What was said last about there being no binding.
    down: Option<DownReason>,
    targets: usize,
    target: usize,
    /// Targets that failed since one answered.
    tried: usize,
    /// Rounds over all targets that failed in a row.
    failures: u32,
    /// Whether the request that is out may have been answered with a password that is no more.
    outdated: bool,
    connection: Connection,
    /// What is asked for: the configured time, or what a 423 wanted.
    expires: Duration,
    brief: u8,
    authentication: Authentication,
    /// Since the node wants no calls any more: when it waits no longer.
    stopping: Option<Time>,
    outputs: VecDeque<RegisterOutput>,
}

impl Registration {
    /// A registration that is not started.
    pub fn new(
        config: RegisterConfig,
        login: Option<Arc<Login>>,
        mut random: Box<dyn IdSource>,
    ) -> Self {
        let call_id = format!("{:032x}", random.next_u128());
        let tag = format!("{:016x}", random.next_u128() >> 64);
        Self {
            expires: config.expires,
            config,
            login,
            random,
            call_id,
            tag,
            cseq: 0,
            phase: Phase::Idle,
            bound: None,
            down: None,
            targets: 1,
            target: 0,
            tried: 0,
            failures: 0,
            outdated: false,
            connection: Connection::There,
            brief: 0,
            authentication: Authentication::default(),
            stopping: None,
            outputs: VecDeque::new(),
        }
    }

    /// Asks for a binding, of the first of so many targets. A registration that runs goes on.
    pub fn start(&mut self, targets: usize) {
        self.targets = targets.max(1);
        self.target %= self.targets;
        if self.phase == Phase::Idle && self.stopping.is_none() {
            self.begin(Errand::Bind);
        }
    }

    /// Takes the binding back. [`RegisterOutput::Stopped`] follows within 4 s.
    pub fn stop(&mut self, now: Time) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(now + GOODBYE);
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } => self.part(),
            // Its response says whether there is a binding.
            Phase::Asking(_) => {}
        }
    }

    /// The password is another. Who has no binding, perhaps for the old one, asks for it at once.
    pub fn set_login(&mut self, login: Arc<Login>) {
        self.login = Some(login);
        self.authentication.again(false);
        self.failures = 0;
        match self.phase {
            Phase::Waiting { .. } if self.bound.is_none() => self.begin(Errand::Bind),
            Phase::Asking(Errand::Bind) => self.outdated = true,
            Phase::Idle | Phase::Waiting { .. } | Phase::Asking(Errand::Unbind) => {}
        }
    }

    /// The connection that the binding hangs on is gone: it is made anew, now or nearly so. Where
    /// that fails, the far end has no way to us: there is no binding.
    pub fn handle_flow_lost(&mut self, now: Time) {
        if self.bound.is_none() || self.stopping.is_some() {
            return;
        }
        match self.phase {
            Phase::Waiting { .. } => {
                self.connection = Connection::Gone;
                self.wait_a_moment(now);
            }
            // What fails after that is another connection, which could not be opened.
            Phase::Asking(_) if self.connection == Connection::There => {
                self.connection = Connection::GoneMeanwhile;
            }
            Phase::Asking(_) | Phase::Idle => {}
        }
    }

    /// The final response to the request that is out; others are passed over.
    pub fn handle_response(&mut self, now: Time, response: &Message) {
        let StartLine::Response { status, .. } = response.start else { return };
        let Phase::Asking(errand) = self.phase else { return };
        match status {
            status if status.is_provisional() => {}
            status if status.is_success() => match errand {
                Errand::Bind => self.granted(now, response),
                Errand::Unbind => self.finish(),
            },
            Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => {
                self.challenged(now, errand, status, response);
            }
            _ if errand == Errand::Unbind => self.finish(),
            Status::INTERVAL_TOO_BRIEF => self.too_brief(now, response),
            status if is_worth_another_target(status) => {
                let wait = granted::retry_after(response).min(MOST_RETRY_AFTER);
                self.target_failed(now, Some(status), wait);
            }
            status => {
                let wait = granted::retry_after(response).min(MOST_RETRY_AFTER);
                self.refused(now, DownReason::Rejected(status), wait);
            }
        }
    }

    /// The request that is out has no response: it timed out, or could not be sent.
    pub fn handle_failure(&mut self, now: Time) {
        match self.phase {
            Phase::Asking(Errand::Bind) => self.target_failed(now, None, Duration::ZERO),
            Phase::Asking(Errand::Unbind) => self.finish(),
            Phase::Idle | Phase::Waiting { .. } => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.bound.take_if(|bound| bound.until <= now).is_some() && self.stopping.is_none() {
            self.report_down(DownReason::Expired);
        }
        if self.stopping.is_some_and(|until| until <= now) && self.phase != Phase::Idle {
            return self.finish();
        }
        if matches!(self.phase, Phase::Waiting { until } if until <= now) {
            self.begin(Errand::Bind);
        }
    }

    /// When [`Registration::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let waiting = match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Idle | Phase::Asking(_) => None,
        };
        let stopping = self.stopping.filter(|_| self.phase != Phase::Idle);
        let bound = self.bound.as_ref().map(|bound| bound.until);
        [waiting, stopping, bound].into_iter().flatten().min()
    }

    /// What to do next; to be called until `None` after every input.
    pub fn poll_output(&mut self) -> Option<RegisterOutput> {
        self.outputs.pop_front()
    }

    /// Whether there is a binding, and the rank of the target that granted it.
    pub fn bound_at(&self) -> Option<usize> {
        self.bound.as_ref().map(|bound| bound.target)
    }

    /// When the binding ends unless it is renewed.
    pub fn bound_until(&self) -> Option<Time> {
        self.bound.as_ref().map(|bound| bound.until)
    }

    /// The routes that came with the binding.
    pub fn routes(&self) -> Option<&Routes> {
        self.bound.as_ref().map(|bound| &bound.routes)
    }

    /// Sends a request that is no repetition of one before.
    fn begin(&mut self, errand: Errand) {
        (self.tried, self.brief, self.outdated) = (0, 0, false);
        self.authentication.again(self.config.reuse_nonce);
        self.send(errand);
    }

    fn send(&mut self, errand: Errand) {
        self.cseq += 1;
        self.phase = Phase::Asking(errand);
        let config = &self.config;
        let mut request = Message::request(Method::REGISTER, config.registrar.as_str());
        for route in &config.routes {
            request.headers.add(Name::Route, format!("<{route}>"));
        }
        let headers = &mut request.headers;
        headers.add(Name::From, format!("<{}>;tag={}", config.aor, self.tag));
        headers.add(Name::To, format!("<{}>", config.aor));
        headers.add(Name::CallId, self.call_id.clone());
        headers.add(Name::CSeq, format!("{} {}", self.cseq, Method::REGISTER));
        headers.add(Name::Contact, format!("<{}>", config.contact));
        let expires = match errand {
            Errand::Bind => self.expires.as_secs(),
            Errand::Unbind => 0,
        };
        headers.add(Name::Expires, expires.to_string());
        headers.add(Name::Supported, "path");
        if let Some(login) = self.login.as_deref().filter(|_| self.authentication.is_known()) {
            self.authentication.authorize(login, self.random.next_u128(), &mut request);
        }
        self.outputs.push_back(RegisterOutput::Send { request, target: self.target });
    }

    fn granted(&mut self, now: Time, response: &Message) {
        let Granted { expires, routes } =
            Granted::read(response, &self.config.contact, self.expires);
        if expires.is_zero() {
            return self.refused(now, DownReason::NotGranted, Duration::ZERO);
        }
        let target = self.target;
        let before = self.bound.replace(Bound { until: now + expires, target, routes });
        (self.tried, self.failures, self.down) = (0, 0, None);
        self.connection = Connection::There;
        if self.stopping.is_some() {
            return self.part();
        }
        if before.is_none_or(|before| before.target != target) {
            self.outputs.push_back(RegisterOutput::Up { target });
        }
        let share = 0.5 + 0.4 * self.fraction();
        let refresh = expires.mul_f64(share).max(LEAST_REFRESH);
        self.phase = Phase::Waiting { until: now + refresh };
    }

    fn challenged(&mut self, now: Time, errand: Errand, status: Status, response: &Message) {
        let Some(login) = self.login.as_deref() else {
            return match errand {
                Errand::Bind => self.refused(now, DownReason::Rejected(status), Duration::ZERO),
                Errand::Unbind => self.finish(),
            };
        };
        match (self.authentication.challenged(login, response), errand) {
            (Ok(()), errand) => self.send(errand),
            (Err(_), Errand::Unbind) => self.finish(),
            (Err(why), Errand::Bind) => {
                self.refused(now, DownReason::Unauthorized(why), Duration::ZERO);
            }
        }
    }

    /// 423: asks for as long as the registrar wants at least (RFC 3261 §10.2.8).
    fn too_brief(&mut self, now: Time, response: &Message) {
        let least = granted::seconds(response, &Name::MinExpires).unwrap_or_default();
        if least <= self.expires || least > MOST_EXPIRES || self.brief == MOST_BRIEF {
            let reason = DownReason::Rejected(Status::INTERVAL_TOO_BRIEF);
            return self.refused(now, reason, Duration::ZERO);
        }
        self.brief += 1;
        self.expires = least;
        self.send(Errand::Bind);
    }

    /// A target is silent or broken: the next one is asked at once, until all were.
    fn target_failed(&mut self, now: Time, status: Option<Status>, wait: Duration) {
        if self.stopping.is_some() {
            return self.part();
        }
        self.tried += 1;
        self.target = (self.target + 1) % self.targets;
        if self.tried < self.targets {
            self.authentication.again(false);
            return self.send(Errand::Bind);
        }
        match self.connection {
            Connection::There => {}
            Connection::GoneMeanwhile => {
                self.connection = Connection::Gone;
                return self.wait_a_moment(now);
            }
            Connection::Gone => self.bound = None,
        }
        if self.bound.is_none() {
            self.report_down(DownReason::Unreachable(status));
        }
        self.failures = self.failures.saturating_add(1);
        self.wait(now, self.failures - 1, wait);
    }

    /// The registrar says no: there is no binding, and asking soon again would not help.
    fn refused(&mut self, now: Time, reason: DownReason, wait: Duration) {
        self.bound = None;
        if self.stopping.is_some() {
            return self.finish();
        }
        if std::mem::take(&mut self.outdated) {
            return self.begin(Errand::Bind);
        }
        self.report_down(reason);
        self.failures = self.failures.max(REFUSED_WEIGHT).saturating_add(1);
        self.wait(now, self.failures - 1, wait);
    }

    fn wait(&mut self, now: Time, doublings: u32, least: Duration) {
        let longest = self.config.most_retry;
        let doubled = self.config.first_retry.saturating_mul(2u32.saturating_pow(doublings));
        let delay = doubled.min(longest).mul_f64(0.5 + 0.5 * self.fraction());
        self.phase = Phase::Waiting { until: now + delay.max(least) };
    }

    /// The registrar has a way to us again soon, and not all who lost one come at once.
    fn wait_a_moment(&mut self, now: Time) {
        let until = now + A_MOMENT.mul_f64(self.fraction());
        self.phase = Phase::Waiting { until };
    }

    /// Takes the binding back, if there is one.
    fn part(&mut self) {
        match self.bound.as_ref().map(|bound| bound.target) {
            Some(target) => {
                self.target = target;
                self.begin(Errand::Unbind);
            }
            None => self.finish(),
        }
    }

    fn finish(&mut self) {
        (self.phase, self.bound) = (Phase::Idle, None);
        self.outputs.push_back(RegisterOutput::Stopped);
    }

    /// Says why there is no binding, once for each reason in a row.
    fn report_down(&mut self, reason: DownReason) {
        if self.down.replace(reason) != Some(reason) {
            self.outputs.push_back(RegisterOutput::Down(reason));
        }
    }

    /// A number from 0 to 1.
    fn fraction(&mut self) -> f64 {
        let bits = u16::try_from(self.random.next_u128() >> 112).expect("16 bits are left");
        f64::from(bits) / f64::from(u16::MAX)
    }
}

/// Whether another target may do what this one could not: it is broken or overloaded, or points
/// elsewhere, where we do not follow.
fn is_worth_another_target(status: Status) -> bool {
    status == Status::REQUEST_TIMEOUT || matches!(status.code(), 300..=399 | 500..=599)
}

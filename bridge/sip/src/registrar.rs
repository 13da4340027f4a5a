//! The registrar for users of our own (RFC 3261 §10.3), as a state machine: where each of them can
//! be reached, and until when.
//!
//! A binding keeps the flow that its REGISTER came on, whatever that is to the owner: calls go back
//! there, through whatever NAT lies between.
//!
//! Not here: whether the sender is who he says ([`crate::auth`]), whether the domain is ours, and
//! what an account may do.

mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_model::Time;

use self::request::{Asked, Refusal, Wanted};
use crate::message::{Message, Name, Status, Uri};

/// How long bindings last and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrarLimits {
    /// Who wants less is answered 423 (RFC 3261 §10.3), up to an hour.
    pub least_expires: Duration,
    /// Who asks for nothing gets so much.
    pub default_expires: Duration,
    /// Who wants more gets so much.
    pub most_expires: Duration,
    /// Bindings of one user. Beyond it the one that ends first goes: a phone that starts anew with
    /// another port is not kept out by what it left.
    pub most_of_user: usize,
    /// Bindings of all. Beyond it new ones are refused with 503; those that are there are renewed.
    pub most: usize,
}

impl Default for RegistrarLimits {
    /// 60 s, 600 s, an hour; five for each user, 10,000 for all.
    fn default() -> Self {
        Self {
            least_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(600),
            most_expires: Duration::from_secs(3_600),
            most_of_user: 5,
            most: 10_000,
        }
    }
}

/// One place where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding<F> {
    /// The Request-URI of calls there, as it came.
    pub contact: Uri,
    /// The flow that the REGISTER came on.
    pub flow: F,
    /// The Route of calls there, from the Path of the REGISTER (RFC 3327), in order.
    pub path: Vec<Uri>,
    /// How much the user likes this place, in thousandths.
    pub preference: u16,
    /// When the binding ends.
    pub until: Time,
    number: u64,
    call_id: Box<str>,
    cseq: u32,
}

impl<F> Binding<F> {
    /// A number that no other binding has or had; one that is renewed has another.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Who is where.
#[derive(Debug)]
pub struct Registrar<F> {
    limits: RegistrarLimits,
    users: BTreeMap<Box<str>, Vec<Binding<F>>>,
    /// By the time of their end, and their number.
    ends: BTreeMap<(Time, u64), Box<str>>,
    last: u64,
}

impl<F: Clone> Registrar<F> {
    /// A registrar that knows nobody yet.
    pub fn new(limits: RegistrarLimits) -> Self {
        Self { limits, users: BTreeMap::new(), ends: BTreeMap::new(), last: 0 }
    }

    /// Carries out a REGISTER of a user who has proved who he is. What comes back is the response
    /// with the headers that are the registrar's to write; a refused request has changed nothing.
    pub fn register(&mut self, now: Time, user: &str, flow: F, request: &Message) -> Message {
        self.register_at_most(now, (user, self.limits.most_of_user), flow, request)
    }

    /// As [`Registrar::register`], for a user who may have so many bindings.
    pub fn register_at_most(
        &mut self,
        now: Time,
        (user, most): (&str, usize),
        flow: F,
        request: &Message,
    ) -> Message {
        self.handle_timeout(now);
        let limits = RegistrarLimits { most_of_user: most, ..self.limits };
        let asked = Asked::read(request, user, &limits);
        match asked.and_then(|asked| self.check((user, most), &asked).map(|()| asked)) {
            Ok(asked) => self.carry_out(now, (user, most), &flow, &asked),
            Err(refusal) => refusal.response(&limits),
        }
    }

    fn carry_out(
        &mut self,
        now: Time,
        (user, most): (&str, usize),
        flow: &F,
        asked: &Asked,
    ) -> Message {
        match &asked.wanted {
            Wanted::Nothing => {}
            Wanted::ClearAll => {
                self.users.remove(user).into_iter().flatten().for_each(|binding| {
                    self.ends.remove(&(binding.until, binding.number));
                });
            }
            Wanted::Bindings(wanted) => {
                for (contact, preference, expires) in wanted {
                    self.take_out(user, |binding| binding.contact.is_equivalent(contact));
                    if !expires.is_zero() {
                        let binding = Binding {
                            contact: contact.clone(),
                            flow: flow.clone(),
                            path: asked.path.clone(),
                            preference: *preference,
                            until: now + *expires,
                            number: 0,
                            call_id: asked.call_id.clone(),
                            cseq: asked.cseq,
                        };
                        self.put_in((user, most), binding);
                    }
                }
            }
        }
        self.answer(now, user, asked)
    }

    /// Whether the request comes after those that made the bindings (RFC 3261 §10.3 steps 6 and 7),
    /// and has room.
    fn check(&self, (user, most): (&str, usize), asked: &Asked) -> Result<(), Refusal> {
        let there = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let late =
            |binding: &Binding<F>| binding.call_id == asked.call_id && binding.cseq >= asked.cseq;
        let (touched, fresh) = match &asked.wanted {
            Wanted::Nothing => (false, 0),
            Wanted::ClearAll => (there.iter().any(late), 0),
            Wanted::Bindings(wanted) => {
                let find = |contact: &Uri| there.iter().find(|b| b.contact.is_equivalent(contact));
                let fresh = wanted
                    .iter()
                    .filter(|(contact, _, expires)| !expires.is_zero() && find(contact).is_none());
                (wanted.iter().any(|(contact, ..)| find(contact).is_some_and(late)), fresh.count())
            }
        };
        if touched {
            return Err(Refusal::Late);
        }
        let room = self.limits.most.saturating_sub(self.ends.len());
        // Where a user has as many as he may, a new one takes the place of an old one.
        let own = most.saturating_sub(there.len());
        if fresh.min(own) > room { Err(Refusal::Full) } else { Ok(()) }
    }

    fn take_out(&mut self, user: &str, goes: impl Fn(&Binding<F>) -> bool) {
        let Some(bindings) = self.users.get_mut(user) else { return };
        for binding in bindings.extract_if(.., |binding| goes(binding)) {
            self.ends.remove(&(binding.until, binding.number));
        }
        if bindings.is_empty() {
            self.users.remove(user);
        }
    }

    fn put_in(&mut self, (user, most): (&str, usize), mut binding: Binding<F>) {
        let there = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        if there.len() >= most.max(1) {
            let first = there.iter().min_by_key(|binding| (binding.until, binding.number));
            let first = first.map(|binding| binding.number);
            self.take_out(user, |binding| Some(binding.number) == first);
        }
        self.last += 1;
        binding.number = self.last;
        self.ends.insert((binding.until, binding.number), user.into());
        self.users.entry(user.into()).or_default().push(binding);
    }

    fn answer(&self, now: Time, user: &str, asked: &Asked) -> Message {
        let mut response = Message::response(Status::OK);
        for binding in self.bindings(user) {
            let (left, contact) = (binding.until.since(now).as_secs(), &binding.contact);
            response.headers.add(Name::Contact, format!("<{contact}>;expires={left}"));
        }
        for route in &asked.path {
            response.headers.add(Name::Path, format!("<{route}>"));
        }
        response
    }

    /// Where a user can be reached, the place he likes best first, and of equals the latest.
    pub fn bindings(&self, user: &str) -> Vec<&Binding<F>> {
        let mut bindings: Vec<_> = self.users.get(user).into_iter().flatten().collect();
        bindings.sort_by_key(|binding| std::cmp::Reverse((binding.preference, binding.number)));
        bindings
    }

    /// Takes out every binding whose flow is gone (RFC 5626 §4.2.2); calls would find nobody.
    pub fn handle_flow_lost(&mut self, is_gone: impl Fn(&F) -> bool) {
        let hit = |bindings: &Vec<Binding<F>>| bindings.iter().any(|b| is_gone(&b.flow));
        let users = self.users.iter().filter(|(_, bindings)| hit(bindings));
        let users: Vec<Box<str>> = users.map(|(user, _)| user.clone()).collect();
        for user in users {
            self.take_out(&user, |binding| is_gone(&binding.flow));
        }
    }

    /// Takes out what has ended.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(first) = self.ends.first_entry().filter(|first| first.key().0 <= now) {
            let user = first.get().clone();
            self.take_out(&user, |binding| binding.until <= now);
        }
    }

    /// When [`Registrar::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.ends.keys().next().map(|(until, _)| *until)
    }

    /// Bindings of all users.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}
